package neff

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// file makes a file with a body of n bytes.
func file(n int) []byte {
	data := make([]byte, HeaderSize+n)
	binary.LittleEndian.PutUint64(data[atPackage:], 2)
	binary.LittleEndian.PutUint64(data[atHeaderSize:], HeaderSize)
	binary.LittleEndian.PutUint64(data[atDataSize:], uint64(n))
	copy(data[atName:], "graph")
	data[atUUID], data[atHash+31] = 0xab, 0xcd
	binary.LittleEndian.PutUint32(data[atLNC:], 2)
	return data
}

func TestParse(t *testing.T) {
	h, err := Parse(file(7))
	if err != nil {
		t.Fatal(err)
	}
	if h.Name != "graph" || h.LNC != 2 || h.DataSize != 7 || !strings.HasPrefix(h.UUID, "ab00") ||
		!strings.HasSuffix(h.Hash, "00cd") || len(h.Hash) != 64 {
		t.Errorf("header %+v", h)
	}
	if err := h.Check(2); err != nil {
		t.Error(err)
	}
	if err := h.Check(1); err == nil || !strings.Contains(err.Error(), "--lnc 1") {
		t.Errorf("error %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(data []byte, want string) {
		t.Helper()
		if _, err := Parse(data); !errors.Is(err, ErrFormat) ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f(nil, "0 bytes")
	f(file(0)[:HeaderSize-1], "1023 bytes")
	f(file(9)[:HeaderSize+5], "cut short")
	long := file(3)
	long[atHeaderSize] = 1
	f(long, "1024 are known")
}

func FuzzParse(f *testing.F) {
	f.Add(file(3))
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := Parse(data); err == nil && int(h.DataSize) != len(data)-HeaderSize {
			t.Errorf("accepted %+v of %d bytes", h, len(data))
		}
	})
}
