//go:build asan

package cpu

// These flags come after device.go's and win: the sanitizers' checks multiply in unrolled code.
// BASALT_SANITIZE also puts guarded borders around each array (memory.c).

/*
#cgo CFLAGS: -O1 -DBASALT_SANITIZE
*/
import "C"
