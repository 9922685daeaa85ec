package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"basalt/models"
	"basalt/neuron/export"
	"basalt/neuron/lower"
)

// neuronFlags say where --device neuron finds its graphs and its library.
type neuronFlags struct {
	NeuronDir   string `name:"neuron-dir" type:"existingdir" placeholder:"DIR" help:"Compiled export that --device neuron runs (basalt neuron export, compile)."`
	Libnrt      string `name:"libnrt" placeholder:"FILE" help:"Neuron runtime library (default: libnrt.so.1, /opt/aws/neuron/lib)."`
	NeuronCores string `name:"neuron-cores" placeholder:"A-B" help:"Logical NeuronCores of this process, such as 0-3 (default: NEURON_RT_VISIBLE_CORES)."`
	NeuronSysfs string `name:"neuron-sysfs" hidden:"" placeholder:"DIR" help:"Where the Neuron driver shows its counters."`
	NeuronMon   string `name:"neuron-monitor" placeholder:"COMMAND" help:"Command whose reports join /metrics, such as neuron-monitor."`
	NeuronAsync bool   `name:"neuron-async" help:"Queue the graphs of a step with nrta_execute_schedule, where the library has its version 3."`
}

type neuronCmd struct {
	Export  neuronExportCmd  `cmd:"" help:"Lower a model to HLO graphs in a folder. Needs nothing of AWS's."`
	Compile neuronCompileCmd `cmd:"" help:"Compile an export with neuronx-cc, on any machine that has it."`
	Doctor  neuronDoctorCmd  `cmd:"" help:"Check the library, the machine and a compiled export."`
	Verify  neuronVerifyCmd  `cmd:"" help:"Compare an export's device with the evaluator, or another device, bucket by bucket."`
	Monitor neuronMonitorCmd `cmd:"" help:"Health of the devices from the driver and from neuron-monitor, as text or metrics."`
}

type neuronExportCmd struct {
	Model    string `arg:"" help:"Model: a directory with safetensors, or a .gguf file."`
	Out      string `required:"" placeholder:"DIR" help:"Folder to write."`
	Target   string `default:"auto" help:"Target of neuronx-cc: trn3, trn2, trn1, trn1n or inf2; auto is this machine's, or trn3."`
	LNC      int    `name:"lnc" default:"2" help:"Physical cores in a logical one, 1 or 2."`
	TP       int    `name:"tp" default:"1" help:"Logical cores that share the model."`
	Scope    string `default:"model" enum:"model,layer" help:"One graph for a step (model), or one for each kind of layer (layer: compiles in minutes)."`
	Compute  string `default:"auto" enum:"auto,f32,bf16" help:"Type of matrix products: f32, bf16, or auto: f32 for F32 models."`
	Acts     string `name:"activations" default:"bf16x2" enum:"bf16,bf16x2" help:"What bf16 products take: activations rounded to bf16, or as two bf16 numbers each, for nearly the tokens of float32 at twice the work of long prompts."`
	Weights  string `default:"auto" enum:"auto,f32,bf16,f8e4m3fn" help:"Type of the matrices in memory: as --compute, or f8e4m3fn with a scale for each row (trn3)."`
	KVDtype  string `name:"kv-dtype" default:"auto" enum:"auto,f32,bf16" help:"Type of the KV cache: auto is that of --compute."`
	Ctx      int    `placeholder:"N" help:"Greatest number of tokens in a sequence (default: the model's, at most 8192)."`
	Contexts []int  `placeholder:"N" help:"Context buckets (default: 1024, 4096 and --ctx)."`
	Tokens   []int  `default:"128,512" placeholder:"N" help:"Prefill buckets: new tokens of a prompt in one run."`
	Seqs     []int  `default:"8,32" placeholder:"N" help:"Decode buckets: sequences in one run."`
	KVBlocks int    `name:"kv-blocks" placeholder:"N" help:"Cache blocks of 16 positions (default: what memory allows, at most 32 whole sequences)."`
	TopK     int    `name:"top-k" default:"256" placeholder:"N" help:"Candidates of each row that the device selects."`
	Portable bool   `help:"No custom calls of the accelerator, for other back ends of XLA."`
	Load     string `default:"auto" enum:"auto,dummy" help:"dummy takes a named shape instead of files."`
}

type neuronCompileCmd struct {
	Dir      string `arg:"" type:"existingdir" help:"Export."`
	Compiler string `default:"neuronx-cc" help:"The compiler."`
	Jobs     int    `default:"2" help:"Compilers at the same time."`
	CCFlags  string `name:"cc-flags" placeholder:"FLAGS" help:"More flags for the compiler, separated by spaces."`
}

type neuronDoctorCmd struct {
	neuronFlags
	Dir string `arg:"" optional:"" type:"existingdir" help:"Compiled export; without one, only library and machine are looked at."`
}

