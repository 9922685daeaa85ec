package runtime

import (
	"fmt"
	"slices"
)

// StepShape is what a device wants of steps. It runs every step; those that keep to the shape cost
// less, or keep others waiting for less. The zero value wants nothing. An Executable tells its own
// by a method StepShape() StepShape.
type StepShape struct {
	// NoMixedBatch: the device runs prompts and generation one after the other, so that a step of
	// both only holds back the tokens of the one until the other is done.
	NoMixedBatch bool
	// MaxPrefills is the greatest number of sequences with several new tokens; 0 for any.
	MaxPrefills int
	// PrefillBuckets are the numbers of new tokens of a sequence that are run without padding,
	// ascending; others are padded up to the next, or cut where none is as large. None: all are.
	PrefillBuckets []int
}

// Check says what is impossible about a shape.
func (s *StepShape) Check() error {
	if s.MaxPrefills < 0 {
		return fmt.Errorf("cannot run steps of at most %d prompts", s.MaxPrefills)
	}
	last := 1
	for _, n := range s.PrefillBuckets {
		if n <= last {
			return fmt.Errorf("cannot use prefill buckets of %v tokens: they must ascend from 2",
				s.PrefillBuckets)
		}
		last = n
	}
	return nil
}

// Chunk is how many of a sequence's next n tokens, of which a step has room for all, it should
// take: all, unless that pads a bucket by more than a quarter and a smaller one would be full.
func (s *StepShape) Chunk(n int) int {
	i, exact := slices.BinarySearch(s.PrefillBuckets, n)
	switch {
	case exact || i == 0:
		return n
	case i < len(s.PrefillBuckets) && 4*n >= 3*s.PrefillBuckets[i]:
		return n
	}
	return s.PrefillBuckets[i-1]
}
