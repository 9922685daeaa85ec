package gguf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writePart writes a part with one tensor.
func writePart(t *testing.T, path, tensor string, no, count uint16, total int32) {
	t.Helper()
	b := &builder{}
	b.le([]byte("GGUF"), uint32(3), uint64(1), uint64(3))
	b.text("split.no")
	b.le(uint32(typeUint16), no)
	b.text("split.count")
	b.le(uint32(typeUint16), count)
	b.text("split.tensors.count")
	b.le(uint32(typeInt32), total)
	b.tensor(tensor, 0, 0, 1)
	for b.Len()%32 != 0 {
		b.WriteByte(0)
	}
	b.le(float32(no) + 1)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPartsAreJoined(t *testing.T) {
	dir := t.TempDir()
	path := func(i int) string { return filepath.Join(dir, fmt.Sprintf("m-%05d-of-00003.gguf", i)) }
	for i := range 3 {
		writePart(t, path(i+1), fmt.Sprintf("t%d", i), uint16(i), 3, 3)
	}
	f, err := Open(path(1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		x, _ := f.Tensor(fmt.Sprintf("t%d", i))
		row := make([]float32, 1)
		x.DType.Decode(row, x.Data)
		if row[0] != float32(i)+1 {
			t.Errorf("tensor %d is %g", i, row[0])
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	refuse := func(path, want string) {
		t.Helper()
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	refuse(path(2), `it is part 2 of 3; give the first part, whose name ends in "-00001-of-00003`)
	writePart(t, path(2), "t0", 1, 3, 3)
	refuse(path(1), "an earlier part has too")
	writePart(t, path(2), "t1", 2, 3, 3)
	refuse(path(1), "calls itself part 3 of 3, not 2 of 3")
	writePart(t, path(2), "t1", 1, 3, 3)
	writePart(t, path(1), "t0", 0, 3, 4)
	refuse(path(1), "have 3 tensors; split.tensors.count is 4")
	if err := os.Remove(path(3)); err != nil {
		t.Fatal(err)
	}
	refuse(path(1), "no such file")
	other := filepath.Join(dir, "renamed.gguf")
	writePart(t, other, "t0", 0, 3, 3)
	refuse(other, "give the first part")
	writePart(t, other, "t0", 0, 65535, 3)
	refuse(other, "the limit is 1024")
}
