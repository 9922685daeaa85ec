package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"basalt/bench"
	"basalt/cpu"
	"basalt/models"
	"basalt/runtime"
)

type benchCmd struct {
	Offline benchOfflineCmd `cmd:"" help:"Prefill and decoding on the device, without server."`
	Serve   benchServeCmd   `cmd:"" help:"Load a running server with streamed completions."`
	Latency benchLatencyCmd `cmd:"" help:"Time of one batch from its prompts to its last tokens."`
	Kernels benchKernelsCmd `cmd:"" help:"Matrix products alone."`
	Startup benchStartupCmd `cmd:"" help:"From exec to a server that answers."`
	Memory  benchMemoryCmd  `cmd:"" help:"Memory of a server at rest and under load."`
	HTTP    benchHTTPCmd    `cmd:"" name:"http" help:"The server without a model's arithmetic."`
	Sweep   benchSweepCmd   `cmd:"" help:"A server under more and more clients: throughput against latency."`
	Energy  benchEnergyCmd  `cmd:"" help:"Joules for a decoded token."`
	CPU     benchCPUCmd     `cmd:"" name:"cpu" help:"The CPU device's table, also beside llama.cpp."`
	Run     benchRunCmd     `cmd:"" help:"All workloads, beside the last recorded run."`
	Regress benchRegressCmd `cmd:"" help:"Two programs in turn: what is better, worse, or the same."`
	Report  benchReportCmd  `cmd:"" help:"The record as one HTML page, and as an image."`
}

type benchOfflineCmd struct {
	modelFlags
	Model     string `arg:"" default:"llama-3.2-1b" help:"Model, or with --load dummy a named shape."`
	Sequences []int  `default:"1,8,32" help:"Decode with so many sequences."`
	Context   int    `default:"128" help:"Tokens in each sequence's cache."`
	Steps     int    `default:"16" help:"Timed decode steps."`
	Prefill   int    `default:"512" help:"Tokens of the prefill prompt; 0 leaves it out."`
	Repeats   int    `default:"3" help:"Repetitions."`
	NoDecode  bool   `help:"Measure prefill alone."`
	JSON      bool   `help:"Print one JSON object with everything measured."`
	Figures   bool   `help:"Print one JSON object as the other benches do."`
}

// Run measures offline throughput against the machine's ceilings, taken in the same minute.
func (c *benchOfflineCmd) Run(ctx context.Context) error {
	start := time.Now()
	m, err := c.compileFor(ctx, c.Model, max(c.Context+c.Steps, c.Prefill))
	if err != nil {
		return err
	}
	info := m.dev.Info()
	r := bench.OfflineReport{
		Version: version, Model: modelName(c.Model), Device: info.Name, Threads: info.Threads,
		LoadSeconds: time.Since(start).Seconds(),
	}
	if err = c.measure(&r, m.model, m.exec, m.opts); err == nil {
		err = c.report(&r, m.opts)
	}
	return errors.Join(err, m.close())
}

func (c *benchOfflineCmd) measure(r *bench.OfflineReport, m *models.Model,
	exec runtime.Executable, opts runtime.CompileOptions,
) error {
	var err error
	if r.Before, err = ceilings(r.Threads); err != nil {
		return err
	}
	if c.NoDecode {
		c.Sequences = nil
	}
	r.Rows, err = bench.Offline(exec, bench.OfflineConfig{
		Vocab: m.Program.Vocab, BlockSize: blockSize, Sequences: c.Sequences, Context: c.Context,
		DecodeSteps: c.Steps, Prefill: c.Prefill, StepTokens: opts.MaxTokens, Repeats: c.Repeats,
	})
	if err != nil {
		return err
	}
	r.After, err = ceilings(r.Threads)
	r.Cost = cost(m, opts, r.After)
	return err
}

// ceilings measures what so many threads can do at most.
func ceilings(threads int) (bench.Ceilings, error) {
	c, err := cpu.MeasureCeilings(threads)
	return bench.Ceilings(c), err
}

// report prints the table, or the report as JSON.
func (c *benchOfflineCmd) report(r *bench.OfflineReport, opts runtime.CompileOptions) error {
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	if c.Figures {
		return write(r.Result(), nil, true)
	}
	fmt.Printf("%s on %s, %d threads; loaded in %.1f s\n", r.Model, r.Device, r.Threads,
		r.LoadSeconds)
	if opts.Quantize != 0 {
		fmt.Printf("weights are stored as %s\n", opts.Quantize)
	}
	fmt.Printf("ceilings: read %.1f GB/s before, %.1f after; float32 %.0f GFLOP/s, int8 %.0f "+
		"GOP/s\n", r.Before.ReadGBs, r.After.ReadGBs, r.After.FMAGFLOPs, r.After.Int8GOPs)
	return bench.WriteOffline(os.Stdout, r)
}

// cost is what a model's tokens need of the machine.
func cost(m *models.Model, opts runtime.CompileOptions, c bench.Ceilings) bench.Cost {
	s := runtime.ProgramStats(m.Program, m.Checkpoint)
	if q := opts.Quantize; q != 0 {
		s.BytesPerStep = s.ActiveParams / int64(q.BlockSize()) * int64(q.BlockBytes())
	}
	head := int64(m.Config.Vocab) * int64(m.Config.Hidden) * 2
	return bench.Cost{
		BytesPerStep: s.BytesPerStep, KVBytes: int64(m.Program.KV.BytesPerToken(opts.KVDType)),
		OpsPerToken: s.FLOPs, OpsPrefill: s.FLOPs - head, PeakGOPs: peak(m, opts, c),
	}
}

// peak is the ceiling of the instructions that multiply this model's weights.
func peak(m *models.Model, opts runtime.CompileOptions, c bench.Ceilings) float64 {
	d := opts.Quantize
	for _, w := range m.Program.Weights {
		if t, ok := m.Checkpoint.Tensor(w.Parts[0]); d == 0 && ok && len(t.Shape) == 2 {
			d = t.DType
		}
	}
	return c.Peak(d)
}
