package bench

import (
	"fmt"
	"io"
	"text/tabwriter"

	"basalt/runtime"
)

// Ceilings are what the machine can do at most, measured beside the work.
type Ceilings struct {
	ReadGBs    float64 `json:"read_gbs"`    // reading memory, 10^9 bytes a second
	FMAGFLOPs  float64 `json:"fma_gflops"`  // float32 multiply-adds, 10^9 operations a second
	Int8GOPs   float64 `json:"int8_gops"`   // products of 8-bit numbers
	BF16GFLOPs float64 `json:"bf16_gflops"` // products of BF16 pairs; 0: none
}

// Peak is the ceiling of the instructions that multiply weights of a format.
func (c *Ceilings) Peak(d runtime.DType) float64 {
	_, quantised := d.Quant()
	switch {
	case quantised:
		return c.Int8GOPs
	case d == runtime.BF16 && c.BF16GFLOPs > 0:
		return c.BF16GFLOPs
	}
	return c.FMAGFLOPs
}

// Cost is what a model's tokens need of the machine.
type Cost struct {
	BytesPerStep int64   `json:"bytes_per_step"` // read by a step, whatever its sequences
	KVBytes      int64   `json:"kv_bytes"`       // of one position
	OpsPerToken  int64   `json:"ops_per_token"`  // of one decoded token
	OpsPrefill   int64   `json:"ops_prefill"`    // of one token of a prompt, without the logits
	PeakGOPs     float64 `json:"peak_gops"`      // measured peak of the instructions that multiply
}

// OfflineReport is the result of one process's measurements.
type OfflineReport struct {
	Version     string       `json:"version"`
	Model       string       `json:"model"`
	Device      string       `json:"device"`
	Threads     int          `json:"threads"`
	LoadSeconds float64      `json:"load_seconds"`
	Before      Ceilings     `json:"before"`
	After       Ceilings     `json:"after"`
	Cost        Cost         `json:"cost"`
	Rows        []OfflineRow `json:"rows"`
}

// Read is the bandwidth: the better of before and after, since others only ever take from it.
func (r *OfflineReport) Read() float64 { return max(r.Before.ReadGBs, r.After.ReadGBs) }

// GBs is the rate at which a decoding row reads memory; 0 for a prefill.
func (c *Cost) GBs(r *OfflineRow) float64 {
	if r.Work == "prefill" {
		return 0
	}
	read := float64(c.BytesPerStep) + float64(c.KVBytes)*float64(r.Context*r.Sequences)
	return read / r.StepMillis / 1e6
}

// GOPs is the rate at which a row computes.
func (c *Cost) GOPs(r *OfflineRow) float64 {
	ops := c.OpsPerToken
	if r.Work == "prefill" {
		ops = c.OpsPrefill
	}
	return float64(ops) * r.TokensPerSec / 1e9
}

// Share is what a row takes of the ceiling that it is nearest to, in percent.
func (r *OfflineReport) Share(row *OfflineRow) float64 {
	read, peak := r.Cost.GBs(row)/r.Read(), r.Cost.GOPs(row)/r.Cost.PeakGOPs
	return 100 * max(read, peak)
}

// Result gives the rates with the times of a token, and the machine's ceilings beside them.
func (r *OfflineReport) Result() *Result {
	out := &Result{What: fmt.Sprintf("%s on %d threads", r.Model, r.Threads)}
	for i := range r.Rows {
		row := &r.Rows[i]
		name, p50, p99 := row.Work, TTFT50, TTFT99
		if name == "decode" {
			name, p50, p99 = fmt.Sprintf("decode %d", row.Sequences), TPOT50, TPOT99
		}
		out.Add(name, "tok/s", row.Mean)
		out.Part(name, p50, row.StepMillis)
		out.Part(name, p99, row.StepP99)
		out.Part(name, Ceiling, r.Share(row))
	}
	out.Add("machine: read", "GB/s", r.Read())
	out.Add("machine: peak", "GOP/s", r.Cost.PeakGOPs)
	return out
}

// WriteOffline prints a report as a table, with the shares of bandwidth and peak.
func WriteOffline(w io.Writer, r *OfflineReport) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "work\tsequences\tcontext\ttok/s\t[worst\tbest]\tms/step\tGB/s\t% of read\t"+
		"GOP/s\t% of peak\t")
	for i := range r.Rows {
		row := &r.Rows[i]
		gbs, gops := r.Cost.GBs(row), r.Cost.GOPs(row)
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.2f\t%s\t%s\t%.0f\t%s\t\n", row.Work,
			row.Sequences, row.Context, row.TokensPerSec, row.Worst, row.Best, row.StepMillis,
			dash(gbs, "%.1f"), percent(gbs, r.Read()), gops, percent(gops, r.Cost.PeakGOPs))
	}
	return t.Flush()
}

func dash(x float64, format string) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf(format, x)
}

func percent(x, of float64) string {
	if x == 0 || of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*x/of)
}
