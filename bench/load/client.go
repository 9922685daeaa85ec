package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a run.
type Options struct {
	URL     string // such as http://127.0.0.1:8080
	Dialect string // "openai", "openai-chat", "converse" or "invoke"
	Model   string
	APIKey  string // sent as a bearer token, which OpenAI's and Bedrock's API both take

	Rate       float64 // sessions a second; infinite: all at once
	Burstiness float64 // of the arrivals; see Arrivals
	Clients    int     // sessions at the same time, at most; 0: no limit
	Seed       uint64  // of the arrivals

	Temperature float64
	StopAtEnd   bool           // end at the model's end-of-sequence token instead of ignoring it
	Extra       map[string]any // members of every request's body
	Timeout     time.Duration  // of a request; 0: none
	Retry       int            // times that a failed request is sent again; it stays counted
	Texts       bool           // keep what was generated
	Progress    io.Writer      // nil: none
}

// Dialects are the APIs that can be spoken.
func Dialects() []string { return []string{"openai", "openai-chat", "converse", "invoke"} }

// dialect is an API's wire format.
type dialect struct {
	path  func(model string) string
	body  func(o *Options, r *Request, past []Message) ([]byte, error)
	split splitter
	read  func(event []byte) (chunk, error)
}

func newDialect(name string) (dialect, error) {
	switch name {
	case "openai":
		return completions(), nil
	case "openai-chat":
		return chat(), nil
	case "converse":
		return converse(), nil
	case "invoke":
		return invoke(), nil
	}
	return dialect{}, fmt.Errorf("unknown API %q; there are %v", name, Dialects())
}

// Outcome is one request's story. Times are measured from the run's beginning.
type Outcome struct {
	Session, Turn int
	Due           time.Duration // when it should have been sent
	Start         time.Duration // its clock starts: when it was sent, in an open loop when due
	Queue         time.Duration // it waited for a free client
	Lag           time.Duration // sent so long after its clock started: the generator was slow
	Chunks        []int64       // nanoseconds at which tokens arrived
	Input, Output int           // tokens
	Cached        int           // prompt tokens that the server had cached
	Failures      int           // failed attempts
	Text          string
	Err           string // empty when it was answered
}

// client sends requests. Any number of goroutines may use it.
type client struct {
	opts    *Options
	dialect dialect
	url     string
	http    http.Client
	began   time.Time
	buffers sync.Pool
	live    live
}

// live is what the progress line shows.
type live struct {
	running, done, failed, chunks atomic.Int64
}

const readSize = 32 << 10

func newClient(o *Options) (*client, error) {
	d, err := newDialect(o.Dialect)
	if err != nil {
		return nil, err
	}
	return &client{
		opts: o, dialect: d, url: strings.TrimSuffix(o.URL, "/") + d.path(o.Model),
		http: http.Client{Timeout: o.Timeout, Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1 << 16, MaxIdleConns: 1 << 16,
			DisableCompression: true, ReadBufferSize: readSize,
		}},
		buffers: sync.Pool{New: func() any { b := make([]byte, 0, 2*readSize); return &b }},
	}, nil
}

// send makes one attempt and notes in out what comes back. The body is made beforehand: encoding
// a prompt is not the server's time.
func (c *client) send(ctx context.Context, body []byte, out *Outcome, keep bool) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.opts.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+c.opts.APIKey)
	}
	out.Lag = time.Since(c.began) - out.Start
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return "", &statusError{resp.StatusCode, string(bytes.TrimSpace(text))}
	}
	return c.receive(resp.Body, out, keep)
}

// receive reads a stream to its end. Events that one read brings have one time: when the read
// returned. It gives the text where that is kept.
func (c *client) receive(r io.Reader, out *Outcome, keep bool) (string, error) {
	kept, ok := c.buffers.Get().(*[]byte)
	if !ok {
		panic("BUG: the pool holds something else")
	}
	buf := (*kept)[:0]
	defer func() { *kept = buf; c.buffers.Put(kept) }()
	var now int64
	var text []byte
	ended := false
	visit := func(event []byte) error {
		ch, err := c.dialect.read(event)
		if err != nil {
			return err
		}
		if ch.token {
			out.Chunks = append(out.Chunks, now)
			c.live.chunks.Add(1)
			if keep {
				text = append(text, unquoted(ch.text)...)
			}
		}
		ended = ended || ch.end
		out.Input, out.Output = max(out.Input, ch.input), max(out.Output, ch.output)
		out.Cached = max(out.Cached, ch.cached)
		return nil
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		now = int64(time.Since(c.began))
		rest, bad := c.dialect.split(buf[:len(buf)+n], visit)
		if bad != nil {
			return "", bad
		}
		buf = buf[:copy(buf[:cap(buf)], rest)]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if len(buf) > maxFrame {
			return "", fmt.Errorf("an event of more than %d bytes", maxFrame)
		}
	}
	switch {
	case !ended:
		return "", errTruncated
	case len(out.Chunks) == 0:
		return "", errors.New("the stream has no tokens")
	}
	return string(text), nil
}
