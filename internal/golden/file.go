package golden

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// File is one folder's golden.json and logits.f32.
type File struct {
	Reference string `json:"reference"`
	Weights   string `json:"weights"`
	Vocab     int    `json:"vocab_size"`
	Cases     []Case `json:"cases"`

	logits []float32
}

// Case is one prompt and the reference's greedy path after it.
type Case struct {
	Name   string  `json:"name"`
	Text   string  `json:"text"`
	Prompt []int32 `json:"prompt"`
	Greedy []int32 `json:"greedy"`
	// Margin is the best logit less the second, Std the deviation of the row, for each greedy id.
	Margin []float32 `json:"margin"`
	Std    []float32 `json:"std"`
	// Rows are the indices into Greedy whose logits are stored, from FirstRow on.
	Rows     []int `json:"rows"`
	FirstRow int   `json:"first_row"`
	// RouterGap, of mixtures of experts, is how near each fed position comes to other experts.
	RouterGap []float32 `json:"router_gap"`
}

// Open reads golden.json (or the named variant of it) and its logits.
func Open(dir, name string) (*File, error) {
	data, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		return nil, err
	}
	var f File
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("cannot read %s.json of %s: %w", name, dir, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, logitsName(name)))
	if err != nil {
		return nil, err
	}
	f.logits = make([]float32, len(raw)/4)
	for i := range f.logits {
		f.logits[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return &f, nil
}

// logitsName is logits.f32 for golden.json, and X.f32 for X.json.
func logitsName(name string) string {
	if name == "golden" {
		return "logits.f32"
	}
	return name + ".f32"
}

// row is the stored logits of the j-th of c.Rows.
func (f *File) row(c *Case, j int) []float32 {
	return f.logits[(c.FirstRow+j)*f.Vocab:][:f.Vocab]
}
