package buckets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
)

// folder is a bucket on this machine. Links in it may lead to other places in it, never out of it.
// A folder that the table no longer names is closed when nobody holds it any more.
type folder struct {
	path string // absolute, its links resolved
	root *os.Root
}

func openFolder(name string) (*folder, error) {
	if !filepath.IsAbs(name) {
		return nil, fmt.Errorf("the folder %q is no absolute path", name)
	}
	resolved, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, fmt.Errorf("cannot open the folder: %w", err)
	}
	root, err := os.OpenRoot(resolved)
	if err != nil {
		return nil, fmt.Errorf("cannot open the folder: %w", err)
	}
	return &folder{path: resolved, root: root}, nil
}

// get opens a regular file. Others could wait for ever or be no data at all.
func (f *folder) get(key string) (io.ReadCloser, error) {
	file, err := f.root.OpenFile(filepath.FromSlash(key), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, plain(err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// plain leaves the path out of an error: those who asked know it in their own terms.
func plain(err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}

func (f *folder) list(prefix string) (names []string, err error) {
	dir, err := f.root.Open(filepath.FromSlash("./" + prefix))
	if err != nil {
		return nil, plain(err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	for {
		entries, err := dir.ReadDir(256)
		for _, e := range entries {
			if e.Type().IsRegular() {
				names = append(names, e.Name())
			}
		}
		switch {
		case len(names) > maxListed:
			return nil, errTooMany
		case errors.Is(err, io.EOF):
			slices.Sort(names)
			return names, nil
		case err != nil:
			return nil, plain(err)
		}
	}
}

// put writes a file of another name and then renames it, so that nobody sees a part of it. What a
// killed process left under that name is replaced.
func (f *folder) put(key string, src io.Reader, mark string) error {
	dir := path.Dir(key)
	if err := f.root.MkdirAll(filepath.FromSlash(dir), 0o750); err != nil {
		return plain(err)
	}
	part := path.Join(dir, ".basalt-"+mark+"-"+path.Base(key)+".part")
	if err := f.root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return plain(err)
	}
	file, err := f.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return plain(err)
	}
	_, err = io.Copy(file, src)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = f.root.Rename(part, key)
	}
	if err != nil {
		return errors.Join(plain(err), plain(f.root.Remove(part)))
	}
	return f.syncDir(dir)
}

func (f *folder) syncDir(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return plain(err)
	}
	return errors.Join(d.Sync(), d.Close())
}
