package gguf

import (
	"errors"
	"fmt"
	"strings"

	"basalt/runtime"
)

const (
	headerBytes      = 24
	maxName          = 1 << 10 // bytes in a tensor's name or a key
	maxDims          = 4
	maxEntries       = 1 << 20 // tensors, and metadata keys
	defaultAlignment = 32
	minKeyBytes      = 8 + 1 + 4 + 1     // the least bytes of a metadata pair
	minTensorBytes   = 8 + 1 + 4 + 4 + 8 // the least bytes of a tensor description
)

// Parse checks a whole file in memory. The File refers to data.
func Parse(data []byte) (*File, error) {
	f := &File{
		data: data, meta: make(map[string]value), tensors: make(map[string]runtime.Tensor),
		unsupported: make(map[string]uint32),
	}
	r := &reader{data: data}
	numTensors, numMeta, err := header(r)
	if err != nil {
		return nil, err
	}
	for i := uint64(0); i < numMeta && r.err == nil; i++ {
		f.parsePair(r)
	}
	var infos []tensorInfo
	for i := uint64(0); i < numTensors && r.err == nil; i++ {
		infos = append(infos, parseTensorInfo(r))
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := f.placeTensors(infos, uint64(r.pos)); err != nil {
		return nil, err
	}
	return f, nil
}

func header(r *reader) (numTensors, numMeta uint64, err error) {
	if magic := r.take(4, "magic"); string(magic) != "GGUF" {
		return 0, 0, notGGUF(string(magic))
	}
	version := r.u32("version")
	if version != 2 && version != 3 {
		if version == 2<<24 || version == 3<<24 {
			return 0, 0, fmt.Errorf("it is a big-endian GGUF file; convert it to little-endian")
		}
		return 0, 0, fmt.Errorf("GGUF version %d is not supported; versions 2 and 3 are", version)
	}
	numTensors, numMeta = r.u64("tensor count"), r.u64("metadata count")
	left := uint64(len(r.data) - r.pos)
	if r.err == nil && (numTensors > min(left/minTensorBytes, maxEntries) ||
		numMeta > min(left/minKeyBytes, maxEntries)) {
		return 0, 0, fmt.Errorf("it claims %d tensors and %d metadata keys; %d bytes cannot hold "+
			"them, or they are more than %d", numTensors, numMeta, left, maxEntries)
	}
	return numTensors, numMeta, r.err
}

func notGGUF(magic string) error {
	if strings.HasPrefix(magic, "PK") || strings.HasPrefix(magic, "\x80") {
		return errors.New("it is a pickle or zip archive, which can run code when it is loaded " +
			"and is never opened; take the model's GGUF or safetensors files")
	}
	return fmt.Errorf("it does not begin with GGUF but with %q", magic)
}

func (f *File) parsePair(r *reader) {
	key := r.str("metadata key")
	if r.err == nil && (len(key) == 0 || len(key) > maxName) {
		r.fail("a metadata key has %d bytes; the limit is %d", len(key), maxName)
		return
	}
	v := r.scanValue(key)
	if _, twice := f.meta[string(key)]; twice {
		r.fail("metadata key %q appears twice", key)
	}
	if r.err == nil {
		f.meta[string(key)] = v
		f.keys = append(f.keys, string(key))
	}
}
