package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"basalt/bench/proc"
)

// fork drives the programs of an ik_llama.cpp build (github.com/ikawrakow/ik_llama.cpp), which left
// llama.cpp in 2024: other flags, other outputs. Weights are repacked at load (-rtr), as its
// authors advise for processors.
type fork struct{ llama }

// isFork asks a build's llama-bench for the flag that only ik_llama.cpp has.
func isFork(ctx context.Context, exec Exec, bin string) (bool, error) {
	help, err := exec.both(ctx, []string{filepath.Join(bin, "llama-bench"), "--help"})
	if err != nil {
		return false, fmt.Errorf("cannot ask llama-bench in %s for its flags: %w", bin, err)
	}
	return bytes.Contains(help, []byte("--run-time-repack")), nil
}

func (k *fork) run(ctx context.Context, j *job) (figures, error) {
	switch j.kind {
	case kindServe:
		return serve(ctx, k.start, k.serverArgs(j), j)
	case kindStart:
		return startUp(ctx, k.start, k.serverArgs(j), k.files(), j)
	case kindGenerate, kindPrompt:
		out, _, err := k.exec(ctx, k.benchArgs(j))
		if err != nil {
			return nil, err
		}
		return parseForkBench(out, j)
	}
	out, err := k.exec.both(ctx, k.batchedArgs(j))
	if err != nil {
		return nil, err
	}
	return parseForkBatched(out, j)
}

// files are the server's program and its libraries, which the build leaves in other folders.
func (k *fork) files() []string {
	build := filepath.Dir(k.bin)
	return []string{
		filepath.Join(k.bin, "llama-server"), filepath.Join(build, "src", "libllama.so"),
		filepath.Join(build, "ggml", "src", "libggml.so"),
	}
}

func (k *fork) benchArgs(j *job) []string {
	args := []string{
		filepath.Join(k.bin, "llama-bench"), "-m", k.model(j), "-t", strconv.Itoa(j.threads),
		"-r", "1", "-o", "json", "-rtr", "1",
	}
	if j.kind == kindPrompt {
		return append(args, "-p", strconv.Itoa(j.rows[0].n), "-n", "0")
	}
	return append(args, "-p", "0", "-n", "0", "-gp", fmt.Sprintf("%d,%d", decodeContext,
		decodeSteps))
}

func (k *fork) batchedArgs(j *job) []string {
	t := strconv.Itoa(j.threads)
	args := []string{
		filepath.Join(k.bin, "llama-batched-bench"), "-m", k.model(j), "-t", t, "-tb", t, "-rtr",
		"--log-file", os.DevNull, // else ./llama.log
	}
	return append(args, batches(j)...)
}

func (k *fork) serverArgs(j *job) proc.Args {
	t, slots, ctx := serverShape(j)
	return func(host, port string) []string {
		return []string{
			filepath.Join(k.bin, "llama-server"), "-m", k.model(j), "-t", t, "-tb", t, "-c", ctx,
			"-np", slots, "--host", host, "--port", port, "-cram", "0", "-rtr", "--log-file",
			os.DevNull,
		}
	}
}

// parseForkBench reads llama-bench -o json, a list with one test.
func parseForkBench(out []byte, j *job) (figures, error) {
	var tests []json.RawMessage
	if i := bytes.IndexByte(out, '['); i > 0 {
		out = out[i:]
	}
	if err := json.Unmarshal(out, &tests); err != nil {
		return nil, fmt.Errorf("cannot read llama-bench's output: %w", err)
	}
	if len(tests) != 1 {
		return nil, fmt.Errorf("llama-bench reports %d tests, not one", len(tests))
	}
	var test struct {
		Rate float64 `json:"avg_ts"`
	}
	if err := json.Unmarshal(tests[0], &test); err != nil || test.Rate <= 0 {
		return nil, errors.Join(errors.New("llama-bench reports no rate"), err)
	}
	f := make(figures)
	f.set(j.rows[0].ID, "rate", test.Rate)
	return f, nil
}

// parseForkBatched reads the table of llama-batched-bench, whose columns are PP, TG, B, N_KV, T_PP,
// S_PP, T_TG, S_TG, T and S.
func parseForkBatched(out []byte, j *job) (figures, error) {
	f := make(figures)
	for line := range strings.Lines(string(out)) {
		var cells []float64
		for _, cell := range strings.Split(line, "|") {
			if x, err := strconv.ParseFloat(strings.TrimSpace(cell), 64); err == nil {
				cells = append(cells, x)
			}
		}
		if len(cells) == 10 {
			j.setBatched(f, int(cells[2]), cells[5], cells[7])
		}
	}
	if len(f) != len(j.rows) {
		return nil, fmt.Errorf("llama-batched-bench reports %d of %d rows", len(f), len(j.rows))
	}
	return f, nil
}

// systemLines are the build's version and the processor's name; instruction sets are those of the
// machine it was built on (GGML_NATIVE).
func (k *fork) systemLines(ctx context.Context) (build, system string, err error) {
	text, err := k.exec.both(ctx, []string{filepath.Join(k.bin, "llama-server"), "--version"})
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || len(lines) < 2 {
		return "", "", fmt.Errorf("llama-server in %s does not tell its version: %w", k.bin,
			errors.Join(err, errors.New(string(text))))
	}
	return lines[0], lines[1], nil
}
