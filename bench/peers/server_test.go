package peers

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"basalt/bench/proc"
)

// standIn is a server that streams tokens as OpenAI's completions do; it drops the connection of
// every dropped-th request.
func standIn(t *testing.T, dropped int64) (Start, *atomic.Bool) {
	var asked atomic.Int64
	stopped := new(atomic.Bool)
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/models", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":[{"id":"m"}]}`)
	})
	mux.HandleFunc("/v1/completions", func(w http.ResponseWriter, r *http.Request) {
		if n := asked.Add(1); dropped > 0 && n%dropped == 0 {
			panic(http.ErrAbortHandler)
		}
		for range 64 {
			fmt.Fprint(w, "data: {\"choices\":[{\"text\":\"a\"}]}\n\n")
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return func(context.Context, proc.Args) (*proc.Server, error) {
		return &proc.Server{
			URL: s.URL, PID: os.Getpid(), Began: time.Now(), Ready: 250 * time.Millisecond,
			Stop: func() error { stopped.Store(true); return nil },
		}, nil
	}, stopped
}

func TestServeCountsFailuresAndAnswersAll(t *testing.T) {
	j := &job{kind: kindServe, rows: []Row{row(t, "serve-8/Q4_0")}}
	start, stopped := standIn(t, 5)
	f, err := serve(t.Context(), start, nil, j)
	if err != nil {
		t.Fatal(err)
	}
	got := f["serve-8/Q4_0"]
	if got["failed"] < 3 || got["output"] <= 0 || got["TTFT p99"] < got["TTFT p50"] {
		t.Errorf("figures %v", got)
	}
	if !stopped.Load() {
		t.Error("the server still runs")
	}
}

func TestStartUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, make([]byte, 3_000_000), 0o644); err != nil {
		t.Fatal(err)
	}
	j := &job{kind: kindStart, rows: []Row{row(t, "start/06b-Q8_0")}}
	start, stopped := standIn(t, 0)
	f, err := startUp(t.Context(), start, nil, []string{file, file}, j)
	if err != nil {
		t.Fatal(err)
	}
	got := f["start/06b-Q8_0"]
	if got["ready"] != 250 || got["size"] != 6 || got["resident"] <= got["anonymous"] ||
		got["anonymous"] <= 0 || got["first answer"] <= 0 || !stopped.Load() {
		t.Errorf("figures %v", got)
	}
}

func TestOthersAreWhatThisProcessDidNotUse(t *testing.T) {
	const text = "cpu  100 20 30 1000 5 1 2 7 0 0\ncpu0 1 1\n"
	all, err := parseStat(text)
	if err != nil || all != 160*tick {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := parseStat("intr 5"); err == nil {
		t.Error("a wrong file is accepted")
	}
	at := time.Unix(0, 0)
	before := busy{all: 10 * time.Second, own: time.Second, at: at}
	after := busy{all: 14 * time.Second, own: 2 * time.Second, at: at.Add(2 * time.Second)}
	if got := after.others(before); got != 1.5 {
		t.Errorf("others used %v processors", got)
	}
}

func TestCommandLines(t *testing.T) {
	l := &llama{bin: "bin", models: "models"}
	b := &basalt{program: "basalt", models: "models"}
	f := func(got []string, want string) {
		t.Helper()
		if line := strings.Join(got, " "); line != want {
			t.Errorf("got  %s\nwant %s", line, want)
		}
	}
	rows, err := Select("decode-8/BF16,decode-32/BF16")
	if err != nil {
		t.Fatal(err)
	}
	batch := &jobs(rows)[0]
	f(l.batchedArgs(batch), "bin/llama-batched-bench -m models/1b-BF16.gguf -t 2 -tb 2 --offline "+
		"--output-format jsonl -pps -npp 32 -ntg 16 -npl 8,32 -c 4096")
	f(b.offlineArgs(batch), "basalt bench offline models/1b-BF16.gguf --json --threads 2 "+
		"--step-tokens 512 --repeats 1 --context 32 --steps 16 --prefill 0 --sequences 8,32")
	one := &jobs([]Row{row(t, "decode-1-1t/Q4_0")})[0]
	f(l.benchArgs(one), "bin/llama-bench -m models/1b-Q4_0.gguf -t 1 -r 1 -o jsonl -p 0 -n 64 "+
		"-d 128")
	prompt := &jobs([]Row{row(t, "prefill-512/Q8_0")})[0]
	f(l.benchArgs(prompt), "bin/llama-bench -m models/1b-Q8_0.gguf -t 2 -r 1 -o jsonl -p 512 -n 0")
	f(b.offlineArgs(prompt), "basalt bench offline models/1b-Q8_0.gguf --json --threads 2 "+
		"--step-tokens 512 --repeats 1 --context 128 --steps 64 --prefill 512 --no-decode")
	load := &jobs([]Row{row(t, "serve-8/Q4_0")})[0]
	f(l.serverArgs(load)("h", "1"), "bin/llama-server -m models/1b-Q4_0.gguf -t 2 -tb 2 -c 2048 "+
		"-np 8 --host h --port 1 --offline --no-cache-prompt -cram 0 --no-webui")
	f(b.serverArgs(load)("h", "1"), "basalt serve models/1b-Q4_0.gguf --threads 2 --max-seqs 8 "+
		"--ctx 256 --listen h:1")
}
