//go:build linux

package neuron

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"basalt/neuron/lower"
	"basalt/neuron/monitor"
)

// State is what becomes of a device.
type State uint8

// Good computes; Degraded computes and wants an operator, because the driver counts errors of the
// hardware; Lost computes no more until the process is restarted.
const (
	Good State = iota
	Degraded
	Lost
)

// WriteMetrics writes in Prometheus' text format how the device is, what its runs did, what the
// driver counts, and the latest report of neuron-monitor, if Config.Monitor follows one. It may be
// called from any goroutine. What can be told is written also when the driver's counters cannot be
// read, which is the error.
func (d *Device) WriteMetrics(w io.Writer) error {
	h, err := monitor.ReadSysfs(os.DirFS(d.sysfs()))
	if errors.Is(err, monitor.ErrNone) {
		err = nil
	}
	var b bytes.Buffer
	d.writeState(&b, h)
	d.usage.write(&b)
	report := d.reports.latest(&b)
	if e := monitor.WriteMetrics(&b, h, report); e != nil {
		return errors.Join(err, e)
	}
	_, e := w.Write(b.Bytes())
	return errors.Join(err, e)
}

// String is how /health calls the state.
func (s State) String() string {
	return [...]string{Good: "good", Degraded: "degraded", Lost: "dead"}[s]
}

// Health is "good", "degraded" (it computes and wants an operator) or "dead", and why. It may be
// called from any goroutine. The driver's counters are read every few seconds at most.
func (d *Device) Health() (state, why string) {
	const keep = 5 * time.Second
	d.healthLock.Lock()
	defer d.healthLock.Unlock()
	if time.Since(d.healthRead) > keep {
		d.health, _ = monitor.ReadSysfs(os.DirFS(d.sysfs()))
		d.healthRead = time.Now()
	}
	s, why := d.state(d.health)
	return s.String(), why
}

// state judges the device by its runs and by what the driver counts, if that is known.
func (d *Device) state(h *monitor.Health) (State, string) {
	if err := d.usage.why(); err != nil {
		return Lost, err.Error()
	}
	if h != nil {
		if list := h.Problems(); len(list) > 0 {
			return Degraded, strings.Join(list, "; ")
		}
	}
	return Good, ""
}

// number is 1 for true.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// head begins a metric.
func head(b *bytes.Buffer, name, kind, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (d *Device) writeState(b *bytes.Buffer, h *monitor.Health) {
	const state = "basalt_neuron_state"
	now, _ := d.state(h)
	head(b, state, "gauge", "0 good, 1 degraded, 2 lost.")
	fmt.Fprintf(b, "%s %d\n", state, now)
}

// write writes what runs did.
func (u *usage) write(b *bytes.Buffer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	kinds := []lower.Kind{lower.Prefill, lower.Decode}
	each := func(name, help string, value func(*runs) string) {
		head(b, name, "counter", help)
		for i, kind := range kinds {
			fmt.Fprintf(b, "%s{kind=%q} %s\n", name, kind, value(&u.kinds[i]))
		}
	}
	each("basalt_neuron_runs_total", "Runs of a bucket.",
		func(r *runs) string { return fmt.Sprint(r.count) })
	each("basalt_neuron_run_seconds_total", "Time of runs, transfers included.",
		func(r *runs) string { return fmt.Sprintf("%g", r.time.Seconds()) })
	each("basalt_neuron_run_tokens_total", "Tokens in runs.",
		func(r *runs) string { return fmt.Sprint(r.tokens) })
	each("basalt_neuron_run_padding_total", "Rows that padded runs up to their buckets.",
		func(r *runs) string { return fmt.Sprint(r.padding) })
	const mixed = "basalt_neuron_mixed_steps_total"
	head(b, mixed, "counter", "Steps that held answers back behind prompts.")
	fmt.Fprintf(b, "%s %d\n", mixed, u.mixed)
	const failures = "basalt_neuron_run_errors_total"
	head(b, failures, "counter", "Runs that failed, by the library's status.")
	fmt.Fprintf(b, "%s{status=\"none\"} %d\n", failures, u.others)
	for _, s := range slices.Sorted(maps.Keys(u.failures)) {
		fmt.Fprintf(b, "%s{status=\"%d\"} %d\n", failures, s, u.failures[s])
	}
}
