package main

import (
	"os"

	"basalt/models"
)

// Run prints the model's program and counts.
func (c *inspectCmd) Run() error {
	f := modelFlags{Load: c.Load, DummySeed: 1}
	m, err := f.load(c.Model)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	return models.Inspect(os.Stdout, m)
}
