package proc

import (
	"fmt"
	"os"
	"strings"
)

// Memory is what a process holds, in bytes.
type Memory struct {
	Resident  float64 // in memory now
	Anonymous float64 // of that, not backed by a file
	Peak      float64 // the most that was ever resident
}

// ReadMemory asks the kernel (Linux).
func ReadMemory(pid int) (Memory, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, err
	}
	return Memory{
		Resident:  kibibytes(string(data), "VmRSS"),
		Anonymous: kibibytes(string(data), "RssAnon"),
		Peak:      kibibytes(string(data), "VmHWM"),
	}, nil
}

// kibibytes finds a line "key: N kB" and gives it in bytes; 0 when there is none.
func kibibytes(status, key string) float64 {
	for line := range strings.Lines(status) {
		rest, found := strings.CutPrefix(line, key+":")
		var kib float64
		if found {
			if _, err := fmt.Sscanf(rest, "%f kB", &kib); err == nil {
				return kib * 1024
			}
		}
	}
	return 0
}
