package kernels

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kernel is an entry of manifest.json.
type kernel struct {
	Name, Module, Source string
	Arguments            []string
	Threads              int
	Archs                map[string]struct{ Registers, Spills, Shared int }
}

func manifest(t *testing.T) []kernel {
	t.Helper()
	data, err := os.ReadFile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Kernels []kernel }
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Kernels) == 0 {
		t.Fatal("the manifest is empty")
	}
	return m.Kernels
}

// TestPTXHasItsInstructions: kernels of one architecture, and those for many rows, use what they
// are there for.
func TestPTXHasItsInstructions(t *testing.T) {
	images, err := Portable()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"linear_sm90a": "wgmma.mma_async", "attention_sm90a": "wgmma.mma_async",
		"linear_sm100f": "tcgen05.mma", "attention_sm100f": "tcgen05.mma",
		"nvfp4_sm120f": "block_scale", "linear_tile": "cp.async.cg",
		"attention_tile": "cp.async.cg",
	}
	for _, image := range images {
		word, specific := want[image.Name]
		if !specific && image.Arch() != "" {
			t.Errorf("%s: nothing says what its PTX must contain", image.Name)
		}
		for _, entry := range strings.Split(image.Data, ".visible .entry ")[1:] {
			if !strings.Contains(entry, word) {
				t.Errorf("%s: a kernel has no %s", image.Name, word)
			}
		}
		delete(want, image.Name)
	}
	for name := range want {
		t.Errorf("%s.ptx is missing", name)
	}
}

// TestManifestIsOfTheSources: what is committed was made of the sources as they are.
func TestManifestIsOfTheSources(t *testing.T) {
	images, err := Portable()
	if err != nil {
		t.Fatal(err)
	}
	modules := make(map[string]string)
	for _, image := range images {
		modules[image.Name] = image.Data
	}
	for _, k := range manifest(t) {
		sources, err := filepath.Glob("*/" + k.Module + ".cu")
		if err != nil || len(sources) != 1 {
			t.Fatalf("%s: sources %q, %v", k.Module, sources, err)
		}
		if got := sourceHash(t, sources[0]); got != k.Source {
			t.Errorf("%s has changed since ptx/ was made: run make kernels", sources[0])
		}
		ptx, ok := modules[k.Module]
		if !ok {
			t.Fatalf("%s has no PTX", k.Module)
		}
		at := slices.IndexFunc(Entries(ptx), func(e Entry) bool {
			return e.Name == k.Name && e.Threads == k.Threads && len(e.Params) == len(k.Arguments)
		})
		if at < 0 {
			t.Errorf("%s is not in its PTX as the manifest has it", k.Name)
		}
	}
}

// sourceHash is build.py's: of a source and what it includes, emulate.h apart.
func sourceHash(t *testing.T, source string) string {
	t.Helper()
	include := regexp.MustCompile(`#include "([^"]+)"`)
	digest, seen, queue := sha256.New(), map[string]bool{}, []string{source}
	for len(queue) > 0 {
		path := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen[path] || filepath.Base(path) == "emulate.h" {
			continue
		}
		seen[path] = true
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		digest.Write(data)
		var found []string
		for _, m := range include.FindAllStringSubmatch(string(data), -1) {
			found = append(found, filepath.Join(filepath.Dir(path), m[1]))
		}
		slices.Sort(found)
		queue = append(queue, found...)
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// TestDecodeKernelsDoNotSpill reads what the compiler said of each kernel and architecture.
func TestDecodeKernelsDoNotSpill(t *testing.T) {
	prefill := regexp.MustCompile(`^bs_linear_\w+_(64|128)$|^bs_attention_\w+_(tile|sm\w+)$`)
	for _, k := range manifest(t) {
		if len(k.Archs) == 0 {
			t.Errorf("%s was compiled for nothing", k.Name)
		}
		for arch, a := range k.Archs {
			if a.Spills > 0 && !prefill.MatchString(k.Name) {
				t.Errorf("%s spills %d bytes on %s", k.Name, a.Spills, arch)
			}
			if a.Registers == 0 || a.Registers > 255 {
				t.Errorf("%s has %d registers on %s", k.Name, a.Registers, arch)
			}
		}
	}
}
