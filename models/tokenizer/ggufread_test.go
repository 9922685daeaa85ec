package tokenizer

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// sharedDir holds real vocabularies; it is optional.
const sharedDir = "../../../shared/data/tokenizers"

// sharedFile returns the path of a file there, or skips the test.
func sharedFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(sharedDir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs the optional test data ../shared/data/tokenizers/%s", name)
	}
	return path
}

// readGGUFVocab reads the metadata of a trusted GGUF v3 file (test data): just enough of the format
// for the tokenizer.
func readGGUFVocab(t testing.TB, path string) GGUFVocab {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parseGGUFVocab(data)
}

func parseGGUFVocab(data []byte) GGUFVocab {
	r := &ggufCursor{data: data[16:]} // magic, version, number of tensors
	v := GGUFVocab{BOS: -1, EOS: -1, UNK: -1}
	for n := r.u64(); n > 0; n-- {
		key := r.str()
		switch value := r.value(r.u32()); key {
		case "tokenizer.ggml.model":
			v.Model = value.(string)
		case "tokenizer.ggml.pre":
			v.Pre = value.(string)
		case "tokenizer.ggml.tokens":
			v.Tokens = value.([]string)
		case "tokenizer.ggml.merges":
			v.Merges = value.([]string)
		case "tokenizer.ggml.scores":
			v.Scores = value.([]float32)
		case "tokenizer.ggml.token_type":
			v.Types = value.([]int32)
		case "tokenizer.ggml.bos_token_id":
			v.BOS = int32(value.(uint32))
		case "tokenizer.ggml.eos_token_id":
			v.EOS = int32(value.(uint32))
		case "tokenizer.ggml.unknown_token_id":
			v.UNK = int32(value.(uint32))
		case "tokenizer.ggml.add_bos_token":
			b := value.(bool)
			v.AddBOS = &b
		case "tokenizer.ggml.add_eos_token":
			b := value.(bool)
			v.AddEOS = &b
		}
	}
	return v
}

type ggufCursor struct{ data []byte }

func (r *ggufCursor) bytes(n uint64) []byte {
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *ggufCursor) u32() uint32 { return binary.LittleEndian.Uint32(r.bytes(4)) }
func (r *ggufCursor) u64() uint64 { return binary.LittleEndian.Uint64(r.bytes(8)) }
func (r *ggufCursor) str() string { return string(r.bytes(r.u64())) }

func (r *ggufCursor) value(typ uint32) any {
	switch typ {
	case 0, 1, 7: // 8 bits, bool
		return r.bytes(1)[0] != 0
	case 2, 3: // 16 bits
		return binary.LittleEndian.Uint16(r.bytes(2))
	case 4: // uint32
		return r.u32()
	case 5: // int32
		return int32(r.u32())
	case 6: // float32
		return math.Float32frombits(r.u32())
	case 8:
		return r.str()
	case 9:
		return r.array(r.u32(), r.u64())
	default: // 64 bits
		return r.u64()
	}
}

func (r *ggufCursor) array(typ uint32, n uint64) any {
	switch typ {
	case 5:
		return ggufList[int32](r, typ, n)
	case 6:
		return ggufList[float32](r, typ, n)
	case 8:
		return ggufList[string](r, typ, n)
	}
	return ggufList[any](r, typ, n)
}

func ggufList[T any](r *ggufCursor, typ uint32, n uint64) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = r.value(typ).(T)
	}
	return list
}
