package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"basalt/batcher"
	"basalt/cpu"
	"basalt/cuda"
	"basalt/models"
	"basalt/models/box"
	"basalt/models/chat"
	"basalt/models/tokenizer"
	"basalt/runtime"
	"basalt/server"
)

const blockSize = 16 // positions in a KV cache block

// opened is a model that answers.
type opened struct {
	name       string
	path       string
	model      *models.Model
	tok        *tokenizer.Tokenizer
	template   *chat.Template // nil when the model has none
	exec       runtime.Executable
	loop       *batcher.Loop
	steps      *server.Steps
	maxContext int
	cacheType  runtime.DType
}

// close stops the loop and releases what the model holds.
func (o *opened) close(ctx context.Context) error {
	return errors.Join(o.loop.Stop(ctx), o.exec.Close(), o.model.Close())
}

// openDevice finds the device that --device names.
func openDevice(f *modelFlags) (runtime.Device, error) {
	if err := f.checkKVDType(); err != nil {
		return nil, err
	}
	switch f.Device {
	case "cpu":
		return cpu.New(cpu.Config{Threads: f.Threads, ISA: f.ISA})
	case "cuda":
		return openCUDA(f)
	case "neuron":
		return openNeuron(&f.neuronFlags, f.NeuronDir)
	case "reference":
		return runtime.NewReference(), nil
	case "null":
		return runtime.NullDevice{StepTime: f.StepTime}, nil
	}
	return nil, fmt.Errorf("unknown device %q", f.Device)
}

// cudaConfig takes the names of the libraries from the environment, where that has them.
func cudaConfig(gpu int) cuda.Config {
	return cuda.Config{
		Ordinal: gpu, Kernels: os.Getenv("BASALT_KERNELS"), Library: os.Getenv("BASALT_LIBCUDA"),
		NVML: os.Getenv("BASALT_LIBNVML"), BLAS: os.Getenv("BASALT_LIBCUBLASLT"),
		NCCL: os.Getenv("BASALT_LIBNCCL"),
	}
}

// openCUDA opens a GPU. The fake driver of the tests needs two variables to be taken.
func openCUDA(f *modelFlags) (runtime.Device, error) {
	c := cudaConfig(f.GPU)
	c.AnyOrder = !f.Deterministic
	dev, err := cuda.Open(c)
	if err != nil {
		return nil, err
	}
	info := dev.Info()
	fmt.Fprintf(os.Stderr, "basalt: %s: %s\n", info.Name, strings.Join(info.Features, ", "))
	if os.Getenv("BASALT_ALLOW_FAKE_CUDA") == "1" {
		return dev, nil
	}
	if err := refuseFake(dev.Info()); err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	return dev, nil
}

// load reads a model's files, or makes up its weights.
func (f *modelFlags) load(path string) (*models.Model, error) {
	o := models.LoadOptions{Phase: f.phases.begin}
	if f.Load == "dummy" {
		o.Dummy = &models.DummySpec{Seed: f.DummySeed, OnDevice: f.Device == "cuda"}
		if f.Quantize != "" { // random blocks serve as well as quantised random numbers
			d, err := runtime.ParseDType(f.Quantize)
			if err != nil {
				return nil, fmt.Errorf("--quantize: %w", err)
			}
			o.Dummy.DType = d
		}
	}
	m, err := loadFiles(path, o)
	if err == nil && m.Warning() != "" {
		fmt.Fprintln(os.Stderr, "basalt: warning:", m.Warning())
	}
	return m, err
}

// loadFiles takes the model in the box for its id, unless a file has that name.
func loadFiles(path string, o models.LoadOptions) (*models.Model, error) {
	if _, err := os.Stat(path); path == box.ID && err != nil {
		return models.LoadFS(box.ID, box.Files())
	}
	return models.Load(path, o)
}

// openModel loads a model, compiles it for the device and starts its loop.
func (f *modelFlags) openModel(ctx context.Context, dev runtime.Device, path string) (*opened,
	error,
) {
	m, err := f.load(path)
	if err != nil {
		return nil, err
	}
	if err := f.encode(ctx, m); err != nil {
		return nil, errors.Join(fmt.Errorf("--quantize: %w", err), m.Close())
	}
	o := &opened{name: modelName(path), path: path, model: m}
	if err := f.finish(ctx, o, dev); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open model %q: %w", path, err), m.Close())
	}
	return o, nil
}

