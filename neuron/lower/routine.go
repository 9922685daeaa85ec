package lower

import "slices"

// resultNames are the ports of what a routine leaves for the host.
var resultNames = [...]string{"logits", "top_values", "top_ids", "lse"}

// NumResults is the number of results of a routine, in this order: logits, the selection's values
// and ids, and the logarithms of the sums of exponentials.
const NumResults = len(resultNames)

// Read says which results a run reads.
type Read int

// A run reads the selection with the logarithms of the sums, or all scores, or nothing.
const (
	ReadBest Read = iota
	ReadAll
	ReadNone
)

// Reads says whether the i-th result is read.
func (r Read) Reads(i int) bool { return r == ReadAll && i == 0 || r == ReadBest && i > 0 }

// Controls names the tensors that the host writes before the routine runs, in order of first use.
func (b *Bundle) Controls(r *Routine) []string {
	var names []string
	for _, c := range r.Calls {
		for _, name := range c.Inputs {
			if b.Tensor(name).Role == Control && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// Results names the tensors that the host may read afterwards.
func (b *Bundle) Results(r *Routine) []string {
	var names []string
	for _, n := range resultNames {
		names = append(names, ResultName(n, r.Bucket))
	}
	return names
}
