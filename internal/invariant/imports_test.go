package invariant

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// rooms says what each package may import of ours. A pattern ending in /... covers the folder and
// everything below it. The longest matching room counts. Test files are free.
var rooms = []struct {
	room string
	may  []string
}{
	{"runtime", []string{"internal/half", "internal/quant"}},
	{"kernels/...", nil},
	{"server/api", nil},
	{"internal/quant", []string{"internal/half"}},
	{"internal/golden", []string{"runtime"}},
	{"internal/testmodel", []string{"runtime", "models/...", "internal/..."}},
	{"internal/...", nil},
	{"models/box", nil},
	{"models/...", []string{"runtime", "internal/...", "models/..."}},
	{"cpu", []string{"runtime", "internal/..."}},
	{"neuron/...", []string{"runtime", "internal/...", "neuron/..."}},
	{"cuda/...", []string{"runtime", "internal/...", "kernels", "cuda/..."}},
	{"batcher", []string{"runtime", "internal/..."}},
	{"server/bedrock", []string{"server/api"}},
	{"server/openai", []string{"server/api"}},
	{"server/anthropic", []string{"server/api"}},
	{"server/sagemaker", []string{"server/api"}},
	{"server/audit", []string{"internal/live"}},
	{"server/delivery", []string{"server/api", "server/audit", "server/buckets"}},
	{"server/certs", []string{"internal/live"}},
	{"server/identity", []string{"server/api", "internal/live"}},
	{"server/guardrail", []string{"server/api"}},
	{"server/buckets", []string{"server/api", "internal/live"}},
	{"server/jobs", nil},
	{"server", []string{
		"server/...", "batcher", "models/tokenizer", "models/chat", "models/grammar",
		"internal/...", "runtime",
	}},
	{"bench/...", []string{"server/...", "runtime", "batcher", "internal/...", "bench/..."}},
	{"cmd/...", []string{"..."}},
}

func matches(pattern, pkg string) bool {
	folder, below := strings.CutSuffix(pattern, "...")
	if !below {
		return pattern == pkg
	}
	return pkg+"/" == folder || strings.HasPrefix(pkg, folder)
}

func roomOf(pkg string) ([]string, bool) {
	best := -1
	for i, r := range rooms {
		if matches(r.room, pkg) && (best < 0 || len(r.room) > len(rooms[best].room)) {
			best = i
		}
	}
	if best < 0 {
		return nil, false
	}
	return rooms[best].may, true
}

type listed struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []listed {
	out, err := exec.Command("go", "list", "-tags=cuda", "-json=ImportPath,Imports",
		"basalt/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, p := range listPackages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, "basalt/")
		may, ok := roomOf(pkg)
		if !ok {
			t.Errorf("package %s has no room in the table", pkg)
		}
		for _, imp := range p.Imports {
			dep, ours := strings.CutPrefix(imp, "basalt/")
			if ours && !allowed(may, dep) {
				t.Errorf("%s must not import %s", pkg, dep)
			}
		}
	}
}

func allowed(may []string, dep string) bool {
	for _, pattern := range may {
		if matches(pattern, dep) {
			return true
		}
	}
	return false
}

func TestTableCatchesPlantedImports(t *testing.T) {
	f := func(pkg, dep string, want bool) {
		t.Helper()
		may, _ := roomOf(pkg)
		if got := allowed(may, dep); got != want {
			t.Errorf("may %s import %s: %v, want %v", pkg, dep, got, want)
		}
	}
	f("batcher", "cpu", false)
	f("batcher", "runtime", true)
	f("models", "cpu", false)
	f("models/gguf", "models/tokenizer", true)
	f("server/bedrock", "server/openai", false)
	f("server/bedrock", "server/api", true)
	f("server", "cpu", false)
	f("server/api", "runtime", false)
	f("cmd/basalt", "cpu", true)
	f("cpu", "cmd/basalt", false)
}

// runtimeNames are the identifiers of package runtime that server may use: it never sees a tensor.
var runtimeNames = map[string]bool{
	"SamplingParams": true, "DefaultSampling": true, "LogitBias": true, "DeviceInfo": true,
	"MaxLogprobs": true,
}

func TestServerNeverSeesATensor(t *testing.T) {
	for _, file := range sources(t, "server", ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, name := range selectors(t, file, "basalt/runtime") {
			if !runtimeNames[name] {
				t.Errorf("%s uses runtime.%s", file, name)
			}
		}
	}
}
