package bench

import (
	"math"
	"strings"
	"testing"
	"time"

	"basalt/runtime"
)

// The null device checks every batch that the driver builds and takes a known time for a step.
func TestOfflineOnTheNullDevice(t *testing.T) {
	const stepTime = 2 * time.Millisecond
	n := runtime.NewNull(runtime.NullConfig{
		NumBlocks: 64, BlockSize: 4, Vocab: 100, MaxTokens: 16, MaxSeqs: 8, StepTime: stepTime,
	})
	rows, err := Offline(n, OfflineConfig{
		Vocab: 100, BlockSize: 4, Sequences: []int{1, 4}, Context: 17, DecodeSteps: 5, Prefill: 33,
		StepTokens: 16, Repeats: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		work   string
		tokens float64
	}{{"decode", 1}, {"decode", 4}, {"prefill", 33}} {
		if rows[i].Work != want.work || rows[i].StepMillis < 2 {
			t.Errorf("row %d is %+v", i, rows[i])
		}
		got := rows[i].TokensPerSec * rows[i].StepMillis / 1000
		if math.Abs(got-want.tokens) > 0.1 {
			t.Errorf("row %d: %.2f tokens in a step, want %.0f", i, got, want.tokens)
		}
	}
	if rows[2].StepMillis < 6 {
		t.Errorf("33 tokens in steps of 16 take 3 steps, measured %.1f ms", rows[2].StepMillis)
	}
}

func TestOfflineNamesTheMissingMemory(t *testing.T) {
	n := runtime.NewNull(runtime.NullConfig{
		NumBlocks: 4, BlockSize: 4, Vocab: 9, MaxTokens: 9,
		MaxSeqs: 9,
	})
	_, err := Offline(n, OfflineConfig{
		Vocab: 9, BlockSize: 4, Sequences: []int{8}, Context: 4, DecodeSteps: 2, StepTokens: 8,
		Repeats: 1,
	})
	if err == nil || !strings.Contains(err.Error(), "16 cache blocks are needed, there are 4") {
		t.Errorf("got %v", err)
	}
}
