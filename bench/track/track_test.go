package track

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"basalt/bench"
)

// pairs measures the same thing twice, n times, with drift and noise; the new one is so many times
// better.
func pairs(rng *rand.Rand, n int, better, noise float64) (old, new []float64) {
	for i := range n {
		minute := math.Exp(0.3 * math.Sin(float64(i))) // what the neighbours do
		old = append(old, 100*minute*math.Exp(noise*rng.NormFloat64()))
		new = append(new, 100*minute*better*math.Exp(noise*rng.NormFloat64()))
	}
	return old, new
}

func TestJudgeTellsChangesFromNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	f := func(better, noise float64, least, most int) {
		t.Helper()
		told := 0
		for range 400 {
			old, new := pairs(rng, 9, better, noise)
			v := Judge(old, new, false)
			if v.Text != "no difference" {
				told++
				if v.Worse != (v.Ratio < 1) {
					t.Errorf("verdict %+v", v)
				}
			}
		}
		if told < least || told > most {
			t.Errorf("better %g, noise %g: a difference is told %d times of 400", better, noise,
				told)
		}
	}
	f(1, 0.05, 0, 24) // 5 % of 400 and some luck
	f(1, 0.003, 0, 0) // certain, but too small to matter
	f(1.1, 0.02, 395, 400)
	f(0.9, 0.02, 395, 400)
	f(1.03, 0.005, 395, 400)
}

func TestJudgeByHand(t *testing.T) {
	old := []float64{10, 10, 10, 10, 10, 10}
	f := func(new []float64, lower bool, text string) {
		t.Helper()
		if v := Judge(old[:len(new)], new, lower); v.Text != text {
			t.Errorf("%v: %+v", new, v)
		}
	}
	f([]float64{12, 12, 12, 12, 12, 13}, false, "better by 20.0 %")
	f([]float64{12, 12, 12, 12, 12, 13}, true, "worse by 20.0 %")
	f([]float64{8, 8, 8, 8, 8, 8}, false, "worse by 25.0 %")
	f([]float64{8, 8, 8, 8, 8, 10.1}, false, "no difference")
	f([]float64{12, 12, 12, 12, 12}, false, "too few rounds (5) to tell")
	f([]float64{0}, false, "nothing to compare")
}

func TestSignRank(t *testing.T) {
	for n, want := range map[int]int{1: 0, 5: 0, 6: 1, 8: 1, 9: 2, 11: 2, 12: 3, 15: 4, 20: 6} {
		if got := signRank(n); got != want {
			t.Errorf("%d values: rank %d, want %d", n, got, want)
		}
	}
}

// machine answers as programs of two speeds do, and notes who was asked.
func machine(asked *[]string) Exec {
	rng := rand.New(rand.NewPCG(2, 2))
	return func(_ context.Context, argv []string) ([]byte, error) {
		*asked = append(*asked, argv[0])
		r := bench.Result{Version: argv[0], Machine: "2 x CPU (model 1), avx2"}
		speed := map[string]float64{"slow": 100, "fast": 130}[argv[0]]
		if speed == 0 {
			return nil, errors.New("no such program")
		}
		r.Add("rate", "tok/s", speed*math.Exp(0.01*rng.NormFloat64()))
		r.AddCost("size", "MB", 7)
		return json.Marshal(r)
	}
}

