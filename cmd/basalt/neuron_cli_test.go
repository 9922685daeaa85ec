//go:build linux

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/common/expfmt"
	prom "github.com/prometheus/common/model"

	"basalt/bench/load"
	"basalt/neuron/monitor"
	"basalt/runtime"
)

// TestNeuronCommands: the five commands of the documentation, and what each refuses.
func TestNeuronCommands(t *testing.T) {
	compiler := useFakes(t)
	model := tinyModel(t, "qwen2", runtime.F32)
	dir := filepath.Join(t.TempDir(), "M")
	ok := func(want string, args ...string) {
		t.Helper()
		if out := mustRun(t, args...); !strings.Contains(out, want) {
			t.Errorf("%q prints\n%s\nwant %q", args, out, want)
		}
	}
	refused := func(want string, args ...string) {
		t.Helper()
		out, err := basaltOutput(t, args...)
		if err == nil || !strings.Contains(out, want) || strings.Contains(out, "panic") {
			t.Errorf("%q: %v\n%s\nwant %q", args, err, out, want)
		}
	}
	small := []string{
		"neuron", "export", model, "--out", dir, "--ctx", "64", "--tokens", "8", "--seqs", "2",
	}
	refused("1 or 2 physical", append(small, "--lnc", "4")...)
	refused("NCC_EVRF051", append(small, "--target", "trn2", "--weights", "f8e4m3fn")...)
	refused("made for", append(small, "--ctx", "100000")...)
	refused("must reach --ctx", append(small, "--contexts", "32")...)
	refused("needs --neuron-dir", "run", model, "x", "--device", "neuron")
	t.Setenv("FAKE_NRT_FAMILY", "5")
	ok("2 graphs for trn2", small...)
	t.Setenv("FAKE_NRT_FAMILY", "77")
	refused("name one by --target", small...)
	t.Setenv("FAKE_NRT_FAMILY", "15")
	ok("2 graphs for trn3", small...)
	refused("basalt neuron compile", "run", model, "x", "--device", "neuron", "--neuron-dir", dir)
	refused("arguments: --fast", "neuron", "compile", dir, "--compiler", compiler,
		"--cc-flags=--fast")
	ok("compiled in", "neuron", "compile", dir, "--compiler", compiler)
	ok("compiled before", "neuron", "compile", dir, "--compiler", compiler)
	ok("all 2 graphs load", "neuron", "doctor", dir)
	ok("FAKE", "neuron", "doctor")
	for _, against := range []string{"evaluator", "cpu", "reference"} {
		ok("decode-s2-c64", "neuron", "verify", dir, model, "--against", against, "--prompt", "Hi")
	}
	refused("of another model", "neuron", "verify", dir, tinyModel(t, "llama2", runtime.F32))
	refused("nothing is measured", "bench", "latency", model, "--device", "neuron", "--neuron-dir",
		dir)
	t.Setenv(allowFake, "")
	refused("fake neuronx-cc", "neuron", "compile", dir, "--compiler", compiler)
	refused("fake Neuron runtime", "neuron", "doctor", dir)
	refused("fake Neuron runtime", "run", model, "x", "--device", "neuron", "--neuron-dir", dir)
}

