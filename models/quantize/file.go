package quantize

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"basalt/models"
	"basalt/models/gguf"
	"basalt/runtime"
)

// Config says how a file is written.
type Config struct {
	Recipe Recipe
	// Force overwrites a file; Requantize takes matrices that are stored in blocks already.
	Force, Requantize bool
	// Progress, when set, is told the bytes that are written.
	Progress func(done, total int64)
}

// Report sums up a file that was written.
type Report struct {
	Bytes   int64                   // of the file
	Formats map[runtime.DType]int64 // bytes of tensors in each format
	// Error is the root mean square of what changed, relative to that of the weights.
	Error   float64
	Misfits []string // matrices whose rows did not fit the recipe's format
}

// File writes a model as a GGUF file of version 3. It appears under its name only when it is
// complete and has been read back. The memory in use is that of a slab of rows.
func File(ctx context.Context, m *models.Model, path string, c Config) (Report, error) {
	r, err := file(ctx, m, path, c)
	if err != nil {
		return r, fmt.Errorf("cannot quantise %s to %s: %w", m.Name, path, err)
	}
	return r, nil
}

func file(ctx context.Context, m *models.Model, path string, c Config) (Report, error) {
	switch _, err := os.Lstat(path); {
	case err == nil && !c.Force:
		return Report{}, errors.New("the file exists; --force overwrites it")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return Report{}, err
	}
	p := newPlanner(m, c.Recipe)
	p.again = c.Requantize
	tensors, err := p.tensors()
	if err != nil {
		return Report{}, err
	}
	meta, err := metadata(m, c.Recipe)
	if err != nil {
		return Report{}, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part")
	if err != nil {
		return Report{}, err
	}
	w := writing{ctx: ctx, tensors: tensors, progress: c.Progress}
	report, err := w.write(temp, meta)
	report.Misfits = p.misfits
	if err = errors.Join(err, temp.Close()); err == nil {
		err = check(m, temp.Name())
	}
	if err == nil {
		err = os.Chmod(temp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return report, errors.Join(err, os.Remove(temp.Name()))
	}
	return report, nil
}

// writing is one file on its way to the disk.
type writing struct {
	ctx         context.Context
	tensors     []tensor
	progress    func(done, total int64)
	done, total int64
}

func (w *writing) write(file *os.File, meta *gguf.Meta) (Report, error) {
	r := Report{Formats: make(map[runtime.DType]int64)}
	specs := make([]gguf.Spec, len(w.tensors))
	for i, t := range w.tensors {
		specs[i] = t.Spec
		r.Formats[t.DType] += t.Bytes()
		w.total += t.Bytes()
	}
	var sum loss
	buffered := bufio.NewWriterSize(file, 1<<20)
	err := gguf.Write(buffered, meta, specs, func(i int, to io.Writer) error {
		l, err := w.tensors[i].write(w.ctx, to)
		sum.add(l)
		w.done += specs[i].Bytes()
		if w.progress != nil {
			w.progress(w.done, w.total)
		}
		return err
	})
	r.Error = sum.relative()
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if info, statErr := file.Stat(); statErr == nil {
		r.Bytes = info.Size()
	}
	return r, err
}

// check reads the file back: it must describe the model that it was made from.
func check(m *models.Model, path string) error {
	back, err := models.Load(path, models.LoadOptions{})
	if err != nil {
		return fmt.Errorf("the new file cannot be read: %w", err)
	}
	err = same(m, back)
	return errors.Join(err, back.Close())
}

func same(m, back *models.Model) error {
	want, got := m.Config, back.Config
	if err := sameFrequencies(&want.RoPE, &got.RoPE); err != nil {
		return err
	}
	want.RoPE, want.Family = got.RoPE, got.Family // Mistral is called llama
	if want.MoE != nil && got.MoE != nil {
		dense := *want.MoE
		if dense.Dense == nil {
			dense.Dense = make([]bool, len(got.MoE.Dense))
		}
		want.MoE = &dense
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the new file describes another model: %+v instead of %+v", got, want)
	}
	for _, id := range m.Generation.EOS {
		if !back.EndsSequence(id) {
			return fmt.Errorf("in the new file token %d does not end a sequence", id)
		}
	}
	return nil
}

// sameFrequencies allows for float32 in the file.
func sameFrequencies(want, got *runtime.RoPEAttr) error {
	const tolerance = 1e-5
	near := func(a, b float64) bool { return a-b <= tolerance*b && b-a <= tolerance*b }
	same := len(want.InvFreq) == len(got.InvFreq) && near(float64(got.Scale), float64(want.Scale))
	for i := 0; same && i < len(want.InvFreq); i++ {
		same = near(got.InvFreq[i], want.InvFreq[i])
	}
	if !same {
		return fmt.Errorf("the new file has other rotary frequencies: %v times %g instead of %v "+
			"times %g", got.InvFreq, got.Scale, want.InvFreq, want.Scale)
	}
	return nil
}
