package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"basalt/runtime"
)

// builder writes small files, right and wrong.
type builder struct{ bytes.Buffer }

func (b *builder) le(vs ...any) {
	for _, v := range vs {
		_ = binary.Write(b, binary.LittleEndian, v)
	}
}

func (b *builder) text(s string) { b.le(uint64(len(s)), []byte(s)) }

func (b *builder) tensor(name string, kind uint32, offset uint64, dims ...uint64) {
	b.text(name)
	b.le(uint32(len(dims)), dims, kind, offset)
}

// sample is a correct file with two tensors and a key of each type.
func sample() []byte {
	b := &builder{}
	b.le([]byte("GGUF"), uint32(3), uint64(2), uint64(5))
	b.text("general.architecture")
	b.le(uint32(typeString))
	b.text("llama")
	b.text("n")
	b.le(uint32(typeUint32), uint32(7))
	b.text("x")
	b.le(uint32(typeFloat32), float32(1.5))
	b.text("words")
	b.le(uint32(typeArray), uint32(typeString), uint64(3))
	b.text("a")
	b.text("")
	b.text("xyz")
	b.text("ids")
	b.le(uint32(typeArray), uint32(typeInt32), uint64(2), int32(-1), int32(9))
	b.tensor("f", 0, 0, 3, 2)
	b.tensor("q", 8, 32, 32)
	for b.Len()%32 != 0 {
		b.WriteByte(0)
	}
	b.le([]float32{1, 2, 3, 4, 5, 6}, make([]byte, 8))
	b.le(uint16(0x3c00), make([]byte, 32))
	return b.Bytes()
}

func TestParse(t *testing.T) {
	f, err := Parse(sample())
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := f.String("general.architecture"); s != "llama" {
		t.Errorf("architecture %q", s)
	}
	n, _ := f.Int("n")
	x, _ := f.Float("x")
	words, _ := f.Strings("words")
	ids, _ := f.Ints("ids")
	if n != 7 || x != 1.5 || strings.Join(words, ",") != "a,,xyz" || ids[0] != -1 || ids[1] != 9 {
		t.Errorf("values %d %g %q %v", n, x, words, ids)
	}
	got, _ := f.Tensor("f")
	row := make([]float32, 6)
	got.DType.Decode(row, got.Data)
	if got.Shape[0] != 2 || got.Shape[1] != 3 || row[5] != 6 {
		t.Errorf("tensor f: %v %v", got.Shape, row)
	}
	if q, _ := f.Tensor("q"); q.DType != runtime.Q8_0 || len(q.Data) != 34 {
		t.Errorf("tensor q: %v", q)
	}
	for _, key := range []string{"absent", "words"} {
		if _, ok := f.Int(key); ok {
			t.Errorf("%q was read as an integer", key)
		}
	}
}

func TestTruncatedAnywhereIsAnError(t *testing.T) {
	whole := sample()
	for n := range whole {
		if _, err := Parse(whole[:n:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(whole))
		}
	}
}

