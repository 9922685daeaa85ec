package models

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"

	"basalt/internal/half"
	"basalt/runtime"
)

// DummySpec asks for random weights.
type DummySpec struct{ Seed uint64 }

// shapes are published models by their sizes alone.
func shapes() map[string]Config {
	llama := func(layers, hidden, ffn, heads, kv, dim, vocab int, theta float64, tied bool) Config {
		return shape("llama", layers, hidden, ffn, runtime.Heads{Query: heads, KV: kv, Dim: dim},
			vocab,
			theta, tied)
	}
	qwen := func(layers, hidden, ffn, heads, kv int, tied bool) Config {
		return shape("qwen3", layers, hidden, ffn, runtime.Heads{Query: heads, KV: kv, Dim: 128},
			151936,
			1e6, tied)
	}
	return map[string]Config{
		"llama-3.2-1b":   llama(16, 2048, 8192, 32, 8, 64, 128256, 5e5, true),
		"llama-3.2-3b":   llama(28, 3072, 8192, 24, 8, 128, 128256, 5e5, true),
		"llama-3.1-8b":   llama(32, 4096, 14336, 32, 8, 128, 128256, 5e5, false),
		"tinyllama-1.1b": llama(22, 2048, 5632, 32, 4, 64, 32000, 1e4, false),
		"qwen3-0.6b":     qwen(28, 1024, 3072, 16, 8, true),
		"qwen3-1.7b":     qwen(28, 2048, 6144, 16, 8, true),
	}
}

func shape(family string, layers, hidden, ffn int, h runtime.Heads, vocab int, theta float64,
	tied bool,
) Config {
	c := Config{
		Family: family, Layers: layers, Hidden: hidden, FFN: ffn, Heads: h, Vocab: vocab,
		Tied: tied,
		Eps:  1e-5, MaxContext: 32768, Windows: uniformWindows(layers, 0),
	}
	s := ropeScaling{Type: "default", Theta: theta, Partial: 1}
	c.RoPE, _ = s.attr(h, c.MaxContext) // the table above has no impossible shape
	return c
}

func loadDummy(name string, d DummySpec) (*Model, error) {
	c, ok := shapes()[name]
	if !ok {
		return nil, fmt.Errorf("no shape is called %q; known are %s", name,
			strings.Join(slices.Sorted(maps.Keys(shapes())), ", "))
	}
	m := &Model{Config: c}
	p, err := Program(name, c)
	if err != nil {
		return nil, err
	}
	m.Checkpoint = newDummyCheckpoint(p, d.Seed)
	return m, m.finish(name)
}

// newDummyCheckpoint holds N(0, 0.02) matrices in BF16 and norms of one.
func newDummyCheckpoint(p *runtime.Program, seed uint64) tensorSet {
	c := tensorSet{}
	var work []func()
	normals := normalTable(seed)
	for _, w := range p.Weights {
		for _, part := range w.Parts {
			t := runtime.Tensor{DType: runtime.BF16, Shape: w.PartShape()}
			t.Data = make([]byte, 2*t.NumValues())
			c[part] = t
			work = append(work, func() { fillDummy(t, seed^hashName(part), normals) })
		}
	}
	parallel(work)
	return c
}

// normalTable has 4,096 draws of N(0, 0.02) as BF16; filling picks from it, which is far faster
// than drawing anew.
func normalTable(seed uint64) []uint16 {
	rng, table := rand.New(rand.NewPCG(seed, 0)), make([]uint16, 4096)
	for i := range table {
		table[i] = half.ToBF16(float32(rng.NormFloat64() * 0.02))
	}
	return table
}

func hashName(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}

func fillDummy(t runtime.Tensor, seed uint64, normals []uint16) {
	if len(t.Shape) == 1 {
		for i := 0; i < len(t.Data); i += 2 {
			binary.LittleEndian.PutUint16(t.Data[i:], half.ToBF16(1))
		}
		return
	}
	x := seed | 1
	for i := 0; i < len(t.Data); i += 2 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint16(t.Data[i:], normals[x>>20&4095])
	}
}

// parallel runs work on all processors.
func parallel(work []func()) {
	var wg sync.WaitGroup
	next := make(chan func())
	for range goruntime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range next {
				f()
			}
		})
	}
	for _, f := range work {
		next <- f
	}
	close(next)
	wg.Wait()
}
