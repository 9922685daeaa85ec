package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"basalt/bench"
	"basalt/cpu"
	"basalt/models"
	"basalt/runtime"
)

type benchLatencyCmd struct {
	modelFlags
	Model      string `arg:"" default:"llama-3.2-1b" help:"Model, or with --load dummy a named shape."`
	Batch      int    `default:"8" help:"Sequences that begin and end together."`
	InputLen   int    `default:"32" placeholder:"N" help:"Prompt tokens of each."`
	OutputLen  int    `default:"128" placeholder:"N" help:"Generated tokens of each."`
	Iterations int    `default:"10" help:"Timed iterations."`
	JSON       bool   `help:"Print one JSON object."`
}

type benchKernelsCmd struct {
	modelFlags
	Formats []string `default:"q4_0,q4_k,q8_0,bf16" help:"Formats of the matrices."`
	Rows    []int    `default:"1,8,32,128" help:"Tokens that are multiplied at once."`
	In      int      `default:"2048" help:"Width of the matrices."`
	Out     int      `default:"8192" help:"Height of the matrices."`
	Steps   int      `default:"15" help:"Timed pairs of steps; the median of their differences counts."`
	JSON    bool     `help:"Print one JSON object."`
}

type benchEnergyCmd struct {
	modelFlags
	Model     string        `arg:"" default:"llama-3.2-1b" help:"Model, or with --load dummy a named shape."`
	Sequences int           `default:"8" help:"Sequences that decode together."`
	Steps     int           `default:"128" help:"Tokens of each."`
	Idle      time.Duration `default:"5s" help:"Time at rest, measured before."`
	JSON      bool          `help:"Print one JSON object."`
}

// compiled is a model on a device, for measurements without scheduler and server.
type compiled struct {
	dev   runtime.Device
	model *models.Model
	exec  runtime.Executable
	opts  runtime.CompileOptions
}

// compileFor loads a model for sequences of so many tokens.
func (f *modelFlags) compileFor(ctx context.Context, path string, tokens int) (*compiled, error) {
	dev, err := openDevice(f)
	if err != nil {
		return nil, err
	}
	if err := refuseFake(dev.Info()); err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	c := &compiled{dev: dev}
	if c.model, err = f.load(path); err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	if err = f.encode(ctx, c.model); err != nil {
		err = fmt.Errorf("--quantize: %w", err)
	} else if c.opts, err = f.compileOptions(c.model, dev); err == nil {
		c.opts.MaxContext = min(c.opts.MaxContext, tokens+blockSize)
		p := newProgress(os.Stderr, "loading "+path)
		c.opts.Progress = p.update
		c.exec, err = dev.Compile(ctx, c.model.Program, c.model.Checkpoint, c.opts)
		p.end()
	}
	if err != nil {
		return nil, errors.Join(err, c.model.Close(), dev.Close())
	}
	return c, nil
}

func (c *compiled) close() error {
	return errors.Join(c.exec.Close(), c.model.Close(), c.dev.Close())
}

// Run measures how long a batch takes from its prompts to its last tokens.
func (c *benchLatencyCmd) Run(ctx context.Context) error {
	m, err := c.compileFor(ctx, c.Model, c.InputLen+c.OutputLen)
	if err != nil {
		return err
	}
	r, err := bench.Latency(m.exec, bench.LatencyConfig{
		Vocab: m.model.Program.Vocab, BlockSize: blockSize, StepTokens: m.opts.MaxTokens,
		Batch: c.Batch, Input: c.InputLen, Output: c.OutputLen, Iterations: c.Iterations,
	})
	return errors.Join(write(r, err, c.JSON), m.close())
}

// Run measures matrix products alone.
func (c *benchKernelsCmd) Run(ctx context.Context) error {
	cfg := bench.KernelsConfig{Rows: c.Rows, In: c.In, Out: c.Out, Steps: c.Steps}
	if len(c.Rows) == 0 || len(c.Formats) == 0 || c.Steps < 1 {
		return errors.New("--rows, --formats and --steps must not be empty")
	}
	for _, name := range c.Formats {
		d, err := runtime.ParseDType(name)
		if err != nil {
			return fmt.Errorf("--formats: %w", err)
		}
		cfg.Formats = append(cfg.Formats, d)
	}
	dev, err := openDevice(&c.modelFlags)
	if err != nil {
		return err
	}
	if d, ok := dev.(*cpu.Device); ok {
		cfg.Ceilings = func() (bench.Ceilings, error) {
			c, err := d.Ceilings()
			return bench.Ceilings(c), err
		}
	}
	r, err := bench.Kernels(ctx, dev, cfg)
	return errors.Join(write(r, err, c.JSON), dev.Close())
}

// Run measures joules.
func (c *benchEnergyCmd) Run(ctx context.Context) error {
	meter, err := bench.NewMeter(bench.PowercapRoot)
	if err != nil {
		return err
	}
	m, err := c.compileFor(ctx, c.Model, 128+c.Steps)
	if err != nil {
		return err
	}
	r, err := bench.Energy(m.exec, meter, bench.EnergyConfig{
		Offline: bench.OfflineConfig{
			Vocab: m.model.Program.Vocab, BlockSize: blockSize, StepTokens: m.opts.MaxTokens,
			Sequences: []int{c.Sequences}, Context: 128, DecodeSteps: c.Steps, Repeats: 1,
		},
		Idle: c.Idle,
	})
	return errors.Join(write(r, err, c.JSON), m.close())
}

// write prints a result unless err says that there is none.
func write(r *bench.Result, err error, asJSON bool) error {
	if err != nil {
		return err
	}
	r.Version = version
	if r.Machine, err = machineClass(); err != nil {
		return err
	}
	return r.Write(os.Stdout, asJSON)
}
