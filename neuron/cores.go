//go:build linux

package neuron

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"basalt/neuron/export"
	"basalt/neuron/lower"
	"basalt/neuron/monitor"
	"basalt/neuron/nrt"
	"basalt/runtime"
)

// cores is the machine of the runtime library: one logical core with one thread for each rank, the
// bundle's tensors on each, and a prebuilt run for each routine.
type cores struct {
	b        *lower.Bundle
	ranks    []coreRank
	controls [][][]byte // by routine
	results  [][][]byte
	sysfs    string
	broken   error // what ended the cores
}

// coreRank is one rank.
type coreRank struct {
	core    *nrt.Core
	tensors map[string]*nrt.Tensor
	models  []*nrt.Model // by graph
	runs    []*nrt.Run   // by routine
}

// loadState is what newCores needs while it loads.
type loadState struct {
	ctx      context.Context
	d        *Device
	c        runtime.Checkpoint
	progress func(done, total int64)
	done     int64
	total    int64
}

// newCores loads graphs and weights; the cache is cleared once, because fresh memory may hold
// anything and a NaN would survive being masked.
func newCores(ctx context.Context, d *Device, b *lower.Bundle, c runtime.Checkpoint,
	progress func(done, total int64),
) (*cores, error) {
	m := &cores{b: b, sysfs: d.sysfs()}
	l := &loadState{ctx: ctx, d: d, c: c, progress: progress}
	if err := m.load(l); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *cores) load(l *loadState) error {
	l.total = l.d.manifest.Memory.Weights * int64(m.b.Options.TP)
	if err := m.open(l); err != nil {
		return err
	}
	if err := m.loadGraphs(l); err != nil {
		return err
	}
	for i := range m.ranks {
		if err := m.fill(l, i); err != nil {
			return err
		}
	}
	return m.bindAll(l)
}

// open takes a core for each rank.
func (m *cores) open(l *loadState) error {
	for i := range l.d.manifest.Settings.TP {
		core, err := l.d.rt.OpenCore(i)
		if err != nil {
			return err
		}
		m.ranks = append(m.ranks, coreRank{core: core, tensors: map[string]*nrt.Tensor{}})
		if err := l.checkMemory(core); err != nil {
			return err
		}
	}
	return nil
}

// checkMemory compares what the export needs with what the core says it has.
func (l *loadState) checkMemory(core *nrt.Core) error {
	used, limit, err := core.Memory()
	if err != nil || limit == 0 {
		return err
	}
	if need := l.d.manifest.Memory.Total(); need > limit-used {
		return fmt.Errorf("core %d has %d MiB free and the export needs %d MiB (weights %d, cache "+
			"%d): export with more cores (--tp), fewer cache blocks or smaller weights",
			core.Index(), (limit-used)>>20, need>>20, l.d.manifest.Memory.Weights>>20,
			l.d.manifest.Memory.Cache>>20)
	}
	return nil
}

// loadGraphs loads each compiled graph on every rank, and compares its tensors with the manifest.
func (m *cores) loadGraphs(l *loadState) error {
	dir := l.d.cfg.Dir
	compiled, err := export.OpenCompiled(dir)
	if err != nil {
		return err
	}
	if compiled.Fake && !l.d.rt.Fake() {
		return fmt.Errorf("cannot load the graphs in %s: %w; compile them with the real one", dir,
			export.ErrFakeCompiler)
	}
	for i := range l.d.manifest.Graphs {
		g := &l.d.manifest.Graphs[i]
		if err := l.ctx.Err(); err != nil {
			return err
		}
		data, err := compiled.NEFF(dir, l.d.manifest, g)
		if err != nil {
			return err
		}
		for rank := range m.ranks {
			r := &m.ranks[rank]
			model, err := r.core.Load(g.Name, data, rank, len(m.ranks))
			if err != nil {
				return err
			}
			r.models = append(r.models, model)
			if err := ComparePorts(g, model.Tensors); err != nil {
				return fmt.Errorf("the compiled graph %q is not the exported one: %w", g.Name, err)
			}
		}
	}
	return nil
}

// ComparePorts checks the tensors that the library reports of a loaded graph: names, directions and
// sizes. Types and shapes may be left open.
func ComparePorts(g *export.Graph, got []nrt.TensorInfo) error {
	want := map[string]int{}
	for _, p := range g.Inputs {
		want["input "+p.Name] = p.Bytes
	}
	for _, p := range g.Outputs {
		want["output "+p.Name] = p.Bytes
	}
	for _, t := range got {
		key := "input " + t.Name
		if t.Output {
			key = "output " + t.Name
		}
		size, ok := want[key]
		if !ok {
			return fmt.Errorf("it has an %s of %d bytes that was not exported", key, t.Size)
		}
		if size != t.Size {
			return fmt.Errorf("its %s has %d bytes, exported were %d", key, t.Size, size)
		}
		delete(want, key)
	}
	for key := range want {
		return fmt.Errorf("it lacks the %s", key)
	}
	return nil
}