type neuronVerifyCmd struct {
	neuronFlags
	Dir     string `arg:"" type:"existingdir" help:"Compiled export."`
	Model   string `arg:"" help:"The model that was exported."`
	Against string `default:"evaluator" enum:"evaluator,cpu,reference" help:"What computes the right scores: evaluator (the same graphs in Go, slow), cpu or reference."`
	Prompt  string `placeholder:"TEXT" help:"Text to feed, again and again (default: random tokens)."`
	Load    string `default:"auto" enum:"auto,dummy" help:"dummy takes a named shape instead of files."`
	Seed    uint64 `default:"1" hidden:"" help:"Seed of dummy weights."`
}

// allowFake is the variable without which nothing fake is used. It is no flag: no settings file can
// set it.
const allowFake = "BASALT_ALLOW_FAKE_NRT"

func fakeAllowed() bool { return os.Getenv(allowFake) == "1" }

// Run writes an export.
func (c *neuronExportCmd) Run() error {
	f := modelFlags{Load: c.Load, DummySeed: 1}
	m, err := f.load(c.Model)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	s, err := c.settings(m)
	if err != nil {
		return err
	}
	out, err := export.Write(c.Out, m.Program, s)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d graphs for %s, %d x LNC %d, %s products, %s weights, %s cache\n", c.Out,
		len(out.Graphs), s.Target, s.TP, s.LNC, s.Products(), s.Weights, s.KV)
	fmt.Printf("each core: weights %s, cache %s (%d blocks, %d tokens), other %s\n",
		formatBytes(out.Memory.Weights), formatBytes(out.Memory.Cache), s.Blocks,
		s.Blocks*s.BlockSize, formatBytes(out.Memory.Other))
	fmt.Printf("next: basalt neuron compile %s\n", c.Out)
	return nil
}

// settings completes the flags by what the model is.
func (c *neuronExportCmd) settings(m *models.Model) (export.Settings, error) {
	s := export.Settings{
		Target: c.Target, LNC: c.LNC, TP: c.TP, Scope: lower.Scope(c.Scope), Compute: c.Compute,
		Weights: c.Weights, KV: c.KVDtype, Blocks: c.KVBlocks, BlockSize: blockSize,
		MaxContext: c.Ctx, TopK: c.TopK, Portable: c.Portable, TwoParts: c.Acts == "bf16x2",
	}
	if s.Target == "auto" {
		var err error
		if s.Target, err = machineTarget(); err != nil {
			return s, err
		}
	}
	if s.Compute == "auto" {
		s.Compute = strings.ToLower(defaultKVDType(m).String())
	}
	for _, t := range []*string{&s.Weights, &s.KV} {
		if *t == "auto" {
			*t = s.Compute
		}
	}
	const usual = 8192
	switch {
	case c.Ctx > m.Config.MaxContext:
		return s, fmt.Errorf("--ctx %d: the model was made for %d tokens", c.Ctx,
			m.Config.MaxContext)
	case c.Ctx < 0 || c.KVBlocks < 0:
		return s, fmt.Errorf("--ctx %d, --kv-blocks %d: both must be positive", c.Ctx, c.KVBlocks)
	case c.Ctx == 0:
		s.MaxContext = min(m.Config.MaxContext, usual)
	}
	if err := c.buckets(&s); err != nil {
		return s, err
	}
	if s.Blocks == 0 {
		return s, s.Fit(m.Program, slices.Max(c.Seqs))
	}
	return s, nil
}

func (c *neuronExportCmd) buckets(s *export.Settings) error {
	contexts := c.Contexts
	if len(contexts) == 0 {
		contexts = []int{min(1024, s.MaxContext), min(4096, s.MaxContext), s.MaxContext}
	}
	for name, list := range map[string][]int{
		"contexts": contexts, "tokens": c.Tokens, "seqs": c.Seqs,
	} {
		if len(list) == 0 || slices.Min(list) < 1 {
			return fmt.Errorf("--%s %v: it must list positive numbers", name, list)
		}
	}
	if most := slices.Max(contexts); most < s.MaxContext {
		return fmt.Errorf("--contexts %v: the greatest must reach --ctx %d", contexts, s.MaxContext)
	}
	s.Buckets = export.Buckets(c.Tokens, []int{2}, c.Seqs, contexts, s.BlockSize)
	return nil
}

// Run compiles an export.
func (c *neuronCompileCmd) Run(ctx context.Context) error {
	done, err := export.Compile(ctx, c.Dir, export.CompileConfig{
		Compiler: c.Compiler, Flags: strings.Fields(c.CCFlags), Jobs: c.Jobs, Log: os.Stdout,
		AllowFake: fakeAllowed(),
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d graphs by %s\nnext, on the machine with the accelerator: basalt neuron doctor "+
		"%s\n", len(done.Graphs), done.Compiler, c.Dir)
	return nil
}
