//go:build cuda

package nvml

import (
	"sync"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// sampleApart is the least time between two samples: a shorter one says little.
const sampleApart = 100 * time.Millisecond

// gpm measures by the GPU's performance counters (NVML, "GPU performance monitoring": Hopper and
// later). A nil gpm knows nothing.
type gpm struct {
	lib nvml.Interface
	dev nvml.Device

	mu      sync.Mutex
	samples [2]nvml.GpmSample // the older, the newer
	taken   time.Time         // when the newer was
	last    Number
	ask     nvml.GpmMetricsGetType
}

// newGPM takes the first sample; nil where the GPU or its driver has no such counters.
func newGPM(lib nvml.Interface, dev nvml.Device) *gpm {
	support, code := dev.GpmQueryDeviceSupport()
	if code != nvml.SUCCESS || support.IsSupportedDevice == 0 {
		return nil
	}
	m := &gpm{lib: lib, dev: dev}
	for i := range m.samples {
		s, code := lib.GpmSampleAlloc()
		if code != nvml.SUCCESS {
			m.close()
			return nil
		}
		m.samples[i] = s
	}
	if m.samples[1].Get(dev) != nvml.SUCCESS {
		m.close()
		return nil
	}
	m.taken = time.Now()
	return m
}

func (m *gpm) close() {
	if m == nil {
		return
	}
	for _, s := range m.samples {
		if s != nil {
			_ = s.Free()
		}
	}
}

// bandwidth is the share of memory's greatest bandwidth that was used since the last call, or what
// that said when it was a moment ago.
func (m *gpm) bandwidth() Number {
	if m == nil {
		return Number{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.taken) < sampleApart {
		return m.last
	}
	m.samples[0], m.samples[1] = m.samples[1], m.samples[0]
	m.taken, m.last = time.Now(), Number{}
	if m.samples[1].Get(m.dev) != nvml.SUCCESS {
		return m.last
	}
	m.ask.NumMetrics, m.ask.Sample1, m.ask.Sample2 = 1, m.samples[0], m.samples[1]
	m.ask.Metrics[0] = nvml.GpmMetric{MetricId: uint32(nvml.GPM_METRIC_DRAM_BW_UTIL)}
	if m.lib.GpmMetricsGet(&m.ask) != nvml.SUCCESS {
		return m.last
	}
	got := &m.ask.Metrics[0]
	m.last = number[uint32](1)(0, nvml.Return(got.NvmlReturn))
	m.last.Value = got.Value / 100
	return m.last
}