// TestNeuronMonitor prints the driver's counters, and serves them with those of a report.
func TestNeuronMonitor(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"neuron0/stats/hardware/sram_ecc_uncorrected":            "3",
		"neuron0/neuron_core0/stats/other_info/inference_count":  "12",
		"neuron0/neuron_core0/stats/status/hw_error/total":       "0",
		"neuron0/neuron_core0/stats/memory_usage/device_mem/x/t": "0",
	} {
		file := filepath.Join(root, path)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil {
			err = os.WriteFile(file, []byte(text+"\n"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	report := "../../neuron/monitor/testdata/report.json"
	out := mustRun(t, "neuron", "monitor", "--sysfs", root)
	if !strings.Contains(out, "3 uncorrected errors in the SRAM of device 0") {
		t.Errorf("printed\n%s", out)
	}
	out = mustRun(t, "neuron", "monitor", "--sysfs", root, "--report", report, "--format",
		"prometheus")
	if !strings.Contains(out, `basalt_neuron_executions_total{device="0",core="0"} 12`) ||
		!strings.Contains(out, "basalt_neuron_utilization_ratio") {
		t.Errorf("printed\n%s", out)
	}
	if out, err := basaltOutput(t, "neuron", "monitor", "--sysfs", "/nowhere"); err == nil ||
		!strings.Contains(out, "shows no device") {
		t.Errorf("%v\n%s", err, out)
	}
	var last atomic.Pointer[monitor.Report]
	c := neuronMonitorCmd{Sysfs: root, Report: report}
	s := httptest.NewServer(c.metrics(&last))
	defer s.Close()
	if _, text := get(t, s.URL+"/metrics"); !strings.Contains(text, `kind="uncorrected"} 3`) ||
		strings.Contains(text, "utilization") {
		t.Errorf("served\n%s", text)
	}
	if err := c.reports(func(r *monitor.Report) { last.Store(r) }); err != nil {
		t.Fatal(err)
	}
	if _, text := get(t, s.URL+"/metrics"); !strings.Contains(text, "utilization") {
		t.Errorf("served\n%s", text)
	}
	c.Sysfs, c.Report = "/nowhere", ""
	if status, text := get(t, s.URL+"/metrics"); status != http.StatusServiceUnavailable {
		t.Errorf("status %d\n%s", status, text)
	}
}

// scraped is every value of /metrics by its name and labels.
func scraped(t *testing.T, url string) map[string]float64 {
	t.Helper()
	_, text := get(t, url+"/metrics")
	parser := expfmt.NewTextParser(prom.LegacyValidation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
		t.Errorf("the page is not in Prometheus' format: %v", err)
	}
	found := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			found[name] = v
		}
	}
	return found
}

// TestNeuronStepsKeepTheShape: the scheduler cuts prompts into chunks that fill buckets (8 and 16
// here, where the budget of 11 tokens pads the larger too much), and no step mixes prompts with
// answers.
func TestNeuronStepsKeepTheShape(t *testing.T) {
	compiler := useFakes(t)
	model := tinyModel(t, "llama2", runtime.F32)
	dir := compiledExport(t, compiler, model, exportFlags()...)
	s := serve(t, model, "--device", "neuron", "--neuron-dir", dir, "--ctx", "128", "--max-seqs",
		"4", "--step-tokens", "11")
	all := variety(readReference(t, "llama2"))
	one := ask{all[0].prompt[:19], map[string]any{"max_tokens": 1}}
	one.prompt = append(slices.Clone(one.prompt), one.prompt[:7]...)
	askAll(t, s.url, "llama2", []ask{one})
	found := scraped(t, s.url)
	for name, want := range map[string]float64{"runs": 4, "run_tokens": 26, "run_padding": 6} {
		name = "basalt_neuron_" + name + `_total{kind="prefill"}`
		if got := found[name]; got != want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	askAll(t, s.url, "llama2", all)
	found = scraped(t, s.url)
	host := scraped(t, serve(t, model).url)
	if v, ok := host[`basalt_device_simulated{device="cpu"}`]; v != 0 || !ok {
		t.Errorf("the CPU is simulated: %g (%t)", v, ok)
	}
	if n, ok := found["basalt_neuron_mixed_steps_total"]; n != 0 || !ok {
		t.Errorf("%g steps are mixed (%t)", n, ok)
	}
	if n := found[`basalt_neuron_runs_total{kind="decode"}`]; n < 50 {
		t.Errorf("%g decode runs", n)
	}
}

// TestNeuronMetricsOfTheServer: a scrape of the server has the device's page: that it is simulated,
// its runs, the driver's counters and neuron-monitor's report; and the whole is Prometheus' format.
func TestNeuronMetricsOfTheServer(t *testing.T) {
	compiler := useFakes(t)
	model := tinyModel(t, "llama2", runtime.F32)
	dir := compiledExport(t, compiler, model, exportFlags()...)
	root := t.TempDir()
	file := filepath.Join(root, "neuron1/stats/hardware/mem_ecc_uncorrected")
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte("2\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, append([]string{
		model, "--device", "neuron", "--neuron-dir", dir, "--neuron-sysfs", root,
		"--neuron-monitor", "tail -n +1 -f ../../neuron/monitor/testdata/report.json",
	}, tightFlags()...)...)
	askAll(t, s.url, "llama2", variety(readReference(t, "llama2"))[:3])
	want := map[string]float64{
		`basalt_device_simulated{device="neuron"}`: 1,
		`basalt_neuron_state`:                      1,
		`basalt_neuron_monitor_up`:                 1,
		`basalt_neuron_ecc_errors_total{device="1",memory="hbm",kind="uncorrected"}`: 2,
		`basalt_neuron_utilization_ratio{pid="4711",tag="basalt",core="0"}`:          0.4201,
	}
	found := scraped(t, s.url)
	for name, v := range want {
		if got, ok := found[name]; !ok || got != v {
			t.Errorf("%s is %g (%t), want %g", name, got, ok, v)
		}
	}
	if err := load.RefuseSimulated(t.Context(), http.DefaultClient, s.url, ""); err == nil ||
		!strings.Contains(err.Error(), "fake device") {
		t.Errorf("bench serve would measure a fake: %v", err)
	}
	const ailing = "2 uncorrected errors in the memory of device 1"
	if status, text := get(t, s.url+"/health"); status != 200 || !strings.Contains(text, ailing) {
		t.Errorf("health %d: %s", status, text)
	}
	if found[`basalt_neuron_runs_total{kind="decode"}`] < 23 {
		t.Errorf("no decode runs in %v", found)
	}
	if err := s.stop(t); err != nil {
		t.Errorf("exit: %v\n%s", err, s.log)
	}
}

