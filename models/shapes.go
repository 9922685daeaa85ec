package models

import "basalt/runtime"

// shapes are published models by their sizes alone.
func shapes() map[string]Config {
	llama := func(layers, hidden, ffn, heads, kv, dim, vocab int, theta float64, tied bool) Config {
		h := runtime.Heads{Query: heads, KV: kv, Dim: dim}
		return shape("llama", layers, hidden, ffn, h, vocab, theta, tied)
	}
	qwen := func(layers, hidden, ffn, heads, kv int, tied bool) Config {
		h := runtime.Heads{Query: heads, KV: kv, Dim: 128}
		return shape("qwen3", layers, hidden, ffn, h, 151936, 1e6, tied)
	}
	all := map[string]Config{
		"llama-3.2-1b":   llama(16, 2048, 8192, 32, 8, 64, 128256, 5e5, true),
		"llama-3.2-3b":   llama(28, 3072, 8192, 24, 8, 128, 128256, 5e5, true),
		"llama-3.1-8b":   llama(32, 4096, 14336, 32, 8, 128, 128256, 5e5, false),
		"tinyllama-1.1b": llama(22, 2048, 5632, 32, 4, 64, 32000, 1e4, false),
		"stories-260k":   llama(5, 64, 172, 8, 4, 8, 512, 1e4, true),
		"qwen3-0.6b":     qwen(28, 1024, 3072, 16, 8, true),
		"qwen3-1.7b":     qwen(28, 2048, 6144, 16, 8, true),
		"qwen3-4b":       qwen(36, 2560, 9728, 32, 8, true),
		"qwen3-8b":       qwen(36, 4096, 12288, 32, 8, false),
	}
	all["qwen3-30b-a3b"] = sparse(qwen(48, 2048, 6144, 32, 4, false), "qwen3_moe",
		MoE{Experts: 128, TopK: 8, FFN: 768, Normalise: true})
	all["mixtral-8x7b"] = sparse(llama(32, 4096, 14336, 32, 8, 128, 32000, 1e6, false), "mixtral",
		MoE{Experts: 8, TopK: 2, FFN: 14336, Normalise: true})
	return all
}

func sparse(c Config, family string, m MoE) Config {
	c.Family, c.MoE, c.RoPE.Interleaved = family, &m, false
	return c
}

func shape(family string, layers, hidden, ffn int, h runtime.Heads, vocab int, theta float64,
	tied bool,
) Config {
	c := Config{
		Family: family, Layers: layers, Hidden: hidden, FFN: ffn, Heads: h, Vocab: vocab,
		Tied: tied, Eps: 1e-5, MaxContext: 32768, Windows: uniformWindows(layers, 0),
	}
	s := RopeScaling{Type: "default", Theta: theta, Partial: 1}
	c.RoPE, _ = s.attr(h, c.MaxContext) // the table above has no impossible shape
	return c
}
