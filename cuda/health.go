//go:build cuda

package cuda

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"basalt/cuda/nvml"
)

// monitor follows a GPU's health in a goroutine of its own. A nil monitor knows nothing: NVML is
// not there.
type monitor struct {
	gpu     *nvml.GPU
	watcher *nvml.Watcher
	stop    chan struct{}
	ended   sync.WaitGroup
	verdict atomic.Pointer[verdict]
}

// verdict is the worst that was heard of a GPU since it was opened.
type verdict struct {
	state nvml.State
	why   string
}

// eventWait bounds how long Close waits for the watcher.
const eventWait = 200 * time.Millisecond

// startMonitor finds the GPU in NVML and watches it. Without NVML, errors of the driver alone tell.
func startMonitor(library, address string) (*monitor, error) {
	if library == "" {
		library = nvml.Library
	}
	g, err := nvml.Open(library, address)
	if err != nil {
		return nil, err
	}
	m := &monitor{gpu: g, stop: make(chan struct{})}
	m.verdict.Store(&verdict{})
	r := g.Read()
	m.hear(r.Assess())
	if m.watcher, err = g.Watch(); err != nil {
		return m, err
	}
	m.ended.Add(1)
	go m.watch()
	return m, nil
}

func (m *monitor) watch() {
	defer m.ended.Done()
	for {
		select {
		case <-m.stop:
			return
		default:
		}
		e, ok, err := m.watcher.Wait(eventWait)
		if err != nil {
			m.hear(nvml.Degraded, err.Error())
			return
		}
		if ok {
			m.hear(e.Assess())
		}
	}
}

// hear keeps the worst, and tells the operator what is new.
func (m *monitor) hear(s nvml.State, why string) {
	if why == "" {
		return
	}
	fmt.Fprintf(os.Stderr, "basalt: warning: the GPU is %s: %s\n", s, why)
	if s > m.verdict.Load().state {
		m.verdict.Store(&verdict{s, why})
	}
}

// lostError is an error after which this process can no longer use the GPU.
type lostError struct{ cause error }

// Error implements error.
func (e *lostError) Error() string { return e.cause.Error() }

// Unwrap implements errors.Unwrap.
func (e *lostError) Unwrap() error { return e.cause }

// Broken says to who steps the device that no further step is worth a try.
func (e *lostError) Broken() bool { return true }

// dead says why the GPU must not be used, or nil.
func (m *monitor) dead() error {
	if m == nil {
		return nil
	}
	if v := m.verdict.Load(); v.state == nvml.Dead {
		return &lostError{fmt.Errorf("the GPU is lost: %s", v.why)}
	}
	return nil
}

func (m *monitor) close() {
	if m == nil {
		return
	}
	close(m.stop)
	m.ended.Wait()
	if m.watcher != nil {
		m.watcher.Close()
	}
	m.gpu.Close()
}

// Health is "good", "degraded" (it computes rightly and wants an operator) or "dead", and why. It
// may be called from any goroutine.
func (d *Device) Health() (state, why string) {
	if d.monitor == nil {
		return nvml.Good.String(), ""
	}
	v := d.monitor.verdict.Load()
	return v.state.String(), v.why
}

// WriteMetrics writes the GPU's figures in Prometheus' text format. It may be called from any
// goroutine.
func (d *Device) WriteMetrics(w io.Writer) error {
	gpu := fmt.Sprint(d.cfg.Ordinal)
	state := nvml.Good
	if d.monitor != nil {
		state = d.monitor.verdict.Load().state
		r := d.monitor.gpu.Read()
		if err := r.WriteMetrics(w, gpu); err != nil {
			return err
		}
	}
	if err := d.library.writeMetrics(w, gpu); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "# HELP basalt_gpu_state 0 good, 1 degraded, 2 dead.\n"+
		"# TYPE basalt_gpu_state gauge\nbasalt_gpu_state{gpu=%q} %d\n"+
		"# HELP basalt_gpu_kernels_disabled Kinds of kernels that failed their check at load.\n"+
		"# TYPE basalt_gpu_kernels_disabled gauge\nbasalt_gpu_kernels_disabled{gpu=%q} %d\n",
		gpu, state, gpu, len(d.disabled))
	return err
}
