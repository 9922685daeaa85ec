package gguf

import (
	"encoding/binary"
	"fmt"
)

// reader walks the file's bytes; the first failure sticks.
type reader struct {
	data []byte
	pos  int
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %w", r.pos, fmt.Errorf(format, args...))
	}
}

// take gives the next n bytes; nil once the reader has failed.
func (r *reader) take(n uint64, what string) []byte {
	if r.err != nil {
		return nil
	}
	if left := uint64(len(r.data) - r.pos); n > left {
		r.fail("%s needs %d bytes, the file has %d left", what, n, left)
		return nil
	}
	b := r.data[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b
}

func (r *reader) u32(what string) uint32 {
	b := r.take(4, what)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

func (r *reader) u64(what string) uint64 {
	b := r.take(8, what)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// str gives a length-prefixed string as a view.
func (r *reader) str(what string) []byte {
	return r.take(r.u64(what), what)
}
