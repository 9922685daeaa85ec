package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"basalt/bench/eval"
	"basalt/models"
	"basalt/models/tokenizer"
	"basalt/runtime"
)

type evalCmd struct {
	modelFlags
	Model     string `arg:"" help:"Model: a directory with safetensors, or a .gguf file."`
	Text      string `required:"" type:"existingfile" placeholder:"FILE" help:"Text to predict (UTF-8). It is cut into chunks of --ctx tokens (default 512); the second half of each counts."`
	Against   string `placeholder:"MODEL" help:"Model to compare with, such as the unquantised one."`
	AgainstKV string `name:"against-kv-dtype" placeholder:"TYPE" help:"Precision of the other model's KV cache (default: --kv-dtype, or its own)."`
	Chunks    int    `placeholder:"N" help:"Chunks to evaluate (default: all)."`
	Special   bool   `help:"Read control tokens that the text spells as such; llama-perplexity does not."`
}

// evalContext is the length of a chunk where --ctx does not say, as in llama-perplexity.
const evalContext = 512

// judged is a model that is compiled for evaluation.
type judged struct {
	model *models.Model
	exec  runtime.Executable
	opts  runtime.CompileOptions
	tok   *tokenizer.Tokenizer
	ids   []int32 // of the text
}

func (j *judged) close() error {
	if j == nil {
		return nil
	}
	return errors.Join(j.exec.Close(), j.model.Close())
}

// Run prints perplexity and, with --against, divergence.
func (c *evalCmd) Run(ctx context.Context) error {
	text, err := os.ReadFile(c.Text)
	if err != nil {
		return fmt.Errorf("cannot read --text: %w", err)
	}
	if n := len(text); n > 0 && text[n-1] == '\n' { // as llama-perplexity does
		text = text[:n-1]
	}
	if c.AgainstKV != "" {
		if err := c.plain().checkKVDType(); err != nil {
			return fmt.Errorf("--against-kv-dtype: %w", err)
		}
	}
	dev, err := openDevice(&c.modelFlags)
	if err != nil {
		return err
	}
	var other *judged
	model, err := c.open(ctx, dev, c.Model, string(text))
	if err == nil && c.Against != "" {
		other, err = c.plain().open(ctx, dev, c.Against, string(text))
	}
	if err == nil {
		var r eval.Result
		if r, err = c.compare(ctx, model, other); err == nil {
			err = r.Write(os.Stdout)
		}
	}
	return errors.Join(err, model.close(), other.close(), dev.Close())
}

// plain is the command for the model to compare with: its weights as they are.
func (c *evalCmd) plain() *evalCmd {
	p := *c
	p.Quantize, p.KVDtype = "", cmp.Or(c.AgainstKV, c.KVDtype)
	return &p
}

// open compiles a model with cache for one chunk.
func (c *evalCmd) open(ctx context.Context, dev runtime.Device, path, text string) (*judged,
	error,
) {
	m, err := c.load(path)
	if err != nil {
		return nil, err
	}
	if err := c.encode(ctx, m); err != nil {
		return nil, errors.Join(fmt.Errorf("--quantize: %w", err), m.Close())
	}
	j := &judged{model: m}
	if err := c.finishOpen(ctx, dev, j, text); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open model %q: %w", path, err), m.Close())
	}
	return j, nil
}

func (c *evalCmd) finishOpen(ctx context.Context, dev runtime.Device, j *judged,
	text string,
) error {
	var err error
	if j.tok, err = newTokenizer(j.model); err != nil {
		return err
	}
	if j.tok == nil {
		return errors.New("a model of random weights has no tokenizer")
	}
	f := c.modelFlags
	f.MaxSeqs = 1
	if f.Ctx == 0 {
		f.Ctx = min(evalContext, j.model.Config.MaxContext)
	}
	if j.opts, err = f.compileOptions(j.model, dev); err != nil {
		return err
	}
	perToken := int64(j.model.Program.KV.BytesPerToken(j.opts.KVDType))
	j.opts.KVBytes = int64(j.opts.MaxContext+blockSize) * perToken
	j.ids = j.tok.Encode(nil, text, tokenizer.EncodeOptions{
		AddSpecial: true, ParseSpecial: c.Special,
	})
	p := newProgress(os.Stderr, "loading "+j.model.Name)
	j.opts.Progress = p.update
	j.exec, err = dev.Compile(ctx, j.model.Program, j.model.Checkpoint, j.opts)
	p.end()
	return err
}

// compare evaluates a model, and how far it is from the other where there is one.
func (c *evalCmd) compare(ctx context.Context, model, other *judged) (eval.Result, error) {
	cfg := eval.Config{
		Vocab: model.model.Program.Vocab, BlockSize: blockSize, StepTokens: model.opts.MaxTokens,
		Context: model.opts.MaxContext, Chunks: c.Chunks, BOS: -1, Progress: showChunks,
	}
	if model.tok.AddsBOS() {
		cfg.BOS = model.tok.BOS()
	}
	var against runtime.Executable
	if other != nil {
		against = other.exec
		if other.model.Program.Vocab != cfg.Vocab || !slices.Equal(other.ids, model.ids) {
			return eval.Result{}, fmt.Errorf("%s and %s have different tokenizers: only models "+
				"of one vocabulary can be compared", c.Model, c.Against)
		}
		cfg.StepTokens = min(cfg.StepTokens, other.opts.MaxTokens)
	}
	return eval.Evaluate(ctx, model.exec, against, model.ids, cfg)
}

// showChunks counts on the terminal.
func showChunks(done, total int, perplexity float64) {
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return
	}
	fmt.Fprintf(os.Stderr, "\rchunk %d of %d: perplexity %.4f", done, total, perplexity)
	if done == total {
		fmt.Fprint(os.Stderr, "\r\033[K")
	}
}
