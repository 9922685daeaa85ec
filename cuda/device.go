//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"os"
	"time"

	"basalt/cuda/driver"
	"basalt/kernels"
	"basalt/runtime"
)

// minCapability is Ampere: the portable kernels use its tensor cores.
const minCapability = 80

// stepTokens fills a GPU with tiles of rows: below it a step of prefill reads the weights more
// often than it has to.
const stepTokens = 2048

// kernel is a loaded function with its declared shape.
type kernel struct {
	name    string
	fn      uint64
	threads int
	params  []bool
	shared  int // bytes of dynamic shared memory
}

// Device is one NVIDIA GPU.
type Device struct {
	gpu     *driver.GPU
	cfg     Config
	modules []*driver.Module
	kernels map[string]*kernel
	native  bool  // machine code for this GPU rather than PTX
	lost    error // why the GPU can no longer be used

	arch     archKernels
	disabled []string
	library  *library
	monitor  *monitor // nil without NVML
	// unwatched is why health is not known, or not by events.
	unwatched error
}

// Open finds the driver, opens the GPU and loads the kernels.
func Open(c Config) (runtime.Device, error) {
	d, err := open(c)
	if err != nil {
		return nil, fmt.Errorf("cannot open the CUDA device: %w; the CPU device remains "+
			"(--device cpu)", advised(err))
	}
	return d, nil
}

