package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ServeConfig is a closed loop of clients against an OpenAI-speaking server.
type ServeConfig struct {
	URL      string // such as http://127.0.0.1:8080
	Model    string
	APIKey   string
	Clients  int
	Requests int   // in all
	Prompt   int   // prompt tokens of each request, drawn from a seed
	Output   int   // tokens that each request generates; end-of-sequence is ignored
	Vocab    int   // prompt ids are below this
	Seed     int64 // of the prompts
	Retry    bool  // send a failed request again (it counts as failed all the same)
}

// ServeResult sums a run up. Times are in milliseconds.
type ServeResult struct {
	Completed, Failed       int
	Seconds                 float64
	OutputTokens            int
	OutputPerSec, ReqPerSec float64
	TTFT, TPOT, Gap         Percentiles
	FirstError              string
}

// Percentiles of one quantity.
type Percentiles struct{ P50, P90, P99, Max float64 }

// Serve runs the load and gives the figures; a failed request is counted, not fatal.
func Serve(ctx context.Context, cfg ServeConfig) (ServeResult, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: cfg.Clients}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var wg sync.WaitGroup
	samples := make([]sample, cfg.Requests)
	start := time.Now()
	for range cfg.Clients {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= cfg.Requests || ctx.Err() != nil {
					return
				}
				samples[i] = request(ctx, client, cfg, i)
				for cfg.Retry && samples[i].err != nil && samples[i].failures < maxRetries {
					again := request(ctx, client, cfg, i)
					again.failures = samples[i].failures + 1
					samples[i] = again
				}
			}
		})
	}
	wg.Wait()
	return collect(samples, time.Since(start)), ctx.Err()
}

// sample is one request's story: arrival times of its tokens after it was sent.
type sample struct {
	tokens []time.Duration
	err    error
	done   bool
	// failures are the attempts before this one.
	failures int
}

const maxRetries = 5

func request(ctx context.Context, client *http.Client, cfg ServeConfig, i int) sample {
	ids := make([]int, cfg.Prompt)
	for j := range ids {
		ids[j] = int((uint64(cfg.Seed)*31 + uint64(i)*7919 + uint64(j)*104729) % uint64(cfg.Vocab))
	}
	body, err := json.Marshal(map[string]any{
		"model": cfg.Model, "prompt": ids, "max_tokens": cfg.Output, "stream": true,
		"temperature": 0, "ignore_eos": true,
	})
	if err != nil {
		return sample{err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		strings.TrimSuffix(cfg.URL, "/")+"/v1/completions", bytes.NewReader(body))
	if err != nil {
		return sample{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	if cfg.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+cfg.APIKey)
	}
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return sample{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return sample{err: fmt.Errorf("status %d: %s", resp.StatusCode, text)}
	}
	return readStream(resp.Body, start)
}

var errTruncated = errors.New("the stream ended without [DONE]")

// readStream notes when each event with text arrives.
func readStream(r io.Reader, start time.Time) sample {
	s := sample{done: true}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if string(data) == "[DONE]" {
			return s
		}
		now := time.Since(start)
		switch token, err := hasToken(data); {
		case err != nil:
			return sample{err: err}
		case token:
			s.tokens = append(s.tokens, now)
		}
	}
	if err := lines.Err(); err != nil {
		return sample{err: err}
	}
	return sample{err: errTruncated}
}

// hasToken says whether an event brings a token; the last one may only say why the stream ends.
func hasToken(data []byte) (bool, error) {
	var event struct {
		Error   json.RawMessage `json:"error"`
		Choices []struct {
			Text   string  `json:"text"`
			Finish *string `json:"finish_reason"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return false, fmt.Errorf("cannot read an event of the stream: %w", err)
	}
	if event.Error != nil {
		return false, fmt.Errorf("error in the stream: %s", data)
	}
	if len(event.Choices) == 0 {
		return false, nil
	}
	return event.Choices[0].Text != "" || event.Choices[0].Finish == nil, nil
}

func collect(samples []sample, took time.Duration) ServeResult {
	r := ServeResult{Seconds: took.Seconds()}
	var ttft, tpot, gaps []float64
	for _, s := range samples {
		r.Failed += s.failures
		switch {
		case s.err != nil:
			r.Failed++
			if r.FirstError == "" {
				r.FirstError = s.err.Error()
			}
			continue
		case !s.done || len(s.tokens) == 0:
			continue
		}
		r.Completed++
		n := len(s.tokens)
		r.OutputTokens += n
		ttft = append(ttft, millis(s.tokens[0]))
		if n > 1 {
			tpot = append(tpot, millis(s.tokens[n-1]-s.tokens[0])/float64(n-1))
		}
		for i := 1; i < n; i++ {
			gaps = append(gaps, millis(s.tokens[i]-s.tokens[i-1]))
		}
	}
	r.OutputPerSec = float64(r.OutputTokens) / r.Seconds
	r.ReqPerSec = float64(r.Completed) / r.Seconds
	r.TTFT, r.TPOT, r.Gap = percentiles(ttft), percentiles(tpot), percentiles(gaps)
	return r
}

func millis(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// percentiles uses the nearest rank.
func percentiles(x []float64) Percentiles {
	if len(x) == 0 {
		return Percentiles{}
	}
	slices.Sort(x)
	at := func(p float64) float64 { return x[min(int(p*float64(len(x))), len(x)-1)] }
	return Percentiles{P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: x[len(x)-1]}
}
