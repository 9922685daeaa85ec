package monitor

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// family is one metric with its samples.
type family struct {
	name, kind, help string
	lines            []string
}

// families collects samples by metric, in the order of first use.
type families struct{ list []*family }

func (f *families) add(name, kind, help string, v float64, labels ...string) {
	i := slices.IndexFunc(f.list, func(x *family) bool { return x.name == name })
	if i < 0 {
		i = len(f.list)
		f.list = append(f.list, &family{name: name, kind: kind, help: help})
	}
	var pairs []string
	for j := 0; j+1 < len(labels); j += 2 {
		pairs = append(pairs, fmt.Sprintf("%s=%q", labels[j], labels[j+1]))
	}
	f.list[i].lines = append(f.list[i].lines,
		fmt.Sprintf("%s{%s} %g", name, strings.Join(pairs, ","), v))
}

// WriteMetrics writes what is known in the Prometheus text format; either may be nil.
func WriteMetrics(w io.Writer, h *Health, r *Report) error {
	f := &families{}
	if h != nil {
		for i := range h.Devices {
			f.device(&h.Devices[i])
		}
	}
	if r != nil {
		f.report(r)
	}
	out := bufio.NewWriter(w)
	for _, x := range f.list {
		_, _ = fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s\n", x.name, x.help, x.name, x.kind,
			strings.Join(x.lines, "\n"))
	}
	return out.Flush()
}

func (f *families) device(d *Device) {
	dev := fmt.Sprint(d.Index)
	for _, e := range []struct {
		where, kind string
		n           int64
	}{
		{"hbm", "uncorrected", d.HBMUncorrected},
		{"hbm", "repairable", d.HBMRepairable},
		{"sram", "uncorrected", d.SRAMUncorrected},
	} {
		f.ecc(dev, e.where, e.kind, e.n)
	}
	f.add("basalt_neuron_host_memory_bytes", "gauge", "Host memory used for the device.",
		float64(d.HostMemory), "device", dev)
	if d.Power != nil {
		f.add("basalt_neuron_power_ratio", "gauge",
			"Mean draw of the last minute, of the greatest possible.", d.Power.Mean/100,
			"device", dev)
	}
	for i := range d.Cores {
		f.core(dev, &d.Cores[i])
	}
}

func (f *families) ecc(dev, where, kind string, n int64) {
	f.add("basalt_neuron_ecc_errors_total", "counter", "Memory errors.", float64(n), "device", dev,
		"memory", where, "kind", kind)
}

func (f *families) core(dev string, c *Core) {
	labels := []string{"device", dev, "core", fmt.Sprint(c.Index)}
	f.add("basalt_neuron_executions_total", "counter", "Runs of graphs.", float64(c.Executions),
		labels...)
	f.add("basalt_neuron_model_loads_total", "counter", "Loads of graphs.", float64(c.Loads),
		labels...)
	f.add("basalt_neuron_busy_seconds_total", "counter", "Time of runs; its rate is utilisation.",
		float64(c.TimeInUse)/1e6, labels...)
	f.add("basalt_neuron_operations_total", "counter", "Floating-point operations of runs.",
		float64(c.FLOPs), labels...)
	for _, name := range sorted(c.Status) {
		f.add("basalt_neuron_calls_total", "counter", "Calls of the runtime library by outcome.",
			float64(c.Status[name]), append(slices.Clone(labels), "status", name)...)
	}
	for _, name := range sorted(c.MemoryBy) {
		f.add("basalt_neuron_device_memory_bytes", "gauge", "Device memory in use, by use.",
			float64(c.MemoryBy[name]), append(slices.Clone(labels), "use", name)...)
	}
}

func (f *families) report(r *Report) {
	for i := range r.Runtimes {
		p := &r.Runtimes[i]
		who := []string{"pid", fmt.Sprint(p.PID), "tag", p.Tag}
		if c := p.Report.Cores; c != nil {
			for _, core := range sortedNumbers(c.InUse) {
				labels := append(slices.Clone(who), "core", core)
				f.add("basalt_neuron_utilization_ratio", "gauge", "Time that the core was busy.",
					c.InUse[core].Utilization/100, labels...)
				f.add("basalt_neuron_flops", "gauge", "Operations per second.",
					c.InUse[core].FLOPs, labels...)
			}
		}
		if m := p.Report.Memory; m != nil {
			f.add("basalt_neuron_process_memory_bytes", "gauge", "Memory of a process.",
				float64(m.Used.Device), append(slices.Clone(who), "memory", "device")...)
			f.add("basalt_neuron_process_memory_bytes", "gauge", "Memory of a process.",
				float64(m.Used.Host), append(slices.Clone(who), "memory", "host")...)
		}
		if e := p.Report.Executions; e != nil {
			f.executions(e, who)
		}
	}
	if h := r.System.Hardware; h != nil {
		for _, d := range h.Devices {
			f.ecc(fmt.Sprint(d.Index), "hbm", "corrected", d.HBMCorrected)
			f.ecc(fmt.Sprint(d.Index), "sram", "corrected", d.SRAMCorrected)
		}
	}
}

func (f *families) executions(e *ExecutionStats, who []string) {
	for _, name := range sorted(e.Summary) {
		f.add("basalt_neuron_period_executions", "gauge", "Runs in the last period, by outcome.",
			float64(e.Summary[name]), append(slices.Clone(who), "outcome", name)...)
	}
	for _, name := range sorted(e.Errors) {
		f.add("basalt_neuron_period_errors", "gauge", "Errors in the last period, by kind.",
			float64(e.Errors[name]), append(slices.Clone(who), "kind", name)...)
	}
	for _, name := range sorted(e.Latency.Device) {
		f.add("basalt_neuron_latency_seconds", "gauge", "Time of a run on the device.",
			e.Latency.Device[name], append(slices.Clone(who), "percentile", name)...)
	}
}

// sortedNumbers orders keys that are numbers.
func sortedNumbers[V any](m map[string]V) []string {
	keys := slices.Collect(maps.Keys(m))
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return keys
}
