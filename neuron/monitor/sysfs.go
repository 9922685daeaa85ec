package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// SysfsRoot is where the driver shows its devices.
const SysfsRoot = "/sys/devices/virtual/neuron_device"

// ErrNone reports that the driver shows no device.
var ErrNone = errors.New("the Neuron driver shows no device")

// Health is what the driver knows. Totals count from the load of the driver.
type Health struct{ Devices []Device }

// Device is one chip.
type Device struct {
	Index                          int
	Name, Architecture, Instance   string
	HBMUncorrected, HBMRepairable  int64 // ECC events of the device's memory
	SRAMUncorrected                int64
	HostMemory                     int64  // bytes
	Power                          *Power // nil when the driver has no sample
	Cores                          []Core
	uncorrected, repairable, srams string // paths, for messages
}

// Power is the last minute's draw in percent of the greatest.
type Power struct{ Min, Max, Mean float64 }

// Core is one core of a chip.
type Core struct {
	Index             int
	Executions, Loads int64
	Memory            int64            // bytes of device memory in use
	MemoryBy          map[string]int64 // by use, such as "tensors"
	Status            map[string]int64 // calls by outcome, such as "success" and "hw_error"
	TimeInUse         int64            // microseconds of runs
	FLOPs             int64            // operations of runs
	Resets            int64            // asked for and failed ones
}

// faults are outcomes of calls that speak of the hardware or of lost work, not of a bad request.
func faults() []string {
	return []string{
		"hw_error", "timeout", "generic_error", "failure", "infer_completed_with_error",
		"infer_failed_to_queue", "resource_nc_error",
	}
}

// reader keeps the first error.
type reader struct {
	fsys fs.FS
	err  error
}

// ReadSysfs reads the tree of the driver, os.DirFS(SysfsRoot).
func ReadSysfs(fsys fs.FS) (*Health, error) {
	r := &reader{fsys: fsys}
	h := &Health{}
	for _, i := range r.numbered(".", "neuron") {
		h.Devices = append(h.Devices, r.device(i))
	}
	switch {
	case r.err != nil:
		return nil, fmt.Errorf("cannot read the Neuron driver's counters: %w", r.err)
	case len(h.Devices) == 0:
		return nil, ErrNone
	}
	return h, nil
}

// numbered lists the numbers of the folders that begin with prefix, ascending.
func (r *reader) numbered(dir, prefix string) []int {
	entries, err := fs.ReadDir(r.fsys, dir)
	if err != nil {
		return nil
	}
	var list []int
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if n, err := strconv.Atoi(rest); ok && err == nil && n >= 0 {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

func (r *reader) text(path string) string {
	data, err := fs.ReadFile(r.fsys, path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// number reads a file, or the total of a folder of total and present; 0 when there is neither.
func (r *reader) number(path string) int64 {
	if info, err := fs.Stat(r.fsys, path); err == nil && info.IsDir() {
		path += "/total"
	}
	text := r.text(path)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s holds %.40q, no whole number", path, text)
	}
	return n
}

// totals reads all counters of a folder.
func (r *reader) totals(dir string) map[string]int64 {
	entries, err := fs.ReadDir(r.fsys, dir)
	if err != nil {
		return nil
	}
	list := make(map[string]int64, len(entries))
	for _, e := range entries {
		if e.IsDir() {
			list[e.Name()] = r.number(dir + "/" + e.Name())
		}
	}
	return list
}

func sum(m map[string]int64) (total int64) {
	for _, n := range m {
		total += n
	}
	return total
}

func (r *reader) device(i int) Device {
	dir := fmt.Sprintf("neuron%d/", i)
	arch, hw := dir+"info/architecture/", dir+"stats/hardware/"
	d := Device{
		Index: i, Name: r.text(arch + "device_name"), Architecture: r.text(arch + "arch_type"),
		Instance: r.text(arch + "instance_type"), uncorrected: hw + "mem_ecc_uncorrected",
		repairable: hw + "mem_ecc_repairable_uncorrected", srams: hw + "sram_ecc_uncorrected",
		HostMemory: sum(r.totals(dir + "stats/memory_usage/host_mem")),
		Power:      r.power(dir + "stats/power/utilization"),
	}
	d.HBMUncorrected, d.HBMRepairable = r.number(d.uncorrected), r.number(d.repairable)
	d.SRAMUncorrected = r.number(d.srams)
	for _, c := range r.numbered(dir[:len(dir)-1], "neuron_core") {
		d.Cores = append(d.Cores, r.core(fmt.Sprintf("%sneuron_core%d/stats/", dir, c), c))
	}
	return d
}

func (r *reader) core(dir string, i int) Core {
	other := dir + "other_info/"
	c := Core{
		Index: i, Executions: r.number(other + "inference_count"),
		Loads: r.number(other + "model_load_count"), TimeInUse: r.number(other + "nc_time_in_use"),
		FLOPs:    r.number(other + "flop_count"),
		Resets:   r.number(other+"reset_req_count") + r.number(other+"reset_fail_count"),
		MemoryBy: r.totals(dir + "memory_usage/device_mem"), Status: r.totals(dir + "status"),
	}
	c.Memory = sum(c.MemoryBy)
	return c
}

// power reads "POWER_STATUS_VALID,<time>,<min>,<max>,<mean>"; any other status is no sample.
func (r *reader) power(path string) *Power {
	text := r.text(path)
	fields := strings.Split(text, ",")
	if fields[0] != "POWER_STATUS_VALID" {
		return nil
	}
	p := &Power{}
	var at int64
	n, err := fmt.Sscanf(strings.Join(fields[1:], " "), "%d %g %g %g", &at, &p.Min, &p.Max, &p.Mean)
	if (n != 4 || err != nil) && r.err == nil {
		r.err = fmt.Errorf("%s holds %.60q, no sample of power", path, text)
	}
	return p
}

// Problems says what is wrong with the hardware, by device and core.
func (h *Health) Problems() []string {
	var list []string
	add := func(n int64, format string, args ...any) {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d ", n)+fmt.Sprintf(format, args...))
		}
	}
	for i := range h.Devices {
		d := &h.Devices[i]
		add(d.HBMUncorrected, "uncorrected errors in the memory of device %d (%s): replace it",
			d.Index, d.uncorrected)
		add(d.HBMRepairable, "uncorrected errors in the memory of device %d that a restart of the "+
			"instance repairs (%s)", d.Index, d.repairable)
		add(d.SRAMUncorrected, "uncorrected errors in the SRAM of device %d (%s)", d.Index, d.srams)
		for j := range d.Cores {
			for _, name := range faults() {
				add(d.Cores[j].Status[name], "calls of core %d of device %d ended with %s",
					d.Cores[j].Index, d.Index, name)
			}
		}
	}
	return list
}

// Lines are the problems, or one line that says that there is none.
func (h *Health) Lines() []string {
	if p := h.Problems(); len(p) > 0 {
		return p
	}
	cores := 0
	for i := range h.Devices {
		cores += len(h.Devices[i].Cores)
	}
	return []string{fmt.Sprintf("%d devices with %d cores, no errors since the driver was loaded",
		len(h.Devices), cores)}
}