// refuse parses what write leaves, and 256 bytes more.
func refuse(t *testing.T, want string, write func(b *builder)) {
	t.Helper()
	b := &builder{}
	write(b)
	b.Write(make([]byte, 256))
	if _, err := Parse(b.Bytes()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func (b *builder) head(tensors, keys uint64) { b.le([]byte("GGUF"), uint32(3), tensors, keys) }

func TestParseRefusesMetadata(t *testing.T) {
	f := func(want string, write func(b *builder)) { t.Helper(); refuse(t, want, write) }
	f("pickle or zip", func(b *builder) { b.le([]byte("PK\x03\x04")) })
	f("pickle or zip", func(b *builder) { b.le([]byte("\x80\x04\x95\x00")) })
	f("does not begin with GGUF", func(b *builder) { b.le([]byte("GGML")) })
	f("version 1 is not", func(b *builder) { b.le([]byte("GGUF"), uint32(1)) })
	f("big-endian", func(b *builder) { b.le([]byte("GGUF"), uint32(3<<24)) })
	f("claims 18446744073709551615 tensors", func(b *builder) { b.head(math.MaxUint64, 0) })
	f("metadata keys; 256 bytes cannot", func(b *builder) { b.head(0, 1<<40) })
	f("string value needs", func(b *builder) {
		b.head(0, 1)
		b.text("k")
		b.le(uint32(typeString), uint64(math.MaxUint64))
	})
	f("unknown value type 99", func(b *builder) {
		b.head(0, 1)
		b.text("k")
		b.le(uint32(99))
	})
	f("more than the file can hold", func(b *builder) {
		b.head(0, 1)
		b.text("k")
		b.le(uint32(typeArray), uint32(typeUint64), uint64(1<<61))
	})
	f("not supported", func(b *builder) {
		b.head(0, 1)
		b.text("k")
		b.le(uint32(typeArray), uint32(typeArray), uint64(1))
	})
	f("appears twice", func(b *builder) {
		b.head(0, 2)
		for range 2 {
			b.text("k")
			b.le(uint32(typeUint32), uint32(1))
		}
	})
	f("key has 0 bytes", func(b *builder) {
		b.head(0, 1)
		b.text("")
	})
	alignment := func(kind valueType, v any) {
		t.Helper()
		f("power of two", func(b *builder) {
			b.head(0, 1)
			b.text("general.alignment")
			b.le(uint32(kind), v)
		})
	}
	alignment(typeUint32, uint32(48))
	alignment(typeUint32, uint32(0))
	alignment(typeUint32, uint32(4)) // too little for 8-byte numbers
	alignment(typeInt64, int64(-32))
	alignment(typeUint64, uint64(1<<63))
	alignment(typeFloat32, float32(32))
	f("a bool of value 2", func(b *builder) {
		b.head(0, 1)
		b.text("k")
		b.le(uint32(typeBool), byte(2))
	})
}

func TestParseRefusesTensors(t *testing.T) {
	f := func(want string, write func(b *builder)) { t.Helper(); refuse(t, want, write) }
	one := func(kind uint32, offset uint64, dims ...uint64) func(b *builder) {
		return func(b *builder) {
			b.head(1, 0)
			b.tensor("t", kind, offset, dims...)
		}
	}
	f("has 4294967295 dimensions", func(b *builder) {
		b.head(1, 0)
		b.text("t")
		b.le(uint32(1<<32 - 1))
	})
	f("begins inside tensor", func(b *builder) {
		b.head(2, 0)
		b.tensor("t", 0, 0, 16)
		b.tensor("u", 0, 32, 8)
	})
	f("it appears twice", func(b *builder) {
		b.head(2, 0)
		b.tensor("t", 0, 0, 8)
		b.tensor("t", 0, 32, 8)
	})
	f("has 0 dimensions", one(0, 0))
	f("has 5 dimensions", one(0, 0, 1, 1, 1, 1, 1))
	f("dimension of 0", one(0, 0, 4, 0))
	f("are absurd", one(0, 0, 1<<39, 1<<39, 1<<39))
	f("multiple of 32", one(8, 0, 33))
	f("no multiple of the alignment", one(0, 3, 4))
	f("truncated or corrupt", one(0, 1<<20, 4))
	f("truncated or corrupt", one(0, 0, 4096))
}

func TestUnsupportedFormatIsNamed(t *testing.T) {
	b := &builder{}
	b.le([]byte("GGUF"), uint32(3), uint64(1), uint64(0))
	b.tensor("t", 6, 0, 32)
	b.Write(make([]byte, 64))
	f, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if name, format := f.FirstUnsupported(); name != "t" || format != "Q5_0" {
		t.Errorf("got %q, %q", name, format)
	}
}

func TestOpenRealFile(t *testing.T) {
	f, err := Open("../../testdata/stories260K/stories260K-f32.gguf")
	if err != nil {
		t.Fatal(err)
	}
	if arch, _ := f.String("general.architecture"); arch != "llama" || len(f.Names()) < 40 {
		t.Errorf("architecture %q, %d tensors", arch, len(f.Names()))
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.gguf")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe.gguf")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, pipe, t.TempDir(), "/absent.gguf"} {
		if _, err := Open(path); err == nil {
			t.Errorf("%s was opened", path)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample())
	f.Add(sample()[:100])
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		for _, name := range file.Names() {
			x, _ := file.Tensor(name)
			if len(x.Data) != x.NumValues()/x.DType.BlockSize()*x.DType.BlockBytes() {
				t.Fatalf("tensor %q of %v has %d bytes", name, x.Shape, len(x.Data))
			}
		}
		for key := range file.meta {
			file.Strings(key)
			file.Ints(key)
			file.Floats(key)
			file.String(key)
			file.Bool(key)
			file.Int(key)
			file.Float(key)
			file.ArrayLen(key)
		}
	})
}
