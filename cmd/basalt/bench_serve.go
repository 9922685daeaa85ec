package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"basalt/bench/load"
)

type benchServeCmd struct {
	Model    string `arg:"" optional:"" help:"Model id in the API (default: the first that the server lists)."`
	URL      string `default:"http://127.0.0.1:8080" help:"Server."`
	API      string `enum:"openai,openai-chat,converse,invoke" default:"openai" help:"openai (completions), openai-chat, or Bedrock's converse or invoke."`
	APIKey   string `help:"API key, sent as a bearer token."`
	Workload string `enum:"random,prefix,fanout,conversation,tools" default:"random" help:"random, prefix (prompts begin alike), fanout (groups share a prefix), conversation (several turns) or tools."`
	Trace    string `type:"existingfile" placeholder:"FILE" help:"Replay a trace of JSON lines: timestamp, input_length, output_length, hash_ids; or prompt, messages."`

	NumPrompts int     `default:"100" placeholder:"N" help:"Requests, or conversations."`
	InputLen   int     `default:"128" placeholder:"N" help:"Prompt tokens, without a shared prefix."`
	OutputLen  int     `default:"64" placeholder:"N" help:"Tokens to generate."`
	RangeRatio float64 `default:"0" placeholder:"R" help:"Draw lengths evenly from (1-R) to (1+R) times those."`
	PrefixLen  int     `default:"-1" placeholder:"N" help:"Tokens of a shared prefix (default: 256 of prefix and fanout; 0 of conversation)."`
	Fan        int     `default:"8" placeholder:"N" help:"Prompts for each prefix of a fan-out."`
	Turns      int     `default:"4" placeholder:"N" help:"Turns of a conversation."`
	Vocab      int     `default:"0" placeholder:"N" help:"Send random token ids below N (completions only) instead of words of about one token."`
	Seed       uint64  `default:"0" help:"Seed of prompts and arrivals."`

	RequestRate    string  `default:"inf" placeholder:"R" help:"Requests a second (an open loop); inf sends all at once, or as clients are free."`
	Burstiness     string  `default:"1" placeholder:"B" help:"Shape of the arrivals' gamma distribution: 1 is a Poisson process, inf is even."`
	MaxConcurrency []int   `placeholder:"N,..." help:"Clients: requests at the same time; one run for each number. 0: no limit."`
	Temperature    float64 `default:"0" help:"Sampling temperature."`
	StopAtEnd      bool    `help:"Let answers end early, at the model's end-of-sequence token."`
	ExtraBody      string  `placeholder:"JSON" help:"Members to add to every request's body; null removes one."`

	Timeout     time.Duration `default:"0s" help:"Greatest duration of a request; 0s: none."`
	Retry       int           `default:"0" placeholder:"N" help:"Send a failed request again, at most so often."`
	Goodput     []string      `placeholder:"NAME:MS,..." help:"Limits that a good request keeps, such as ttft:200,tpot:50,e2el:5000."`
	Percentiles []float64     `default:"50,90,99" help:"Percentiles to report."`
	Result      string        `placeholder:"FILE" help:"Write a result file, with the names of vllm bench serve."`
	Detailed    bool          `help:"Put every request's times into the result file."`
	Label       string        `help:"Label in the result file."`
}

// Run loads a server with each number of clients in turn.
func (c *benchServeCmd) Run(ctx context.Context) error {
	o, err := c.options(ctx)
	if err != nil {
		return err
	}
	if err := load.RefuseSimulated(ctx, http.DefaultClient, c.URL, c.APIKey); err != nil {
		return err
	}
	slo, err := load.ParseSLO(c.Goodput)
	if err != nil {
		return fmt.Errorf("--goodput: %w", err)
	}
	if len(c.MaxConcurrency) == 0 {
		c.MaxConcurrency = []int{0}
	}
	for i, n := range c.MaxConcurrency {
		sessions, err := c.sessions(uint64(i))
		if err != nil {
			return err
		}
		o.Clients = n
		if err := c.play(ctx, o, sessions, slo); err != nil {
			return err
		}
	}
	return nil
}

