package load

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// made is a run with random times: what a server under load might do.
func made(n int) *Record {
	rng := rand.New(rand.NewPCG(5, 6))
	r := &Record{Duration: 40 * time.Second, Processor: time.Second}
	for i := range n {
		o := Outcome{
			Session: i, Start: time.Duration(rng.Float64() * 20 * 1e9), Input: 1 + rng.IntN(500),
			Queue: time.Duration(rng.ExpFloat64() * 1e8), Failures: i % 2,
		}
		if i%17 == 3 {
			o.Err = "status 500: no"
			r.Outcomes = append(r.Outcomes, o)
			continue
		}
		at := int64(o.Start) + int64(rng.ExpFloat64()*3e8)
		for range 1 + rng.IntN(200) {
			o.Chunks = append(o.Chunks, at)
			at += int64(rng.ExpFloat64() * 2e7)
		}
		o.Output = len(o.Chunks) + rng.IntN(3)
		r.Outcomes = append(r.Outcomes, o)
	}
	return r
}

// file has the names of a result file's raw times.
type file struct {
	Duration  float64     `json:"duration"`
	Inputs    []int       `json:"input_lens"`
	Outputs   []int       `json:"output_lens"`
	TTFTs     []float64   `json:"ttfts"`
	ITLs      [][]float64 `json:"itls"`
	Latencies []float64   `json:"latencies"`
	Starts    []float64   `json:"start_times"`
	Queues    []float64   `json:"queue_times"`
	Errors    []string    `json:"errors"`
}

// rawOf works the times out of the moments at which chunks came.
func rawOf(r *Record) file {
	f := file{Duration: r.Duration.Seconds()}
	for _, o := range r.Outcomes {
		f.Inputs, f.Outputs = append(f.Inputs, o.Input), append(f.Outputs, o.Output)
		f.Starts = append(f.Starts, o.Start.Seconds())
		f.Queues, f.Errors = append(f.Queues, o.Queue.Seconds()), append(f.Errors, o.Err)
		ttft, latency, itls := 0.0, 0.0, []float64{}
		if n := len(o.Chunks); n > 0 {
			ttft = float64(o.Chunks[0]-int64(o.Start)) / 1e9
			latency = float64(o.Chunks[n-1]-int64(o.Start)) / 1e9
			for i := 1; i < n; i++ {
				itls = append(itls, float64(o.Chunks[i]-o.Chunks[i-1])/1e9)
			}
		}
		f.TTFTs, f.Latencies = append(f.TTFTs, ttft), append(f.Latencies, latency)
		f.ITLs = append(f.ITLs, itls)
	}
	return f
}

// quantile interpolates linearly, as numpy.percentile does.
func quantile(x []float64, p float64) float64 {
	x = slices.Sorted(slices.Values(x))
	at := p / 100 * float64(len(x)-1)
	i := int(at)
	if i+1 == len(x) {
		return x[i]
	}
	return x[i] + (x[i+1]-x[i])*(at-float64(i))
}

// recompute works out the summary from the raw times, by the definitions and by other means than
// metrics.go.
func (f *file) recompute(limits SLO, percentiles []float64) map[string]float64 {
	var ttft, tpot, itl, e2el, queue, all []float64
	in, out, good := 0, 0, 0
	buckets := map[int]float64{}
	first := math.Inf(1)
	for i := range f.Errors {
		if f.Errors[i] == "" {
			first = min(first, f.Starts[i])
		}
	}
	for i := range f.Errors {
		if f.Errors[i] != "" {
			continue
		}
		in, out = in+f.Inputs[i], out+f.Outputs[i]
		ttft, e2el = append(ttft, f.TTFTs[i]), append(e2el, f.Latencies[i])
		queue, all = append(queue, f.Queues[i]), append(all, f.Latencies[i]+f.Queues[i])
		per := 0.0
		if f.Outputs[i] > 1 {
			per = (f.Latencies[i] - f.TTFTs[i]) / float64(f.Outputs[i]-1)
			tpot = append(tpot, per)
		}
		itl = append(itl, f.ITLs[i]...)
		if f.TTFTs[i]*1000 <= limits.TTFT && per*1000 <= limits.TPOT &&
			f.Latencies[i]*1000 <= limits.E2EL {
			good++
		}
		at := f.Starts[i] + f.TTFTs[i]
		buckets[int(at-first)]++
		for _, gap := range f.ITLs[i] {
			at += gap
			buckets[int(at-first)]++
		}
	}
	peak := 0.0
	for _, n := range buckets {
		peak = max(peak, n)
	}
	got := map[string]float64{
		"completed": float64(len(ttft)), "failed": float64(len(f.Errors) - len(ttft)),
		"total_input_tokens": float64(in), "total_output_tokens": float64(out),
		"request_throughput":      float64(len(ttft)) / f.Duration,
		"request_goodput":         float64(good) / f.Duration,
		"output_throughput":       float64(out) / f.Duration,
		"total_token_throughput":  float64(in+out) / f.Duration,
		"max_output_tokens_per_s": peak,
		"max_concurrent_requests": f.mostAtOnce(),
	}
	for name, x := range map[string][]float64{
		"ttft": ttft, "tpot": tpot, "itl": itl, "e2el": e2el, "client_queue_time": queue,
		"e2el_including_client_queue": all,
	} {
		sum, squares := 0.0, 0.0
		for _, v := range x {
			sum += v * 1000
		}
		mean := sum / float64(len(x))
		for _, v := range x {
			squares += (v*1000 - mean) * (v*1000 - mean)
		}
		got["mean_"+name+"_ms"] = mean
		got["std_"+name+"_ms"] = math.Sqrt(squares / float64(len(x)))
		got["median_"+name+"_ms"] = quantile(x, 50) * 1000
		for _, p := range percentiles {
			got[fmt.Sprintf("p%g_%s_ms", p, name)] = quantile(x, p) * 1000
		}
	}
	return got
}