func open(c Config) (*Device, error) {
	if c.Library == "" {
		c.Library = driver.Library
	}
	if c.StepTimeout == 0 {
		c.StepTimeout = time.Minute
	}
	allowFake := c.Library != driver.Library
	if err := driver.Load(c.Library); err != nil {
		return nil, err
	}
	if driver.Has("fake_get") && !allowFake {
		return nil, errors.New("this libcuda.so.1 is the fake of the tests: it computes on the CPU")
	}
	n, err := driver.NumGPUs()
	if err != nil {
		return nil, err
	}
	if c.Ordinal < 0 || c.Ordinal >= n {
		return nil, fmt.Errorf("there is no GPU %d: the driver shows %d (CUDA_VISIBLE_DEVICES "+
			"may hide others)", c.Ordinal, n)
	}
	g, err := driver.OpenGPU(c.Ordinal)
	if err != nil {
		return nil, err
	}
	d := &Device{gpu: g, cfg: c, kernels: make(map[string]*kernel)}
	d.arch.name = archOf(g.Capability)
	if err := d.setup(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.monitor, d.unwatched = startMonitor(c.NVML, g.Address)
	return d, nil
}

// setup loads the kernels and checks those of the GPU's architecture. A check that ends the context
// is followed by a fresh one with portable kernels alone.
func (d *Device) setup() error {
	err := d.start()
	if d.arch.name == "" || !fatal(err) {
		return err
	}
	d.disable("kernels", err)
	d.arch, d.modules, d.kernels, d.lost = archKernels{}, nil, make(map[string]*kernel), nil
	if err := d.gpu.Reset(); err != nil {
		return err
	}
	return d.start()
}

func (d *Device) start() error {
	if d.gpu.Capability < minCapability {
		return fmt.Errorf("%s has compute capability %d.%d; 8.0 (Ampere) or later is needed",
			d.gpu.Name, d.gpu.Capability/10, d.gpu.Capability%10)
	}
	if err := d.gpu.Enter(); err != nil {
		return err
	}
	defer d.gpu.Leave()
	if err := d.loadKernels(); err != nil {
		return err
	}
	if err := d.checkArch(); err != nil {
		return err
	}
	d.openLibrary()
	return nil
}

// loadKernels takes machine code where the binary, or the folder, has it for this GPU, else PTX.
func (d *Device) loadKernels() error {
	portable, err := kernels.Portable()
	if err != nil {
		return err
	}
	images, err := kernels.Native()
	if err != nil {
		return err
	}
	if d.cfg.Kernels != "" {
		if images, err = kernels.Load(d.cfg.Kernels); err != nil {
			return err
		}
	}
	if len(images) > 0 {
		err := d.loadModules(images, portable)
		var failed *driver.Error
		if err == nil || !errors.As(err, &failed) || failed.Code != driver.NoBinary {
			d.native = err == nil
			return err
		}
		fmt.Fprintf(os.Stderr, "basalt: warning: no machine code for compute capability %d.%d\n",
			d.gpu.Capability/10, d.gpu.Capability%10)
	}
	return d.loadModules(portable, portable)
}

// loadModules loads images; the portable PTX says what each kernel takes.
func (d *Device) loadModules(images, portable []kernels.Image) error {
	declared := make(map[string][]kernels.Entry)
	for _, p := range portable {
		declared[p.Name] = kernels.Entries(p.Data)
	}
	for _, image := range images {
		arch := image.Arch()
		if arch != "" && arch != d.arch.name {
			continue
		}
		err := d.loadModule(image, declared[image.Name])
		if err != nil && arch != "" && !fatal(err) {
			d.disable(image.Name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot load kernels %q: %w", image.Name, err)
		}
	}
	return nil
}

func (d *Device) loadModule(image kernels.Image, entries []kernels.Entry) error {
	m, err := d.gpu.LoadModule(image.Data)
	if err != nil {
		return err
	}
	d.modules = append(d.modules, m)
	for _, e := range entries {
		fn, err := m.Function(e.Name)
		if err != nil {
			return fmt.Errorf("kernel %q: %w", e.Name, err)
		}
		k := &kernel{e.Name, fn, e.Threads, e.Params, sharedOf(e.Name)}
		if k.shared > 0 {
			if err := driver.AllowShared(fn, k.shared); err != nil {
				return fmt.Errorf("kernel %q, %d bytes of shared memory: %w", e.Name, k.shared, err)
			}
		}
		d.kernels[e.Name] = k
	}
	return nil
}

// fatal says that an error has ended the context.
func fatal(err error) bool {
	var failed *driver.Error
	return errors.As(err, &failed) && failed.Fatal()
}

// kernel finds a loaded kernel.
func (d *Device) kernel(name string) *kernel {
	k, ok := d.kernels[name]
	if !ok {
		panic(fmt.Sprintf("BUG: no kernel %q is loaded", name))
	}
	return k
}

// Info implements runtime.Device.
func (d *Device) Info() runtime.DeviceInfo {
	kind := "portable kernels, compiled by the driver"
	if d.native {
		kind = "native kernels"
	}
	features := []string{
		fmt.Sprintf("sm_%d", d.gpu.Capability), fmt.Sprintf("%d SMs", d.gpu.SMs), kind,
	}
	if d.arch.linear {
		features = append(features, d.arch.name+" products")
	}
	if d.arch.attention {
		features = append(features, d.arch.name+" attention")
	}
	if driver.Has("fake_get") {
		features = append(features, "FAKE-RUNTIME")
	}
	if d.library != nil {
		name := "cuBLASLt " + d.library.lt.Version
		if !d.cfg.AnyOrder {
			name += " where it adds in our order"
		}
		features = append(features, name)
	}
	return runtime.DeviceInfo{
		Kind: "cuda", Name: d.gpu.Name, Memory: d.gpu.Memory, Features: features, Async: true,
		StepTokens: stepTokens,
	}
}

// Close implements runtime.Device. A lost GPU takes nothing.
func (d *Device) Close() error {
	d.monitor.close()
	d.monitor = nil
	if d.lost != nil {
		return nil
	}
	if err := d.gpu.Enter(); err != nil {
		return err
	}
	for _, m := range d.modules {
		_ = m.Close()
	}
	d.library.close()
	d.gpu.Leave()
	return d.gpu.Close()
}

// usable gives the reason why the GPU is not.
func (d *Device) usable() error {
	if err := d.monitor.dead(); d.lost == nil && err != nil {
		d.lost = err
	}
	return d.lost
}

// fail remembers an error after which the GPU cannot be used.
func (d *Device) fail(err error) error {
	var e *driver.Error
	if d.lost == nil && errors.As(err, &e) && e.Fatal() {
		d.lost = &lostError{fmt.Errorf("the GPU is lost (%w): restart this process; if it happens "+
			"again, look for Xid in dmesg and run nvidia-smi -q", e)}
	}
	if d.lost != nil {
		return d.lost
	}
	return err
}
