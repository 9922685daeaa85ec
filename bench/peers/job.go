package peers

import "slices"

// job is work that one process does: rows of one kind, file and number of threads.
type job struct {
	kind    kind
	model   string
	threads int
	rows    []Row
}

// sizes are the numbers of sequences of a batch job.
func (j *job) sizes() []int {
	var n []int
	for _, r := range j.rows {
		n = append(n, r.n)
	}
	return n
}

// jobs joins rows of batched decoding, which one process measures for all numbers of sequences.
func jobs(rows []Row) []job {
	var all []job
	for _, r := range rows {
		i := slices.IndexFunc(all, func(j job) bool {
			return r.kind == kindBatch && j.kind == r.kind && j.model == r.Model &&
				j.threads == r.Threads
		})
		if i < 0 {
			i = len(all)
			all = append(all, job{kind: r.kind, model: r.Model, threads: r.Threads})
		}
		all[i].rows = append(all[i].rows, r)
	}
	return all
}

// figures are a job's results: of each row, of each metric.
type figures map[string]map[string]float64

func (f figures) set(row, metric string, v float64) {
	if f[row] == nil {
		f[row] = make(map[string]float64)
	}
	f[row][metric] = v
}

// setBatched takes one test of llama-batched-bench: its sequences, and tokens/s of both phases.
func (j *job) setBatched(f figures, sequences int, prefill, decode float64) {
	for _, r := range j.rows {
		switch {
		case r.kind == kindLong:
			f.set(r.ID, "prefill", prefill)
			f.set(r.ID, "decode", decode)
		case r.n == sequences:
			f.set(r.ID, "rate", decode)
		}
	}
}
