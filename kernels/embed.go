package kernels

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

//go:embed ptx/*.ptx.gz
var ptx embed.FS

//go:embed all:fatbin
var fatbin embed.FS

// Image is one module: a file of PTX or of machine code for several architectures.
type Image struct {
	Name string
	Data string
}

// Arch is the architecture that a module's kernels belong to alone, such as sm90a; "" for portable
// ones.
func (i *Image) Arch() string {
	if at := strings.LastIndexByte(i.Name, '_'); at >= 0 && strings.HasPrefix(i.Name[at:], "_sm") {
		return i.Name[at+1:]
	}
	return ""
}

// Portable gives the PTX of every module, which the driver compiles for the GPU at hand; that of
// one architecture's modules is taken by its own GPUs only. Callers share the images and change
// none.
func Portable() ([]Image, error) { return portable() }

var portable = sync.OnceValues(func() ([]Image, error) { return read(ptx, "ptx", ".ptx.gz") })

// Native gives the machine code that was built into this binary; none where it was built without
// `make kernels`.
func Native() ([]Image, error) { return read(fatbin, "fatbin", ".fatbin.gz") }

// Load reads the images of a folder: fatbins, or PTX where it has none.
func Load(dir string) ([]Image, error) {
	images, err := read(os.DirFS(dir), ".", ".fatbin")
	if err == nil && len(images) == 0 {
		images, err = read(os.DirFS(dir), ".", ".ptx")
	}
	if err == nil && len(images) == 0 {
		err = fmt.Errorf("%s has no .fatbin and no .ptx file", dir)
	}
	return images, err
}

func read(files fs.FS, dir, ext string) ([]Image, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list kernels: %w", err)
	}
	var images []Image
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ext) {
			continue
		}
		data, err := fs.ReadFile(files, path.Join(dir, e.Name()))
		if err == nil && strings.HasSuffix(ext, ".gz") {
			data, err = inflate(data)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read kernels: %s: %w", e.Name(), err)
		}
		images = append(images, Image{strings.TrimSuffix(e.Name(), ext), string(data)})
	}
	return images, nil
}

func inflate(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Entry is a kernel as its PTX declares it.
type Entry struct {
	Name    string
	Threads int    // of a block
	Params  []bool // for each argument whether it is a pointer; the others are 32-bit numbers
}

// Entries lists the kernels of a PTX module: the manifest that launches are held to.
func Entries(source string) []Entry {
	var entries []Entry
	for _, part := range strings.Split(source, ".visible .entry ")[1:] {
		name, rest, ok := strings.Cut(part, "(")
		params, body, closed := strings.Cut(rest, ")")
		if !ok || !closed {
			continue
		}
		e := Entry{Name: name}
		for _, p := range strings.Split(params, ".param ")[1:] {
			e.Params = append(e.Params, strings.HasPrefix(p, ".u64"))
		}
		if _, n, ok := strings.Cut(body, ".maxntid "); ok {
			_, _ = fmt.Sscanf(n, "%d", &e.Threads)
		}
		entries = append(entries, e)
	}
	return entries
}
