package peers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// Names of the sides: ours and the peers.
const (
	SideBasalt = "basalt"
	SideLlama  = "llama.cpp"
	SideFork   = "ik_llama.cpp"
)

// Sample is one row's figures from one process of one side.
type Sample struct {
	Time    time.Time          `json:"time"`
	Machine string             `json:"machine"` // its class: processors, model, instruction set
	Side    string             `json:"side"`
	Build   string             `json:"build"`
	System  string             `json:"system,omitempty"` // what the peer says of its build
	Row     string             `json:"row"`
	Round   int64              `json:"round"`  // pairs the two sides: they ran in turn
	Others  float64            `json:"others"` // processors that others used meanwhile
	Figures map[string]float64 `json:"figures"`
}

// Write appends a sample as a line of JSON.
func (s *Sample) Write(w io.Writer) error {
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Peers names the peers that samples hold, llama.cpp first; without any, llama.cpp.
func Peers(samples []Sample) []string {
	var names []string
	for _, name := range []string{SideLlama, SideFork} {
		if slices.ContainsFunc(samples, func(s Sample) bool { return s.Side == name }) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{SideLlama}
	}
	return names
}

// ReadSamples reads lines of JSON.
func ReadSamples(r io.Reader) ([]Sample, error) {
	var all []Sample
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var s Sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return nil, fmt.Errorf("line %d of the samples: %w", n, err)
		}
		all = append(all, s)
	}
	return all, lines.Err()
}
