package cpu

/*
#include <stdlib.h>
#include "memory.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// arena owns memory outside of Go's heap until free.
type arena struct {
	maps  []mapping
	chunk []byte // what is left of the last chunk that small arrays are cut from
	large []byte // and of the last that weights and caches are cut from
	err   error  // the first allocation that failed
}

type mapping struct {
	p     unsafe.Pointer
	bytes int64
}

const (
	pageSize  = 4096
	chunkSize = 1 << 20
	// A large page has 2 MiB; a mapping for each matrix would have small ones at both ends. What is
	// not used costs nothing.
	largeSize = 64 << 20
)

// take gives zeroed memory, aligned to a cache line. After a failure, which err keeps, it gives
// nil.
func (a *arena) take(bytes int64, huge bool) unsafe.Pointer {
	if C.bs_guarded() != 0 {
		return a.mapBytes(max(bytes, 1), huge)
	}
	bytes = (bytes + 63) / 64 * 64
	switch {
	case huge && bytes <= largeSize/4:
		return a.cut(&a.large, bytes, largeSize, true)
	case bytes >= chunkSize/16:
		return a.mapBytes((bytes+pageSize-1)/pageSize*pageSize, huge)
	}
	return a.cut(&a.chunk, bytes, chunkSize, false)
}

// cut takes bytes from what is left of a chunk, or from a new one.
func (a *arena) cut(left *[]byte, bytes, size int64, huge bool) unsafe.Pointer {
	if bytes > int64(len(*left)) {
		p := a.mapBytes(size, huge)
		if p == nil {
			return nil
		}
		*left = unsafe.Slice((*byte)(p), size)
	}
	p := unsafe.Pointer(unsafe.SliceData(*left))
	*left = (*left)[bytes:]
	return p
}

func (a *arena) mapBytes(bytes int64, huge bool) unsafe.Pointer {
	if a.err != nil {
		return nil
	}
	flag := C.int(0)
	if huge {
		flag = 1
	}
	p := C.bs_map(C.size_t(bytes), flag)
	if p == nil {
		a.err = fmt.Errorf("cannot map %d MiB of memory", bytes>>20)
		return nil
	}
	a.maps = append(a.maps, mapping{p, bytes})
	return p
}

func (a *arena) free() {
	for _, m := range a.maps {
		C.bs_unmap(m.p, C.size_t(m.bytes))
	}
	a.maps, a.chunk, a.large = nil, nil, nil
}

// array gives n zeroed elements outside of Go's heap; T must hold no Go pointers.
func array[T any](a *arena, n int) []T {
	var t T
	p := a.take(int64(n)*int64(unsafe.Sizeof(t)), false)
	if p == nil {
		return make([]T, n) // the failure is reported at the end of the compilation
	}
	return unsafe.Slice((*T)(p), n)
}

// first is the address of an array's first element, nil for an empty one.
func first[T any](s []T) *T {
	if len(s) == 0 {
		return nil
	}
	return &s[0]
}
