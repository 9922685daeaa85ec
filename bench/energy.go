package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"basalt/runtime"
)

// Meter reads the energy that the processors have used, from the kernel's powercap counters
// (Documentation/power/powercap).
type Meter struct {
	domains []domain
}

// domain is one processor package's counter, in microjoules, which wraps at its range.
type domain struct {
	path        string
	last, limit float64
	joules      float64
}

// PowercapRoot is where Linux shows the counters.
const PowercapRoot = "/sys/class/powercap"

// NewMeter finds the counters of whole packages below root.
func NewMeter(root string) (*Meter, error) {
	names, err := filepath.Glob(filepath.Join(root, "intel-rapl:*"))
	if err != nil {
		return nil, err
	}
	m := new(Meter)
	for _, dir := range names {
		if strings.Count(filepath.Base(dir), ":") != 1 { // a part of a package
			continue
		}
		limit, err := readNumber(filepath.Join(dir, "max_energy_range_uj"))
		if err != nil {
			return nil, fmt.Errorf("cannot read the energy counters (root may): %w", err)
		}
		last, err := readNumber(filepath.Join(dir, "energy_uj"))
		if err != nil {
			return nil, fmt.Errorf("cannot read the energy counters (root may): %w", err)
		}
		m.domains = append(m.domains, domain{path: dir, last: last, limit: limit})
	}
	if len(m.domains) == 0 {
		return nil, fmt.Errorf("%s has no intel-rapl counters (AMD processors have them under "+
			"that "+
			"name too): virtual machines hide them; measure on the machine itself", root)
	}
	return m, nil
}

func readNumber(path string) (float64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(data)), 64)
}

// Joules is what has been used since the meter was made. It must be asked for at least once in the
// time in which a counter wraps: a minute at full load on large machines.
func (m *Meter) Joules() (float64, error) {
	var sum float64
	for i := range m.domains {
		d := &m.domains[i]
		now, err := readNumber(filepath.Join(d.path, "energy_uj"))
		if err != nil {
			return 0, err
		}
		if now < d.last {
			d.last -= d.limit
		}
		d.joules += (now - d.last) / 1e6
		d.last = now
		sum += d.joules
	}
	return sum, nil
}

// EnergyConfig says what is decoded while energy is measured.
type EnergyConfig struct {
	Offline OfflineConfig // its first number of Sequences counts
	Idle    time.Duration // measured before, to tell the share of the machine at rest
}

// Energy measures joules for a decoded token.
func Energy(exec runtime.Executable, m *Meter, cfg EnergyConfig) (*Result, error) {
	if len(cfg.Offline.Sequences) == 0 {
		return nil, errors.New("no number of sequences is given")
	}
	n := cfg.Offline.Sequences[0]
	d := newDriver(exec, cfg.Offline)
	if _, err := d.decode(n); err != nil { // fills the contexts
		return nil, err
	}
	idle, err := watts(m, func() error { time.Sleep(cfg.Idle); return nil })
	if err != nil {
		return nil, err
	}
	began := time.Now()
	busy, err := watts(m, func() error { _, err := d.decode(n); return err })
	if err != nil {
		return nil, err
	}
	tokens := float64(n * cfg.Offline.DecodeSteps * max(cfg.Offline.Repeats, 1))
	seconds := time.Since(began).Seconds()
	r := &Result{What: fmt.Sprintf("energy of decoding %d sequences", n)}
	r.AddCost("energy", "J/token", busy*seconds/tokens)
	r.AddCost("energy above rest", "J/token", (busy-idle)*seconds/tokens)
	r.AddCost("power", "W", busy)
	r.AddCost("power at rest", "W", idle)
	return r, nil
}

// watts is the mean power during work.
func watts(m *Meter, work func() error) (float64, error) {
	before, err := m.Joules()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	after, err := m.Joules()
	return (after - before) / took, err
}
