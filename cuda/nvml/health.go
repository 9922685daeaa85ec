//go:build cuda

package nvml

import (
	"fmt"
	"io"
)

// Kinds of events (nvml.h: nvmlEventType...).
const (
	DoubleBitECC    = 2
	CriticalXid     = 8
	GPUUnavailable  = 16384
	RecoveryChanged = 32768
)

// Event is something that happened to a GPU; Data of CriticalXid is the Xid.
type Event struct{ Kind, Data uint64 }

// State is what a GPU is good for.
type State int

// States: a degraded GPU computes rightly and wants an operator; a dead one must not be used.
const (
	Good State = iota
	Degraded
	Dead
)

func (s State) String() string { return [...]string{"good", "degraded", "dead"}[s] }

// Assess says what an event means and what the operator should do (NVIDIA, "Xid Errors").
func (e Event) Assess() (State, string) {
	switch e.Kind {
	case DoubleBitECC:
		return Dead, "an ECC error that cannot be corrected: reset the GPU (nvidia-smi -r)"
	case GPUUnavailable:
		return Dead, "the driver has lost the GPU: drain this machine and reboot it"
	case RecoveryChanged:
		return Degraded, "the driver asks for a recovery action: see nvidia-smi -q"
	case CriticalXid:
		return xid(e.Data)
	}
	return Good, ""
}

func xid(n uint64) (State, string) {
	say := func(s State, what string) (State, string) {
		return s, fmt.Sprintf("Xid %d, %s", n, what)
	}
	switch n {
	case 13, 31, 43, 45, 68, 69:
		return say(Good, "an error of a program: this one restarts its device if it was its own")
	case 48, 95, 140:
		return say(Dead, "memory that cannot be corrected: reset the GPU (nvidia-smi -r)")
	case 63, 92:
		return say(Degraded, "memory rows are being remapped: reset the GPU when it is idle")
	case 64:
		return say(Dead, "memory rows could not be remapped: reset the GPU, else replace it")
	case 74:
		return say(Degraded, "an NVLink error: see nvidia-smi nvlink -e")
	case 79:
		return say(Dead, "the GPU has fallen off the bus: reboot; check power, cooling and seating")
	case 94:
		return say(Dead, "a contained memory error ended this process's context: restart it")
	case 109, 119, 120, 121, 143, 154:
		return say(Dead, "the GPU's firmware asks for a reset: nvidia-smi -r, else reboot")
	}
	return say(Degraded, "see NVIDIA's list of Xid errors, and dmesg")
}

// Assess says what a reading means.
func (r *Reading) Assess() (State, string) {
	switch {
	case r.RemapFailed.Value > 0:
		return Dead, "memory rows could not be remapped: replace the GPU"
	case r.RecoveryAction.Value > 0:
		return Degraded, "the driver asks for a recovery action: see nvidia-smi -q"
	case r.UncorrectedECC.Value > 0:
		return Degraded, "memory errors that could not be corrected: reset the GPU when it is idle"
	case r.RemapPending.Value > 0:
		return Degraded, "memory rows wait to be remapped: reset the GPU when it is idle"
	}
	return Good, ""
}

// WriteMetrics writes a reading in Prometheus' text format, the unknown left out.
func (r *Reading) WriteMetrics(w io.Writer, gpu string) error {
	type metric struct {
		name, kind, help string
		value            Number
	}
	for _, m := range []metric{
		{"memory_total_bytes", "gauge", "Memory.", Number{true, float64(r.MemoryTotal)}},
		{"memory_used_bytes", "gauge", "Memory in use.", Number{true, float64(r.MemoryUsed)}},
		{"power_watts", "gauge", "Power.", r.Power},
		{"energy_joules_total", "counter", "Energy since the driver was loaded.", r.Energy},
		{"temperature_celsius", "gauge", "Temperature.", r.Temperature},
		{"busy_ratio", "gauge", "Share of time with a kernel running.", r.GPUBusy},
		{"memory_busy_ratio", "gauge", "Share of time with memory in use.", r.MemoryBusy},
		{"dram_bandwidth_ratio", "gauge", "Share of memory's bandwidth in use.", r.Bandwidth},
		{"clock_event_reasons", "gauge", "Bits of why clocks are low.", r.ClockReasons},
		{"ecc_uncorrected_total", "counter", "Memory errors not corrected.", r.UncorrectedECC},
		{"remapped_rows", "gauge", "Memory rows remapped.", r.RemappedRows},
		{"remap_pending", "gauge", "1 while rows wait to be remapped.", r.RemapPending},
		{"remap_failed", "gauge", "1 when rows could not be remapped.", r.RemapFailed},
		{"recovery_action", "gauge", "Action the driver asks for.", r.RecoveryAction},
	} {
		if !m.value.Known {
			continue
		}
		if _, err := fmt.Fprintf(w, "# HELP basalt_gpu_%s %s\n# TYPE basalt_gpu_%s %s\n"+
			"basalt_gpu_%s{gpu=%q} %g\n", m.name, m.help, m.name, m.kind, m.name, gpu,
			m.value.Value); err != nil {
			return err
		}
	}
	return nil
}
