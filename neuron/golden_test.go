package neuron

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"basalt/neuron/hlo"
	"basalt/neuron/hloeval"
)

// The goldens are what XLA on the CPU made of the same HLO bytes: of each output some numbers at
// even distances. `make neuron-golden` runs TestWriteXLACases, tools/neuron/xla.py, and
// TestCompareWithXLA, which compares every number and writes the goldens anew.
const (
	goldenDir    = "testdata/xla"
	sampleSize   = 96
	xlaDir       = "BASALT_NEURON_XLA" // the folder of cases and outputs, while goldens are made
	jaxlibMarker = "jaxlib.txt"
)

// goldenOut is one stored output: Count values from At on in values.bin, of rank 0.
type goldenOut struct {
	Name  string `json:"name"`
	Shape string `json:"shape"`
	At    int    `json:"at"`
	Count int    `json:"count"`
}

type goldenCase struct {
	Name string      `json:"name"`
	HLO  string      `json:"hlo_sha256"`
	Outs []goldenOut `json:"outputs"`
}

type goldenFile struct {
	Made  string       `json:"made_by"`
	Cases []goldenCase `json:"cases"`
}

// caseFile says to tools/neuron/xla.py what the files beside it hold.
type caseFile struct {
	Name  string   `json:"name"`
	Ranks int      `json:"ranks"`
	Args  []string `json:"args"`
	Outs  []string `json:"outs"`
}

func folder(i int) string { return fmt.Sprintf("%04d", i) }

// allCases lists every graph once.
func allCases(t testing.TB) []graphCase {
	seen := map[string]bool{}
	var list []graphCase
	for _, r := range recipes(t) {
		for _, c := range r.cases(t) {
			if !seen[c.graph.Hash] {
				seen[c.graph.Hash] = true
				list = append(list, c)
			}
		}
	}
	return list
}

