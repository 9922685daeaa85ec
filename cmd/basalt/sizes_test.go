package main

import (
	"strings"
	"testing"

	"basalt/models"
	"basalt/runtime"
)

// opinion is a device that names a token budget.
type opinion struct {
	runtime.Device
	tokens int
}

func (o opinion) Info() runtime.DeviceInfo { return runtime.DeviceInfo{StepTokens: o.tokens} }

// TestStepTokens: the flag, else the device's choice, with room for every sequence.
func TestStepTokens(t *testing.T) {
	f := func(flag, seqs, device, want int) {
		t.Helper()
		m := modelFlags{StepTokens: flag, MaxSeqs: seqs}
		if got := m.stepTokens(opinion{tokens: device}); got != want {
			t.Errorf("--step-tokens %d --max-seqs %d on a device of %d: %d, want %d", flag, seqs,
				device, got, want)
		}
	}
	f(0, 64, 0, 256)
	f(0, 300, 0, 300)
	f(0, 64, 2048, 2048)
	f(0, 4000, 2048, 4000)
	f(512, 64, 2048, 512)
}

// TestStepTokensThatAreRefused names both limits.
func TestStepTokensThatAreRefused(t *testing.T) {
	f := func(flag, seqs int) {
		t.Helper()
		m := modelFlags{StepTokens: flag, MaxSeqs: seqs}
		_, err := m.compileOptions(&models.Model{Program: &runtime.Program{}}, opinion{})
		if err == nil || !strings.Contains(err.Error(), "must be at least --max-seqs") {
			t.Errorf("--step-tokens %d --max-seqs %d gives %v", flag, seqs, err)
		}
	}
	f(-1, 1)
	f(63, 64)
	f(0, 0)
	f(256, -1)
}
