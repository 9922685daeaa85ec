package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// digests are the SHA-256 of the files that a model was loaded from, for records: of one file its
// own, of a folder that of the list of its files with their hashes, as sha256sum prints it. The
// tokenizer's is that of tokenizer.json, or of the file that holds both.
func (f *modelFlags) digests(path string) (model, tokenizer string, err error) {
	if f.Load == "dummy" {
		return "", "", nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", "", nil // it is in the binary, whose version records have
	case err != nil:
		return "", "", err
	case info.IsDir():
		return digestFolder(os.DirFS(path))
	}
	sum, err := digestFile(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	return "sha256:" + sum, "sha256:" + sum, err
}

// digestFolder walks in the order of names.
func digestFolder(files fs.FS) (model, tokenizer string, err error) {
	list := sha256.New()
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		hidden := name != "." && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			return err
		case hidden && d.IsDir():
			return fs.SkipDir
		case hidden || d.IsDir():
			return nil
		}
		sum, err := digestFile(files, name)
		if err != nil {
			return err
		}
		if name == "tokenizer.json" {
			tokenizer = "sha256:" + sum
		}
		_, err = fmt.Fprintf(list, "%s  %s\n", sum, name)
		return err
	})
	return "sha256:" + hex.EncodeToString(list.Sum(nil)), tokenizer, err
}

func digestFile(files fs.FS, name string) (string, error) {
	f, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("cannot read %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
