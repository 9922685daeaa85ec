//go:build linux

package neuron

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"basalt/neuron/export"
	"basalt/neuron/fake"
	"basalt/neuron/monitor"
	"basalt/neuron/nrt"
	"basalt/runtime"
)

// Config says which library and which export a device uses.
type Config struct {
	// Dir is the export, made by basalt neuron export and compile.
	Dir string
	// Library is how the runtime library is opened. Its LNC and Cores follow from the export where
	// they are not given.
	Library nrt.Config
	// Async queues the graphs of a run with nrta_execute_schedule, where the library has it in the
	// version that is known.
	Async bool
	// Sysfs is where the driver shows its counters; "" is monitor.SysfsRoot.
	Sysfs string
	// Monitor is a command, such as neuron-monitor, whose reports join the device's metrics; "" is
	// none. It runs as long as the device is open.
	Monitor string
}

// FakeFeature is among the features of a device whose runtime library is the fake one of the tests.
// Nothing measured on it says anything about hardware.
const FakeFeature = "FAKE-RUNTIME"

// defaultTimeout bounds one execution: the library's own default differs between releases.
const defaultTimeout = 30 * time.Second

// Device is the runtime library with one export. It has one executable at a time.
type Device struct {
	cfg      Config
	manifest *export.Manifest
	rt       *nrt.Runtime
	instance nrt.Instance
	info     runtime.DeviceInfo
	usage    *usage
	reports  *reports

	healthLock sync.Mutex
	health     *monitor.Health // what the driver said at healthRead; nil for nothing
	healthRead time.Time
}

// New reads the export, opens the library and compares the two.
func New(c Config) (*Device, error) {
	m, err := export.Open(c.Dir)
	if err != nil {
		return nil, err
	}
	d := &Device{cfg: c, manifest: m, usage: &usage{}}
	if c.Library.LNC == 0 {
		c.Library.LNC = m.Settings.LNC
	}
	if c.Library.ExecTimeout == 0 {
		c.Library.ExecTimeout = defaultTimeout
	}
	if d.rt, err = nrt.Open(c.Library); err != nil {
		return nil, fmt.Errorf("cannot open the Neuron device: %w", err)
	}
	if err := d.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the Neuron device: %w", err), d.Close())
	}
	return d, nil
}

func (d *Device) open() error {
	var err error
	if d.rt.Fake() {
		detach, err := fake.Attach(d.rt)
		if err != nil {
			return err
		}
		d.rt.AtEnd(detach)
	}
	if d.instance, err = d.rt.Instance(); err != nil {
		return err
	}
	s := &d.manifest.Settings
	if target, ok := d.instance.Target(); ok && target != s.Target {
		return fmt.Errorf("the export is for %s and this machine is of the family %d (%s): export "+
			"for this machine", s.Target, d.instance.Family, d.instance.Arch)
	}
	if d.rt.VisibleCores() < s.TP {
		return fmt.Errorf("the export is for %d logical cores and this process sees %d of %d: set "+
			"NEURON_RT_VISIBLE_CORES, or export with --tp %d", s.TP, d.rt.VisibleCores(),
			d.rt.TotalCores(), d.rt.VisibleCores())
	}
	version, err := d.rt.Version()
	if err != nil {
		return err
	}
	d.describe(version)
	d.reports, err = startReports(d.cfg.Monitor)
	return err
}

// sysfs is where the driver shows its counters.
func (d *Device) sysfs() string { return cmp.Or(d.cfg.Sysfs, monitor.SysfsRoot) }

func (d *Device) describe(v nrt.Version) {
	s := &d.manifest.Settings
	d.info = runtime.DeviceInfo{
		Kind: "neuron", Name: fmt.Sprintf("%s, libnrt %s", s.Target, v), Threads: s.TP, Async: true,
		Features: []string{
			s.Target, fmt.Sprintf("lnc%d", s.LNC), fmt.Sprintf("tp%d", s.TP), s.Products(),
			"NoMixedBatch", "MaxPrefillsPerRun=1", fmt.Sprintf("Buckets=%d", len(s.Buckets)),
		},
	}
	if d.rt.Fake() {
		d.info.Name = "FAKE Neuron runtime of the tests: computed on the CPU, no hardware"
		d.info.Features = append(d.info.Features, FakeFeature)
	}
}

// Info implements runtime.Device.
func (d *Device) Info() runtime.DeviceInfo { return d.info }

// Manifest is the device's export.
func (d *Device) Manifest() *export.Manifest { return d.manifest }

// Runtime is the opened library.
func (d *Device) Runtime() *nrt.Runtime { return d.rt }

// Fake says whether nothing here is hardware.
func (d *Device) Fake() bool { return d.rt.Fake() }

// Close implements runtime.Device. Executables must have been closed before.
func (d *Device) Close() error {
	d.reports.close()
	if d.rt == nil {
		return nil
	}
	return d.rt.Close()
}

// Compile implements runtime.Device: it proves that the export is of this program, loads the
// compiled graphs, and fills the memory of the cores. The checkpoint is not needed afterwards.
func (d *Device) Compile(ctx context.Context, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) (runtime.Executable, error) {
	if err := runtime.CheckWeights(p, c); err != nil {
		return nil, err
	}
	if err := d.checkOptions(o); err != nil {
		return nil, fmt.Errorf("cannot run %q on %s: %w", p.Name, d.info.Name, err)
	}
	if d.rt.OpenCores() > 0 {
		return nil, fmt.Errorf("cannot run %q: %s runs the model of its export already, and one "+
			"at a time", p.Name, d.info.Name)
	}
	b, err := d.manifest.Match(p)
	if err != nil {
		return nil, fmt.Errorf("cannot use the export in %s: %w", d.cfg.Dir, err)
	}
	m, err := newCores(ctx, d, b, c, o.Progress)
	if err != nil {
		return nil, fmt.Errorf("cannot load %q: %w", p.Name, err)
	}
	x, err := newExecutable(p, o, b, m)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	x.usage = d.usage
	return x, nil
}

// checkOptions compares what is asked for with what the export was made for.
func (d *Device) checkOptions(o runtime.CompileOptions) error {
	s, kv := &d.manifest.Settings, d.manifest.KVDType()
	switch {
	case o.Quantize != 0:
		return fmt.Errorf("weights are quantised when they are exported (basalt neuron export " +
			"--weights), not when they are loaded")
	case o.KVDType != kv:
		return fmt.Errorf("the export keeps its cache in %s, not %s: leave --kv-dtype out", s.KV,
			o.KVDType)
	case o.BlockSize != s.BlockSize:
		return fmt.Errorf("the export has cache blocks of %d positions, not %d: make it anew",
			s.BlockSize, o.BlockSize)
	case o.MaxContext > s.MaxContext:
		return fmt.Errorf("the export is for a context of %d tokens, not %d: give --ctx %d, or "+
			"export with a longer one", s.MaxContext, o.MaxContext, s.MaxContext)
	case o.MaxContext > s.Blocks*s.BlockSize:
		return fmt.Errorf("the cache of the export holds %d tokens, fewer than one sequence of %d",
			s.Blocks*s.BlockSize, o.MaxContext)
	}
	return nil
}
