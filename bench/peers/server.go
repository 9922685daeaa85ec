package peers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"time"

	"basalt/bench/load"
	"basalt/bench/proc"
)

// serve loads a server as its clients do: streams over pooled connections. A request that fails is
// counted and sent again, so that both servers do the same work.
func serve(ctx context.Context, start Start, args proc.Args, j *job) (figures, error) {
	s, err := start(ctx, args)
	if err != nil {
		return nil, err
	}
	name, err := load.FirstModel(ctx, http.DefaultClient, s.URL, "")
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	clients := j.rows[0].n
	o := &load.Options{
		URL: s.URL, Dialect: "openai", Model: name, Rate: math.Inf(1), Burstiness: 1,
		Clients: clients, Retry: 5,
	}
	if _, err := play(ctx, o, 1, 8, 2); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	m, err := play(ctx, o, requests(clients), serveOutput, 1)
	if err = errors.Join(err, s.Stop()); err != nil {
		return nil, err
	}
	if m.Failed > 0 {
		return nil, fmt.Errorf("%d of %d requests were not answered: %s", m.Failed,
			m.Failed+m.Completed, m.ErrorTexts[0])
	}
	f := make(figures)
	id := j.rows[0].ID
	f.set(id, "output", m.OutputThroughput)
	f.set(id, "TTFT p50", m.TTFT.Percentile(50))
	f.set(id, "TTFT p99", m.TTFT.Percentile(99))
	f.set(id, "TPOT p50", m.TPOT.Percentile(50))
	f.set(id, "gap p99", m.ITL.Percentile(99))
	f.set(id, "gap max", m.ITL.Percentile(100))
	f.set(id, "failed", float64(m.Attempts))
	return f, nil
}

// play sends so many prompts of random ids, all with the same seed to every server.
func play(ctx context.Context, o *load.Options, num, output int, seed uint64) (*load.Metrics,
	error,
) {
	w := load.Workload{
		Kind: "random", Num: num, Input: servePrompt, Output: output, Vocab: serveVocab, Seed: seed,
	}
	sessions, err := w.Sessions()
	if err != nil {
		return nil, err
	}
	r, err := load.Run(ctx, o, sessions)
	if err != nil {
		return nil, err
	}
	return r.Summarise(load.SLO{}), nil
}

// serveVocab keeps prompt ids below the special tokens of the shapes' vocabularies.
const serveVocab = 120_000

// requests of a load: several waves of each client, or one and a half where many share the machine.
func requests(clients int) int {
	if clients >= 16 {
		return clients * 3 / 2
	}
	return max(4, 2*clients)
}

// startUp measures exec to ready, memory at rest, and exec to the end of a first answer of one
// token.
func startUp(ctx context.Context, start Start, args proc.Args, files []string, j *job) (figures,
	error,
) {
	s, err := start(ctx, args)
	if err != nil {
		return nil, err
	}
	f, id := make(figures), j.rows[0].ID
	f.set(id, "ready", s.Ready.Seconds()*1000)
	m, err := proc.ReadMemory(s.PID)
	f.set(id, "resident", m.Resident/1e6)
	f.set(id, "anonymous", m.Anonymous/1e6)
	if err == nil {
		var took time.Duration
		took, err = s.FirstAnswer(ctx)
		f.set(id, "first answer", took.Seconds()*1000)
	}
	if err = errors.Join(err, s.Stop()); err != nil {
		return nil, err
	}
	var size int64
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		size += info.Size()
	}
	f.set(id, "size", float64(size)/1e6)
	return f, nil
}
