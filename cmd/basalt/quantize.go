package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"basalt/models"
	"basalt/models/quantize"
	"basalt/runtime"
)

type quantizeCmd struct {
	Model      string `arg:"" help:"Model: a directory with safetensors, or a .gguf file."`
	Output     string `short:"o" required:"" placeholder:"FILE" help:"GGUF file to write."`
	Type       string `default:"q4_k_m" help:"f32, f16, bf16, q8_0, q6_k, q5_k_m, q5_k_s, q4_k_m, q4_k_s, q4_0_search (Q4_0 with the scales of least error) or q4_0 (as llama.cpp rounds)."`
	Pure       bool   `help:"Give every matrix the type itself, the head and all layers too."`
	Requantize bool   `help:"Take a model that is quantised already; what was lost stays lost."`
	Force      bool   `help:"Overwrite the file."`
}

// Run writes a model as a GGUF file.
func (c *quantizeCmd) Run(ctx context.Context) error {
	r, err := quantize.ParseRecipe(c.Type)
	if err != nil {
		return fmt.Errorf("--type: %w", err)
	}
	if c.Pure {
		r = r.Pure()
	}
	f := modelFlags{Load: "auto"}
	m, err := f.load(c.Model)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	p := newProgress(os.Stderr, "quantising "+c.Model)
	report, err := quantize.File(ctx, m, c.Output, quantize.Config{
		Recipe: r, Force: c.Force, Requantize: c.Requantize, Progress: p.update,
	})
	p.end()
	if err != nil {
		return err
	}
	c.print(report)
	return nil
}

func (c *quantizeCmd) print(r quantize.Report) {
	var parts []string
	for _, d := range slices.Sorted(maps.Keys(r.Formats)) {
		parts = append(parts, fmt.Sprintf("%s %s", d, formatBytes(r.Formats[d])))
	}
	fmt.Printf("%s: %s (%s)\n", c.Output, formatBytes(r.Bytes), strings.Join(parts, ", "))
	if r.Error > 0 {
		fmt.Printf("relative error of the weights that changed: %.3g %%\n", 100*r.Error)
	}
	if n := len(r.Misfits); n > 0 {
		fmt.Printf("%d matrices, such as %s, have rows that %s cannot cut into blocks; they are "+
			"stored as Q8_0 or F16\n", n, r.Misfits[0], strings.ToUpper(c.Type))
	}
}

// deviceFormat is the format in which the device itself stores matrices for --quantize; 0 when the
// weights are quantised before it sees them, or not at all.
func (f *modelFlags) deviceFormat() (runtime.DType, error) {
	if f.Quantize == "" {
		return 0, nil
	}
	d, err := runtime.ParseDType(f.Quantize)
	if err == nil && f.Load == "dummy" && f.Device == "cuda" {
		return 0, nil // the random weights are made in it
	}
	if err == nil && (d == runtime.Q8_0 || d == runtime.Q4_0) {
		return d, nil
	}
	_, err = quantize.ParseRecipe(f.Quantize)
	return 0, err
}

// encode quantises a model's weights in memory, for --quantize by a recipe that devices do not
// know: those with searched scales, or with different formats for different tensors.
func (f *modelFlags) encode(ctx context.Context, m *models.Model) error {
	if d, err := f.deviceFormat(); f.Quantize == "" || f.Load == "dummy" || d != 0 || err != nil {
		return err
	}
	r, err := quantize.ParseRecipe(f.Quantize)
	if err != nil {
		return err
	}
	p := newProgress(os.Stderr, "quantising "+m.Name)
	c, err := quantize.Checkpoint(ctx, m, r, p.update)
	p.end()
	if err == nil {
		m.Checkpoint = c
	}
	return err
}
