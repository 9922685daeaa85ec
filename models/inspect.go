package models

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"basalt/runtime"
)

// Inspect prints what a model is: its program with equal layers folded, counts for a token, and
// memory by context and batch.
func Inspect(w io.Writer, m *Model) error {
	var b bytes.Buffer
	c := m.Config
	fmt.Fprintf(&b, "%s: %s, %d layers, hidden %d, feed-forward %d, heads %d/%d of %d, vocabulary "+
		"%d, context %d\n\n", m.Name, c.Family, c.Layers, c.Hidden, c.FFN, c.Heads.Query,
		c.Heads.KV, c.Heads.Dim, c.Vocab, c.MaxContext)
	printProgram(&b, m)
	s := runtime.ProgramStats(m.Program, m.Checkpoint)
	printCounts(&b, m, s)
	printMemory(&b, m, s)
	if warning := m.Warning(); warning != "" {
		fmt.Fprintf(&b, "\nwarning: %s\n", warning)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Warning says which tensors of the checkpoint are not used, the first of them by name; "" when all
// are.
func (m *Model) Warning() string {
	const shown = 5
	switch n := len(m.Unused); {
	case n == 0:
		return ""
	case n > shown:
		return fmt.Sprintf("%d tensors are not used: %s and %d more", n,
			strings.Join(m.Unused[:shown], ", "), n-shown)
	}
	return fmt.Sprintf("%d tensors are not used: %s", len(m.Unused), strings.Join(m.Unused, ", "))
}

// printProgram prints one line for each operation; a layer whose lines equal the previous layer's
// is counted instead.
func printProgram(b *bytes.Buffer, m *Model) {
	previous, folded := "", 0
	for start := 0; start < len(m.Program.Ops); {
		end := start
		for end < len(m.Program.Ops) && m.Program.Ops[end].Layer == m.Program.Ops[start].Layer {
			end++
		}
		layer := m.Program.Ops[start].Layer
		lines := layerText(m, m.Program.Ops[start:end])
		start = end
		if layer >= 0 && lines == previous {
			folded++
			continue
		}
		if folded > 0 {
			fmt.Fprintf(b, "  the same for %d more layers\n", folded)
		}
		previous, folded = lines, 0
		if layer >= 0 {
			fmt.Fprintf(b, "layer %d\n", layer)
		}
		b.WriteString(lines)
	}
}

func layerText(m *Model, ops []runtime.Op) string {
	var text strings.Builder
	for _, op := range ops {
		parts := attrText(op)
		for _, w := range op.Weights {
			dtype := "absent"
			if x, ok := m.Checkpoint.Tensor(w.Parts[0]); ok {
				dtype = x.DType.String()
			}
			parts = append(parts, fmt.Sprintf("%v %s", w.Shape, dtype))
		}
		if slices.ContainsFunc(op.Biases, func(w *runtime.Weight) bool { return w != nil }) {
			parts = append(parts, "with bias")
		}
		width := m.Program.Values[op.Out[0]].Width
		line := fmt.Sprintf("  %-11s -> %-7d %s", op.Kind, width, strings.Join(parts, ", "))
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}

// attrText is what an operation's attributes add to its weights.
func attrText(op runtime.Op) []string {
	switch a := op.Attr.(type) {
	case runtime.RoPEAttr:
		pairs := "halves"
		if a.Interleaved {
			pairs = "neighbours"
		}
		text := fmt.Sprintf("%d pairs of %s", len(a.InvFreq), pairs)
		if a.Scale != 1 {
			text += fmt.Sprintf(", magnified by %.4g", a.Scale)
		}
		if a.NTK != nil {
			text += fmt.Sprintf(", stretched from position %d", a.NTK.MaxPosition)
		}
		return []string{text}
	case runtime.AttentionAttr:
		if a.Window > 0 {
			return []string{fmt.Sprintf("window %d", a.Window)}
		}
	case runtime.MoEAttr:
		return []string{fmt.Sprintf("%d of %d experts", a.TopK, a.Experts)}
	}
	return nil
}

func printCounts(b *bytes.Buffer, m *Model, s runtime.Stats) {
	kv := m.Program.KV.BytesPerToken(runtime.BF16)
	fmt.Fprintf(b, "\nparameters       %d", s.Params)
	if m.Config.MoE != nil {
		fmt.Fprintf(b, ", of which a token uses %d", s.ActiveParams)
	}
	fmt.Fprintf(b, "\nweights          %s: %s\n", size(s.WeightBytes), formats(m))
	fmt.Fprintf(b, "bytes per token  %s of weights for one sequence\n", size(s.BytesPerStep))
	fmt.Fprintf(b, "FLOPs per token  %.4g, and %d for each position of context\n",
		float64(s.FLOPs), s.FLOPsPerPos)
	fmt.Fprintf(b, "KV per token     %d bytes in BF16, %d in F32\n", kv, 2*kv)
}

// formats lists the bytes in each format.
func formats(m *Model) string {
	bytesOf := map[runtime.DType]int64{}
	for _, w := range m.Program.Weights {
		for _, part := range w.Parts {
			if t, ok := m.Checkpoint.Tensor(part); ok {
				bytesOf[t.DType] += int64(t.Bytes())
			}
		}
	}
	var parts []string
	for _, d := range slices.Sorted(maps.Keys(bytesOf)) {
		parts = append(parts, fmt.Sprintf("%s %s", d, size(bytesOf[d])))
	}
	return strings.Join(parts, ", ")
}

// printMemory tabulates weights and cache by context and number of sequences.
func printMemory(b *bytes.Buffer, m *Model, s runtime.Stats) {
	kv := int64(m.Program.KV.BytesPerToken(runtime.BF16))
	var rows strings.Builder
	rows.WriteString("\nmemory, BF16 cache\t1 sequence\t8\t32\t64\t\n")
	for n := 0; n < m.Config.MaxContext; {
		n = min(max(1024, 4*n), m.Config.MaxContext)
		fmt.Fprintf(&rows, "context %d\t", n)
		for _, seqs := range []int64{1, 8, 32, 64} {
			rows.WriteString(size(s.WeightBytes+seqs*int64(n)*kv) + "\t")
		}
		rows.WriteString("\n")
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = io.WriteString(t, rows.String()) // into memory
	_ = t.Flush()
}

// size prints bytes in the unit that keeps the number short.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", (n+1<<19)>>20)
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
