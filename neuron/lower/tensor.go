package lower

import (
	"fmt"
	"strings"

	"basalt/neuron/hlo"
	"basalt/runtime"
)

// Role says who writes a tensor and when.
type Role string

// The roles. Weights, scales and tables are written once; the cache is zeroed once and then changed
// in place by every step; state passes from graph to graph; controls are written and results read
// by the host in every run.
const (
	Weight  Role = "weight"
	Scale   Role = "scale"
	Table   Role = "table"
	Cache   Role = "cache"
	State   Role = "state"
	Control Role = "control"
	Result  Role = "result"
)

// Tensor is one allocation on each rank. Its name is unique in a bundle.
type Tensor struct {
	Name   string
	Shape  hlo.Shape
	Role   Role
	Source *Source // of weights, scales and tables
	Rope   *RopeTable
}

// Source says what a weight consists of: groups (the experts of a mixture, else one group) of
// pieces, whose rows lie one after the other.
type Source struct {
	Groups [][]Piece
	// Transposed stores [in, out] where the checkpoint has [out, in].
	Transposed bool
}

// Piece is a part of a checkpoint's matrix [out, in], or of a vector, which counts as a matrix of
// one column. Rank r takes Rows rows from RowAt + (r / RowRanks) * RowStep on, and columns
// likewise.
type Piece struct {
	Name                           string
	RowAt, Rows, RowStep, RowRanks int
	ColAt, Cols, ColStep           int
}

// RopeTable asks for the cosines (or sines) of all positions.
type RopeTable struct {
	Attr runtime.RoPEAttr
	Sine bool
}

// part names one matrix of the program as the checkpoint stores it, and how it is split over ranks.
type part struct {
	name     string
	rows     int // of the checkpoint's matrix
	cols     int
	byRows   bool // each rank has its share of the rows
	byCols   bool // or of the columns
	rowRanks int  // so many ranks in turn have the same rows; 1 if each has its own
	rowAt    int  // rows before this part's first
}

// piece is the share of a part on a rank of so many.
func (p part) piece(ranks int) Piece {
	q := Piece{Name: p.name, RowAt: p.rowAt, Rows: p.rows, RowRanks: 1, Cols: p.cols}
	if p.byRows {
		q.RowRanks = max(p.rowRanks, 1)
		q.Rows = p.rows * q.RowRanks / ranks
		q.RowStep = q.Rows
	}
	if p.byCols {
		q.Cols = p.cols / ranks
		q.ColStep = q.Cols
	}
	return q
}

// joined is the name of weights that lie in one tensor: the first one's, then the last parts of the
// others, such as "model.layers.0.self_attn.q_proj+k_proj+v_proj.weight".
func joined(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	stem, end, _ := cutLast(names[0], ".")
	for _, n := range names[1:] {
		rest, _, _ := cutLast(n, ".")
		_, last, _ := cutLast(rest, ".")
		stem += "+" + last
	}
	return stem + "." + end
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// local is a tensor's name inside a graph: without the number of the layer, so that equal layers
// give equal graphs.
func local(name string, layer int) string {
	name = strings.Replace(name, fmt.Sprintf("layers.%d.", layer), "layers.N.", 1)
	name = strings.Replace(name, fmt.Sprintf("layers.%d.", layer+1), "layers.N+1.", 1)
	return name
}
