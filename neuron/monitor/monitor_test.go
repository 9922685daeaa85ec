package monitor

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// tree makes the driver's files from testdata/sysfs.txt, with changes: lines of a path and what it
// holds, or "-" for a file that is absent.
func tree(t *testing.T, changes ...string) fstest.MapFS {
	t.Helper()
	data, err := os.ReadFile("testdata/sysfs.txt")
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for _, line := range append(strings.Split(strings.TrimSpace(string(data)), "\n"), changes...) {
		path, text, _ := strings.Cut(line, " ")
		if text == "-" {
			delete(fsys, path)
			continue
		}
		fsys[path] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return fsys
}

func TestReadSysfs(t *testing.T) {
	h, err := ReadSysfs(tree(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Devices) != 2 || h.Devices[1].Index != 10 || h.Devices[1].Power != nil {
		t.Fatalf("devices %+v", h.Devices)
	}
	d := h.Devices[0]
	if d.Name != "Trainium3" || d.Architecture != "v4" || d.Instance != "trn3pds98" ||
		d.HostMemory != 5120 || *d.Power != (Power{10.5, 71.25, 42}) || len(d.Cores) != 2 {
		t.Errorf("device %+v", d)
	}
	c := d.Cores[0]
	if c.Executions != 1200 || c.Loads != 8 || c.Memory != 1<<30+1<<20 || c.TimeInUse != 777 ||
		c.Status["success"] != 1200 {
		t.Errorf("core %+v", c)
	}
	if lines := h.Lines(); len(lines) != 1 || !strings.HasPrefix(lines[0],
		"2 devices with 3 cores, no errors") {
		t.Errorf("lines %q", lines)
	}
}

func TestProblemsNameTheirPlace(t *testing.T) {
	f := func(want, change string) {
		t.Helper()
		h, err := ReadSysfs(tree(t, change))
		if err != nil {
			t.Fatal(err)
		}
		if p := h.Problems(); len(p) != 1 || !strings.Contains(p[0], want) {
			t.Errorf("problems %q, want %q", p, want)
		}
	}
	f("2 uncorrected errors in the memory of device 0",
		"neuron0/stats/hardware/mem_ecc_uncorrected 2")
	f("of device 10 (neuron10/", "neuron10/stats/hardware/mem_ecc_uncorrected/total 1")
	f("restart", "neuron0/stats/hardware/mem_ecc_repairable_uncorrected 1")
	f("SRAM", "neuron0/stats/hardware/sram_ecc_uncorrected 4")
	f("5 calls of core 0 of device 0 ended with hw_error",
		"neuron0/neuron_core0/stats/status/hw_error/total 5")
	f("core 1 of device 0 ended with timeout",
		"neuron0/neuron_core1/stats/status/timeout/total 1")
}

func TestReadSysfsRefuses(t *testing.T) {
	if _, err := ReadSysfs(fstest.MapFS{}); !errors.Is(err, ErrNone) {
		t.Errorf("error %v", err)
	}
	f := func(want, change string) {
		t.Helper()
		if _, err := ReadSysfs(tree(t, change)); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f("sram_ecc_uncorrected", "neuron0/stats/hardware/sram_ecc_uncorrected many")
	f("power/utilization", "neuron0/stats/power/utilization POWER_STATUS_VALID,now")
	f("status/success/total", "neuron10/neuron_core0/stats/status/success/total 1.5")
}

// TestAbsentCountersAreUnknown: a driver without some counter is read all the same.
func TestAbsentCountersAreUnknown(t *testing.T) {
	fsys := tree(t)
	for path := range fsys {
		if !strings.Contains(path, "success") {
			delete(fsys, path)
		}
	}
	h, err := ReadSysfs(fsys)
	if err != nil || len(h.Devices) != 2 || len(h.Problems()) != 0 {
		t.Errorf("%+v, %v", h, err)
	}
}

func report(t *testing.T, old, replacement string) *Report {
	t.Helper()
	data, err := os.ReadFile("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("no %q in the report", old)
	}
	var list []*Report
	text := strings.Replace(string(data), old, replacement, 1)
	if err := ReadReports(strings.NewReader("\n"+text+"\n"), func(r *Report) {
		list = append(list, r)
	}); err != nil || len(list) != 1 {
		t.Fatalf("%d reports, %v", len(list), err)
	}
	return list[0]
}

func TestReport(t *testing.T) {
	r := report(t, "", "")
	p := r.Runtimes[0]
	if p.PID != 4711 || p.Tag != "basalt" || p.Report.Cores.InUse["0"].Utilization != 42.01 ||
		p.Report.Memory.Used.Device != 12519788544 || p.Report.Executions.Latency.Total != nil ||
		r.Hardware.LNC != 2 || r.System.Hardware.Devices[0].HBMCorrected != 3 {
		t.Errorf("report %+v", r)
	}
	if got := r.Problems(); len(got) != 0 {
		t.Errorf("problems %q", got)
	}
	f := func(want, old, replacement string) {
		t.Helper()
		if got := report(t, old, replacement).Problems(); len(got) != 1 ||
			!strings.Contains(got[0], want) {
			t.Errorf("problems %q, want %q", got, want)
		}
	}
	f("process 4711 (basalt): 2 hardware errors", `"hardware":0`, `"hardware":2`)
	f("driver is not running", `"logical_neuroncore_config":2,"error":""`,
		`"logical_neuroncore_config":2,"error":"driver is not running"`)
	f("device 0: 6 uncorrected", `"sram_ecc_uncorrected":0`, `"sram_ecc_uncorrected":6`)
}

func TestReportRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := ParseReport([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f(`{`, "neuron-monitor")
	f(`{"neuron_runtime_data":[{"pid":"x"}]}`, "pid")
	f(`{"neuron_runtime_data":[{"report":
		{"neuroncore_counters":{"neuroncores_in_use":{"a":{}}}}}]}`, "no number")
	f(strings.Repeat(" ", maxReport+1), "at most")
}

func TestMetrics(t *testing.T) {
	h, err := ReadSysfs(tree(t, "neuron0/stats/hardware/mem_ecc_uncorrected 2"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := WriteMetrics(&b, h, report(t, "", "")); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for _, want := range []string{
		"# TYPE basalt_neuron_ecc_errors_total counter",
		`basalt_neuron_ecc_errors_total{device="0",memory="hbm",kind="uncorrected"} 2`,
		`basalt_neuron_ecc_errors_total{device="0",memory="sram",kind="corrected"} 1`,
		`basalt_neuron_power_ratio{device="0"} 0.42`,
		`basalt_neuron_busy_seconds_total{device="0",core="0"} 0.000777`,
		`basalt_neuron_operations_total{device="0",core="0"} 6000`,
		`basalt_neuron_calls_total{device="0",core="0",status="success"} 1200`,
		`basalt_neuron_device_memory_bytes{device="0",core="0",use="tensors"} 1.073741824e+09`,
		`basalt_neuron_utilization_ratio{pid="4711",tag="basalt",core="0"} 0.4201`,
		`basalt_neuron_latency_seconds{pid="4711",tag="basalt",percentile="p50"} 0.0125`,
		`basalt_neuron_period_executions{pid="4711",tag="basalt",outcome="completed"} 123`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
	seen := map[string]bool{}
	for _, line := range lines {
		if strings.HasPrefix(line, "# TYPE ") && seen[line] {
			t.Errorf("%q comes twice", line)
		}
		seen[line] = true
	}
}

func FuzzParseReport(f *testing.F) {
	data, err := os.ReadFile("testdata/report.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := ParseReport(data); err == nil {
			r.Problems()
			if err := WriteMetrics(&strings.Builder{}, nil, r); err != nil {
				t.Error(err)
			}
		}
	})
}
