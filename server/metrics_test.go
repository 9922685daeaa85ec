package server

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestMetricsCountWhatWasServed(t *testing.T) { both(t, testMetricsCountWhatWasServed) }

func testMetricsCountWhatWasServed(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	f.post(chatPath, chatHi)
	f.post(conversePath, converseHi)
	f.post(chatPath, "{")
	text := f.do("GET", "/metrics", "").body
	for _, want := range []string{
		`vllm:generation_tokens_total{engine="0",model_name="tiny"} 6`,
		`vllm:request_success_total{engine="0",finished_reason="length",model_name="tiny"} 2`,
		`vllm:time_to_first_token_seconds_count{engine="0",model_name="tiny"} 2`,
		`vllm:inter_token_latency_seconds_count{engine="0",model_name="tiny"} 4`,
		`vllm:e2e_request_latency_seconds_count{engine="0",model_name="tiny"} 2`,
		`vllm:num_requests_running{engine="0",model_name="tiny"} 0`,
		`vllm:request_queue_time_seconds_count{engine="0",model_name="tiny"} 2`,
		`vllm:request_prefill_time_seconds_count{engine="0",model_name="tiny"} 2`,
		`vllm:request_decode_time_seconds_count{engine="0",model_name="tiny"} 2`,
		`vllm:request_inference_time_seconds_count{engine="0",model_name="tiny"} 2`,
		`vllm:request_max_num_generation_tokens_sum{engine="0",model_name="tiny"} 6`,
		`vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0",model_name="tiny",`,
		`vllm:kv_cache_usage_perc{engine="0",model_name="tiny"} 0`,
		`basalt_requests_refused_total 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// TestMetricsHaveVLLMsNames: routers, dashboards and load generators made for vLLM read these.
func TestMetricsHaveVLLMsNames(t *testing.T) {
	f := start(t, setup{})
	f.post(chatPath, chatHi)
	text := f.do("GET", "/metrics", "").body
	names := func(kind string, list ...string) {
		t.Helper()
		for _, name := range list {
			if !strings.Contains(text, "# TYPE vllm:"+name+" "+kind+"\n") ||
				!strings.Contains(text, "# HELP vllm:"+name+" ") {
				t.Errorf("the metrics have no %s %s", kind, name)
			}
		}
	}
	names("gauge", "num_requests_running", "num_requests_waiting",
		"num_requests_waiting_by_reason", "kv_cache_usage_perc", "engine_sleep_state",
		"lora_requests_info", "cache_config_info")
	names("counter", "prompt_tokens_total", "generation_tokens_total",
		"prompt_tokens_cached_total", "request_success_total", "num_preemptions_total",
		"prefix_cache_queries_total", "prefix_cache_hits_total",
		"external_prefix_cache_queries_total", "external_prefix_cache_hits_total",
		"mm_cache_queries_total", "mm_cache_hits_total", "corrupted_requests_total",
		"spec_decode_num_drafts_total", "spec_decode_num_draft_tokens_total",
		"spec_decode_num_accepted_tokens_total")
	names("histogram", "time_to_first_token_seconds", "inter_token_latency_seconds",
		"request_time_per_output_token_seconds", "e2e_request_latency_seconds",
		"request_queue_time_seconds", "request_inference_time_seconds",
		"request_prefill_time_seconds", "request_decode_time_seconds",
		"request_prompt_tokens", "request_generation_tokens",
		"request_max_num_generation_tokens", "request_params_n", "request_params_max_tokens",
		"iteration_tokens_total")
}

// TestMetricsPassTheLint: Prometheus' own, but for what vLLM's names break.
func TestMetricsPassTheLint(t *testing.T) {
	f := start(t, setup{})
	f.post(chatPath, chatHi)
	problems, err := promlint.New(strings.NewReader(f.do("GET", "/metrics", "").body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !strings.HasPrefix(p.Metric, "vllm:") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

type meter struct{ err error }

func (m meter) WriteMetrics(w io.Writer) error {
	_, err := io.WriteString(w, "basalt_meter_watts 5\n")
	return errors.Join(err, m.err)
}

// patient is a meter whose health is told.
type patient struct {
	meter
	state atomic.Value
}

func (p *patient) Health() (state, why string) { return p.state.Load().(string), "it says so" }

func TestHealthOfDevices(t *testing.T) {
	p := &patient{}
	p.state.Store("good")
	f := start(t, setup{cfg: Config{Devices: []DeviceMetrics{p}}})
	try := func(state string, status int, want string) {
		t.Helper()
		p.state.Store(state)
		a := f.do("GET", "/health", "")
		if a.status != status || !strings.HasSuffix(a.body, want) {
			t.Errorf("%s: %d %s", state, a.status, a.body)
		}
		if a := f.do("GET", "/ping", ""); a.status != status {
			t.Errorf("%s: /ping gives %d", state, a.status)
		}
	}
	try("good", 200, `"ready":true}]}`)
	try("degraded", 200, `"devices":[{"state":"degraded","reason":"it says so"}]}`)
	try("dead", 503, `"devices":[{"state":"dead","reason":"it says so"}]}`)
}

func TestMetricsOfDevices(t *testing.T) {
	for _, err := range []error{nil, errors.New("planted")} {
		f := start(t, setup{cfg: Config{Devices: []DeviceMetrics{meter{err}}}})
		a := f.do("GET", "/metrics", "")
		if a.status != 200 || !strings.Contains(a.body, "\nbasalt_meter_watts 5\n") ||
			!strings.Contains(a.body, "vllm:num_requests_running{") {
			t.Errorf("%v: %d %s", err, a.status, a.body)
		}
	}
}
