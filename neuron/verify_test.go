//go:build linux

package neuron

import (
	"strings"
	"testing"

	"basalt/neuron/lower"
	"basalt/runtime"
)

// TestVerification: every bucket is run, agrees with evaluator and reference, and a device that is
// a little off is noticed in each of them.
func TestVerification(t *testing.T) {
	p, c := newModel(t, "qwen3", "narrow", runtime.F32)
	o := testOptions
	d := openFake(t, fakeConfig(t, exported(t, p, testSettings())))
	same, err := NewEvaluator(d.Manifest(), p, c, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = same.Close() }()
	_, other := newModel(t, "qwen3", "narrow", runtime.F32)
	v := Verification{
		Got: compileFake(t, d, p, c, o), Options: o, Vocab: p.Vocab, Buckets: testBuckets(),
		Prompt: []int32{1, 2, 3},
	}
	f := func(want runtime.Executable, norm float64, good bool) {
		t.Helper()
		v.Want = want
		list, err := v.Run()
		if err != nil || len(list) != len(testBuckets()) {
			t.Fatalf("%d buckets, %v", len(list), err)
		}
		for i, a := range list {
			if a.Bucket != testBuckets()[i] || a.Rows != a.Bucket.Rows || a.Good("f32") != good ||
				good && (a.Norm > norm || a.Top1 != a.Rows) {
				t.Errorf("%+v", a)
			}
		}
	}
	f(same, 0, true)
	f(reference(t, p, c, o), 1e-5, true)
	f(reference(t, p, flawed{other}, o), 0, false)
}

// flawed is a checkpoint whose last norm is another one's.
type flawed struct{ runtime.Checkpoint }

func (c flawed) Tensor(name string) (runtime.Tensor, bool) {
	if name == "model.norm.weight" {
		name = "model.layers.0.input_layernorm.weight"
	}
	return c.Checkpoint.Tensor(name)
}

// TestMachineTarget: the library's family says what to compile for.
func TestMachineTarget(t *testing.T) {
	c := fakeConfig(t, "").Library
	f := func(family, want string) {
		t.Helper()
		t.Setenv("FAKE_NRT_FAMILY", family)
		got, err := MachineTarget(c)
		if want == "" && (err == nil || !strings.Contains(err.Error(), "--target")) ||
			want != "" && (got != want || err != nil) {
			t.Errorf("family %s: %q, %v", family, got, err)
		}
	}
	for family, want := range map[string]string{
		"2": "trn1", "3": "trn1n", "4": "inf2", "7": "inf2", "5": "trn2", "6": "trn2", "8": "trn2",
		"13": "trn2", "14": "trn3", "15": "trn3", "0": "", "1": "", "16": "",
	} {
		f(family, want)
	}
	c.AllowFake = false
	f("14", "")
	c.Path = "/nowhere/libnrt.so"
	f("14", "trn3")
}

// TestDoctor: an export that loads is described; without its compiled graphs it says what to do.
func TestDoctor(t *testing.T) {
	p, _ := newModel(t, "llama", "narrow", runtime.F32)
	s := testSettings()
	s.Buckets = []lower.Bucket{testBuckets()[1], testBuckets()[3]}
	cfg := fakeConfig(t, exported(t, p, s))
	var b strings.Builder
	if err := Doctor(t.Context(), &b, cfg); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FAKE", "family 14", "all 2 graphs load", "+fake"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := Diagnose(&b, cfg.Library); err != nil || !strings.Contains(b.String(), "FAKE") {
		t.Errorf("%v\n%s", err, b.String())
	}
	cfg.Library.AllowFake = false
	b.Reset()
	if err := Diagnose(&b, cfg.Library); err != nil || !strings.Contains(b.String(), "not ready") {
		t.Errorf("%v\n%s", err, b.String())
	}
	cfg.Library.Path = "/nowhere/libnrt.so.1"
	b.Reset()
	if err := Diagnose(&b, cfg.Library); err != nil ||
		!strings.Contains(b.String(), "aws-neuronx-runtime-lib") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
