package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Ceiling relates rates to the machine: weight bytes read in a decode step against bandwidth,
// operations for a token against the peak of the instructions that compute it.
type Ceiling struct {
	BytesPerStep int64   // bytes that a step reads whatever the number of sequences
	KVBytes      int64   // cache bytes for one position
	OpsPerToken  int64   // operations for one decoded token
	OpsPrefill   int64   // operations for one token of a prompt, without the logits
	ReadGBs      float64 // measured bandwidth
	PeakGOPs     float64 // measured peak of the dot product instruction
}

// WriteOffline prints rows as a table; with a ceiling also the share of bandwidth and peak.
func WriteOffline(w io.Writer, rows []OfflineRow, context int, c Ceiling) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "work\tsequences\ttok/s\t[worst\tbest]\tms/step\tGB/s\t% of read\tGOP/s\t% "+
		"of peak\t")
	for _, r := range rows {
		ops := float64(c.OpsPerToken)
		read := float64(c.BytesPerStep) + float64(c.KVBytes)*float64(context*r.Sequences)
		gbs := read / r.StepMillis / 1e6
		if r.Work == "prefill" {
			ops, gbs = float64(c.OpsPrefill), 0
		}
		gops := ops * r.TokensPerSec / 1e9
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.2f\t%s\t%s\t%.0f\t%s\t\n", r.Work, r.Sequences,
			r.TokensPerSec, r.Worst, r.Best, r.StepMillis, dash(gbs, "%.1f"),
			percent(gbs, c.ReadGBs), gops, percent(gops, c.PeakGOPs))
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

// WriteServe prints one line for each run.
func WriteServe(w io.Writer, clients []int, results []ServeResult) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "clients\tok\tfailed\ttok/s\treq/s\tTTFT p50\tp99\tTPOT p50\tp99\tgap p50\t"+
		"p99\tmax ms\t")
	for i, r := range results {
		fmt.Fprintf(t, "%d\t%d\t%d\t%.1f\t%.2f\t%.0f\t%.0f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n",
			clients[i], r.Completed, r.Failed, r.OutputPerSec, r.ReqPerSec, r.TTFT.P50, r.TTFT.P99,
			r.TPOT.P50, r.TPOT.P99, r.Gap.P50, r.Gap.P99, r.Gap.Max)
		if r.FirstError != "" {
			fmt.Fprintf(t, "\tfirst error: %s\n", r.FirstError)
		}
	}
	return t.Flush()
}
