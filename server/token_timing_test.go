package server

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"basalt/batcher"
	"basalt/models/tokenizer"
	"basalt/server/api"
	"basalt/server/bedrock"
	"basalt/server/openai"
)

// tokenStream is the way of a token through the server, from the loop's event to the encoded bytes
// in front of the socket.
type tokenStream struct {
	q    *sequence
	sink *streamSink
	ids  []int32
	n    int
}

func newTokenStream(t testing.TB, f *fixture, kind string) *tokenStream {
	t.Helper()
	var codec api.Codec
	req := &api.Request{
		Kind: api.Chat, NumChoices: 1, Stream: true, Model: "tiny",
		Stop: []string{"\n\nHuman:", "</answer>"},
	}
	switch kind {
	case "openai":
		codec = openai.NewChat(req, openai.Call{ID: f.srv.newID(), Created: 1700000000}, false)
	case "converse":
		_, c, err := bedrock.DecodeConverse([]byte(converseHi), bedrock.Call{Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		codec = c
	case "llama":
		_, c, err := bedrock.DecodeInvoke([]byte(`{"prompt":"a"}`), bedrock.Call{Stream: true},
			[]bedrock.Family{bedrock.Llama()})
		if err != nil {
			t.Fatal(err)
		}
		codec = c
	}
	m := f.srv.models["tiny"]
	g := &generation{s: f.srv, r: &request{arrived: time.Now()}, req: req, codec: codec, model: m}
	s := &tokenStream{sink: &streamSink{codec: codec, w: io.Discard}}
	g.sink = s.sink
	text := "Once upon a time there was a little girl called Lily, who lived in Zürich. 😀 "
	s.ids = m.Tokenizer.Encode(nil, text, tokenizer.EncodeOptions{})
	s.q = newSequence(g, 0, nil, s.ids, newStopper(req.Stop))
	g.seqs = []*sequence{s.q}
	return s
}

func (s *tokenStream) step(t testing.TB) {
	e := batcher.Event{Token: s.ids[s.n%len(s.ids)]}
	s.n++
	if err := s.q.take(&e); err != nil {
		t.Fatal(err)
	}
	if err := s.sink.flush(); err != nil {
		t.Fatal(err)
	}
}

func TestAStreamedTokenAllocatesNothing(t *testing.T) {
	f := start(t, setup{})
	for _, kind := range []string{"openai", "converse", "llama"} {
		s := newTokenStream(t, f, kind)
		for range 100 {
			s.step(t)
		}
		if n := testing.AllocsPerRun(1000, func() { s.step(t) }); n > 0 {
			t.Errorf("%s: %v allocations for a token", kind, n)
		}
	}
}

func BenchmarkStreamedToken(b *testing.B) {
	f := start(b, setup{})
	for _, kind := range []string{"openai", "converse", "llama"} {
		b.Run(kind, func(b *testing.B) {
			s := newTokenStream(b, f, kind)
			b.ReportAllocs()
			for b.Loop() {
				s.step(b)
			}
		})
	}
}

// BenchmarkServedStreams is the whole way, scheduler and sockets included, on a device that takes
// no time: 64 clients read streams of 512 tokens.
func BenchmarkServedStreams(b *testing.B) {
	const numClients, numTokens = 64, 512
	f := start(b, setup{noEOS: true})
	body := completionBody("once", 1, numTokens, `,"stream":true`)
	request := postOf(textPath, body)
	clients := make([]net.Conn, numClients)
	for i := range clients {
		c := f.dial()
		clients[i] = c
	}
	b.ReportAllocs()
	for b.Loop() {
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() { drink(b, c, request) })
		}
		wg.Wait()
	}
	tokens := float64(b.N * numClients * numTokens)
	b.ReportMetric(tokens/b.Elapsed().Seconds(), "tokens/s")
}

// drink sends a request and reads its stream to the end.
func drink(b *testing.B, c net.Conn, request string) {
	if _, err := io.WriteString(c, request); err != nil {
		b.Error(err)
		return
	}
	buf := make([]byte, 64<<10)
	tail := []byte{}
	for !bytes.HasSuffix(tail, []byte("0\r\n\r\n")) {
		n, err := c.Read(buf)
		if err != nil {
			b.Error(err)
			return
		}
		tail = append(tail, buf[max(0, n-8):n]...)
		tail = tail[max(0, len(tail)-8):]
	}
}