func TestWriteXLACases(t *testing.T) {
	dir := os.Getenv(xlaDir)
	if dir == "" {
		t.Skip("only make neuron-golden writes cases")
	}
	for i, c := range allCases(t) {
		sub := filepath.Join(dir, folder(i))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		f := caseFile{Name: c.name, Ranks: len(c.args)}
		var data []byte
		for rank, args := range c.args {
			for _, a := range args {
				if rank == 0 {
					f.Args = append(f.Args, a.Shape.String())
				}
				data = append(data, bytesOf(a)...)
			}
		}
		for _, p := range c.graph.Module.Outputs() {
			f.Outs = append(f.Outs, p.Shape.String())
		}
		index, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{
			"graph.hlo.pb": c.graph.HLO, "args.bin": data, "case.json": index,
		} {
			if err := os.WriteFile(filepath.Join(sub, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func bytesOf(v hloeval.Value) []byte {
	data := make([]byte, v.Shape.Bytes())
	v.PutBytes(data)
	return data
}

// allowed is the relative norm within which the evaluator and XLA agree. Activations in two parts
// leave the cache alone to round differently: a compiler that undid the parts would exceed it.
func allowed(name string) float64 {
	switch {
	case strings.Contains(name, onceRounded):
		return 1e-2
	case strings.Contains(name, "bf16"):
		return 1e-3
	}
	return 1e-5
}

// compareOut gives the relative norm of the error; whole numbers must be equal, but for ids of
// selections in bf16, where neighbours may change places: there 0 says nothing.
func compareOut(name string, got, want hloeval.Value) float64 {
	if got.F != nil {
		return distance(got.F, want.F)
	}
	if slices.Equal(got.I, want.I) || strings.Contains(name, "bf16") {
		return 0
	}
	return math.Inf(1)
}

// TestCompareWithXLA compares all outputs of all ranks and stores samples.
func TestCompareWithXLA(t *testing.T) {
	dir := os.Getenv(xlaDir)
	if dir == "" || !exists(filepath.Join(dir, jaxlibMarker)) {
		t.Skip("only make neuron-golden compares with XLA itself")
	}
	version, err := os.ReadFile(filepath.Join(dir, jaxlibMarker))
	if err != nil {
		t.Fatal(err)
	}
	file := goldenFile{Made: strings.TrimSpace(string(version))}
	var values []byte
	worst := map[string]float64{}
	for i, c := range allCases(t) {
		outs := readOutputs(t, filepath.Join(dir, folder(i), "outs.bin"), &c)
		g := goldenCase{Name: c.name, HLO: c.graph.Hash}
		for j, p := range c.graph.Module.Outputs() {
			for rank := range outs {
				d := compareOut(c.name, c.outs[rank][j], outs[rank][j])
				if !(d <= allowed(c.name)) {
					t.Errorf("%s: output %q of rank %d is off by %.2g", c.name, p.Name, rank, d)
				}
				kind := fmt.Sprint(allowed(c.name))
				worst[kind] = max(worst[kind], d)
			}
			bits := sample(outs[0][j])
			g.Outs = append(g.Outs, goldenOut{p.Name, p.Shape.String(), len(values) / 4, len(bits)})
			for _, b := range bits {
				values = binary.LittleEndian.AppendUint32(values, b)
			}
		}
		file.Cases = append(file.Cases, g)
	}
	t.Logf("%d graphs; greatest relative norm by bound: %v", len(file.Cases), worst)
	if !t.Failed() {
		store(t, &file, values)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func readOutputs(t *testing.T, path string, c *graphCase) [][]hloeval.Value {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	outs := make([][]hloeval.Value, len(c.args))
	for rank := range outs {
		for _, p := range c.graph.Module.Outputs() {
			v, err := hloeval.FromBytes(p.Shape, data[:p.Shape.Bytes()])
			if err != nil {
				t.Fatal(err)
			}
			outs[rank], data = append(outs[rank], v), data[p.Shape.Bytes():]
		}
	}
	return outs
}

// sample takes numbers at even distances, as bits.
func sample(v hloeval.Value) []uint32 {
	n := v.Shape.Elems()
	count := min(n, sampleSize)
	bits := make([]uint32, count)
	for i := range bits {
		at := i * n / count
		if v.F != nil {
			bits[i] = math.Float32bits(v.F[at])
		} else {
			bits[i] = uint32(v.I[at])
		}
	}
	return bits
}

func store(t *testing.T, file *goldenFile, values []byte) {
	index, err := json.MarshalIndent(file, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(goldenDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"index.json": index, "values.bin": values} {
		if err := os.WriteFile(filepath.Join(goldenDir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEvaluatorAgreesWithXLA compares with the stored samples.
func TestEvaluatorAgreesWithXLA(t *testing.T) {
	file, values := readGoldens(t)
	cases := allCases(t)
	if len(cases) != len(file.Cases) {
		t.Fatalf("%d graphs and %d goldens: run make neuron-golden", len(cases), len(file.Cases))
	}
	for i, c := range cases {
		g := &file.Cases[i]
		if g.HLO != c.graph.Hash || g.Name != c.name {
			t.Errorf("%s: the graph is not the one that XLA ran: run make neuron-golden", c.name)
			continue
		}
		for j, o := range g.Outs {
			got, want := sampled(c.outs[0][j]), hloeval.Value{}
			bits := values[o.At : o.At+o.Count]
			want.Shape = got.Shape
			for _, b := range bits {
				if got.F != nil {
					want.F = append(want.F, math.Float32frombits(b))
				} else {
					want.I = append(want.I, int32(b))
				}
			}
			if d := compareOut(c.name, got, want); !(d <= allowed(c.name)) {
				t.Errorf("%s: output %q is off by %.2g", c.name, o.Name, d)
			}
		}
	}
}

// sampled is the array of the numbers that sample takes.
func sampled(v hloeval.Value) hloeval.Value {
	bits := sample(v)
	out := hloeval.Make(hlo.Of(v.Shape.DType, len(bits)))
	for i, b := range bits {
		if out.F != nil {
			out.F[i] = math.Float32frombits(b)
		} else {
			out.I[i] = int32(b)
		}
	}
	return out
}

func readGoldens(t *testing.T) (*goldenFile, []uint32) {
	t.Helper()
	index, err := os.ReadFile(filepath.Join(goldenDir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	file := &goldenFile{}
	if err := json.Unmarshal(index, file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(goldenDir, "values.bin"))
	if err != nil {
		t.Fatal(err)
	}
	values := make([]uint32, len(data)/4)
	for i := range values {
		values[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	return file, values
}
