package server

import (
	"cmp"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// loopCollector asks every model's loop for its numbers when metrics are scraped.
type loopCollector struct {
	models                                     []*model
	running, waiting, kvUsage, preempts, cache *prometheus.Desc
	steps, failedSteps, stepTokens             *prometheus.Desc
	prompts, generated, finished               *prometheus.Desc
	blocksUsed, blocksTotal, tokensTotal       *prometheus.Desc
	reasons, sleep, adapters                   *prometheus.Desc
	absent                                     []*prometheus.Desc
}

// absentCounters are vLLM's names for what no request here can use: they stay at zero, so that
// dashboards and `vllm bench serve` find them.
func absentCounters() []string {
	return []string{
		"prompt_tokens_cached", "prefix_cache_queries", "prefix_cache_hits",
		"external_prefix_cache_queries", "external_prefix_cache_hits", "mm_cache_queries",
		"mm_cache_hits", "corrupted_requests", "spec_decode_num_drafts",
		"spec_decode_num_draft_tokens", "spec_decode_num_accepted_tokens",
	}
}

func newLoopCollector(models []*model) *loopCollector {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"model_name", "engine"}, more...),
			nil)
	}
	c := &loopCollector{
		models:   models,
		running:  desc("vllm:num_requests_running", "Sequences that are computed."),
		waiting:  desc("vllm:num_requests_waiting", "Sequences that wait."),
		kvUsage:  desc("vllm:kv_cache_usage_perc", "Share of the KV cache in use, 0 to 1."),
		preempts: desc("vllm:num_preemptions_total", "Sequences that had to be computed again."),
		cache: desc("vllm:cache_config_info", "Shape of the KV cache; the value is 1.",
			"block_size", "cache_dtype", "num_gpu_blocks"),
		steps:       desc("basalt_steps_total", "Steps of the device."),
		failedSteps: desc("basalt_failed_steps_total", "Steps that the device failed."),
		stepTokens: desc("basalt_step_tokens_total",
			"Tokens computed, recomputed ones included."),
		prompts:     desc("basalt_admitted_prompt_tokens_total", "Tokens of admitted prompts."),
		generated:   desc("basalt_loop_generation_tokens_total", "Tokens given to streams."),
		finished:    desc("basalt_finished_sequences_total", "Sequences that ended."),
		blocksUsed:  desc("basalt_kv_blocks_used", "Blocks of the KV cache in use."),
		blocksTotal: desc("basalt_kv_blocks", "Blocks of the KV cache."),
		tokensTotal: desc("basalt_kv_tokens", "Tokens that the KV cache holds."),
		reasons: desc("vllm:num_requests_waiting_by_reason", "Sequences that wait, and why.",
			"reason"),
		sleep: desc("vllm:engine_sleep_state", "1 for the state that holds; it never sleeps.",
			"sleep_state"),
		adapters: desc("vllm:lora_requests_info", "Adapters in use; the value is the time.",
			"max_lora", "running_lora_adapters", "waiting_lora_adapters"),
	}
	for _, name := range absentCounters() {
		c.absent = append(c.absent, desc("vllm:"+name+"_total", "Nothing here counts in this."))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *loopCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range append([]*prometheus.Desc{
		c.reasons, c.sleep, c.adapters, c.running, c.waiting, c.kvUsage, c.preempts,
		c.cache, c.steps, c.failedSteps,
		c.stepTokens, c.prompts, c.generated, c.finished, c.blocksUsed, c.blocksTotal,
		c.tokensTotal,
	}, c.absent...) {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *loopCollector) Collect(ch chan<- prometheus.Metric) {
	const engine = "0"
	for _, m := range c.models {
		s := m.Loop.Stats()
		put := func(d *prometheus.Desc, t prometheus.ValueType, v float64, more ...string) {
			ch <- prometheus.MustNewConstMetric(d, t, v, append([]string{m.ID, engine}, more...)...)
		}
		put(c.running, prometheus.GaugeValue, float64(s.Running))
		put(c.waiting, prometheus.GaugeValue, float64(s.Waiting))
		put(c.kvUsage, prometheus.GaugeValue, float64(s.BlocksUsed)/float64(max(1, s.BlocksTotal)))
		put(c.preempts, prometheus.CounterValue, float64(s.Preemptions))
		size := m.Loop.Config().BlockSize
		put(c.cache, prometheus.GaugeValue, 1, strconv.Itoa(size), cmp.Or(m.CacheType, "auto"),
			strconv.Itoa(s.BlocksTotal))
		put(c.tokensTotal, prometheus.GaugeValue, float64(s.BlocksTotal*size))
		put(c.steps, prometheus.CounterValue, float64(s.Steps))
		put(c.failedSteps, prometheus.CounterValue, float64(s.FailedSteps))
		put(c.stepTokens, prometheus.CounterValue, float64(s.StepTokens))
		put(c.prompts, prometheus.CounterValue, float64(s.PromptTokens))
		put(c.generated, prometheus.CounterValue, float64(s.GeneratedTokens))
		put(c.finished, prometheus.CounterValue, float64(s.Finished))
		put(c.blocksUsed, prometheus.GaugeValue, float64(s.BlocksUsed))
		put(c.blocksTotal, prometheus.GaugeValue, float64(s.BlocksTotal))
		put(c.reasons, prometheus.GaugeValue, float64(s.Waiting), "capacity")
		put(c.reasons, prometheus.GaugeValue, 0, "deferred")
		put(c.sleep, prometheus.GaugeValue, 1, "awake")
		put(c.sleep, prometheus.GaugeValue, 0, "weights_offloaded")
		put(c.sleep, prometheus.GaugeValue, 0, "discard_all")
		put(c.adapters, prometheus.GaugeValue, float64(time.Now().Unix()), "0", "", "")
		for _, d := range c.absent {
			put(d, prometheus.CounterValue, 0)
		}
	}
}