// mostAtOnce asks at every start how many others run.
func (f *file) mostAtOnce() float64 {
	most := 0
	for i := range f.Starts {
		n := 0
		for k := range f.Starts {
			if f.Errors[i]+f.Errors[k] == "" && f.Starts[k] <= f.Starts[i] &&
				f.Starts[i] < f.Starts[k]+f.Latencies[k] {
				n++
			}
		}
		most = max(most, n)
	}
	return float64(most)
}

// near says whether all times agree within a microsecond.
func near(x, y []float64) bool {
	return slices.EqualFunc(x, y, func(a, b float64) bool { return math.Abs(a-b) < 1e-6 })
}

func TestSummaryAgreesWithRawTimes(t *testing.T) {
	percentiles := []float64{25, 90, 99, 99.9}
	limits := SLO{TTFT: 500, TPOT: 25, E2EL: 3000}
	r := made(1500)
	s := &Settings{
		Options: &Options{
			Dialect: "openai", Model: "m", Rate: 75, Burstiness: 1, Clients: 8,
		},
		Percentiles: percentiles, SLO: true, Detailed: true, At: time.Unix(0, 0).UTC(),
	}
	text, err := Marshal(r.Result(r.Summarise(limits), s))
	if err != nil {
		t.Fatal(err)
	}
	var detailed file
	var result map[string]any
	if err := json.Unmarshal(text, &detailed); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &result); err != nil {
		t.Fatal(err)
	}
	raw := rawOf(r)
	if !near(detailed.TTFTs, raw.TTFTs) || !near(slices.Concat(detailed.ITLs...),
		slices.Concat(raw.ITLs...)) || !near(detailed.Starts, raw.Starts) {
		t.Error("the file's times of single requests are not those at which chunks came")
	}
	for key, want := range raw.recompute(limits, percentiles) {
		got, ok := result[key].(float64)
		if !ok || math.Abs(got-want) > 0.002*want {
			t.Errorf("%s is %v, the raw times give %v", key, result[key], want)
		}
	}
	for key, want := range map[string]any{
		"date": "19700101-000000", "backend": "openai", "model_id": "m", "request_rate": 75.0,
		"burstiness": 1.0, "max_concurrency": 8.0, "num_prompts": 1500.0,
	} {
		if result[key] != want {
			t.Errorf("%s is %v", key, result[key])
		}
	}
}

// Three requests worked out by hand.
func TestSummaryByHand(t *testing.T) {
	ms := func(x ...int64) []int64 {
		for i := range x {
			x[i] *= 1e6
		}
		return x
	}
	r := &Record{Duration: 2 * time.Second, Outcomes: []Outcome{
		{Chunks: ms(100, 110, 130), Input: 7, Output: 3},
		{Start: 100 * time.Millisecond, Chunks: ms(300, 360), Input: 9, Output: 2},
		{Start: time.Second, Chunks: ms(1500), Input: 1, Output: 1},
		{Err: "status 429: full", Failures: 1},
	}}
	m := r.Summarise(SLO{TTFT: 250, TPOT: 20})
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.001*want {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("completed", float64(m.Completed), 3)
	near("failed", float64(m.Failed), 1)
	near("output tokens/s", m.OutputThroughput, 3)
	near("total tokens/s", m.TotalThroughput, 11.5)
	near("goodput", m.Goodput, 0.5)
	near("median TTFT", m.TTFT.Percentile(50), 200)
	near("greatest TTFT", m.TTFT.Percentile(100), 500)
	near("mean TPOT", m.TPOT.Mean(), (15.0+60)/2)
	near("number of TPOT", float64(m.TPOT.N()), 2)
	near("median ITL", m.ITL.Percentile(50), 20)
	near("mean E2EL", m.E2EL.Mean(), (130.0+260+500)/3)
	near("peak second", m.PeakOutput, 5)
	near("peak concurrency", float64(m.PeakConcurrent), 2)
	var text strings.Builder
	r.Print(&text, m, &Settings{
		Options: &Options{Rate: math.Inf(1)}, Percentiles: []float64{99}, SLO: true,
	})
	for _, want := range []string{
		"Successful requests:                       3\n", "P99 TTFT (ms):",
		"Request goodput (req/s):                   0.50\n", "1 x status 429: full\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
}

func TestParseSLO(t *testing.T) {
	got, err := ParseSLO([]string{"ttft:200", "e2el:1.5e3"})
	if err != nil || got != (SLO{TTFT: 200, E2EL: 1500}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"ttft", "itl:5", "tpot:-1", "tpot:x", "ttft:NaN", "ttft:+Inf"} {
		if _, err := ParseSLO([]string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
