package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"

	"basalt/bench"
	"basalt/bench/load"
	"basalt/bench/proc"
)

type benchMemoryCmd struct {
	Model   string `arg:"" help:"Model: a directory with safetensors, or a .gguf file."`
	Clients int    `default:"8" help:"Clients of the load after which memory is read again."`
	JSON    bool   `help:"Print one JSON object."`
}

type benchSweepCmd struct {
	Model     string `arg:"" help:"Model, or with --load dummy a named shape."`
	Load      string `default:"auto" enum:"auto,dummy" help:"As of basalt serve."`
	Quantize  string `placeholder:"TYPE" help:"As of basalt serve."`
	Device    string `default:"cpu" help:"As of basalt serve."`
	Clients   []int  `default:"1,2,4,8,16" help:"Concurrent clients, one load for each number."`
	Turns     int    `default:"3" help:"Requests of each client."`
	InputLen  int    `default:"64" placeholder:"N" help:"Prompt tokens."`
	OutputLen int    `default:"32" placeholder:"N" help:"Tokens to generate."`
	JSON      bool   `help:"Print one JSON object."`
}

type benchHTTPCmd struct {
	Model    string `arg:"" help:"Model whose tokenizer is used; a null device takes the place of its arithmetic."`
	Clients  int    `default:"32" help:"Concurrent clients."`
	Requests int    `default:"2000" help:"Requests."`
	Output   int    `default:"64" help:"Streamed tokens of each."`
	JSON     bool   `help:"Print one JSON object."`
}

// startSelf serves a model with this program, in a process of its own.
func startSelf(ctx context.Context, model, logLevel string, more ...string) (*proc.Server,
	error,
) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program: %w", err)
	}
	return proc.Start(ctx, func(host, port string) []string {
		return append([]string{
			program, "serve", model, "--listen", host + ":" + port, "--log-level", logLevel,
		}, more...)
	})
}

// Run reads a server's memory at rest and behind a load.
func (c *benchMemoryCmd) Run(ctx context.Context) error {
	s, err := startSelf(ctx, c.Model, "error")
	if err != nil {
		return err
	}
	rest, err := proc.ReadMemory(s.PID)
	var loaded proc.Memory
	if err == nil {
		if _, err = loadCompletions(ctx, s.URL, c.Clients, 2*c.Clients, 16, 16); err == nil {
			loaded, err = proc.ReadMemory(s.PID)
		}
	}
	if err = errors.Join(err, s.Stop()); err != nil {
		return err
	}
	r := &bench.Result{What: "memory of a server with " + modelName(c.Model)}
	r.AddCost("resident at rest", "MB", rest.Resident/1e6)
	r.AddCost("of that anonymous", "MB", rest.Anonymous/1e6)
	r.AddCost(fmt.Sprintf("resident after %d clients", c.Clients), "MB", loaded.Resident/1e6)
	r.AddCost("peak", "MB", loaded.Peak/1e6)
	return write(r, nil, c.JSON)
}

// Run measures what the server costs without a model's arithmetic.
func (c *benchHTTPCmd) Run(ctx context.Context) error {
	s, err := startSelf(ctx, c.Model, "error", "--device", "null",
		"--max-seqs", strconv.Itoa(c.Clients), "--ctx", strconv.Itoa(c.Output+32))
	if err != nil {
		return err
	}
	if _, err = loadCompletions(ctx, s.URL, c.Clients, c.Clients, 16, c.Output); err != nil {
		return errors.Join(err, s.Stop())
	}
	m, err := loadCompletions(ctx, s.URL, c.Clients, c.Requests, 16, c.Output)
	if err = errors.Join(err, s.Stop()); err != nil {
		return err
	}
	r := &bench.Result{What: fmt.Sprintf("server without arithmetic, %d clients", c.Clients)}
	addLoad(r, "tokens", m)
	r.Add("requests", "req/s", m.RequestThroughput)
	return write(r, nil, c.JSON)
}

// addLoad notes what clients saw of a server.
func addLoad(r *bench.Result, name string, m *load.Metrics) {
	r.Add(name, "tok/s", m.OutputThroughput)
	r.Part(name, bench.TTFT50, m.TTFT.Percentile(50))
	r.Part(name, bench.TTFT99, m.TTFT.Percentile(99))
	r.Part(name, bench.TPOT50, m.TPOT.Percentile(50))
	r.Part(name, bench.TPOT99, m.TPOT.Percentile(99))
}

// Run loads one server with each number of clients in turn.
func (c *benchSweepCmd) Run(ctx context.Context) error {
	if len(c.Clients) == 0 || slices.Min(c.Clients) < 1 || c.Turns < 1 {
		return fmt.Errorf("--clients %v, --turns %d: all must be positive", c.Clients, c.Turns)
	}
	args := []string{
		"--load", c.Load, "--device", c.Device, "--max-seqs", strconv.Itoa(slices.Max(c.Clients)),
		"--ctx", strconv.Itoa(c.InputLen + c.OutputLen + 16),
	}
	if c.Quantize != "" {
		args = append(args, "--quantize", c.Quantize)
	}
	s, err := startSelf(ctx, c.Model, "error", args...)
	if err != nil {
		return err
	}
	if err := load.RefuseSimulated(ctx, http.DefaultClient, s.URL, ""); err != nil {
		return errors.Join(err, s.Stop())
	}
	r := &bench.Result{What: fmt.Sprintf("%s served: %d tokens in, %d out", modelName(c.Model),
		c.InputLen, c.OutputLen)}
	for _, n := range c.Clients {
		m, err := loadCompletions(ctx, s.URL, n, c.Turns*n, c.InputLen, c.OutputLen)
		if err != nil {
			return errors.Join(err, s.Stop())
		}
		addLoad(r, fmt.Sprintf("clients %d", n), m)
	}
	return write(r, s.Stop(), c.JSON)
}

// loadCompletions puts a server under a closed loop of clients; all requests must be answered.
func loadCompletions(ctx context.Context, url string, clients, num, input, output int) (
	*load.Metrics, error,
) {
	w := load.Workload{
		Kind: "random", Num: num, Input: input, Output: output, Vocab: 256, Seed: 1,
	}
	sessions, err := w.Sessions()
	if err != nil {
		return nil, err
	}
	o := &load.Options{
		URL: url, Dialect: "openai", Rate: math.Inf(1), Burstiness: 1, Clients: clients,
	}
	if o.Model, err = load.FirstModel(ctx, http.DefaultClient, url, ""); err != nil {
		return nil, err
	}
	r, err := load.Run(ctx, o, sessions)
	if err != nil {
		return nil, err
	}
	m := r.Summarise(load.SLO{})
	if m.Failed > 0 {
		return nil, fmt.Errorf("%d of %d requests were not answered: %s", m.Failed, num,
			m.ErrorTexts[0])
	}
	return m, nil
}
