package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"basalt/runtime"
)

const indexName = "model.safetensors.index.json"

// Checkpoint is one file or all shards of one. It is safe for concurrent use until it is closed.
type Checkpoint struct {
	mappings [][]byte
	tensors  map[string]runtime.Tensor
	raw      map[string]Raw
}

// Raw is a tensor in a dtype that is no number of Basalt's, such as bytes of packed ones. Data
// aliases the mapping.
type Raw struct {
	DType string
	Shape []int
	Data  []byte
}

// Open opens a .safetensors file, or a directory with model.safetensors or an index of shards.
func Open(path string) (*Checkpoint, error) {
	files, err := findFiles(path)
	if err != nil {
		return nil, err
	}
	c := newCheckpoint()
	for _, file := range files {
		if err := c.add(file); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot read %s: %w", file, err), c.Close())
		}
	}
	return c, nil
}

// Parse takes a file that is in memory. The tensors share its bytes, which must not change.
func Parse(data []byte) (*Checkpoint, error) {
	if len(data) < 8 {
		return nil, tooShort(int64(len(data)))
	}
	c := newCheckpoint()
	return c, c.read(data)
}

func newCheckpoint() *Checkpoint {
	return &Checkpoint{
		tensors: make(map[string]runtime.Tensor), raw: make(map[string]Raw),
	}
}

func tooShort(size int64) error {
	return fmt.Errorf("it has %d bytes, too few for a safetensors file", size)
}

// findFiles lists the files of a checkpoint.
func findFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, RefuseByName(path)
	}
	index := filepath.Join(path, indexName)
	if _, err := os.Stat(index); err == nil {
		return readIndex(index)
	}
	single := filepath.Join(path, "model.safetensors")
	if _, err := os.Stat(single); err == nil {
		return []string{single}, nil
	}
	return nil, missing(path)
}

// missing says what a directory without safetensors has instead.
func missing(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := RefuseByName(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s has neither model.safetensors nor %s", dir, indexName)
}

// RefuseByName gives an error for files whose format can run code when it is loaded.
func RefuseByName(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle":
		return fmt.Errorf("cannot read %s: pickle files can run code when they are loaded and "+
			"are never "+
			"opened; take the model's safetensors or GGUF files, or convert it with "+
			"safetensors' convert.py",
			path)
	}
	return nil
}

// readIndex gives the shards that an index names: plain file names beside it.
func readIndex(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxHeader {
		return nil, fmt.Errorf("cannot read %s: it has %d bytes, the limit is %d", path,
			info.Size(), maxHeader)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	names := make(map[string]bool)
	for _, name := range index.WeightMap {
		if name == "" || name != filepath.Base(name) || name == ".." {
			return nil, fmt.Errorf("cannot read %s: shard %q is no plain file name", path, name)
		}
		names[name] = true
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("cannot read %s: its weight_map is empty", path)
	}
	var files []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		files = append(files, filepath.Join(filepath.Dir(path), name))
	}
	return files, nil
}

// add maps one file and records its tensors.
func (c *Checkpoint) add(path string) error {
	data, err := mapFile(path)
	if err != nil {
		return err
	}
	c.mappings = append(c.mappings, data)
	return c.read(data)
}

// read records the tensors of a file.
func (c *Checkpoint) read(data []byte) error {
	if len(data) > 4 && (string(data[:2]) == "PK" || data[0] == 0x80 && data[1] < 6) {
		return errors.New("it is a pickle or zip archive, not a safetensors file")
	}
	entries, body, err := parseHeader(data)
	if err != nil {
		return err
	}
	return c.record(entries, body)
}

func (c *Checkpoint) record(entries []entry, body []byte) error {
	for _, e := range entries {
		_, twice := c.tensors[e.name]
		_, twiceOther := c.raw[e.name]
		if twice || twiceOther {
			return fmt.Errorf("tensor %q is in two shards", e.name)
		}
		shape := make([]int, len(e.shape))
		for i, n := range e.shape {
			shape[i] = int(n)
		}
		data := body[e.offsets[0]:e.offsets[1]:e.offsets[1]]
		d, ok := dtypeOf(e.dtype)
		if !ok {
			c.raw[e.name] = Raw{e.dtype, shape, data}
			continue
		}
		if !aligned(data, d.BlockBytes()) {
			data = bytes.Clone(data)
		}
		c.tensors[e.name] = runtime.Tensor{DType: d, Shape: shape, Data: data}
	}
	return nil
}

// aligned says whether data begins on a multiple of n bytes. Writers pad the header to 8 bytes, but
// the format does not ask for it, and native code must not read numbers from odd addresses.
func aligned(data []byte, n int) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(n) == 0
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
		return nil, errors.New("it is no regular file")
	case info.Size() < 8 || info.Size() != int64(int(info.Size())):
		return nil, tooShort(info.Size())
	}
	return unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
}

// Close releases the mappings: tensors must no longer be used.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, m := range c.mappings {
		errs = append(errs, unix.Munmap(m))
	}
	c.mappings = nil
	return errors.Join(errs...)
}

// Tensor implements runtime.Checkpoint.
func (c *Checkpoint) Tensor(name string) (runtime.Tensor, bool) {
	t, ok := c.tensors[name]
	return t, ok
}

// Names implements runtime.Checkpoint.
func (c *Checkpoint) Names() []string { return slices.Sorted(maps.Keys(c.tensors)) }

// Raw finds a tensor that is no runtime.Tensor; false when there is none.
func (c *Checkpoint) Raw(name string) (Raw, bool) {
	r, ok := c.raw[name]
	return r, ok
}

// RawNames lists the tensors that Raw has, sorted.
func (c *Checkpoint) RawNames() []string { return slices.Sorted(maps.Keys(c.raw)) }

// Unsupported says whether a tensor exists in a dtype that is no number of Basalt's, and names the
// dtype.
func (c *Checkpoint) Unsupported(name string) (string, bool) {
	r, ok := c.raw[name]
	return r.DType, ok
}
