//go:build linux

package neuron

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// driverTree writes the driver's files of monitor's fixture, with changes: lines of a path and what
// it holds.
func driverTree(t *testing.T, changes ...string) string {
	t.Helper()
	data, err := os.ReadFile("monitor/testdata/sysfs.txt")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, line := range append(strings.Split(strings.TrimSpace(string(data)), "\n"), changes...) {
		path, text, _ := strings.Cut(line, " ")
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func scrape(t *testing.T, d *Device) string {
	t.Helper()
	var b strings.Builder
	if err := d.WriteMetrics(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

// TestMetricsOfADevice: one page has the runs, the driver's counters and neuron-monitor's report,
// scraped while steps run.
func TestMetricsOfADevice(t *testing.T) {
	s := newScene(t)
	s.cfg.Sysfs = driverTree(t)
	s.cfg.Monitor = "tail -n +1 -f monitor/testdata/report.json"
	d, e, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	var scrapers sync.WaitGroup
	scrapers.Go(func() {
		for range 20 {
			scrape(t, d)
		}
	})
	if err := once(t, e); err != nil {
		t.Fatal(err)
	}
	scrapers.Wait()
	for range 500 {
		if strings.Contains(scrape(t, d), "basalt_neuron_monitor_up 1") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	wantLines(t, scrape(t, d),
		`basalt_neuron_state 0`,
		`basalt_neuron_runs_total{kind="prefill"} 1`,
		`basalt_neuron_runs_total{kind="decode"} 0`,
		`basalt_neuron_run_tokens_total{kind="prefill"} 5`,
		`basalt_neuron_run_padding_total{kind="prefill"} 19`,
		`basalt_neuron_run_errors_total{status="none"} 0`,
		`basalt_neuron_monitor_up 1`,
		`basalt_neuron_utilization_ratio{pid="4711",tag="basalt",core="0"} 0.4201`,
		`basalt_neuron_power_ratio{device="0"} 0.42`,
		`basalt_neuron_ecc_errors_total{device="0",memory="sram",kind="uncorrected"} 0`,
		`basalt_neuron_ecc_errors_total{device="0",memory="hbm",kind="corrected"} 3`,
		`basalt_neuron_device_memory_bytes{device="0",core="0",use="tensors"} 1.073741824e+09`,
	)
}

// TestMetricsOfABadDevice: what the driver counts makes a device degraded, and a core that is lost
// makes it lost, with the status.
func TestMetricsOfABadDevice(t *testing.T) {
	s := newScene(t)
	s.cfg.Sysfs = driverTree(t, "neuron0/stats/hardware/sram_ecc_uncorrected 4")
	d, e, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	health := func(state, reason string) {
		t.Helper()
		if s, why := d.Health(); s != state || !strings.Contains(why, reason) {
			t.Errorf("health %s: %s, want %s: %s", s, why, state, reason)
		}
	}
	health("degraded", "4 uncorrected errors in the SRAM of device 0")
	wantLines(t, scrape(t, d), `basalt_neuron_state 1`,
		`basalt_neuron_ecc_errors_total{device="0",memory="sram",kind="uncorrected"} 4`)
	t.Setenv("FAKE_NRT_FAULT", "nrt_execute:1:1004;nrt_execute:2:101")
	for range 3 {
		if err := once(t, e); err == nil {
			t.Error("a faulty run ended well")
		}
	}
	health("dead", "cannot recover")
	wantLines(t, scrape(t, d), `basalt_neuron_state 2`,
		`basalt_neuron_run_errors_total{status="1004"} 1`,
		`basalt_neuron_run_errors_total{status="101"} 2`)
}

// TestMetricsWithoutSources: without a driver a page has what this process knows; counters that
// cannot be read are an error beside it; a monitor that ends is said to.
func TestMetricsWithoutSources(t *testing.T) {
	s := newScene(t)
	s.cfg.Sysfs, s.cfg.Monitor = t.TempDir(), "true"
	d, _, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	<-d.reports.ended
	text := scrape(t, d)
	wantLines(t, text, `basalt_neuron_state 0`, `basalt_neuron_monitor_up 0`)
	if strings.Contains(text, "ecc") {
		t.Errorf("there is no driver:\n%s", text)
	}
	d.cfg.Sysfs = driverTree(t, "neuron0/stats/hardware/sram_ecc_uncorrected many")
	var b strings.Builder
	if err := d.WriteMetrics(&b); err == nil || !strings.Contains(err.Error(), "sram_ecc") {
		t.Errorf("error %v", err)
	}
	wantLines(t, b.String(), `basalt_neuron_state 0`)
}

// TestMonitorMustStart: a command that is not there keeps the device from opening.
func TestMonitorMustStart(t *testing.T) {
	s := newScene(t)
	s.cfg.Monitor = "/nowhere/neuron-monitor --all"
	_, _, err := s.open()
	if err == nil || !strings.Contains(err.Error(), "/nowhere/neuron-monitor") {
		t.Errorf("error %v", err)
	}
}
