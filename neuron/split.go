package neuron

import (
	"fmt"
	"slices"

	"basalt/neuron/lower"
	"basalt/runtime"
)

// run is one execution of a routine: some sequences that take one token each, or some of the new
// tokens of one sequence.
type run struct {
	routine int
	// Of a decode run: the sequences. Of a prefill run: one sequence and its tokens [from, to).
	seqs     []int32
	from, to int32
	// The sample rows of the batch that this run gives, and the tokens of the run that they are.
	samples, rows []int32
	context       int32 // positions that the longest sequence has after the run
}

func (r *run) isPrefill() bool { return r.to > r.from }

// tokens is the number of rows that the run computes, without padding.
func (r *run) tokens() int {
	if r.isPrefill() {
		return int(r.to - r.from)
	}
	return len(r.seqs)
}

// splitter cuts batches into runs. Its buffers are reused.
type splitter struct {
	buckets           []bucket // prefill and decode, by ascending cost
	maxDecode         int      // greatest number of sequences of a decode bucket
	maxTokens, maxRow int      // greatest sizes of prefill buckets
	maxContext        int
	runs              []run
	sampleOf          []int32 // for each token row its sample row, -1 for none
}

// bucket is a routine and its sizes.
type bucket struct {
	lower.Bucket
	routine int
}

func newSplitter(routines []lower.Routine) (*splitter, error) {
	s := &splitter{}
	prefills := 0
	for i, r := range routines {
		s.buckets = append(s.buckets, bucket{r.Bucket, i})
		s.maxContext = max(s.maxContext, r.Bucket.Context)
		if r.Bucket.Kind == lower.Decode {
			s.maxDecode = max(s.maxDecode, r.Bucket.Tokens)
			continue
		}
		prefills++
		s.maxTokens = max(s.maxTokens, r.Bucket.Tokens)
		s.maxRow = max(s.maxRow, r.Bucket.Rows)
	}
	if prefills == 0 || s.maxDecode == 0 {
		return nil, fmt.Errorf("%d prefill buckets and decode buckets for %d sequences; at least "+
			"one of each kind is needed", prefills, s.maxDecode)
	}
	slices.SortStableFunc(s.buckets, func(a, b bucket) int { return a.cost() - b.cost() })
	return s, s.checkComplete()
}

// cost orders buckets: the scores of attention and the rows of everything else.
func (b *bucket) cost() int { return b.Tokens * (b.Context + 256) }

// checkComplete wants a bucket that takes the greatest sizes together, of both kinds.
func (s *splitter) checkComplete() error {
	if s.find(lower.Prefill, s.maxTokens, s.maxRow, s.maxContext) < 0 ||
		s.find(lower.Decode, s.maxDecode, s.maxDecode, s.maxContext) < 0 {
		return fmt.Errorf("no bucket has the greatest sizes together: prefill of %d tokens and %d "+
			"sampled rows, decode of %d sequences, each with a context of %d", s.maxTokens,
			s.maxRow, s.maxDecode, s.maxContext)
	}
	return nil
}

// find gives the cheapest routine that takes the sizes, -1 when there is none.
func (s *splitter) find(kind lower.Kind, tokens, rows, context int) int {
	for i := range s.buckets {
		b := &s.buckets[i]
		if b.Kind == kind && b.Tokens >= tokens && b.Rows >= rows && b.Context >= context {
			return b.routine
		}
	}
	return -1
}

// split cuts a checked batch. Sequences with several new tokens come first, in their order, so that
// one may read blocks that another one before it writes; then those with one, as many as a bucket
// takes at a time.
func (s *splitter) split(b *runtime.Batch) []run {
	s.runs = s.runs[:0]
	s.sampleOf = s.sampleOf[:0]
	for range b.TokenIDs {
		s.sampleOf = append(s.sampleOf, -1)
	}
	for i, row := range b.SampleRows {
		s.sampleOf[row] = int32(i)
	}
	for seq := range b.NumSeqs() {
		if b.QueryStart[seq+1]-b.QueryStart[seq] > 1 {
			s.prefill(b, int32(seq))
		}
	}
	s.decode(b)
	for i := range s.runs {
		s.choose(&s.runs[i])
	}
	return s.runs
}

// next gives a cleared run that keeps its memory.
func (s *splitter) next() *run {
	if len(s.runs) < cap(s.runs) {
		s.runs = s.runs[:len(s.runs)+1]
	} else {
		s.runs = append(s.runs, run{})
	}
	r := &s.runs[len(s.runs)-1]
	*r = run{seqs: r.seqs[:0], samples: r.samples[:0], rows: r.rows[:0]}
	return r
}

// prefill cuts the tokens of a sequence where a bucket has no more tokens or sampled rows.
func (s *splitter) prefill(b *runtime.Batch, seq int32) {
	end := b.QueryStart[seq+1]
	for from := b.QueryStart[seq]; from < end; {
		r := s.next()
		r.seqs = append(r.seqs, seq)
		r.from = from
		for r.to = from; r.to < end && int(r.to-from) < s.maxTokens; r.to++ {
			sample := s.sampleOf[r.to]
			if sample < 0 {
				continue
			}
			if len(r.samples) == s.maxRow {
				break
			}
			r.samples, r.rows = append(r.samples, sample), append(r.rows, r.to-from)
		}
		r.context = b.Positions[r.to-1] + 1
		from = r.to
	}
}

func (s *splitter) decode(b *runtime.Batch) {
	var r *run
	for seq := range b.NumSeqs() {
		at := b.QueryStart[seq]
		if b.QueryStart[seq+1]-at != 1 {
			continue
		}
		if r == nil || len(r.seqs) == s.maxDecode {
			r = s.next()
		}
		if sample := s.sampleOf[at]; sample >= 0 {
			r.samples, r.rows = append(r.samples, sample), append(r.rows, int32(len(r.seqs)))
		}
		r.seqs = append(r.seqs, int32(seq))
		r.context = max(r.context, b.SeqLens[seq])
	}
}

func (s *splitter) choose(r *run) {
	kind, tokens, rows := lower.Decode, len(r.seqs), len(r.seqs)
	if r.isPrefill() {
		kind, tokens, rows = lower.Prefill, int(r.to-r.from), len(r.rows)
	}
	if r.routine = s.find(kind, tokens, rows, int(r.context)); r.routine < 0 {
		panic(fmt.Sprintf("BUG: no %s bucket takes %d tokens, %d rows and a context of %d", kind,
			tokens, rows, r.context))
	}
}
