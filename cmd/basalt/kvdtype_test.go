package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestCacheTypesThatAreRefused: one error that names the flag and the way out, before a device is
// opened; these machines have neither a GPU nor a Trainium.
func TestCacheTypesThatAreRefused(t *testing.T) {
	f := func(device, kv string, want ...string) {
		t.Helper()
		dev, err := openDevice(&modelFlags{Device: device, KVDtype: kv})
		if err == nil {
			t.Errorf("--device %s --kv-dtype %s was accepted", device, kv)
			_ = dev.Close()
			return
		}
		for _, w := range append(want, "--kv-dtype") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("--device %s --kv-dtype %s gives %q, which lacks %q", device, kv, err, w)
			}
		}
	}
	f("cuda", "int8", "device cuda", "f32 or bf16", "leave --kv-dtype out", "--device cpu")
	f("neuron", "INT8", "device neuron", "leave --kv-dtype out", "--device cpu")
	for _, device := range []string{"cpu", "cuda", "neuron", "reference", "null"} {
		f(device, "int4", `"int4"`, "f32, bf16 or int8")
	}
	f("cpu", "q8_0", "f32, bf16 or int8")
}

// TestServeTellsItsCache: the log and /metrics say what the cache is kept in and how many tokens it
// holds: with bytes, 4/3 of BF16's, since a head of 8 numbers has a scale of 4 bytes.
func TestServeTellsItsCache(t *testing.T) {
	f := func(kv string, tokens int) {
		t.Helper()
		p := serve(t, storyF32, "--kv-dtype", kv, "--kv-memory", "1MiB", "--max-seqs", "64")
		_, text := get(t, p.url+"/metrics")
		for _, want := range []string{
			fmt.Sprintf(`cache_dtype=%q,engine="0",model_name="stories260K-f32",`+
				`num_gpu_blocks="%d"`, kv, tokens/blockSize),
			fmt.Sprintf(`basalt_kv_tokens{engine="0",model_name="stories260K-f32"} %d`, tokens),
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the metrics lack %s", want)
			}
		}
		if err := p.stop(t); err != nil {
			t.Error(err)
		}
		log := fmt.Sprintf(`"msg":"KV cache","model":"stories260K-f32","type":%q,"tokens":%d`,
			strings.ToUpper(kv), tokens)
		if !strings.Contains(p.log.String(), log) {
			t.Errorf("the log lacks %s:\n%s", log, p.log)
		}
	}
	f("bf16", (1<<20)/(16*640)*16)
	f("int8", (1<<20)/(16*480)*16)
}
