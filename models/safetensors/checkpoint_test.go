package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"basalt/runtime"
)

// fileOf joins a header and data.
func fileOf(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	for i := range data {
		b = append(b, byte(i))
	}
	return b
}

const goodHeader = `{"__metadata__":{"format":"pt"},` +
	`"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},` +
	`"ids":{"dtype":"I64","shape":[1],"data_offsets":[12,20]}}`

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFile(t *testing.T) {
	c, err := Open(write(t, t.TempDir(), "m.safetensors", fileOf(goodHeader, 20)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	a, ok := c.Tensor("a")
	if !ok || a.DType != runtime.BF16 || fmt.Sprint(a.Shape) != "[2 3]" || a.Data[11] != 11 {
		t.Errorf("tensor a: %v", a)
	}
	if d, ok := c.Unsupported("ids"); !ok || d != "I64" {
		t.Errorf("ids: %q, %v", d, ok)
	}
}

// TestUnpaddedHeader: numbers lie on multiples of their size even where the file has them
// elsewhere.
func TestUnpaddedHeader(t *testing.T) {
	for pad := range 8 {
		header := `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}` + strings.Repeat(" ",
			pad)
		c, err := Open(write(t, t.TempDir(), "m.safetensors", fileOf(header, 8)))
		if err != nil {
			t.Fatal(err)
		}
		a, _ := c.Tensor("a")
		if !aligned(a.Data, 4) || !bytes.Equal(a.Data, []byte{0, 1, 2, 3, 4, 5, 6, 7}) {
			t.Errorf("padded by %d: %v at %p", pad, a.Data, &a.Data[0])
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.safetensors")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, t.TempDir(), "/absent.safetensors"} {
		if _, err := Open(path); err == nil {
			t.Errorf("%s was opened", path)
		}
	}
}

func TestTruncatedAnywhereIsAnError(t *testing.T) {
	whole := fileOf(goodHeader, 20)
	for n := range whole {
		if _, _, err := parseHeader(whole[:n:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(whole))
		}
	}
}

func TestHeaderRefuses(t *testing.T) {
	f := func(header string, data int, want string) {
		t.Helper()
		_, _, err := parseHeader(fileOf(header, data))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", header, err, want)
		}
	}
	f(`[]`, 0, "no JSON object")
	f(`{"a":1}`, 0, `tensor "a": its description is no JSON object`)
	f(`{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}`, 4,
		`"dtype" appears twice`)
	f(`{"a":{"dtype":"F32","shape":[1],"Shape":[2],"data_offsets":[0,4]}}`, 4,
		`unknown key "Shape"`)
	f(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4, "has no shape")
	f(`{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}`, 4, "has no shape")
	f(`{"a":{"shape":[1],"data_offsets":[0,4]}}`, 4, `unknown dtype ""`)
	f(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, 4, `tensor "a"`)
	f(`{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,4]}}`, 4, `tensor "a"`)
	f(`{"a":{"dtype":"F32","shape":[0,9223372036854775808],"data_offsets":[0,0]}}`, 0, "absurd")
	f(`{"__metadata__":{"n":1}}`, 0, "__metadata__")
	f(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},`+
		`"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8, `"a" appears twice`)
	f(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}{}`, 4, "something follows")
	f(`{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}`, 4, `unknown dtype "F31"`)
	f(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4, "needs 8 bytes, it has 4")
	f(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8, "a gap or an overlap")
	f(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},`+
		`"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 6, "a gap or an overlap")
	f(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8, "the file at 8")
	f(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4, "truncated")
	f(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}`, 4, "absurd")
	f(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4, `tensor "a"`)
	f(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}`, 4, "1 numbers, not 2")
	f(`{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}`, 4, "9 dimensions")
	huge := binary.LittleEndian.AppendUint64(nil, 1<<62)
	if _, _, err := parseHeader(append(huge, '{')); err == nil || !strings.Contains(err.Error(),
		"claims") {
		t.Errorf("huge header: %v", err)
	}
}

func TestShardsAndWhatIsNoCheckpoint(t *testing.T) {
	dir := t.TempDir()
	one := `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	two := `{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	write(t, dir, "s1.safetensors", fileOf(one, 4))
	write(t, dir, "s2.safetensors", fileOf(two, 4))
	index := func(text, want string) {
		t.Helper()
		write(t, dir, indexName, []byte(text))
		c, err := Open(dir)
		if want == "" {
			if err != nil || strings.Join(c.Names(), "") != "ab" {
				t.Errorf("shards: %v", err)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	index(`{"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}}`, "")
	index(`{"weight_map":{"a":"../s1.safetensors"}}`, "no plain file name")
	index(`{"weight_map":{"a":".."}}`, "no plain file name")
	index(`{"weight_map":{}}`, "is empty")
	index(`{"weight_map":{"a":"s3.safetensors"}}`, "no such file")
	write(t, dir, "s2.safetensors", fileOf(one, 4))
	index(`{"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}}`, "in two shards")
}

func TestPickleIsRefused(t *testing.T) {
	dir := t.TempDir()
	f := func(path string) {
		t.Helper()
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "pickle") {
			t.Errorf("%s: %v", path, err)
		}
	}
	f(write(t, dir, "pytorch_model.bin", []byte("12345678")))
	f(dir)
	f(write(t, dir, "x.safetensors", []byte("PK\x03\x0412345678")))
	f(write(t, dir, "y.safetensors", []byte("\x80\x0212345678")))
}

func FuzzHeader(f *testing.F) {
	f.Add(fileOf(goodHeader, 20))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, body, err := parseHeader(data)
		if err != nil {
			return
		}
		c := newCheckpoint()
		if err := c.record(entries, body); err != nil {
			t.Fatal(err)
		}
		for name, x := range c.tensors {
			if len(x.Data) != x.NumValues()*x.DType.BlockBytes() {
				t.Fatalf("tensor %q of %v has %d bytes", name, x.Shape, len(x.Data))
			}
		}
	})
}