func (f *modelFlags) finish(ctx context.Context, o *opened, dev runtime.Device) error {
	opts, err := f.compileOptions(o.model, dev)
	if err != nil {
		return err
	}
	if null, ok := dev.(runtime.NullDevice); ok {
		if err := f.readText(o); err != nil {
			return err
		}
		null.Tokens = wordTokens(o.tok)
		dev = null
	}
	if err := f.compile(ctx, o, dev, opts); err != nil {
		return err
	}
	o.maxContext, o.cacheType = opts.MaxContext, opts.KVDType
	cfg := batcher.Config{
		MaxTokens: opts.MaxTokens, MaxSeqs: opts.MaxSeqs, MaxContext: opts.MaxContext,
		BlockSize: blockSize, NumBlocks: o.exec.NumBlocks(), MaxWaiting: f.MaxQueue,
		Vocab: o.model.Program.Vocab, StepTime: f.StepTarget,
	}
	if err := cfg.Check(); err != nil {
		return errors.Join(err, o.exec.Close())
	}
	o.steps = server.NewSteps(opts.MaxTokens)
	o.loop = batcher.NewLoop(o.exec, cfg, batcher.Options{
		Ahead: dev.Info().Async, Stepped: o.steps.Observe, Now: time.Now,
	})
	return nil
}

// readText builds the tokenizer and the chat template, unless that is done.
func (f *modelFlags) readText(o *opened) error {
	if o.tok != nil {
		return nil
	}
	defer f.phases.begin("tokenizer")()
	var err error
	if o.tok, err = newTokenizer(o.model); err == nil {
		o.template, err = f.newTemplate(o)
	}
	return err
}

// compile prepares the weights while another goroutine does the tokenizer. The tokenizer's error
// ends the compilation.
func (f *modelFlags) compile(ctx context.Context, o *opened, dev runtime.Device,
	opts runtime.CompileOptions,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	text := make(chan error, 1)
	go func() {
		err := f.readText(o)
		if err != nil {
			cancel()
		}
		text <- err
	}()
	p := newProgress(os.Stderr, "loading "+o.name)
	opts.Progress, opts.Phase = p.update, f.phases.begin
	exec, err := dev.Compile(ctx, o.model.Program, o.model.Checkpoint, opts)
	p.end()
	if textErr := <-text; textErr != nil {
		if err == nil {
			err = exec.Close()
		} else if errors.Is(err, context.Canceled) {
			err = nil // on account of the tokenizer
		}
		return errors.Join(textErr, err)
	}
	o.exec = exec
	return err
}

// modelName is the API's id for a path: its last element without the ending of the file.
func modelName(path string) string {
	name := filepath.Base(filepath.Clean(path))
	for _, ext := range []string{".gguf", ".safetensors"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

// newTokenizer takes tokenizer.json where there is one, else the vocabulary of the GGUF file. Dummy
// models have neither, and get one.
func newTokenizer(m *models.Model) (*tokenizer.Tokenizer, error) {
	switch {
	case m.TokenizerJSON != nil:
		t, err := tokenizer.FromJSON(m.TokenizerJSON)
		if err != nil || m.TokenizerConfig == nil {
			return t, err
		}
		return t.WithConfig(m.TokenizerConfig)
	case m.GGUF != nil:
		v, err := models.GGUFVocab(m.GGUF)
		if err != nil {
			return nil, err
		}
		return tokenizer.FromGGUF(v)
	}
	return dummyTokenizer(m.Config.Vocab)
}

// newTemplate parses --chat-template, or the model's own; nil when there is none.
func (f *modelFlags) newTemplate(o *opened) (*chat.Template, error) {
	source := o.model.ChatTemplate
	if f.ChatTemplate != "" {
		data, err := os.ReadFile(f.ChatTemplate)
		if err != nil {
			return nil, fmt.Errorf("cannot read --chat-template: %w", err)
		}
		source = string(data)
	}
	if source == "" {
		return nil, nil
	}
	t, err := chat.Parse(source, chat.Options{BOS: o.model.BOSToken, EOS: o.model.EOSToken})
	if err != nil {
		return nil, fmt.Errorf("cannot use the chat template (give another by "+
			"--chat-template): %w", err)
	}
	return t, nil
}
