package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	// Unused are tensors of the checkpoint that the program does not read.
	Unused []string

	closer io.Closer
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
}

// Load opens a directory with safetensors and config.json, a .safetensors file beside its
// config.json, or a GGUF file, and proves that the weights fit the configuration.
func Load(path string, o LoadOptions) (*Model, error) {
	if o.Dummy != nil {
		return loadDummy(path, *o.Dummy)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := safetensors.RefuseByName(path); err != nil {
		return nil, err
	}
	var m *Model
	switch {
	case info.IsDir() || strings.HasSuffix(path, ".safetensors"):
		m, err = loadHF(path, info.IsDir())
	default:
		m, err = loadGGUF(path)
	}
	if err != nil {
		return nil, err
	}
	if err := m.finish(path); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot load %s: %w", path, err), m.Close())
	}
	return m, nil
}

// finish records the program and checks the weights against it.
func (m *Model) finish(path string) error {
	m.Name = filepath.Base(filepath.Clean(path))
	var err error
	if m.Program, err = Program(m.Name, m.Config); err != nil {
		return err
	}
	if err := runtime.CheckWeights(m.Program, m.Checkpoint); err != nil {
		return m.explain(err)
	}
	m.findUnused()
	return nil
}

// explain adds why a tensor is missing when the file has it in a format that cannot be used.
func (m *Model) explain(err error) error {
	c, ok := m.Checkpoint.(*safetensors.Checkpoint)
	if !ok {
		return err
	}
	for _, w := range m.Program.Weights {
		for _, part := range w.Parts {
			if dtype, found := c.Unsupported(part); found {
				return fmt.Errorf("%w (tensor %q is stored as %s; F32, F16 and BF16 are "+
					"supported)", err, part,
					dtype)
			}
		}
	}
	return err
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

func loadHF(path string, isDir bool) (*Model, error) {
	dir := path
	if !isDir {
		dir = filepath.Dir(path)
	}
	c, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	m := &Model{Checkpoint: c, closer: c}
	if err := m.readHF(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot load %s: %w", path, err), m.Close())
	}
	return m, nil
}

func (m *Model) readHF(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return err
	}
	h, err := parseHF(data)
	if err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	if m.Config, err = h.config(); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	if m.Generation, err = readGeneration(dir, h); err != nil {
		return err
	}
	m.TokenizerJSON, err = os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return m.readTokenizerConfig(dir)
}

// tokenizerConfig is the part of tokenizer_config.json that chat needs. Tokens are strings or
// objects with content; the template is a string or a list of named ones.
type tokenizerConfig struct {
	BOS      json.RawMessage `json:"bos_token"`
	EOS      json.RawMessage `json:"eos_token"`
	Template json.RawMessage `json:"chat_template"`
}

func (m *Model) readTokenizerConfig(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer_config.json"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	var c tokenizerConfig
	if err == nil {
		m.TokenizerConfig = data
		if err := json.Unmarshal(data, &c); err != nil {
			return fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	m.BOSToken, m.EOSToken = tokenText(c.BOS), tokenText(c.EOS)
	if m.ChatTemplate, err = templateText(c.Template); err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "chat_template.jinja"))
	if err == nil {
		m.ChatTemplate = string(file)
	} else if !os.IsNotExist(err) {
		return err
	}
	return nil
}

func tokenText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var object struct {
		Content string `json:"content"`
	}
	if json.Unmarshal(raw, &object) != nil {
		return ""
	}
	return object.Content
}

func templateText(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return "", nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var named []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &named); err != nil {
		return "", fmt.Errorf("chat_template is neither text nor a list of named templates")
	}
	for _, t := range named {
		if t.Name == "default" {
			return t.Template, nil
		}
	}
	return "", nil
}

func loadGGUF(path string) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
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
	tokens, _ := f.Strings("tokenizer.ggml.tokens")
	id := int(ggufToken(f, which))
	if id < 0 || id >= len(tokens) {
		return ""
	}
	return strings.Clone(tokens[id])
}

// EndsSequence says whether id is of the end-of-sequence set.
func (m *Model) EndsSequence(id int32) bool { return slices.Contains(m.Generation.EOS, id) }
