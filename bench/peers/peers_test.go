package peers

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func row(t *testing.T, id string) Row {
	t.Helper()
	rows, err := Select(id)
	if err != nil || len(rows) != 1 {
		t.Fatalf("row %q: %v, %v", id, rows, err)
	}
	return rows[0]
}

func canned(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSelect(t *testing.T) {
	f := func(patterns string, want ...string) {
		t.Helper()
		rows, err := Select(patterns)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]string, 0, len(rows))
		for _, r := range rows {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q selects %v", patterns, got)
		}
	}
	f("decode-1/Q4_0", "decode-1/Q4_0")
	f("serve-*/*", "serve-1/Q4_0", "serve-8/Q4_0", "serve-32/Q4_0")
	f("start/*, decode-32/*", "decode-32/Q4_0", "decode-32/Q8_0", "decode-32/BF16",
		"start/06b-Q8_0", "start/06b-Q4_0")
	all, err := Select("")
	if err != nil || len(all) != len(AllRows())-1 {
		t.Errorf("an empty list selects %d rows of %d: %v", len(all), len(AllRows()), err)
	}
	for _, bad := range []string{"decode-3/Q4_0", "["} {
		if _, err := Select(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestJobsJoinBatchesOfOneFile(t *testing.T) {
	rows, err := Select("decode-*/*,prefill-*/*")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range jobs(rows) {
		var ids []string
		for _, r := range j.rows {
			ids = append(ids, r.ID)
		}
		got = append(got, strings.Join(ids, " "))
	}
	want := []string{
		"decode-1/Q4_0", "decode-1/Q4_K_M", "decode-1/Q8_0", "decode-1/BF16", "decode-1-1t/Q4_0",
		"decode-4/Q4_0 decode-8/Q4_0 decode-16/Q4_0 decode-32/Q4_0", "decode-8/Q8_0 decode-32/Q8_0",
		"decode-8/BF16 decode-32/BF16", "prefill-512/Q4_0", "prefill-512/Q4_K_M",
		"prefill-512/Q8_0", "prefill-512/BF16",
	}
	if !slices.Equal(got, want) {
		t.Errorf("jobs %q", got)
	}
}

func expect(t *testing.T, f figures, err error, row, metric string, want float64) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if got := f[row][metric]; math.Abs(got-want) > 1e-9*want {
		t.Errorf("%s, %s: %v, want %v", row, metric, got, want)
	}
}

func TestParseOutputs(t *testing.T) {
	one := &job{kind: kindGenerate, rows: []Row{row(t, "decode-1/Q4_0")}}
	many := &job{kind: kindBatch, rows: []Row{row(t, "decode-4/Q4_0")}}
	long := &job{kind: kindLong, rows: []Row{row(t, "context-8k/Q4_0")}}
	prompt := &job{kind: kindPrompt, rows: []Row{row(t, "prefill-512/Q4_0")}}

	f, err := parseLlamaBench(canned(t, "llama-bench.jsonl"), one)
	expect(t, f, err, "decode-1/Q4_0", "rate", 8e9/29371856)
	f, err = parseBatchedBench(canned(t, "llama-batched-bench.jsonl"), many)
	expect(t, f, err, "decode-4/Q4_0", "rate", 283.582336)
	first, _, _ := strings.Cut(string(canned(t, "llama-batched-bench.jsonl")[1:]), "\n")
	f, err = parseBatchedBench([]byte(first), long)
	expect(t, f, err, "context-8k/Q4_0", "prefill", 8515.167969)
	expect(t, f, err, "context-8k/Q4_0", "decode", 1.401508)

	f, err = parseOffline(canned(t, "offline.json"), many)
	expect(t, f, err, "decode-4/Q4_0", "rate", 38)
	expect(t, f, err, "decode-4/Q4_0", "read GB/s", 30)
	expect(t, f, err, "decode-4/Q4_0", "GB/s", (0.75e9+4*128*1000)/0.1/1e9)
	f, err = parseOffline(canned(t, "offline.json"), prompt)
	expect(t, f, err, "prefill-512/Q4_0", "GOP/s", 60*1.8)

	build, system := parseSystem(canned(t, "llama-server.txt"))
	if build != "build 0 (0c1e57098) with GNU 12.2.0 for Linux x86_64" ||
		!strings.HasPrefix(system, "n_threads = 2 (n_threads_batch = 2) / 2 | CPU : SSE3 = 1") {
		t.Errorf("build %q, system %q", build, system)
	}
}

func TestParseForkOutputs(t *testing.T) {
	one := &job{kind: kindGenerate, rows: []Row{row(t, "decode-1/Q4_0")}}
	two := &job{kind: kindBatch, rows: []Row{row(t, "decode-4/Q4_0"), row(t, "decode-8/Q4_0")}}
	long := &job{kind: kindLong, rows: []Row{row(t, "context-8k/Q4_0")}}
	f, err := parseForkBench(canned(t, "fork-bench.json"), one)
	expect(t, f, err, "decode-1/Q4_0", "rate", 1.488521)
	f, err = parseForkBatched(canned(t, "fork-batched.txt"), two)
	expect(t, f, err, "decode-4/Q4_0", "rate", 65.55)
	expect(t, f, err, "decode-8/Q4_0", "rate", 128.11)
	f, err = parseForkBatched(canned(t, "fork-batched.txt"), long)
	expect(t, f, err, "context-8k/Q4_0", "prefill", 179.74)
}

func TestParseRefuses(t *testing.T) {
	j := &job{kind: kindBatch, rows: []Row{row(t, "decode-8/Q4_0")}}
	f := func(parse func([]byte, *job) (figures, error), text, want string) {
		t.Helper()
		if _, err := parse([]byte(text), j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f(parseLlamaBench, "error: no model", "cannot read llama-bench")
	f(parseLlamaBench, `{"n_prompt": 1}`, "no time")
	f(parseBatchedBench, `{"pl": "x"}`, "cannot read llama-batched-bench")
	f(parseBatchedBench, string(canned(t, "llama-batched-bench.jsonl")), "0 of 1 rows")
	f(parseForkBench, "error", "cannot read llama-bench")
	f(parseForkBench, "[]", "0 tests")
	f(parseForkBench, `[{"avg_ts": 0}]`, "no rate")
	f(parseForkBatched, "|    32 |      4 |", "0 of 1 rows")
	f(parseOffline, "", "cannot read the output of basalt")
	f(parseOffline, string(canned(t, "offline.json")), "0 of 1 rows")
}

// fake answers as the two programs do, from canned outputs, and notes who was asked.
func fake(t *testing.T, asked *[]string) Exec {
	return func(_ context.Context, argv []string) ([]byte, []byte, error) {
		name := filepath.Base(argv[0])
		switch name {
		case "llama-server":
			return nil, canned(t, "llama-server.txt"), errors.New("exit status 1")
		case "llama-bench":
			return []byte("usage: llama-bench [options]"), nil, nil
		case "llama-batched-bench":
			*asked = append(*asked, name)
			return canned(t, "llama-batched-bench.jsonl"), nil, nil
		case "basalt":
			*asked = append(*asked, name)
			return canned(t, "offline.json"), nil, nil
		}
		t.Errorf("unexpected command %q", argv)
		return nil, nil, errors.New("unexpected")
	}
}

func TestCompareRunsInTurn(t *testing.T) {
	var asked []string
	var samples []Sample
	var log strings.Builder
	err := Compare(t.Context(), Config{
		Program: "bin/basalt", Build: "v1", Peer: "peer", Models: "models", Machine: "2 x CPU",
		Rows: []Row{row(t, "decode-4/Q4_0")}, Rounds: 3, Exec: fake(t, &asked), Log: &log,
		Record: func(s Sample) error { samples = append(samples, s); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(asked, " "); got != strings.TrimSpace(strings.Repeat(
		"basalt llama-batched-bench ", 3)) {
		t.Errorf("asked %q", got)
	}
	lines := Lines(samples, Filter{Build: "v1"})
	if len(lines) != 1 || lines[0].Ratio.N != 3 ||
		math.Abs(lines[0].Ratio.Median-38/283.582336) > 1e-9 || lines[0].Peer.Max != 283.582336 {
		t.Errorf("lines %+v", lines)
	}
	if !strings.Contains(log.String(), "AVX2 = 1") {
		t.Errorf("the log lacks the system line: %s", log.String())
	}
	var text strings.Builder
	for i := range samples {
		if err := samples[i].Write(&text); err != nil {
			t.Fatal(err)
		}
	}
	again, err := ReadSamples(strings.NewReader(text.String()))
	if err != nil || len(again) != 6 || again[5].Figures["rate"] != 283.582336 {
		t.Errorf("samples read back: %v, %v", again, err)
	}
	entries := Entries(again)
	if len(entries) != 1 || entries[0].Workload != "peers/decode-4/Q4_0" ||
		entries[0].Figures["rate, llama.cpp"].Median != 283.582336 ||
		entries[0].Figures["rate, times better"].N != 3 || entries[0].Commit != "v1" {
		t.Errorf("entries %+v", entries)
	}
	heads := Heads(again, Filter{Build: "v1"})
	if len(heads) != 4 || heads[0] != "machine: 2 x CPU" || heads[1] != "basalt: v1" {
		t.Errorf("heads %q", heads)
	}
}

// TestPeersHaveTablesOfTheirOwn: rounds beside one peer say nothing of the other.
func TestPeersHaveTablesOfTheirOwn(t *testing.T) {
	sample := func(side string, round int64, rate float64) Sample {
		return Sample{
			Side: side, Build: side, Machine: "m", Row: "decode-1/Q4_0", Round: round,
			Figures: map[string]float64{"rate": rate},
		}
	}
	all := []Sample{
		sample(SideBasalt, 1, 20), sample(SideLlama, 1, 10),
		sample(SideBasalt, 2, 30), sample(SideFork, 2, 20),
	}
	f := func(peer string, ours, theirs, ratio float64) {
		t.Helper()
		lines := Lines(all, Filter{Build: SideBasalt, Peer: peer})
		if len(lines) != 1 || lines[0].Basalt.Median != ours || lines[0].Peer.Median != theirs ||
			lines[0].Ratio.Median != ratio {
			t.Errorf("beside %s: %+v", peer, lines)
		}
	}
	f(SideLlama, 20, 10, 2)
	f(SideFork, 30, 20, 1.5)
	if got := Peers(all); !slices.Equal(got, []string{SideLlama, SideFork}) {
		t.Errorf("peers %q", got)
	}
	entries := Entries(all)
	if len(entries) != 1 || entries[0].Figures["rate, ik_llama.cpp"].Median != 20 ||
		entries[0].Figures["rate, times better than ik_llama.cpp"].Median != 1.5 ||
		entries[0].Figures["rate, times better"].Median != 2 {
		t.Errorf("entries %+v", entries)
	}
}

func TestCompareAsksWhichPeerItIs(t *testing.T) {
	var asked []string
	var samples []Sample
	both := fake(t, &asked)
	exec := func(ctx context.Context, argv []string) ([]byte, []byte, error) {
		switch name := filepath.Base(argv[0]); name {
		case "llama-bench":
			return nil, []byte("-rtr, --run-time-repack <0|1>"), nil
		case "llama-server":
			return nil, []byte("version: 0 (unknown)\nbuilt with cc 12.2.0\n"), nil
		case "llama-batched-bench":
			asked = append(asked, name)
			return nil, canned(t, "fork-batched.txt"), nil
		}
		return both(ctx, argv)
	}
	err := Compare(t.Context(), Config{
		Program: "bin/basalt", Build: "v1", Peer: "peer", Models: "models", Machine: "2 x CPU",
		Rows: []Row{row(t, "decode-4/Q4_0")}, Rounds: 1, Exec: exec, Log: io.Discard,
		Record: func(s Sample) error { samples = append(samples, s); return nil },
	})
	if err != nil || len(samples) != 2 || samples[1].Side != SideFork ||
		samples[1].Figures["rate"] != 65.55 || samples[1].System != "built with cc 12.2.0" {
		t.Errorf("samples %+v, %v", samples, err)
	}
}

func TestCompareNamesTheRowThatFails(t *testing.T) {
	err := Compare(t.Context(), Config{
		Program: "basalt", Rows: []Row{row(t, "prefill-512/BF16")}, Rounds: 1, Log: os.Stderr,
		Exec: func(context.Context, []string) ([]byte, []byte, error) {
			return nil, nil, errors.New("no such file")
		},
	})
	if err == nil || !strings.Contains(err.Error(), "prefill-512/BF16 of basalt: no such file") {
		t.Errorf("error %v", err)
	}
}

func TestLinesPairRoundsAndDropUncleanOnes(t *testing.T) {
	add := func(all []Sample, side string, round int64, build string, others, rate,
		ready float64,
	) []Sample {
		rate1 := Sample{
			Side: side, Round: round, Build: build, Others: others,
			Row: "decode-1/Q4_0", Figures: map[string]float64{"rate": rate},
		}
		start := Sample{
			Side: side, Round: round, Build: build, Others: others,
			Row: "start/06b-Q4_0", Figures: map[string]float64{"ready": ready},
		}
		return append(all, rate1, start)
	}
	var all []Sample
	for i, x := range []struct{ a, b float64 }{{10, 5}, {12, 4}, {30, 10}, {100, 1}} {
		others := 0.0
		if i == 3 {
			others = 0.5
		}
		all = add(all, SideBasalt, int64(i), "v2", 0, x.a, x.a)
		all = add(all, SideLlama, int64(i), "L", others, x.b, x.b)
	}
	all = add(all, SideBasalt, 9, "v1", 0, 1e6, 1e6)
	all = add(all, SideLlama, 9, "L", 0, 1, 1)
	lines := Lines(all, Filter{Build: "v2", Others: 0.1})
	if len(lines) != 2 {
		t.Fatalf("lines %+v", lines)
	}
	rate, ready := lines[0], lines[1]
	if rate.Basalt != (Spread{3, 12, 10, 30}) || rate.Ratio != (Spread{3, 3, 2, 3}) {
		t.Errorf("rate %+v", rate)
	}
	if ready.Metric != "ready" || ready.Ratio.Median != 1.0/3 || ready.Ratio.Max != 0.5 {
		t.Errorf("less is better for ready: %+v", ready)
	}
	var text strings.Builder
	if err := WriteTable(&text, SideLlama, lines); err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(text.String(), "\n"); len(got) != 5 || !strings.Contains(got[2],
		"| decode-1/Q4_0  | tok/s     |     12 |     10 - 30 |") {
		t.Errorf("table\n%s", text.String())
	}
}

func TestSpread(t *testing.T) {
	f := func(want Spread, x ...float64) {
		t.Helper()
		if got := spread(x); got != want {
			t.Errorf("spread of %v is %+v", x, got)
		}
	}
	f(Spread{})
	f(Spread{1, 4, 4, 4}, 4)
	f(Spread{4, 2.5, 1, 9}, 9, 1, 3, 2)
	f(Spread{3, 2, 1, 3}, 3, 1, 2)
}

func TestEmbed(t *testing.T) {
	page := "a\n" + PageBegin + "old\n" + PageEnd + "b\n"
	for range 2 {
		got, err := Embed([]byte(page), "new\n")
		if err != nil || string(got) != "a\n"+PageBegin+"\nnew\n\n"+PageEnd+"b\n" {
			t.Fatalf("%q, %v", got, err)
		}
		page = string(got)
	}
	for _, bad := range []string{"", PageBegin, PageEnd + PageBegin} {
		if _, err := Embed([]byte(bad), "new\n"); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
