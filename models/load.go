package models

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"basalt/models/gguf"
	"basalt/models/safetensors"
	"basalt/runtime"
)

// Model is a loaded checkpoint: its program, its weights, and the raw material of its tokenizer and
// chat template.
type Model struct {
	Name       string
	Config     Config
	Program    *runtime.Program
	Checkpoint runtime.Checkpoint
	Generation GenerationConfig
	// TokenizerJSON is tokenizer.json, or nil; GGUF is the file, or nil.
	TokenizerJSON   []byte
	TokenizerConfig []byte // tokenizer_config.json, or nil
	GGUF            *gguf.File
	ChatTemplate    string // "" when there is none
	BOSToken        string
	EOSToken        string
	// Rope and Positions are config.json's rotary settings and max_position_embeddings, for those
	// who write them in another format; nil and 0 for a GGUF file.
	Rope      *RopeScaling
	Positions int
	// Unused are tensors of the checkpoint that the program does not read.
	Unused []string

	closer      io.Closer
	unsupported func(name string) (dtype string, found bool)
}

// Close releases the files; the checkpoint must no longer be used.
func (m *Model) Close() error {
	if m.closer == nil {
		return nil
	}
	return m.closer.Close()
}

// LoadOptions change how a model is loaded.
type LoadOptions struct {
	// Dummy takes a named shape with random weights instead of files.
	Dummy *DummySpec
	// Phase is as in runtime.CompileOptions.
	Phase func(name string) (end func())
}

// Load opens a directory with safetensors and config.json, a .safetensors file beside its
// config.json, or a GGUF file, and proves that the weights fit the configuration. Weights stay in
// the mapped files, which must not be truncated while the model is open: the kernel would end the
// process.
func Load(path string, o LoadOptions) (*Model, error) {
	if o.Dummy != nil {
		return loadDummy(path, *o.Dummy)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open model %q: %w", path, plain(err))
	}
	if err := safetensors.RefuseByName(path); err != nil {
		return nil, err
	}
	var m *Model
	switch {
	case info.IsDir() && onlyGGUF(path) != "":
		return nil, fmt.Errorf("%s holds GGUF files: give one of them, such as %s", path,
			onlyGGUF(path))
	case info.IsDir() || strings.HasSuffix(path, ".safetensors"):
		m, err = loadHF(path, info.IsDir())
	default:
		m, err = loadGGUF(path, o)
	}
	if err != nil {
		return nil, err
	}
	end := o.begin("program")
	if err := m.finish(path); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot load %s: %w", path, err), m.Close())
	}
	end()
	return m, nil
}

func (o *LoadOptions) begin(phase string) (end func()) {
	return (&runtime.CompileOptions{Phase: o.Phase}).Begin(phase)
}

// plain is an error of the file system without the operation and path.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// LoadFS is Load for the files of a directory that is no folder on disk, such as an embedded one:
// model.safetensors, config.json and what else belongs to them.
func LoadFS(name string, dir fs.FS) (*Model, error) {
	data, err := fs.ReadFile(dir, "model.safetensors")
	if err != nil {
		return nil, fmt.Errorf("cannot open model %q: %w", name, err)
	}
	c, err := safetensors.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("cannot read model.safetensors of %q: %w", name, err)
	}
	m, err := newHF(name, dir, c)
	if err != nil {
		return nil, err
	}
	if err := m.finish(name); err != nil {
		return nil, fmt.Errorf("cannot load %s: %w", name, err)
	}
	return m, nil
}

// onlyGGUF names the first GGUF file of a directory without config.json.
func onlyGGUF(dir string) string {
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err == nil {
		return ""
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.gguf"))
	if err != nil || len(files) == 0 {
		return ""
	}
	return files[0]
}

// finish records the program and checks the weights against it.
func (m *Model) finish(path string) error {
	m.Name = filepath.Base(filepath.Clean(path))
	var err error
	if m.Program, err = Program(m.Name, m.Config); err != nil {
		return err
	}
	if err := m.checkFormats(); err != nil {
		return err
	}
	if err := runtime.CheckWeights(m.Program, m.Checkpoint); err != nil {
		return err
	}
	m.findUnused()
	return nil
}

// checkFormats refuses a tensor that the program needs and the file has in a format that cannot be
// used.
func (m *Model) checkFormats() error {
	if m.unsupported == nil {
		return nil
	}
	for _, w := range m.Program.Weights {
		for _, part := range w.Parts {
			if _, ok := m.Checkpoint.Tensor(part); ok {
				continue
			}
			if dtype, found := m.unsupported(part); found {
				return fmt.Errorf("tensor %q is stored as %s; F32, F16 and BF16 are supported, "+
					"and FP8, MXFP4 and NVFP4 with their scales: take the model's BF16 files, or "+
					"a GGUF file", part, dtype)
			}
		}
	}
	return nil
}

func (m *Model) findUnused() {
	used := make(map[string]bool)
	for _, w := range m.Program.Weights {
		for _, part := range w.Parts {
			used[part] = true
		}
	}
	for _, name := range m.Checkpoint.Names() {
		harmless := strings.HasSuffix(name, "rotary_emb.inv_freq") || name == "rope_freqs.weight" ||
			name == "lm_head.weight" && m.Config.Tied
		if !used[name] && !harmless {
			m.Unused = append(m.Unused, name)
		}
	}
}

func loadGGUF(path string, o LoadOptions) (*Model, error) {
	end := o.begin("map and parse file")
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	end()
	defer o.begin("metadata")()
	m := &Model{GGUF: f, closer: f}
	if err := m.readGGUF(f); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot load %s: %w", path, err), f.Close())
	}
	return m, nil
}

func (m *Model) readGGUF(f *gguf.File) error {
	var err error
	if m.Config, err = ggufConfig(f); err != nil {
		return err
	}
	if m.Checkpoint, err = newGGUFCheckpoint(f, m.Config.Family); err != nil {
		return err
	}
	m.Generation = ggufGeneration(f, m.Config.Vocab)
	m.ChatTemplate, _ = f.String("tokenizer.chat_template")
	m.BOSToken, m.EOSToken = ggufTokenText(f, "bos"), ggufTokenText(f, "eos")
	return nil
}

func ggufTokenText(f *gguf.File, which string) string {
	id := int(ggufToken(f, which))
	if id < 0 {
		return ""
	}
	for i, text := range f.EachString("tokenizer.ggml.tokens") {
		if i == id {
			return string(text)
		}
	}
	return ""
}

// EndsSequence says whether id is of the end-of-sequence set.
func (m *Model) EndsSequence(id int32) bool { return slices.Contains(m.Generation.EOS, id) }
