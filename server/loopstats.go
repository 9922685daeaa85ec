package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// loopCollector asks every model's loop for its numbers when metrics are scraped.
type loopCollector struct {
	models                                     []*model
	running, waiting, kvUsage, preempts, cache *prometheus.Desc
	steps, failedSteps, stepTokens             *prometheus.Desc
	prompts, generated, finished               *prometheus.Desc
	blocksUsed, blocksTotal                    *prometheus.Desc
}

func newLoopCollector(models []*model) *loopCollector {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"model_name", "engine"}, more...),
			nil)
	}
	return &loopCollector{
		models:   models,
		running:  desc("vllm:num_requests_running", "Sequences that are computed."),
		waiting:  desc("vllm:num_requests_waiting", "Sequences that wait."),
		kvUsage:  desc("vllm:kv_cache_usage_perc", "Share of the KV cache in use, 0 to 1."),
		preempts: desc("vllm:num_preemptions_total", "Sequences that had to be computed again."),
		cache: desc("vllm:cache_config_info", "Shape of the KV cache; the value is 1.",
			"block_size",
			"num_gpu_blocks"),
		steps:       desc("basalt_steps_total", "Steps of the device."),
		failedSteps: desc("basalt_failed_steps_total", "Steps that the device failed."),
		stepTokens: desc("basalt_step_tokens_total",
			"Tokens computed, recomputed ones included."),
		prompts:     desc("basalt_admitted_prompt_tokens_total", "Tokens of admitted prompts."),
		generated:   desc("basalt_loop_generation_tokens_total", "Tokens given to streams."),
		finished:    desc("basalt_finished_sequences_total", "Sequences that ended."),
		blocksUsed:  desc("basalt_kv_blocks_used", "Blocks of the KV cache in use."),
		blocksTotal: desc("basalt_kv_blocks", "Blocks of the KV cache."),
	}
}

// Describe implements prometheus.Collector.
func (c *loopCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.running, c.waiting, c.kvUsage, c.preempts, c.cache, c.steps, c.failedSteps,
		c.stepTokens, c.prompts, c.generated, c.finished, c.blocksUsed, c.blocksTotal,
	} {
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
		put(c.cache, prometheus.GaugeValue, 1, strconv.Itoa(m.Loop.Config().BlockSize),
			strconv.Itoa(s.BlocksTotal))
		put(c.steps, prometheus.CounterValue, float64(s.Steps))
		put(c.failedSteps, prometheus.CounterValue, float64(s.FailedSteps))
		put(c.stepTokens, prometheus.CounterValue, float64(s.StepTokens))
		put(c.prompts, prometheus.CounterValue, float64(s.PromptTokens))
		put(c.generated, prometheus.CounterValue, float64(s.GeneratedTokens))
		put(c.finished, prometheus.CounterValue, float64(s.Finished))
		put(c.blocksUsed, prometheus.GaugeValue, float64(s.BlocksUsed))
		put(c.blocksTotal, prometheus.GaugeValue, float64(s.BlocksTotal))
	}
}
