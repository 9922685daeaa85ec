package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"basalt/models/safetensors"
)

func loadHF(path string, isDir bool) (*Model, error) {
	dir := path
	if !isDir {
		dir = filepath.Dir(path)
	}
	c, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	return newHF(path, os.DirFS(dir), c)
}

// newHF takes over a checkpoint and reads the files beside it.
func newHF(name string, dir fs.FS, c *safetensors.Checkpoint) (*Model, error) {
	m := &Model{Checkpoint: c, closer: c, unsupported: c.Unsupported}
	if err := m.readHF(dir, c); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot load %s: %w", name, err), m.Close())
	}
	return m, nil
}

func (m *Model) readHF(dir fs.FS, c *safetensors.Checkpoint) error {
	data, err := readFile(dir, "config.json", maxConfig)
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
	if m.Rope, err = h.rope(families[m.Config.Family]); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	m.Positions = h.MaxPositions
	if m.Checkpoint, err = joinScales(c, h.Quantization); err != nil {
		return err
	}
	if m.Checkpoint, err = splitFused(m.Checkpoint, families[m.Config.Family]); err != nil {
		return err
	}
	m.TokenizerJSON, err = readOptional(dir, "tokenizer.json", maxTokenizer)
	if err != nil {
		return err
	}
	if err := m.readTokenizerConfig(dir); err != nil {
		return err
	}
	if m.Generation, err = readGeneration(dir, h.Vocab); err != nil {
		return err
	}
	m.Generation.addEOS(h.Vocab, h.EOS...)
	m.Generation.addEOS(h.Vocab, addedToken(m.TokenizerJSON, m.EOSToken))
	return nil
}

// tokenizerConfig is the part of tokenizer_config.json that chat needs. Tokens are strings or
// objects with content; the template is a string or a list of named ones.
type tokenizerConfig struct {
	BOS      json.RawMessage `json:"bos_token"`
	EOS      json.RawMessage `json:"eos_token"`
	Template json.RawMessage `json:"chat_template"`
}

func (m *Model) readTokenizerConfig(dir fs.FS) error {
	data, err := readOptional(dir, "tokenizer_config.json", maxConfig)
	if err != nil {
		return err
	}
	var c tokenizerConfig
	if data != nil {
		m.TokenizerConfig = data
		if err := json.Unmarshal(data, &c); err != nil {
			return fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	m.BOSToken, m.EOSToken = tokenText(c.BOS), tokenText(c.EOS)
	if m.ChatTemplate, err = templateText(c.Template); err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	file, err := readOptional(dir, "chat_template.jinja", maxConfig)
	if file != nil {
		m.ChatTemplate = string(file)
	}
	return err
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
