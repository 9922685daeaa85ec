package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"basalt/neuron/hlo"
	"basalt/neuron/lower"
	"basalt/runtime"
)

// manifestVersion counts changes of the format.
const manifestVersion = 1

const manifestName = "manifest.json"

// Manifest describes an export.
type Manifest struct {
	Version  int       `json:"version"`
	Model    string    `json:"model"`
	Vocab    int       `json:"vocab"`
	Layers   int       `json:"layers"`
	Settings Settings  `json:"settings"`
	Memory   Memory    `json:"memory_per_core"`
	Graphs   []Graph   `json:"graphs"`
	Routines []Routine `json:"routines"`
	Tensors  []Tensor  `json:"tensors"`
}

// Memory is what an export takes on each logical core, in bytes.
type Memory struct {
	Weights int64 `json:"weights"` // with scales and tables
	Cache   int64 `json:"cache"`
	Other   int64 `json:"other"` // inputs, results, and what passes between graphs
}

// Total is the sum.
func (m Memory) Total() int64 { return m.Weights + m.Cache + m.Other }

// Graph is one unit of compilation.
type Graph struct {
	Name    string `json:"name"`
	File    string `json:"file"`
	Hash    string `json:"hlo_sha256"`
	Kind    string `json:"kind"` // prefill or decode
	Inputs  []Port `json:"inputs"`
	Outputs []Port `json:"outputs"`
}

// Port is an input or output as the runtime library must report it.
type Port struct {
	Name  string `json:"name"`
	Shape string `json:"shape"`
	Bytes int    `json:"bytes"`
	Alias string `json:"alias,omitempty"`
}

// Routine is what a run of a bucket calls.
type Routine struct {
	Bucket lower.Bucket `json:"bucket"`
	Calls  []Call       `json:"calls"`
}

// Call binds tensors to the ports of a graph, in their order.
type Call struct {
	Graph   string   `json:"graph"`
	Inputs  []string `json:"inputs"`
	Outputs []string `json:"outputs"`
}

// Tensor is an allocation on each core.
type Tensor struct {
	Name       string     `json:"name"`
	Role       lower.Role `json:"role"`
	Shape      string     `json:"shape"`
	Bytes      int        `json:"bytes"`
	From       string     `json:"from,omitempty"` // the first tensor of the checkpoint in it
	Pieces     int        `json:"pieces,omitempty"`
	Transposed bool       `json:"transposed,omitempty"`
}

// describe makes the manifest of a bundle.
func describe(p *runtime.Program, s Settings, b *lower.Bundle) *Manifest {
	m := &Manifest{
		Version: manifestVersion, Model: p.Name, Vocab: p.Vocab, Layers: p.Layers, Settings: s,
	}
	for i := range b.Graphs {
		m.Graphs = append(m.Graphs, graph(&b.Graphs[i]))
	}
	for _, r := range b.Routines {
		to := Routine{Bucket: r.Bucket}
		for _, c := range r.Calls {
			to.Calls = append(to.Calls, Call{b.Graphs[c.Graph].Name, c.Inputs, c.Outputs})
		}
		m.Routines = append(m.Routines, to)
	}
	for i := range b.Tensors {
		t := tensor(&b.Tensors[i])
		m.Tensors = append(m.Tensors, t)
		switch t.Role {
		case lower.Weight, lower.Scale, lower.Table:
			m.Memory.Weights += int64(t.Bytes)
		case lower.Cache:
			m.Memory.Cache += int64(t.Bytes)
		default:
			m.Memory.Other += int64(t.Bytes)
		}
	}
	return m
}

func graph(g *lower.Graph) Graph {
	kind, _, _ := strings.Cut(g.Name, "-")
	to := Graph{Name: g.Name, File: g.Name + ".hlo.pb", Hash: g.Hash, Kind: kind}
	for _, p := range g.Module.Inputs() {
		to.Inputs = append(to.Inputs, Port{p.Name, p.Shape.String(), p.Shape.Bytes(), ""})
	}
	for _, p := range g.Module.Outputs() {
		to.Outputs = append(to.Outputs, Port{p.Name, p.Shape.String(), p.Shape.Bytes(), p.Alias})
	}
	return to
}

