package load

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// Settings are what a result file says of the run.
type Settings struct {
	Options     *Options
	Workload    string
	Label       string
	Percentiles []float64
	SLO         bool // limits were given
	Detailed    bool // with every request's times
	At          time.Time
}

// Result gives the members of a result file, named as vllm bench serve names them, so that tools
// which read those files read these. Members that vLLM does not know stand under "basalt".
func (r *Record) Result(m *Metrics, s *Settings) map[string]any {
	o := s.Options
	out := map[string]any{
		"date": s.At.Format("20060102-150405"), "endpoint_type": o.Dialect, "backend": o.Dialect,
		"label": s.Label, "model_id": o.Model, "tokenizer_id": o.Model,
		"num_prompts": len(r.Outcomes), "request_rate": rate(o.Rate),
		"burstiness": rate(o.Burstiness), "max_concurrency": nil,
		"duration": r.Duration.Seconds(), "completed": m.Completed, "failed": m.Failed,
		"total_input_tokens": m.Input, "total_output_tokens": m.Output,
		"request_throughput": m.RequestThroughput, "request_goodput": nil,
		"output_throughput": m.OutputThroughput, "total_token_throughput": m.TotalThroughput,
		"max_output_tokens_per_s": m.PeakOutput, "max_concurrent_requests": m.PeakConcurrent,
		"basalt": map[string]any{
			"workload": s.Workload, "seed": o.Seed, "cached_tokens": m.Cached,
			"failed_attempts": m.Attempts, "processor_s": r.Processor.Seconds(),
			"p99_send_lag_ms": m.Lag.Percentile(99), "max_send_lag_ms": m.Lag.Percentile(100),
		},
	}
	if s.SLO {
		out["request_goodput"] = m.Goodput
	}
	distribution(out, "ttft", m.TTFT, s.Percentiles)
	distribution(out, "tpot", m.TPOT, s.Percentiles)
	distribution(out, "itl", m.ITL, s.Percentiles)
	distribution(out, "e2el", m.E2EL, s.Percentiles)
	if o.Clients > 0 {
		out["max_concurrency"] = o.Clients
		distribution(out, "client_queue_time", m.Queue, s.Percentiles)
		if !math.IsInf(o.Rate, 1) {
			distribution(out, "e2el_including_client_queue", m.WithAll, s.Percentiles)
		}
	}
	if s.Detailed {
		r.details(out)
	}
	return out
}

// rate is a number, or "inf" as vLLM writes it: JSON has no infinity.
func rate(x float64) any {
	if math.IsInf(x, 1) {
		return "inf"
	}
	return x
}

func distribution(out map[string]any, name string, q *Quantity, percentiles []float64) {
	out["mean_"+name+"_ms"] = q.Mean()
	out["median_"+name+"_ms"] = q.Percentile(50)
	out["std_"+name+"_ms"] = q.Std()
	for _, p := range percentiles {
		out["p"+strconv.FormatFloat(p, 'f', -1, 64)+"_"+name+"_ms"] = q.Percentile(p)
	}
}

// details are the times of each request, in seconds.
func (r *Record) details(out map[string]any) {
	n := len(r.Outcomes)
	inputs, outputs := make([]int, n), make([]int, n)
	ttfts, latencies := make([]float64, n), make([]float64, n)
	starts, queues := make([]float64, n), make([]float64, n)
	itls, texts, errs := make([][]float64, n), make([]string, n), make([]string, n)
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		inputs[i], texts[i], errs[i] = o.Input, o.Text, o.Err
		starts[i], queues[i] = o.Start.Seconds(), o.Queue.Seconds()
		itls[i] = []float64{}
		if o.Err != "" {
			continue
		}
		outputs[i] = o.Output
		ttfts[i] = float64(o.Chunks[0]-int64(o.Start)) / 1e9
		latencies[i] = float64(o.Chunks[len(o.Chunks)-1]-int64(o.Start)) / 1e9
		for k := 1; k < len(o.Chunks); k++ {
			itls[i] = append(itls[i], float64(o.Chunks[k]-o.Chunks[k-1])/1e9)
		}
	}
	out["input_lens"], out["output_lens"], out["ttfts"], out["itls"] = inputs, outputs, ttfts, itls
	out["latencies"], out["start_times"], out["queue_times"] = latencies, starts, queues
	out["generated_texts"], out["errors"] = texts, errs
}

// Marshal is a result file's text.
func Marshal(result map[string]any) ([]byte, error) {
	text, err := json.MarshalIndent(result, "", "  ")
	return append(text, '\n'), err
}
