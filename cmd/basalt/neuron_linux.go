package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"basalt/cpu"
	"basalt/models"
	"basalt/models/tokenizer"
	"basalt/neuron"
	"basalt/neuron/lower"
	"basalt/neuron/nrt"
	"basalt/runtime"
)

func (f *neuronFlags) library() nrt.Config {
	return nrt.Config{Path: f.Libnrt, Cores: f.NeuronCores, AllowFake: fakeAllowed()}
}

// openNeuron opens the device of an export.
func openNeuron(f *neuronFlags, dir string) (*neuron.Device, error) {
	if dir == "" {
		return nil, errors.New("--device neuron needs --neuron-dir: make one with basalt neuron " +
			"export and basalt neuron compile")
	}
	d, err := neuron.New(neuron.Config{
		Dir: dir, Library: f.library(), Async: f.NeuronAsync, Sysfs: f.NeuronSysfs,
		Monitor: f.NeuronMon,
	})
	if err == nil && d.Fake() {
		fmt.Fprintln(os.Stderr, "basalt: warning: "+d.Info().Name)
	}
	return d, err
}

// machineTarget is the target of an export for this machine.
func machineTarget() (string, error) {
	return neuron.MachineTarget(nrt.Config{
		Path: os.Getenv("BASALT_LIBNRT"), AllowFake: fakeAllowed(),
	})
}

// diagnoseNeuron prints what this machine has.
func diagnoseNeuron(w io.Writer) error {
	return neuron.Diagnose(w, nrt.Config{
		Path: os.Getenv("BASALT_LIBNRT"), AllowFake: fakeAllowed(),
	})
}

// fitExport sizes an executable as the export was made, where no flag says otherwise. False for a
// device that has none.
func (f *modelFlags) fitExport(o *runtime.CompileOptions, dev runtime.Device) bool {
	d, ok := dev.(*neuron.Device)
	if !ok {
		return false
	}
	s := &d.Manifest().Settings
	if f.KVDtype == "" {
		o.KVDType = d.Manifest().KVDType()
	}
	if f.Ctx == 0 {
		o.MaxContext = min(o.MaxContext, s.MaxContext, s.Blocks*s.BlockSize)
	}
	return true
}

// Run checks the machine and the export.
func (c *neuronDoctorCmd) Run(ctx context.Context) error {
	if c.Dir == "" {
		return neuron.Diagnose(os.Stdout, c.library())
	}
	return neuron.Doctor(ctx, os.Stdout, neuron.Config{
		Dir: c.Dir, Library: c.library(), Async: c.NeuronAsync,
	})
}

// verified is the two executables of a verification.
type verified struct {
	dev       *neuron.Device
	other     runtime.Device // nil for the evaluator
	model     *models.Model
	got, want runtime.Executable
}

// Run compares a device with what it must compute.
func (c *neuronVerifyCmd) Run(ctx context.Context) error {
	f := modelFlags{Load: c.Load, DummySeed: c.Seed}
	m, err := f.load(c.Model)
	if err != nil {
		return err
	}
	x := &verified{model: m}
	return errors.Join(c.verify(ctx, x), x.close())
}

func (x *verified) close() error {
	var errs []error
	for _, e := range []runtime.Executable{x.got, x.want} {
		if e != nil {
			errs = append(errs, e.Close())
		}
	}
	if x.other != nil {
		errs = append(errs, x.other.Close())
	}
	if x.dev != nil {
		errs = append(errs, x.dev.Close())
	}
	return errors.Join(append(errs, x.model.Close())...)
}

func (c *neuronVerifyCmd) verify(ctx context.Context, x *verified) error {
	var err error
	if x.dev, err = openNeuron(&c.neuronFlags, c.Dir); err != nil {
		return err
	}
	s := &x.dev.Manifest().Settings
	v := neuron.Verification{Buckets: s.Buckets, Vocab: x.model.Program.Vocab}
	v.Options = verifyOptions(x)
	if v.Prompt, err = c.prompt(x.model); err != nil {
		return err
	}
	p, ckpt := x.model.Program, x.model.Checkpoint
	if x.got, err = x.dev.Compile(ctx, p, ckpt, v.Options); err != nil {
		return err
	}
	switch c.Against {
	case "evaluator":
		x.want, err = neuron.NewEvaluator(x.dev.Manifest(), p, ckpt, v.Options)
	case "cpu":
		x.other, err = cpu.New(cpu.Config{})
	default:
		x.other = runtime.NewReference()
	}
	if err == nil && x.other != nil {
		x.want, err = x.other.Compile(ctx, p, ckpt, v.Options)
	}
	if err != nil {
		return err
	}
	v.Got, v.Want = x.got, x.want
	list, err := v.Run()
	return errors.Join(c.print(os.Stdout, list, s.Compute), err)
}

// verifyOptions are large enough for every bucket.
func verifyOptions(x *verified) runtime.CompileOptions {
	s := &x.dev.Manifest().Settings
	o := runtime.CompileOptions{
		KVDType: x.dev.Manifest().KVDType(), BlockSize: s.BlockSize, MaxTokens: 1, MaxSeqs: 1,
		MaxContext: min(s.MaxContext, s.Blocks*s.BlockSize),
	}
	for _, b := range s.Buckets {
		o.MaxTokens = max(o.MaxTokens, b.Tokens)
		if b.Kind == lower.Decode {
			o.MaxSeqs = max(o.MaxSeqs, b.Tokens)
		}
	}
	perBlock := s.BlockSize * x.model.Program.KV.BytesPerToken(o.KVDType)
	o.KVBytes = int64(o.MaxContext/s.BlockSize+o.MaxSeqs+1) * int64(perBlock)
	return o
}

func (c *neuronVerifyCmd) prompt(m *models.Model) ([]int32, error) {
	if c.Prompt == "" {
		return nil, nil
	}
	tok, err := newTokenizer(m)
	if err != nil || tok == nil {
		return nil, errors.Join(errors.New("--prompt needs a model with a tokenizer"), err)
	}
	return tok.Encode(nil, c.Prompt, tokenizer.EncodeOptions{AddSpecial: true}), nil
}

// print writes the table; a bucket that disagrees is an error.
func (c *neuronVerifyCmd) print(w io.Writer, list []neuron.Agreement, compute string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "bucket\trows\tgreatest\trelative norm\tcosine\tsame best\t")
	var bad []string
	for _, a := range list {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%.2g\t%.2g\t%.6f\t%d\t\n", a.Bucket, a.Rows, a.Most, a.Norm,
			a.Cosine, a.Top1)
		if !a.Good(compute) {
			bad = append(bad, a.Bucket.String())
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("the scores differ from those of %s by more than %s products may in %d "+
			"of %d buckets: %v", c.Against, compute, len(bad), len(list), bad)
	}
	return nil
}
