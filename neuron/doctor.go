//go:build linux

package neuron

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"basalt/neuron/export"
	"basalt/neuron/monitor"
	"basalt/neuron/nrt"
)

// driverVersion is where the kernel driver says its version.
const driverVersion = "/sys/module/neuron/version"

// Diagnose says in a few lines what this machine has of Neuron and what to do about what is
// missing. A machine without is no error.
func Diagnose(w io.Writer, c nrt.Config) error {
	rt, err := nrt.Open(c)
	switch {
	case errors.Is(err, nrt.ErrUnavailable):
		_, err = fmt.Fprintln(w, "neuron device none: no libnrt.so.1; for Trainium install "+
			"aws-neuronx-runtime-lib and aws-neuronx-dkms, or name the library by --libnrt")
		return err
	case err != nil:
		_, err = fmt.Fprintf(w, "neuron device not ready: %v\n", err)
		return err
	}
	return errors.Join(describe(w, rt), rt.Close())
}

// MachineTarget is the target of the machine's accelerator as neuronx-cc calls it, by the family
// that the runtime library tells; Trainium3 on a machine without the library.
func MachineTarget(c nrt.Config) (string, error) {
	rt, err := nrt.Open(c)
	if errors.Is(err, nrt.ErrUnavailable) {
		return export.Trainium3, nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot ask this machine for its target: %w; name one by --target",
			err)
	}
	i, err := rt.Instance()
	if err := errors.Join(err, rt.Close()); err != nil {
		return "", err
	}
	target, ok := i.Target()
	if !ok {
		return "", fmt.Errorf("no target is known for this machine's family %d (%s): name one by "+
			"--target", i.Family, i.Arch)
	}
	return target, nil
}

// describe prints the library, the machine and the driver.
func describe(w io.Writer, rt *nrt.Runtime) error {
	v, err := rt.Version()
	if err != nil {
		return err
	}
	i, err := rt.Instance()
	if err != nil {
		return err
	}
	p := printer{w: w}
	what := "ready"
	if rt.Fake() {
		what = "FAKE, of the tests: it computes on the CPU"
	}
	p.line("neuron device", "%s: libnrt %s (%s)", what, v, rt.Path())
	p.line("instance", "family %d %s %s, %d logical cores, %d of them visible", i.Family, i.Arch,
		i.Revision, rt.TotalCores(), rt.VisibleCores())
	p.line("transfers", "batched: %s; %s of version 3.0: %s", yes(rt.Batched()),
		"nrta_execute_schedule", yes(rt.Async()))
	driver, err := os.ReadFile(driverVersion)
	if err != nil {
		driver = []byte("not loaded (the package aws-neuronx-dkms)")
	}
	p.line("driver", "%s", strings.TrimSpace(string(driver)))
	return p.err
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// printer keeps the first error of its lines.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(what, format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, "%-13s %s\n", what, fmt.Sprintf(format, args...))
	}
}

// Doctor checks an export against this machine: the library, the manifest, every compiled graph's
// hash and header, the memory of the cores, and, by loading every graph, that the library reports
// the manifest's tensors. No weights are needed.
func Doctor(ctx context.Context, w io.Writer, c Config) error {
	d, err := New(c)
	if err != nil {
		return err
	}
	err = describe(w, d.rt)
	if err == nil {
		err = d.examine(ctx, w)
	}
	return errors.Join(err, d.Close())
}

func (d *Device) examine(ctx context.Context, w io.Writer) error {
	p, m := printer{w: w}, d.manifest
	s := &m.Settings
	p.line("export", "%s: %s for %s, %d cores of LNC %d, %d graphs, context %d", d.cfg.Dir, m.Model,
		s.Target, s.TP, s.LNC, len(m.Graphs), s.MaxContext)
	p.line("memory", "%d MiB a core: weights %d, cache %d (%d blocks), other %d",
		m.Memory.Total()>>20, m.Memory.Weights>>20, m.Memory.Cache>>20, s.Blocks,
		m.Memory.Other>>20)
	compiled, err := export.OpenCompiled(d.cfg.Dir)
	if err != nil {
		return errors.Join(p.err, err)
	}
	p.line("compiler", "%s", compiled.Compiler)
	c := &cores{}
	l := &loadState{ctx: ctx, d: d}
	if err = c.open(l); err == nil {
		err = c.loadGraphs(l)
	}
	if err := errors.Join(err, c.Close()); err != nil {
		return errors.Join(p.err, err)
	}
	p.line("graphs", "all %d graphs load, with the manifest's tensors", len(m.Graphs))
	health, err := monitor.ReadSysfs(os.DirFS(monitor.SysfsRoot))
	if err == nil {
		for _, line := range health.Lines() {
			p.line("health", "%s", line)
		}
	}
	return p.err
}