// fill allocates a rank's tensors and writes what does not change.
func (m *cores) fill(l *loadState, rank int) error {
	r := &m.ranks[rank]
	for i := range m.b.Tensors {
		t := &m.b.Tensors[i]
		if err := l.ctx.Err(); err != nil {
			return err
		}
		to, err := r.core.Allocate(t.Name, t.Shape.Bytes())
		if err != nil {
			return err
		}
		r.tensors[t.Name] = to
		switch t.Role {
		case lower.Cache:
			err = to.Zero()
		case lower.Weight, lower.Scale, lower.Table:
			err = t.Load(l.c, rank, to.Write)
			l.advance(t.Shape.Bytes())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *loadState) advance(bytes int) {
	l.done += int64(bytes)
	if l.progress != nil {
		l.progress(l.done, l.total)
	}
}

// bindAll builds the sets and runs. Every rank writes its own controls from the same host memory;
// rank 0 alone is read.
func (m *cores) bindAll(l *loadState) error {
	async := time.Duration(0)
	if l.d.cfg.Async {
		async = 2 * defaultTimeout
	}
	for i := range m.b.Routines {
		r := &m.b.Routines[i]
		controls, err := m.host(m.b.Controls(r))
		if err != nil {
			return err
		}
		results, err := m.host(m.b.Results(r))
		if err != nil {
			return err
		}
		m.controls, m.results = append(m.controls, controls), append(m.results, results)
		for rank := range m.ranks {
			if err := m.ranks[rank].bind(m.b, r, controls, results, async); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *cores) host(names []string) ([][]byte, error) {
	var list [][]byte
	for _, name := range names {
		buf, err := m.ranks[0].core.HostMemory(m.b.Tensor(name).Shape.Bytes())
		if err != nil {
			return nil, err
		}
		list = append(list, buf)
	}
	return list, nil
}

func (r *coreRank) bind(b *lower.Bundle, routine *lower.Routine, controls, results [][]byte,
	async time.Duration,
) error {
	var writes []nrt.Transfer
	for i, name := range b.Controls(routine) {
		writes = append(writes, nrt.Transfer{Tensor: r.tensors[name], Buffer: controls[i]})
	}
	reads := make([][]nrt.Transfer, lower.ReadNone)
	for i, name := range b.Results(routine) {
		for read := range lower.ReadNone {
			if read.Reads(i) {
				reads[read] = append(reads[read],
					nrt.Transfer{Tensor: r.tensors[name], Buffer: results[i]})
			}
		}
	}
	var calls []nrt.GraphCall
	for _, c := range routine.Calls {
		model := r.models[c.Graph]
		call := nrt.GraphCall{Model: model}
		var err error
		m := b.Graphs[c.Graph].Module
		var ins, outs []string
		for _, p := range m.Inputs() {
			ins = append(ins, p.Name)
		}
		for _, p := range m.Outputs() {
			outs = append(outs, p.Name)
		}
		if call.Inputs, err = r.set(ins, c.Inputs); err != nil {
			return err
		}
		if call.Outputs, err = r.set(outs, c.Outputs); err != nil {
			return err
		}
		calls = append(calls, call)
	}
	run, err := r.core.NewRun(writes, calls, reads, async)
	if err != nil {
		return err
	}
	r.runs = append(r.runs, run)
	return nil
}

// set gives ports their tensors. An output that aliases its input names the same tensor in both
// sets.
func (r *coreRank) set(ports, tensors []string) (*nrt.Set, error) {
	s, err := r.core.NewSet()
	if err != nil {
		return nil, err
	}
	for i, name := range ports {
		if err := s.Add(name, r.tensors[tensors[i]]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Memory implements machine.
func (m *cores) Memory(routine int) (controls, results [][]byte) {
	return m.controls[routine], m.results[routine]
}

// maxRetries is how often a run is tried again when a queue is full; a run may be repeated, because
// it writes the same numbers to the same places.
const maxRetries = 5

// Run implements machine. After a failure that leaves a core unusable every run fails with it.
func (m *cores) Run(routine int, read lower.Read) error {
	if m.broken != nil {
		return m.broken
	}
	for try := 0; ; try++ {
		err := m.once(routine, read)
		var status *nrt.Error
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &status):
			return err
		case status.Broken():
			m.broken = fmt.Errorf("%w%s", err, m.hardware())
			return m.broken
		case status.Status.Action() != nrt.Retry || try == maxRetries:
			return err
		}
		time.Sleep(time.Millisecond << try)
	}
}

// hardware is what the driver counts, for the error of a core that is lost: whether the device must
// be replaced is known there alone.
func (m *cores) hardware() string {
	h, err := monitor.ReadSysfs(os.DirFS(m.sysfs))
	if err != nil {
		return ""
	}
	return "; the driver reports: " + strings.Join(h.Lines(), "; ")
}

// once starts all ranks, which meet in their collectives, and waits for all.
func (m *cores) once(routine int, read lower.Read) error {
	which := int(read)
	if read == lower.ReadNone {
		which = -1
	}
	for i := range m.ranks {
		m.ranks[i].runs[routine].Start(which)
		which = -1
	}
	var first error
	for i := range m.ranks {
		if err := m.ranks[i].runs[routine].Wait(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Close implements machine.
func (m *cores) Close() error {
	var errs []error
	for i := range m.ranks {
		errs = append(errs, m.ranks[i].core.Release())
	}
	m.ranks = nil
	return errors.Join(errs...)
}
