package gguf

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"

	"basalt/runtime"
)

func sampleMeta() *Meta {
	m := &Meta{}
	m.SetString("general.architecture", "llama")
	m.SetUint32("n", 7)
	m.SetInt32("below", -3)
	m.SetFloat32("x", 1.5)
	m.SetBool("yes", true)
	m.SetBool("no", false)
	m.SetStrings("words", []string{"a", "", "Größe"})
	m.SetInt32s("ids", []int32{-1, 9})
	m.SetFloat32s("scores", []float32{0, -2.5})
	m.SetString("later", "removed")
	m.SetUint32("n", 8)
	m.Delete("later", "absent")
	m.SetString("last", "")
	return m
}

func sampleSpecs() []Spec {
	return []Spec{
		{"row", runtime.F32, []int{3}},
		{"q", runtime.Q8_0, []int{2, 64}},
		{"stack", runtime.BF16, []int{3, 2, 5}},
		{"mx", runtime.MXFP4, []int{2, 64}},
	}
}

// fill writes bytes that tell tensors and places apart.
func fill(specs []Spec) func(i int, w io.Writer) error {
	return func(i int, w io.Writer) error {
		for at := range specs[i].Bytes() {
			if _, err := w.Write([]byte{byte(i)<<4 | byte(at)&15}); err != nil {
				return err
			}
		}
		return nil
	}
}

func written(t *testing.T, m *Meta, specs []Spec) *File {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, m, specs, fill(specs)); err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWrittenFilesAreRead(t *testing.T) {
	f := written(t, sampleMeta(), sampleSpecs())
	words, _ := f.Strings("words")
	ids, _ := f.Ints("ids")
	scores, _ := f.Floats("scores")
	n, _ := f.Int("n")
	below, _ := f.Int("below")
	x, _ := f.Float("x")
	yes, _ := f.Bool("yes")
	no, okNo := f.Bool("no")
	last, okLast := f.String("last")
	if strings.Join(words, ",") != "a,,Größe" || !reflect.DeepEqual(ids, []int32{-1, 9}) ||
		scores[1] != -2.5 || n != 8 || below != -3 || x != 1.5 || !yes || no || !okNo ||
		last != "" || !okLast {
		t.Errorf("values %q %v %v %d %g %v %v", words, ids, scores, n, x, yes, no)
	}
	want := strings.Fields("general.architecture n below x yes no words ids scores last")
	if !reflect.DeepEqual(f.keys, want) {
		t.Errorf("keys %q", f.keys)
	}
	for i, s := range sampleSpecs() {
		got, ok := f.Tensor(s.Name)
		if !ok || got.DType != s.DType || !reflect.DeepEqual(got.Shape, s.Shape) {
			t.Fatalf("%s: %+v", s.Name, got)
		}
		for at, b := range got.Data {
			if b != byte(i)<<4|byte(at)&15 {
				t.Fatalf("%s: byte %d is %#x", s.Name, at, b)
			}
		}
	}
}

func TestCopiedMetadataIsTheSame(t *testing.T) {
	first := written(t, sampleMeta(), sampleSpecs())
	first.meta[alignmentKey] = value{kind: typeUint32, data: []byte{64, 0, 0, 0}}
	first.keys = append(first.keys, alignmentKey)
	m := &Meta{}
	m.Copy(first)
	second := written(t, m, sampleSpecs())
	delete(first.meta, alignmentKey)
	first.keys = first.keys[:len(first.keys)-1]
	if !reflect.DeepEqual(first.keys, second.keys) || !reflect.DeepEqual(first.meta, second.meta) {
		t.Errorf("%v became %v", first.meta, second.meta)
	}
}

func TestWriteRefuses(t *testing.T) {
	f := func(s Spec, data func(i int, w io.Writer) error, want string) {
		t.Helper()
		err := Write(io.Discard, &Meta{}, []Spec{s}, data)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want one with %q", s, err, want)
		}
	}
	write := func(n int) func(int, io.Writer) error {
		return func(_ int, w io.Writer) error {
			_, err := w.Write(make([]byte, n))
			return err
		}
	}
	f(Spec{"a", runtime.Q8_0, []int{2, 48}}, write(0), "rows of 48 values; Q8_0 needs a multiple "+
		"of 32")
	f(Spec{"a", runtime.F32, []int{2, 0}}, write(0), "shape [2 0]")
	f(Spec{"", runtime.F32, []int{2}}, write(0), "a name of 0 bytes")
	f(Spec{"a", runtime.F32, []int{1, 1, 1, 1, 1}}, write(0), "5 dimensions")
	f(Spec{"a", runtime.F32, []int{2}}, write(7), "1 of 8 bytes are missing")
	f(Spec{"a", runtime.F32, []int{2}}, write(9), "1 bytes more than it has")
}
