package gguf

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"basalt/runtime"
)

// File is an open GGUF file, or a whole set of parts. It is safe for concurrent use until it is
// closed.
type File struct {
	data     []byte   // of the first part
	mappings [][]byte // to release
	meta     map[string]value
	keys     []string // of meta, as they follow in the file
	tensors  map[string]runtime.Tensor
	// unsupported names the type of each tensor that Basalt cannot read.
	unsupported map[string]uint32
}

// Open maps and checks a file. Of a set of parts, give the first; the others must lie beside it.
func Open(path string) (*File, error) {
	f, err := openPart(path)
	if err != nil {
		return nil, err
	}
	if err := f.join(path); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read %s: %w", path, err), f.Close())
	}
	return f, nil
}

func openPart(path string) (*File, error) {
	data, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(data)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read %s: %w", path, err), unix.Munmap(data))
	}
	f.mappings = [][]byte{data}
	return f, nil
}

func mapFile(path string) ([]byte, error) {
	// A pipe would block until someone writes to it.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("cannot read %s: it is no regular file", path)
	case info.Size() < headerBytes || info.Size() != int64(int(info.Size())):
		return nil, fmt.Errorf("cannot read %s: it has %d bytes, too few for a GGUF file", path,
			info.Size())
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("cannot map %s: %w", path, err)
	}
	return data, nil
}

// Close releases the mappings: tensors must no longer be used.
func (f *File) Close() error {
	var errs []error
	for _, m := range f.mappings {
		errs = append(errs, unix.Munmap(m))
	}
	f.mappings = nil
	return errors.Join(errs...)
}

// Tensor finds a tensor by its name in the file.
func (f *File) Tensor(name string) (runtime.Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Names lists the tensors that can be read, sorted.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.tensors)) }

// Unsupported says whether a tensor exists in a format that cannot be read, and names the format.
func (f *File) Unsupported(name string) (string, bool) {
	t, ok := f.unsupported[name]
	return ggmlTypeName(t), ok
}

// FirstUnsupported gives one tensor that cannot be read, the first by name; "" when there is none.
func (f *File) FirstUnsupported() (name, format string) {
	names := slices.Sorted(maps.Keys(f.unsupported))
	if len(names) == 0 {
		return "", ""
	}
	return names[0], ggmlTypeName(f.unsupported[names[0]])
}