// TestNeuronEndToEnd: the tests of the server on the CPU pass on the device too: the published
// engine's answers, clients that leave, the command line; and, where there is time for the
// evaluator, every answer, streams beside each other and a drain.
func TestNeuronEndToEnd(t *testing.T) {
	compiler := useFakes(t)
	dir := compiledExport(t, compiler, storiesModel, "--ctx", "512", "--contexts", "64,256,512",
		"--tokens", "8,48", "--seqs", "2,8,32", "--kv-blocks", "1100", "--top-k", "2")
	t.Setenv("BASALT_DEVICE", "neuron")
	t.Setenv("BASALT_NEURON_DIR", dir)
	t.Run("invoke", TestInvokeModelWithTheLlamaBody)
	t.Run("leaving", TestClientsThatLeaveFreeTheirBlocks)
	t.Run("run", TestRunContinuesAPrompt)
	if os.Getenv("BASALT_NEURON_LONG") == "" {
		t.Log("BASALT_NEURON_LONG=1 runs the rest, for some minutes")
		return
	}
	t.Setenv("BASALT_DRAIN_TIMEOUT", "10m")
	t.Run("answers", TestServeAnswersAsThePublishedEngine)
	t.Run("streams", TestManyStreamsEqualOne)
	t.Run("drain", TestSIGTERMLosesNoStream)
}

// TestNeuronFaultsBehindTheServer: a run that fails costs its requests alone; a core that is lost
// makes the server say so until it is restarted, and it still ends in order.
func TestNeuronFaultsBehindTheServer(t *testing.T) {
	compiler := useFakes(t)
	model := tinyModel(t, "llama2", runtime.F32)
	dir := compiledExport(t, compiler, model, exportFlags()...)
	f := func(plan string, health int) {
		t.Helper()
		t.Setenv("FAKE_NRT_FAULT", plan)
		p := serve(t, model, "--device", "neuron", "--neuron-dir", dir, "--ctx", "128")
		const body = `{"model":"llama2","prompt":[5,6,7],"max_tokens":8}`
		status, text := post(t, p.url+"/v1/completions", body)
		if status < 500 || !strings.Contains(text, "error") {
			t.Errorf("%s: status %d, %s", plan, status, text)
		}
		if got, text := get(t, p.url+"/health"); got != health {
			t.Errorf("%s: health is %d, %s", plan, got, text)
		}
		if status, text = post(t, p.url+"/v1/completions", body); (status == 200) !=
			(health == 200) {
			t.Errorf("%s: then status %d, %s", plan, status, text)
		}
		if err := p.stop(t); err != nil {
			t.Errorf("exit: %v\n%s", err, p.log)
		}
	}
	f("nrt_execute:3:1006", http.StatusOK)
	f("nrt_tensor_read_batch:2:1002", http.StatusOK)
	f("nrt_execute:3:101", http.StatusServiceUnavailable)
}
