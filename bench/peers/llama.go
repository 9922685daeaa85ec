package peers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"basalt/bench/proc"
)

// llama drives the programs of a llama.cpp build.
type llama struct {
	bin    string // folder with llama-bench, llama-batched-bench and llama-server
	models string
	exec   Exec
	start  Start
}

func (l *llama) run(ctx context.Context, j *job) (figures, error) {
	switch j.kind {
	case kindServe:
		return serve(ctx, l.start, l.serverArgs(j), j)
	case kindStart:
		return startUp(ctx, l.start, l.serverArgs(j), l.files(), j)
	case kindGenerate, kindPrompt:
		out, _, err := l.exec(ctx, l.benchArgs(j))
		if err != nil {
			return nil, err
		}
		return parseLlamaBench(out, j)
	}
	out, _, err := l.exec(ctx, l.batchedArgs(j))
	if err != nil {
		return nil, err
	}
	return parseBatchedBench(out, j)
}

func (l *llama) model(j *job) string { return filepath.Join(l.models, j.model+".gguf") }

// files are the server's program and the libraries beside it.
func (l *llama) files() []string {
	files := []string{filepath.Join(l.bin, "llama-server")}
	for _, lib := range []string{
		"libllama-server-impl.so", "libllama-common.so", "libllama.so", "libmtmd.so", "libggml.so",
		"libggml-base.so", "libggml-cpu.so",
	} {
		files = append(files, filepath.Join(l.bin, lib))
	}
	return files
}

func (l *llama) benchArgs(j *job) []string {
	args := []string{
		filepath.Join(l.bin, "llama-bench"), "-m", l.model(j), "-t", strconv.Itoa(j.threads),
		"-r", "1", "-o", "jsonl",
	}
	if j.kind == kindPrompt {
		return append(args, "-p", strconv.Itoa(j.rows[0].n), "-n", "0")
	}
	return append(args, "-p", "0", "-n", strconv.Itoa(decodeSteps), "-d",
		strconv.Itoa(decodeContext))
}

func (l *llama) batchedArgs(j *job) []string {
	t := strconv.Itoa(j.threads)
	args := []string{
		filepath.Join(l.bin, "llama-batched-bench"), "-m", l.model(j), "-t", t, "-tb", t,
		"--offline", "--output-format", "jsonl",
	}
	return append(args, batches(j)...)
}

// batches are the sizes that llama-batched-bench runs.
func batches(j *job) []string {
	if j.kind == kindLong {
		n := j.rows[0].n
		return []string{
			"-npp", strconv.Itoa(n), "-ntg", strconv.Itoa(longSteps), "-npl", "1",
			"-c", strconv.Itoa(n + 256),
		}
	}
	// A shared prompt (-pps) is prefilled once and copied to every sequence: decoding is the same
	// work, and a sample takes a tenth of the time.
	most, list := 0, make([]string, 0, len(j.rows))
	for _, n := range j.sizes() {
		most, list = max(most, n), append(list, strconv.Itoa(n))
	}
	return []string{
		"-pps", "-npp", strconv.Itoa(batchContext), "-ntg", strconv.Itoa(batchSteps),
		"-npl", strings.Join(list, ","), "-c", strconv.Itoa(most * 128),
	}
}

// serverArgs leave the prompt cache out: every prompt of the load is new, and at rest it only costs
// memory.
func (l *llama) serverArgs(j *job) proc.Args {
	t, slots, ctx := serverShape(j)
	return func(host, port string) []string {
		return []string{
			filepath.Join(l.bin, "llama-server"), "-m", l.model(j), "-t", t, "-tb", t,
			"-c", ctx, "-np", slots, "--host", host, "--port", port,
			"--offline", "--no-cache-prompt", "-cram", "0", "--no-webui",
		}
	}
}

// serverShape gives a server's threads, sequences and tokens of context as flags take them.
func serverShape(j *job) (threads, slots, context string) {
	n := max(j.rows[0].n, 1)
	tokens := 4096
	if j.kind == kindServe {
		tokens = n * 256
	}
	return strconv.Itoa(j.threads), strconv.Itoa(n), strconv.Itoa(tokens)
}

// parseLlamaBench reads the last line of llama-bench -o jsonl.
func parseLlamaBench(out []byte, j *job) (figures, error) {
	var test struct {
		NumPrompt int       `json:"n_prompt"`
		NumGen    int       `json:"n_gen"`
		Samples   []float64 `json:"samples_ts"`
		AvgNanos  float64   `json:"avg_ns"`
	}
	if err := json.Unmarshal(lastLine(out), &test); err != nil {
		return nil, fmt.Errorf("cannot read llama-bench's output: %w", err)
	}
	if test.AvgNanos <= 0 || test.NumPrompt+test.NumGen == 0 {
		return nil, errors.New("llama-bench reports no time")
	}
	f := make(figures)
	f.set(j.rows[0].ID, "rate", float64(test.NumPrompt+test.NumGen)*1e9/test.AvgNanos)
	return f, nil
}

func lastLine(out []byte) []byte {
	out = bytes.TrimSpace(out)
	return out[bytes.LastIndexByte(out, '\n')+1:]
}

// parseBatchedBench reads the lines of llama-batched-bench --output-format jsonl.
func parseBatchedBench(out []byte, j *job) (figures, error) {
	f := make(figures)
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var test struct {
			Parallel int     `json:"pl"`
			Prefill  float64 `json:"speed_pp"`
			Decode   float64 `json:"speed_tg"`
		}
		if !bytes.HasPrefix(lines.Bytes(), []byte("{")) {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &test); err != nil {
			return nil, fmt.Errorf("cannot read llama-batched-bench's output: %w", err)
		}
		j.setBatched(f, test.Parallel, test.Prefill, test.Decode)
	}
	if len(f) != len(j.rows) {
		return nil, fmt.Errorf("llama-batched-bench reports %d of %d rows", len(f), len(j.rows))
	}
	return f, nil
}

// systemLines are the build's version and the instruction sets that it uses, as llama-server says
// them before it looks for its model.
func (l *llama) systemLines(ctx context.Context) (build, system string, err error) {
	text, err := l.exec.both(ctx, []string{
		filepath.Join(l.bin, "llama-server"), "-lv", "4", "--offline", "-m", "none.gguf",
	})
	build, system = parseSystem(text)
	if system == "" {
		return "", "", fmt.Errorf("llama-server in %s does not describe its system: %w", l.bin, err)
	}
	return build, system, nil
}

func parseSystem(text []byte) (build, system string) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if i := strings.Index(line, "system_info: "); i >= 0 {
			system = strings.TrimSpace(line[i+len("system_info: "):])
		}
		if i := strings.Index(line, "common_params_print_info: build "); i >= 0 {
			build = strings.TrimSpace(line[i+len("common_params_print_info: "):])
		}
	}
	return build, system
}
