package models

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"basalt/runtime"
)

// Inspect prints what a model is: its program with equal layers folded, counts for a token, and
// memory by context and batch.
func Inspect(w io.Writer, m *Model) error {
	c := m.Config
	fmt.Fprintf(w, "%s: %s, %d layers, hidden %d, feed-forward %d, heads %d/%d of %d, "+
		"vocabulary %d, "+
		"context %d\n\n", m.Name, c.Family, c.Layers, c.Hidden, c.FFN, c.Heads.Query, c.Heads.KV,
		c.Heads.Dim, c.Vocab, c.MaxContext)
	if err := printProgram(w, m); err != nil {
		return err
	}
	if err := printCounts(w, m); err != nil {
		return err
	}
	for i, name := range m.Unused {
		if i == 5 {
			fmt.Fprintf(w, "warning: and %d more\n", len(m.Unused)-i)
			break
		}
		fmt.Fprintf(w, "warning: tensor %q is not used\n", name)
	}
	return nil
}

// printProgram prints one line for each operation; a layer whose lines equal the previous layer's
// is counted instead.
func printProgram(w io.Writer, m *Model) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	previous, folded := "", 0
	for start := 0; start < len(m.Program.Ops); {
		end := start
		for end < len(m.Program.Ops) && m.Program.Ops[end].Layer == m.Program.Ops[start].Layer {
			end++
		}
		layer := m.Program.Ops[start].Layer
		text := layerText(m, m.Program.Ops[start:end])
		start = end
		if layer >= 0 && text == previous {
			folded++
			continue
		}
		if folded > 0 {
			fmt.Fprintf(t, "  the same for %d more layers\n", folded)
		}
		previous, folded = text, 0
		if layer >= 0 {
			fmt.Fprintf(t, "layer %d\n", layer)
		}
		fmt.Fprint(t, text)
	}
	return t.Flush()
}

func layerText(m *Model, ops []runtime.Op) string {
	var text strings.Builder
	for _, op := range ops {
		var weights []string
		for _, w := range op.Weights {
			dtype := "absent"
			if x, ok := m.Checkpoint.Tensor(w.Parts[0]); ok {
				dtype = x.DType.String()
			}
			weights = append(weights, fmt.Sprintf("%v %s", w.Shape, dtype))
		}
		width := m.Program.Values[op.Out[0]].Width
		fmt.Fprintf(&text, "  %s\t-> %d\t%s\n", op.Kind, width, strings.Join(weights, ", "))
	}
	return text.String()
}

func printCounts(w io.Writer, m *Model) error {
	s := runtime.ProgramStats(m.Program, m.Checkpoint)
	kv := int64(m.Program.KV.BytesPerToken(runtime.BF16))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nparameters       %d (%d for a token)\n", s.Params, s.ActiveParams)
	fmt.Fprintf(w, "weights          %s\n", mib(s.WeightBytes))
	fmt.Fprintf(w, "bytes per token  %s of weights, one sequence\n", mib(s.BytesPerStep))
	fmt.Fprintf(w, "FLOPs per token  %.3g, and %d for each position of context\n", float64(s.FLOPs),
		s.FLOPsPerPos)
	fmt.Fprintf(w, "KV per token     %d bytes in BF16, %d in F32\n\n", kv, 2*kv)
	fmt.Fprint(t, "memory, BF16 cache\t1 sequence\t8\t32\t\n")
	for n := 1024; ; n *= 4 {
		n = min(n, m.Config.MaxContext)
		fmt.Fprintf(t, "context %d\t", n)
		for _, seqs := range []int64{1, 8, 32} {
			fmt.Fprintf(t, "%s\t", mib(s.WeightBytes+seqs*int64(n)*kv))
		}
		fmt.Fprintln(t)
		if n == m.Config.MaxContext {
			return t.Flush()
		}
	}
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
