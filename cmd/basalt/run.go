package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"basalt/batcher"
	"basalt/models/chat"
	"basalt/models/tokenizer"
	"basalt/runtime"
)

// Run answers one prompt, or holds a conversation line by line.
func (c *runCmd) Run(ctx context.Context) error {
	dev, err := openDevice(&c.modelFlags)
	if err != nil {
		return err
	}
	c.MaxSeqs = 1
	o, err := c.openModel(ctx, dev, c.Model)
	if err != nil {
		return errors.Join(err, dev.Close())
	}
	if o.tok == nil {
		err = errors.New("a model of random weights has no tokenizer; use basalt bench")
	} else {
		err = c.converse(ctx, o)
	}
	stop, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return errors.Join(err, o.close(stop), dev.Close())
}

func (c *runCmd) converse(ctx context.Context, o *opened) error {
	raw := c.Raw || o.template == nil
	if raw && c.System != "" {
		return fmt.Errorf("model %q has no chat template, so --system cannot be given: "+
			"name a template by --chat-template", o.name)
	}
	if len(c.Prompt) > 0 {
		_, err := c.answer(ctx, o, raw, c.opening(), strings.Join(c.Prompt, " "))
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: type a message; an empty line or Ctrl-D ends.\n", o.name)
	return c.chatLoop(ctx, o, raw)
}

// opening is the conversation before the first message.
func (c *runCmd) opening() []chat.Message {
	if c.System == "" {
		return nil
	}
	return []chat.Message{{Role: "system", Content: c.System}}
}

func (c *runCmd) chatLoop(ctx context.Context, o *opened, raw bool) error {
	history, in := c.opening(), bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 64<<10), 1<<20)
	for {
		fmt.Fprint(os.Stderr, "> ")
		if !in.Scan() || in.Text() == "" {
			return in.Err()
		}
		text, err := c.answer(ctx, o, raw, history, in.Text())
		if err != nil {
			return err
		}
		history = append(history, chat.Message{Role: "user", Content: in.Text()},
			chat.Message{Role: "assistant", Content: text})
	}
}

// answer prints the reply to one message as it is made, and gives it back.
func (c *runCmd) answer(ctx context.Context, o *opened, raw bool, history []chat.Message,
	message string,
) (string, error) {
	prompt, err := encodePrompt(o, raw, history, message)
	if err != nil {
		return "", err
	}
	start := time.Now()
	stream, err := o.loop.Submit(&batcher.Request{
		ID: "run", Tenant: "local", Prompt: prompt, Params: c.sampling(o),
	})
	if err != nil {
		return "", err
	}
	defer stream.Abort()
	r := reply{stream: stream, dec: o.tok.NewDecoder(true), eos: o.model.Generation.EOS}
	if err := r.print(ctx, os.Stdout); err != nil {
		return "", err
	}
	if c.Stats {
		r.stats(os.Stderr, len(prompt), start)
	}
	return r.text.String(), nil
}

func encodePrompt(o *opened, raw bool, history []chat.Message, message string) ([]int32, error) {
	if raw {
		return o.tok.Encode(nil, message, tokenizer.EncodeOptions{AddSpecial: true}), nil
	}
	text, err := o.template.Render(chat.Input{
		Messages:            append(history, chat.Message{Role: "user", Content: message}),
		AddGenerationPrompt: true,
	})
	if err != nil {
		return nil, err
	}
	return o.tok.Encode(nil, text, tokenizer.EncodeOptions{ParseSpecial: true}), nil
}

func (c *runCmd) sampling(o *opened) runtime.SamplingParams {
	p := o.model.Generation.Sampling()
	p.MaxTokens, p.StopIDs, p.Seed = c.MaxTokens, o.model.Generation.EOS, c.Seed
	if c.Temperature >= 0 {
		p.Temperature = c.Temperature
	}
	if c.Seed == 0 {
		p.Seed = uint64(time.Now().UnixNano())
	}
	return p
}

// reply is one answer on its way to the terminal.
type reply struct {
	stream *batcher.Stream
	dec    *tokenizer.Decoder
	eos    []int32
	text   strings.Builder
	first  time.Time
	tokens int
}

func (r *reply) print(ctx context.Context, w io.Writer) error {
	var buf []byte
	for {
		e, err := r.stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if e.Err != nil {
			return e.Err
		}
		if r.tokens++; r.tokens == 1 {
			r.first = time.Now()
		}
		buf = buf[:0]
		if e.Finish != batcher.FinishStop {
			buf = r.dec.Append(buf, e.Token)
		}
		if e.Finish != batcher.FinishNone {
			buf = r.dec.Flush(buf)
		}
		r.text.Write(buf)
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func (r *reply) stats(w io.Writer, prompt int, start time.Time) {
	if r.tokens < 2 {
		return
	}
	ttft, rest := r.first.Sub(start), time.Since(r.first)
	fmt.Fprintf(w, "\n%d prompt tokens, first token after %.0f ms; %d tokens at %.1f tokens/s\n",
		prompt, ttft.Seconds()*1000, r.tokens, float64(r.tokens-1)/rest.Seconds())
}
