//go:build !linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"basalt/runtime"
)

var errNeuronLinux = errors.New("Neuron devices run on Linux; export and compile work here")

func openNeuron(*neuronFlags, string) (runtime.Device, error) { return nil, errNeuronLinux }

func machineTarget() (string, error) { return "trn3", nil }

func diagnoseNeuron(w io.Writer) error {
	_, err := fmt.Fprintln(w, "neuron device none:", errNeuronLinux)
	return err
}

func (f *modelFlags) fitExport(*runtime.CompileOptions, runtime.Device) bool { return false }

// Run says that there is nothing to check.
func (c *neuronDoctorCmd) Run(context.Context) error { return errNeuronLinux }

// Run says that there is nothing to compare.
func (c *neuronVerifyCmd) Run(context.Context) error { return errNeuronLinux }
