package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Figure is one number that was measured.
type Figure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Lower bool    `json:"lower,omitempty"` // less is better
}

// Result is what one measuring process prints.
type Result struct {
	Version string   `json:"version"`
	Machine string   `json:"machine"` // its class; see MachineClass
	What    string   `json:"what"`    // in words
	Figures []Figure `json:"figures"`
}

// What may stand beside a rate of tokens, as figures called "NAME: PART".
const (
	TTFT50  = "TTFT p50" // time to the first token, ms
	TTFT99  = "TTFT p99"
	TPOT50  = "TPOT p50" // time for each token after the first, ms
	TPOT99  = "TPOT p99"
	Ceiling = "ceiling" // share of what the machine can do at most, %

	// Intensity of a product: operations for each byte of weights.
	Intensity = "intensity"
)

// Part appends a part of a figure. Of the ceiling more is better, of times less.
func (r *Result) Part(of, part string, value float64) {
	if part == Ceiling {
		r.Add(of+": "+part, "%", value)
	} else {
		r.AddCost(of+": "+part, "ms", value)
	}
}

// Add appends a figure of which more is better.
func (r *Result) Add(name, unit string, value float64) {
	r.Figures = append(r.Figures, Figure{Name: name, Unit: unit, Value: value})
}

// AddCost appends a figure of which less is better.
func (r *Result) AddCost(name, unit string, value float64) {
	r.Figures = append(r.Figures, Figure{Name: name, Unit: unit, Value: value, Lower: true})
}

// Write prints a result as a table, or as one JSON object.
func (r *Result) Write(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintln(w, r.What)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Figures {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", f.Name, Digits(f.Value), f.Unit)
	}
	return t.Flush()
}

// Digits shows about three digits of a number.
func Digits(x float64) string {
	switch {
	case x >= 100 || x <= -100 || x == float64(int(x)):
		return fmt.Sprintf("%.0f", x)
	case x >= 10 || x <= -10:
		return fmt.Sprintf("%.1f", x)
	case x >= 0.1 || x <= -0.1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3g", x)
}