func tensor(t *lower.Tensor) Tensor {
	to := Tensor{Name: t.Name, Role: t.Role, Shape: t.Shape.String(), Bytes: t.Shape.Bytes()}
	if t.Source != nil {
		to.From, to.Transposed = t.Source.Groups[0][0].Name, t.Source.Transposed
		for _, g := range t.Source.Groups {
			to.Pieces += len(g)
		}
	}
	return to
}

// Plan lowers a program and describes the export without writing it.
func Plan(p *runtime.Program, s Settings) (*Manifest, *lower.Bundle, error) {
	b, err := s.Lower(p)
	if err != nil {
		return nil, nil, err
	}
	return describe(p, s, b), b, nil
}

// Write makes the export in dir. The same program and settings give the same bytes.
func Write(dir string, p *runtime.Program, s Settings) (*Manifest, error) {
	m, b, err := Plan(p, s)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot export to %s: %w", dir, err)
	}
	for i, g := range m.Graphs {
		if err := replace(filepath.Join(dir, g.File), b.Graphs[i].HLO); err != nil {
			return nil, fmt.Errorf("cannot export to %s: %w", dir, err)
		}
	}
	if err := writeJSON(filepath.Join(dir, manifestName), m); err != nil {
		return nil, fmt.Errorf("cannot export to %s: %w", dir, err)
	}
	return m, nil
}

// replace writes a file whole or not at all.
func replace(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return replace(path, append(data, '\n'))
}

// readJSON refuses fields that it does not know.
func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// Open reads the manifest of an export.
func Open(dir string) (*Manifest, error) {
	m := &Manifest{}
	err := readJSON(filepath.Join(dir, manifestName), m)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s holds no %s: make an export with basalt neuron export", dir,
			manifestName)
	case err != nil:
		return nil, fmt.Errorf("cannot read %s of %s: %w", manifestName, dir, err)
	case m.Version != manifestVersion:
		return nil, fmt.Errorf("the export in %s has version %d of the manifest, %d is known: "+
			"make it anew with basalt neuron export", dir, m.Version, manifestVersion)
	}
	if _, err := m.Settings.Options(); err != nil {
		return nil, fmt.Errorf("cannot use the export in %s: %w", dir, err)
	}
	for _, g := range m.Graphs {
		if g.File != filepath.Base(g.File) || len(g.Hash) != 64 {
			return nil, fmt.Errorf("the manifest in %s names the graph file %q with the hash %q",
				dir, g.File, g.Hash)
		}
	}
	return m, nil
}

// Match lowers a program with the manifest's settings and proves that the graphs are the exported
// ones.
func (m *Manifest) Match(p *runtime.Program) (*lower.Bundle, error) {
	b, err := m.Settings.Lower(p)
	if err != nil {
		return nil, err
	}
	if len(b.Graphs) != len(m.Graphs) {
		return nil, fmt.Errorf("the model %q gives %d graphs and the export of %q has %d: it is "+
			"of another model or version; make it anew", p.Name, len(b.Graphs), m.Model,
			len(m.Graphs))
	}
	for i := range b.Graphs {
		if b.Graphs[i].Hash != m.Graphs[i].Hash {
			return nil, fmt.Errorf("graph %q of the model %q is not the exported one (%.12s and "+
				"%.12s): the export is of another model or version; make it anew",
				b.Graphs[i].Name, p.Name, b.Graphs[i].Hash, m.Graphs[i].Hash)
		}
	}
	return b, nil
}

// KVDType is the type of the cache.
func (m *Manifest) KVDType() runtime.DType {
	if m.Settings.KV == hlo.BF16.String() {
		return runtime.BF16
	}
	return runtime.F32
}
