package gguf

import (
	"fmt"
	"maps"
	"strings"
)

const maxParts = 1 << 10

// join adds the tensors of the other parts when the file is the first of a set, as llama.cpp's
// gguf-split writes them: each part counts itself in split.no and the set in split.count, and the
// file names end alike. Metadata is that of the first part.
func (f *File) join(path string) error {
	count, no := f.split()
	if count <= 1 {
		return nil
	}
	if count > maxParts {
		return fmt.Errorf("it claims to be of %d parts; the limit is %d", count, maxParts)
	}
	stem, ok := strings.CutSuffix(path, partSuffix(0, count))
	if no != 0 || !ok {
		return fmt.Errorf("it is part %d of %d; give the first part, whose name ends in %q", no+1,
			count, partSuffix(0, count))
	}
	for i := int64(1); i < count; i++ {
		if err := f.addPart(stem+partSuffix(i, count), i, count); err != nil {
			return err
		}
	}
	if want, ok := f.Int("split.tensors.count"); ok && want != int64(f.numTensors()) {
		return fmt.Errorf("its parts have %d tensors; split.tensors.count is %d", f.numTensors(),
			want)
	}
	return nil
}

func (f *File) split() (count, no int64) {
	count, _ = f.Int("split.count")
	no, _ = f.Int("split.no")
	return count, no
}

func partSuffix(i, count int64) string { return fmt.Sprintf("-%05d-of-%05d.gguf", i+1, count) }

func (f *File) addPart(path string, i, count int64) error {
	part, err := openPart(path)
	if err != nil {
		return err
	}
	f.mappings = append(f.mappings, part.mappings...)
	if n, no := part.split(); n != count || no != i {
		return fmt.Errorf("%s calls itself part %d of %d, not %d of %d", path, no+1, n, i+1, count)
	}
	before := f.numTensors()
	maps.Copy(f.tensors, part.tensors)
	maps.Copy(f.unsupported, part.unsupported)
	if f.numTensors() != before+part.numTensors() {
		return fmt.Errorf("%s has tensors that an earlier part has too", path)
	}
	return nil
}

func (f *File) numTensors() int { return len(f.tensors) + len(f.unsupported) }
