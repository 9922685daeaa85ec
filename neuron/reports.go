//go:build linux

package neuron

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync/atomic"

	"basalt/neuron/monitor"
)

// reports follows what neuron-monitor prints. A nil one follows nothing.
type reports struct {
	process *exec.Cmd
	last    atomic.Pointer[monitor.Report]
	ended   chan struct{}
}

// startReports starts a command, words separated by spaces, that prints a report on each line.
func startReports(command string) (*reports, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, nil
	}
	r := &reports{process: exec.Command(words[0], words[1:]...), ended: make(chan struct{})}
	out, err := r.process.StdoutPipe()
	if err == nil {
		err = r.process.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot start %q for its reports: %w", command, err)
	}
	go r.follow(out)
	return r, nil
}

// follow keeps the latest report while the process lives and what it prints can be read.
func (r *reports) follow(out io.Reader) {
	defer close(r.ended)
	_ = monitor.ReadReports(out, func(m *monitor.Report) { r.last.Store(m) })
	r.last.Store(nil)
	_ = r.process.Process.Kill()
	_ = r.process.Wait()
}

// latest gives the newest report, nil for none, and writes whether there are any to be had.
func (r *reports) latest(b *bytes.Buffer) *monitor.Report {
	if r == nil {
		return nil
	}
	const up = "basalt_neuron_monitor_up"
	last := r.last.Load()
	head(b, up, "gauge", "1 while neuron-monitor reports.")
	fmt.Fprintf(b, "%s %d\n", up, number(last != nil))
	return last
}

// close ends the process.
func (r *reports) close() {
	if r != nil {
		_ = r.process.Process.Kill()
		<-r.ended
	}
}
