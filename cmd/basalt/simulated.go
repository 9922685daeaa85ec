package main

import (
	"fmt"
	"io"
	"slices"

	"basalt/runtime"
)

// simulated says whether a device is a fake of the tests: it computes, and no hardware does.
func simulated(info runtime.DeviceInfo) bool {
	return slices.Contains(info.Features, "FAKE-RUNTIME")
}

// refuseFake keeps figures of fake devices out of every record.
func refuseFake(info runtime.DeviceInfo) error {
	if simulated(info) {
		return fmt.Errorf("%s: nothing is measured on it", info.Name)
	}
	return nil
}

// stamp tells in /metrics whether a device is simulated, so that nobody takes a server's figures
// for those of hardware.
type stamp struct{ info runtime.DeviceInfo }

// WriteMetrics implements server.DeviceMetrics.
func (s stamp) WriteMetrics(w io.Writer) error {
	v := 0
	if simulated(s.info) {
		v = 1
	}
	const name = "basalt_device_simulated"
	_, err := fmt.Fprintf(w, "# HELP %s 1 where no hardware computes: nothing here measures any.\n"+
		"# TYPE %s gauge\n%s{device=%q} %d\n", name, name, name, s.info.Kind, v)
	return err
}
