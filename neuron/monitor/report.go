package monitor

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// Report is one JSON object of neuron-monitor. Groups that its settings leave out are nil.
type Report struct {
	Runtimes []RuntimeReport `json:"neuron_runtime_data"`
	System   struct {
		Hardware *HardwareCounters `json:"neuron_hw_counters"`
	} `json:"system_data"`
	Instance struct {
		Type  string `json:"instance_type"`
		Error string `json:"error"`
	} `json:"instance_info"`
	Hardware struct {
		DeviceType string `json:"neuron_device_type"`
		Devices    int    `json:"neuron_device_count"`
		Memory     int64  `json:"neuron_device_memory_size"`
		Cores      int    `json:"neuroncore_per_device_count"`
		LNC        int    `json:"logical_neuroncore_config"`
		Error      string `json:"error"`
	} `json:"neuron_hardware_info"`
}

// RuntimeReport is one process that uses the devices.
type RuntimeReport struct {
	PID    int    `json:"pid"`
	Tag    string `json:"neuron_runtime_tag"`
	Error  string `json:"error"`
	Report struct {
		Cores *struct {
			InUse map[string]struct {
				Utilization float64 `json:"neuroncore_utilization"` // percent
				FLOPs       float64 `json:"flops"`
			} `json:"neuroncores_in_use"`
			Error string `json:"error"`
		} `json:"neuroncore_counters"`
		Executions *ExecutionStats `json:"execution_stats"`
		Memory     *struct {
			Used struct {
				Host   int64 `json:"host"`
				Device int64 `json:"neuron_device"`
			} `json:"neuron_runtime_used_bytes"`
			Error string `json:"error"`
		} `json:"memory_used"`
	} `json:"report"`
}

// ExecutionStats are a period's executions. The user guide's prose calls the second count of errors
// "numeric"; the tool writes "numerical".
type ExecutionStats struct {
	Errors  map[string]int64 `json:"error_summary"`
	Summary map[string]int64 `json:"execution_summary"`
	Latency struct {
		Total  map[string]float64 `json:"total_latency"` // seconds; nil when nothing ran
		Device map[string]float64 `json:"device_latency"`
	} `json:"latency_stats"`
	Error string `json:"error"`
}

// HardwareCounters are ECC events.
type HardwareCounters struct {
	Devices []struct {
		Index           int   `json:"neuron_device_index"`
		HBMCorrected    int64 `json:"mem_ecc_corrected"`
		HBMUncorrected  int64 `json:"mem_ecc_uncorrected"`
		SRAMCorrected   int64 `json:"sram_ecc_corrected"`
		SRAMUncorrected int64 `json:"sram_ecc_uncorrected"`
	} `json:"neuron_devices"`
	Error string `json:"error"`
}

// maxReport bounds one JSON object.
const maxReport = 16 << 20

// ParseReport reads one JSON object. Unknown fields are left out.
func ParseReport(data []byte) (*Report, error) {
	if len(data) > maxReport {
		return nil, fmt.Errorf("cannot read a report of %d bytes: at most %d", len(data), maxReport)
	}
	r := &Report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("cannot read a report of neuron-monitor: %w", err)
	}
	for i := range r.Runtimes {
		if c := r.Runtimes[i].Report.Cores; c != nil {
			for key := range c.InUse {
				if _, err := strconv.ParseUint(key, 10, 16); err != nil {
					return nil, fmt.Errorf("cannot read a report of neuron-monitor: a core is "+
						"called %.20q, no number", key)
				}
			}
		}
	}
	return r, nil
}

// ReadReports gives every line of what neuron-monitor prints to use, until the input ends.
func ReadReports(in io.Reader, use func(*Report)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxReport)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		r, err := ParseReport(lines.Bytes())
		if err != nil {
			return err
		}
		use(r)
	}
	return lines.Err()
}

// Problems says what the report complains of.
func (r *Report) Problems() []string {
	var list []string
	add := func(who, what string) {
		if what != "" {
			list = append(list, who+": "+what)
		}
	}
	add("hardware", r.Hardware.Error)
	for i := range r.Runtimes {
		p := &r.Runtimes[i]
		who := fmt.Sprintf("process %d (%s)", p.PID, p.Tag)
		add(who, p.Error)
		if e := p.Report.Executions; e != nil {
			add(who, e.Error)
			for _, name := range sorted(e.Errors) {
				if n := e.Errors[name]; n > 0 {
					add(who, fmt.Sprintf("%d %s errors in the last period", n, name))
				}
			}
		}
	}
	if h := r.System.Hardware; h != nil {
		add("hardware counters", h.Error)
		for _, d := range h.Devices {
			if n := d.HBMUncorrected + d.SRAMUncorrected; n > 0 {
				add(fmt.Sprintf("device %d", d.Index), fmt.Sprintf("%d uncorrected errors", n))
			}
		}
	}
	return list
}