func (c *benchServeCmd) play(ctx context.Context, o *load.Options, sessions []load.Session,
	slo load.SLO,
) error {
	s := &load.Settings{
		Options: o, Workload: c.Workload, Label: c.Label, Percentiles: c.Percentiles,
		SLO: len(c.Goodput) > 0, Detailed: c.Detailed, At: time.Now(),
	}
	r, err := load.Run(ctx, o, sessions)
	if err != nil {
		return err
	}
	m := r.Summarise(slo)
	r.Print(os.Stdout, m, s)
	if c.Result != "" {
		text, err := load.Marshal(r.Result(m, s))
		if err != nil {
			return err
		}
		if err := os.WriteFile(resultName(c.Result, c.MaxConcurrency, o.Clients), text,
			0o644); err != nil {
			return fmt.Errorf("cannot write --result: %w", err)
		}
	}
	if m.Completed == 0 {
		return errors.New("no request was answered")
	}
	return nil
}

// resultName tells the files of several runs apart.
func resultName(name string, all []int, clients int) string {
	if len(all) < 2 {
		return name
	}
	return strings.TrimSuffix(name, ".json") + "-concurrency" + strconv.Itoa(clients) + ".json"
}

func (c *benchServeCmd) sessions(run uint64) ([]load.Session, error) {
	if c.Trace != "" {
		file, err := os.Open(c.Trace)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		return load.ReadTrace(file, c.Vocab, c.Seed+run)
	}
	w := load.Workload{
		Kind: c.Workload, Num: c.NumPrompts, Input: c.InputLen, Output: c.OutputLen,
		Range: c.RangeRatio, Prefix: c.PrefixLen, Fan: c.Fan, Turns: c.Turns, Vocab: c.Vocab,
		Seed: c.Seed + run,
	}
	shares := c.Workload == "prefix" || c.Workload == "fanout"
	switch {
	case c.Workload == "random" || c.Workload == "tools" || w.Prefix < 0 && !shares:
		w.Prefix = 0
	case w.Prefix < 0:
		w.Prefix = 256
	}
	return w.Sessions()
}

func (c *benchServeCmd) options(ctx context.Context) (*load.Options, error) {
	o := &load.Options{
		URL: c.URL, Dialect: c.API, Model: c.Model, APIKey: c.APIKey, Seed: c.Seed,
		Temperature: c.Temperature, StopAtEnd: c.StopAtEnd, Timeout: c.Timeout, Retry: c.Retry,
		Texts: c.Detailed, Progress: terminal(os.Stderr),
	}
	var err error
	if o.Rate, err = strconv.ParseFloat(c.RequestRate, 64); err != nil {
		return nil, fmt.Errorf("--request-rate %q is no number", c.RequestRate)
	}
	if o.Burstiness, err = strconv.ParseFloat(c.Burstiness, 64); err != nil {
		return nil, fmt.Errorf("--burstiness %q is no number", c.Burstiness)
	}
	if c.ExtraBody != "" {
		if err := json.Unmarshal([]byte(c.ExtraBody), &o.Extra); err != nil {
			return nil, fmt.Errorf("--extra-body is no JSON object: %w", err)
		}
	}
	if c.Vocab > 0 && c.API != "openai" {
		return nil, fmt.Errorf("--vocab sends token ids, which only --api openai takes, not %s",
			c.API)
	}
	if math.IsInf(o.Rate, 1) && c.Burstiness != "1" {
		return nil, errors.New("--burstiness shapes arrivals; it needs a finite --request-rate")
	}
	if o.Model == "" {
		o.Model, err = load.FirstModel(ctx, http.DefaultClient, c.URL, c.APIKey)
	}
	return o, err
}

// terminal is f where that is a terminal, else nil.
func terminal(f *os.File) io.Writer {
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return f
	}
	return nil
}
