package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"basalt/bench"
	"basalt/bench/proc"
)

// basalt drives this project's program.
type basalt struct {
	program string
	models  string
	exec    Exec
	start   Start
}

func (b *basalt) run(ctx context.Context, j *job) (figures, error) {
	switch j.kind {
	case kindServe:
		return serve(ctx, b.start, b.serverArgs(j), j)
	case kindStart:
		return startUp(ctx, b.start, b.serverArgs(j), []string{b.program}, j)
	}
	out, _, err := b.exec(ctx, b.offlineArgs(j))
	if err != nil {
		return nil, err
	}
	return parseOffline(out, j)
}

func (b *basalt) model(j *job) string { return filepath.Join(b.models, j.model+".gguf") }

// offlineArgs ask for one timed repetition after a warm-up, as the peer's programs do, and for
// steps of 512 tokens, their default.
func (b *basalt) offlineArgs(j *job) []string {
	context, steps, prefill, sizes := decodeContext, decodeSteps, 0, "1"
	switch j.kind {
	case kindPrompt:
		sizes, prefill = "", j.rows[0].n
	case kindLong:
		context, steps = j.rows[0].n, longSteps
	case kindBatch:
		list := make([]string, 0, len(j.rows))
		for _, n := range j.sizes() {
			list = append(list, strconv.Itoa(n))
		}
		sizes, context, steps = strings.Join(list, ","), batchContext, batchSteps
	}
	args := []string{
		b.program, "bench", "offline", b.model(j), "--json", "--threads",
		strconv.Itoa(j.threads), "--step-tokens", "512", "--repeats", "1",
		"--context", strconv.Itoa(context), "--steps", strconv.Itoa(steps),
		"--prefill", strconv.Itoa(prefill),
	}
	if sizes == "" {
		return append(args, "--no-decode")
	}
	return append(args, "--sequences", sizes)
}

func (b *basalt) serverArgs(j *job) proc.Args {
	args := []string{
		b.program, "serve", b.model(j), "--threads", strconv.Itoa(j.threads),
		"--max-seqs", strconv.Itoa(max(j.rows[0].n, 1)),
	}
	if j.kind == kindStart {
		args = append(args, "--ctx", "4096")
	} else {
		args = append(args, "--ctx", "256")
	}
	return func(host, port string) []string {
		return append(args[:len(args):len(args)], "--listen", host+":"+port)
	}
}

// parseOffline reads basalt bench offline --json.
func parseOffline(out []byte, j *job) (figures, error) {
	var r bench.OfflineReport
	if err := json.Unmarshal(out, &r); err != nil {
		return nil, fmt.Errorf("cannot read the output of basalt bench offline: %w", err)
	}
	f := make(figures)
	for i := range r.Rows {
		for k := range j.rows {
			if setOffline(f, &r, &r.Rows[i], &j.rows[k]) {
				f.set(j.rows[k].ID, "read GB/s", r.Read())
				f.set(j.rows[k].ID, "peak GOP/s", r.Cost.PeakGOPs)
			}
		}
	}
	if len(f) != len(j.rows) {
		return nil, fmt.Errorf("basalt bench offline reports %d of %d rows", len(f), len(j.rows))
	}
	return f, nil
}

// setOffline notes what got says of want, and whether it says anything.
func setOffline(f figures, r *bench.OfflineReport, got *bench.OfflineRow, want *Row) bool {
	switch {
	case want.kind == kindLong:
		f.set(want.ID, "prefill", got.FillPerSec)
		f.set(want.ID, "decode", got.Mean)
	case want.kind == kindPrompt && got.Work == "prefill":
		f.set(want.ID, "rate", got.Mean)
		f.set(want.ID, "GOP/s", r.Cost.GOPs(got))
	case want.kind != kindPrompt && got.Work == "decode" && got.Sequences == want.n:
		f.set(want.ID, "rate", got.Mean)
		f.set(want.ID, "GB/s", r.Cost.GBs(got))
		f.set(want.ID, "GOP/s", r.Cost.GOPs(got))
	default:
		return false
	}
	return true
}
