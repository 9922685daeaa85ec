package runtime

import "testing"

func TestStepShapeChunk(t *testing.T) {
	f := func(n, want int, buckets ...int) {
		t.Helper()
		s := StepShape{PrefillBuckets: buckets}
		if got := s.Chunk(n); got != want {
			t.Errorf("of %d tokens for buckets of %v it takes %d, want %d", n, buckets, got, want)
		}
	}
	f(300, 300)
	f(5, 5, 128, 512)
	f(128, 128, 128, 512)
	f(129, 128, 128, 512)
	f(383, 128, 128, 512)
	f(384, 384, 128, 512)
	f(512, 512, 128, 512)
	f(700, 512, 128, 512)
}

func TestStepShapeCheck(t *testing.T) {
	f := func(s StepShape, want bool) {
		t.Helper()
		if err := s.Check(); (err == nil) != want {
			t.Errorf("%+v: %v", s, err)
		}
	}
	f(StepShape{}, true)
	f(StepShape{NoMixedBatch: true, MaxPrefills: 2, PrefillBuckets: []int{2, 3}}, true)
	f(StepShape{MaxPrefills: -1}, false)
	f(StepShape{PrefillBuckets: []int{1, 3}}, false)
	f(StepShape{PrefillBuckets: []int{8, 8}}, false)
}
