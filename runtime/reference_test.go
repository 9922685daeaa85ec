package runtime

import (
	"slices"
	"testing"
)

var (
	tableA = []int32{3, 9, 0, 5}
	tableB = []int32{1, 2, 8, 7}
	idsA   = []int32{5, 1, 30, 2, 2, 17, 36, 0, 11, 4, 9}
	idsB   = []int32{8, 8, 8, 20, 31, 6}
)

// whole runs ids in one prefill on a fresh executable and gives the last row's logits.
func whole(t *testing.T, ids, table []int32) []float32 {
	b := newBatch()
	addSeq(b, 4, table, ids, 0, true)
	return slices.Clone(step(t, compileFixture(t, NewReference(), fixOptions), b).Logits)
}

func TestReferenceChunksAndBatchesGiveTheSameBits(t *testing.T) {
	wantA, wantB := whole(t, idsA, tableA), whole(t, idsB, tableB)
	for chunk := 1; chunk < len(idsA); chunk++ {
		e, b := compileFixture(t, NewReference(), fixOptions), newBatch()
		addSeq(b, 4, tableA, idsA[:chunk], 0, false)
		step(t, e, b)
		b.Reset()
		b.WantLogits = true
		addSeq(b, 4, tableB, idsB, 0, true)
		addSeq(b, 4, tableA, idsA[chunk:], chunk, true)
		out := step(t, e, b)
		if !slices.Equal(out.Logits[:fixVocab], wantB) || !slices.Equal(out.Logits[fixVocab:],
			wantA) {
			t.Fatalf("chunk of %d: logits differ from a whole prefill", chunk)
		}
	}
}

func TestReferenceTakesThePreviousStepsIDs(t *testing.T) {
	e, b := compileFixture(t, NewReference(), fixOptions), newBatch()
	addSeq(b, 4, tableA, idsA, 0, true)
	id := step(t, e, b).IDs[0]
	b.Reset()
	b.WantLogits = true
	addSeq(b, 4, tableA, []int32{-1}, len(idsA), true)
	got := step(t, e, b).Logits
	if want := whole(t, append(slices.Clone(idsA), id), tableA); !slices.Equal(got, want) {
		t.Fatal("a token given by reference differs from the same token given by id")
	}
}

// everyRow gives the logits after each token of idsA, so that every expert has its turn.
func everyRow(t *testing.T, p *Program, c Checkpoint) []float32 {
	e, err := NewReference().Compile(t.Context(), p, c, fixOptions)
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch()
	addSeq(b, 4, tableA, idsA, 0, false)
	for i := range idsA {
		b.SampleRows = append(b.SampleRows, int32(i))
		p := DefaultSampling()
		b.Sampling = append(b.Sampling, p.Row(i+1))
	}
	return slices.Clone(step(t, e, b).Logits)
}

func TestReferenceEveryWeightMatters(t *testing.T) {
	p := fixture(t)
	c := randomCheckpoint(p, 7)
	want := everyRow(t, p, c)
	for name, tensor := range c {
		changed := memCheckpoint{}
		for n, x := range c {
			changed[n] = x
		}
		tensor.Data = slices.Clone(tensor.Data)
		for i := 2; i < len(tensor.Data); i += 4 {
			tensor.Data[i] ^= 0x40
		}
		changed[name] = tensor
		if slices.Equal(everyRow(t, p, changed), want) {
			t.Errorf("changing %q changes nothing", name)
		}
	}
}

func TestNullTokensDependOnTheWholeSequenceOnly(t *testing.T) {
	run := func(ids []int32, chunk int, neighbour bool) int32 {
		n := NewNull(NullConfig{
			NumBlocks: 12, BlockSize: 4, Vocab: fixVocab, MaxTokens: 64,
			MaxSeqs: 4,
		})
		for past := 0; ; past += chunk {
			b := newBatch()
			end := min(past+chunk, len(ids))
			addSeq(b, 4, tableA, ids[past:end], past, end == len(ids))
			if neighbour {
				addSeq(b, 4, tableB, idsB, 0, true)
			}
			if out := step(t, n, b); end == len(ids) {
				return out.IDs[0]
			}
		}
	}
	want := run(idsA, len(idsA), false)
	for chunk := 1; chunk < len(idsA); chunk++ {
		if got := run(idsA, chunk, chunk%2 == 0); got != want {
			t.Errorf("chunks of %d: token %d, want %d", chunk, got, want)
		}
	}
	other := slices.Clone(idsA)
	other[0]++
	if run(other, 3, false) == want {
		t.Error("changing the first token does not change the sampled one")
	}
}