func TestRegressTakesTurns(t *testing.T) {
	var asked []string
	w := []Workload{{Name: "w", Args: []string{"bench", "x"}}}
	all, err := Regress(t.Context(), machine(&asked), "slow", "fast", w, 7, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(asked[:6], " "); got != "slow fast fast slow slow fast" {
		t.Errorf("asked %s", got)
	}
	var text strings.Builder
	worse, err := WriteJudged(&text, all)
	if err != nil || worse != 0 || len(all) != 2 {
		t.Fatalf("%d worse of %d, %v", worse, len(all), err)
	}
	if !strings.HasPrefix(all[0].Verdict.Text, "better by ") ||
		all[1].Verdict.Text != "no difference" || !strings.Contains(text.String(), "better by") {
		t.Errorf("verdicts\n%s", text.String())
	}
	all, err = Regress(t.Context(), machine(&asked), "fast", "slow", w, 7, io.Discard)
	if worse, _ := WriteJudged(io.Discard, all); err != nil || worse != 1 {
		t.Errorf("the other way round %d figures are worse, %v", worse, err)
	}
	_, err = Regress(t.Context(), machine(&asked), "none", "slow", w, 7, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "workload w: no such program") {
		t.Errorf("error %v", err)
	}
}

func TestRecordKeepsOneLineForEachCommitAndWorkload(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	var asked []string
	workloads := []Workload{{Name: "a"}, {Name: "b"}}
	run := func(program string) []Entry {
		t.Helper()
		entries, err := Run(t.Context(), machine(&asked), program, workloads, 3, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
	if all, err := ReadFolder(dir); err != nil || len(all) != 0 {
		t.Fatalf("a record without a folder: %v, %v", all, err)
	}
	slow := run("slow")
	for range 2 {
		if err := Put(dir, slow); err != nil {
			t.Fatal(err)
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 || names[0].Name() != "2-x-cpu-model-1-avx2.jsonl" {
		t.Fatalf("files %v, %v", names, err)
	}
	fast := run("fast")
	for i := range fast {
		fast[i].Date = slow[i].Date.Add(time.Hour)
	}
	record, err := ReadFolder(dir)
	if err != nil || len(record) != 2 {
		t.Fatalf("%d lines, %v", len(record), err)
	}
	var text strings.Builder
	if err := WriteComparison(&text, fast, record); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); strings.Count(got, "better by 3") != 2 ||
		strings.Count(got, "no difference") != 2 || strings.Count(got, "slow") != 4 {
		t.Errorf("comparison\n%s", got)
	}
	if err := Put(dir, fast); err != nil {
		t.Fatal(err)
	}
	record, err = ReadFolder(dir)
	if last := Last(record, "2 x CPU (model 1), avx2", "b", ""); err != nil || len(record) != 4 ||
		last.Commit != "fast" {
		t.Errorf("%d lines, last %+v, %v", len(record), last, err)
	}
	if last := Last(record, "another", "b", ""); last != nil {
		t.Errorf("another machine has %+v", last)
	}
}

// The table has one line for a figure and its parts, and none for a part alone.
func TestComparisonPutsPartsBesideTheirFigure(t *testing.T) {
	value := func(x float64, unit string) Value { return Summarise([]float64{x}, unit, false) }
	now := []Entry{{
		Commit: "new", Machine: "m", Workload: "offline/a", Figures: map[string]Value{
			"decode 8": value(90, "tok/s"), "decode 8: TPOT p50": value(88, "ms"),
			"decode 8: TPOT p99": value(123, "ms"), "decode 8: ceiling": value(61, "%"),
			"prefill": value(120, "tok/s"), "prefill: TTFT p50": value(900, "ms"),
			"prefill: TTFT p99": value(1100, "ms"), "machine: read": value(30, "GB/s"),
		},
	}}
	record := []Entry{{
		Commit: "old", Machine: "m", Workload: "offline/a",
		Figures: map[string]Value{"decode 8": value(60, "tok/s")},
	}}
	var b strings.Builder
	if err := WriteComparison(&b, now, record); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"workload figure now [min - max] TTFT p50 / p99 TPOT p50 / p99 % of ceiling recorded " +
			"[min - max] commit change",
		"offline/a decode 8 90 tok/s 90 - 90 88 / 123 ms 61 60 60 - 60 old better by 50 %",
		"offline/a machine: read 30 GB/s 30 - 30 new",
		"offline/a prefill 120 tok/s 120 - 120 900 / 1100 ms new",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNamesAreInNaturalOrder(t *testing.T) {
	f := func(want ...string) {
		t.Helper()
		figures := map[string]Value{}
		for _, name := range want {
			figures[name] = Value{}
		}
		if got := Names(figures); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f("clients 1", "clients 4", "clients 16", "prefill")
	f("Q4_0, 1 rows", "Q4_0, 8 rows", "Q4_0, 128 rows", "Q8_0, 1 rows")
	f("", "a", "a 7", "a 007: b", "a 8", "b")
}

func TestReadRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := Read(strings.NewReader(text)); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f("{", "line 1")
	f("\n{\"commit\":\"a\",\"machine\":\"b\"}", "line 2 names no commit, machine or workload")
}

func TestRunRefusesEmptyResults(t *testing.T) {
	f := func(out, want string) {
		t.Helper()
		exec := func(context.Context, []string) ([]byte, error) { return []byte(out), nil }
		_, err := Run(t.Context(), exec, "p", []Workload{{Name: "w"}}, 1, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f("", "cannot read the result of workload w")
	f("{}", "workload w has no figures")
}

func TestPick(t *testing.T) {
	f := func(patterns string, want ...string) {
		t.Helper()
		picked, err := Pick(patterns)
		got := make([]string, 0, len(picked))
		for _, w := range picked {
			got = append(got, w.Name)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q picks %v, %v", patterns, got, err)
		}
	}
	f("http/*", "http/null")
	f("startup/*, memory/*", "startup/260k", "memory/260k")
	if all, err := Pick(""); err != nil || len(all) != len(Workloads()) {
		t.Errorf("%d picked, %v", len(all), err)
	}
	for _, bad := range []string{"x", "["} {
		if _, err := Pick(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// Every line of the record in the repository can be read, and no file holds another's machine.
func TestTheRecordIsWellFormed(t *testing.T) {
	all, err := ReadFolder("../history")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range all {
		key := fmt.Sprint(e.Commit, "|", e.Machine, "|", e.Workload)
		if seen[key] {
			t.Errorf("%s stands twice", key)
		}
		seen[key] = true
		for name, v := range e.Figures {
			if v.N < 1 || v.Min > v.Median || v.Median > v.Max {
				t.Errorf("%s: %s is %+v", key, name, v)
			}
		}
	}
}

func TestRunGoesOnAfterAFailure(t *testing.T) {
	calls := 0
	exec := func(_ context.Context, argv []string) ([]byte, error) {
		if calls++; argv[1] == "never" || argv[1] == "once" && calls == 1 {
			return nil, errors.New("too busy")
		}
		return []byte(`{"figures":[{"name":"a","unit":"x","value":3}]}`), nil
	}
	workloads := []Workload{{"w/once", []string{"once"}}, {"w/never", []string{"never"}}}
	var log strings.Builder
	entries, err := Run(t.Context(), exec, "p", workloads, 3, &log)
	if err == nil || !strings.Contains(err.Error(), "w/never") ||
		strings.Contains(err.Error(), "w/once") {
		t.Errorf("error %v, want one about w/never alone", err)
	}
	if len(entries) != 1 || entries[0].Workload != "w/once" || entries[0].Figures["a"].N != 2 {
		t.Errorf("entries %+v, want two rounds of w/once", entries)
	}
	if n := strings.Count(log.String(), "too busy"); n != 4 {
		t.Errorf("%d failures are logged, want 4:\n%s", n, &log)
	}
}
