package export

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"basalt/neuron/neff"
)

// OpenCompiled reads what Compile has written.
func OpenCompiled(dir string) (*Compiled, error) {
	c := &Compiled{}
	err := readJSON(filepath.Join(dir, compiledName), c)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the graphs in %s are not compiled: run basalt neuron compile %s "+
			"(on any machine with neuronx-cc)", dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s of %s: %w", compiledName, dir, err)
	}
	return c, nil
}

// NEFF gives the compiled file of a graph, after checking its hash and header.
func (c *Compiled) NEFF(dir string, m *Manifest, g *Graph) ([]byte, error) {
	file, ok := c.Graphs[g.Hash]
	if !ok || file.File != filepath.Base(file.File) {
		return nil, fmt.Errorf("graph %q of %s is not compiled: run basalt neuron compile %s again",
			g.Name, dir, dir)
	}
	data, err := readHashed(filepath.Join(dir, "neff", file.File), file.Hash)
	if err != nil {
		return nil, fmt.Errorf("graph %q: %w", g.Name, err)
	}
	h, err := neff.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("graph %q, %s: %w", g.Name, file.File, err)
	}
	if err := h.Check(m.Settings.LNC); err != nil {
		return nil, fmt.Errorf("graph %q, %s: %w", g.Name, file.File, err)
	}
	return data, nil
}
