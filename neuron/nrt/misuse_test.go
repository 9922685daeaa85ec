//go:build linux

package nrt

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"basalt/neuron/fake"
	"basalt/neuron/fakelib"
	"basalt/neuron/hlo"
)

// bench is an opened fake library with two cores and one graph: out = in + in over 4 numbers.
type bench struct {
	t    *testing.T
	rt   *Runtime
	core [2]*Core
	neff []byte
}

// library builds the fake once; TestMain takes it away.
var library = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "basalt-nrt")
	if err != nil {
		return "", err
	}
	return fakelib.Library(dir, fakelib.Variant{ASan: underASan})
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := library(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

func graphFile(t *testing.T) []byte {
	t.Helper()
	b := hlo.NewBuilder("double")
	x := b.Param("in", hlo.Of(hlo.F32, 4))
	m, err := b.Build(hlo.Output{Name: "out", Value: b.Add(x, x)})
	if err != nil {
		t.Fatal(err)
	}
	body := hlo.Encode(m)
	head := make([]byte, 1024)
	for at, v := range map[int]uint64{0: 2, 8: 1024, 16: uint64(len(body)), 24: 2, 552: 2} {
		binary.LittleEndian.PutUint64(head[at:], v)
	}
	return append(head, body...)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	path, err := library()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, neff: graphFile(t)}
	if b.rt, err = Open(Config{Path: path, AllowFake: true, LNC: 2}); err != nil {
		t.Fatal(err)
	}
	detach, err := fake.Attach(b.rt)
	if err != nil {
		t.Fatal(err)
	}
	b.rt.AtEnd(detach)
	for i := range b.core {
		if b.core[i], err = b.rt.OpenCore(i); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(b.close)
	return b
}

// close wants that the library has nothing to complain of: no misuse has reached it.
func (b *bench) close() {
	b.rt.AtEnd(func() {
		if lines, err := fake.Complaints(b.rt); len(lines) > 0 || err != nil {
			b.t.Errorf("the library complains: %q (%v)", lines, err)
		}
	})
	for _, c := range b.core {
		if err := c.Release(); err != nil {
			b.t.Error(err)
		}
	}
	if err := b.rt.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) tensor(core int, name string) *Tensor {
	b.t.Helper()
	x, err := b.core[core].Allocate(name, 16)
	if err != nil {
		b.t.Fatal(err)
	}
	return x
}

func (b *bench) set(name string, x *Tensor) *Set {
	b.t.Helper()
	s, err := x.core.NewSet()
	if err == nil {
		err = s.Add(name, x)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// refused wants an error with these words; one of an order is a defect of the caller.
func (b *bench) refused(err error, want string, order bool) {
	b.t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, ErrOrder) != order {
		b.t.Errorf("error %v, want %q", err, want)
	}
}

func TestMisuseOfTensors(t *testing.T) {
	b := newBench(t)
	c := b.core[0]
	alloc := func(name string, size int) error {
		_, err := c.Allocate(name, size)
		return err
	}
	b.refused(alloc("none", 0), "1 to 4294967295", false)
	b.refused(alloc("huge", 1<<32), "larger weights are split", false)
	b.refused(alloc("", 4), "1 to 255 bytes", false)
	b.refused(alloc(strings.Repeat("n", 256), 4), "1 to 255 bytes", false)
	b.refused(alloc("a\x00b", 4), "1 to 255 bytes", false)
	x, data := b.tensor(0, "x"), make([]byte, 16)
	b.refused(x.Write(1, data), `cannot write 16 bytes at 1 of tensor "x", which has 16`, false)
	b.refused(x.Read(-1, data[:1]), "at -1", false)
	b.refused(x.Read(0, nil), "0 bytes", false)
	s, y := b.set("in", x), b.tensor(1, "y")
	b.refused(x.Free(), "while 1 sets or runs hold it", true)
	b.refused(s.Add("in", x), `has a "in"`, false)
	b.refused(s.Add("other", y), "core 1 to a set of core 0", false)
	if err := s.Free(); err != nil {
		t.Fatal(err)
	}
	b.refused(s.Free(), "released twice", true)
	b.refused(s.Add("late", x), "being released", true)
	if err := x.Free(); err != nil {
		t.Fatal(err)
	}
	b.refused(x.Free(), "released twice", true)
	b.refused(x.Write(0, data), "after its release", true)
	b.refused(x.Read(0, data), "after its release", true)
	b.refused(x.Zero(), "after its release", true)
}

func TestMisuseOfCores(t *testing.T) {
	b := newBench(t)
	_, err := b.rt.OpenCore(4)
	b.refused(err, "sees 4 cores", false)
	_, err = b.rt.OpenCore(0)
	b.refused(err, "open already", true)
	b.refused(b.rt.Close(), "core 0 is open", true)
	b.tensor(0, "left")
	b.refused(b.core[0].Close(), "tensor left", true)
	_, err = Open(Config{Path: b.rt.Path(), AllowFake: true})
	b.refused(err, "nrt_init", false)
	if lines, err := fake.Complaints(b.rt); err != nil || len(lines) != 1 {
		t.Errorf("complaints of a second nrt_init: %q (%v)", lines, err)
	}
	if err := b.core[1].Close(); err != nil {
		t.Fatal(err)
	}
	_, err = b.core[1].Allocate("late", 4)
	b.refused(err, "core 1 is closed", true)
}

// TestRunsOfGraphs: a run computes; one of parts that do not fit is not built, and what a run holds
// is not released before it.
func TestRunsOfGraphs(t *testing.T) {
	b := newBench(t)
	c := b.core[0]
	for _, bad := range [][]byte{nil, b.neff[:900], b.neff[:1100]} {
		if _, err := c.Load("cut", bad, 0, 1); err == nil {
			t.Errorf("a file of %d bytes was loaded", len(bad))
		}
	}
	m, err := c.Load("double", b.neff, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	in, out := b.tensor(0, "in"), b.tensor(0, "out")
	host, err := c.HostMemory(16)
	if err != nil {
		t.Fatal(err)
	}
	call := GraphCall{m, b.set("in", in), b.set("out", out)}
	calls := []GraphCall{call}
	far, near := b.tensor(1, "far"), []Transfer{{in, host}}
	_, err = c.NewRun([]Transfer{{far, host}}, calls, nil, 0)
	b.refused(err, `tensor "far"`, true)
	_, err = c.NewRun([]Transfer{{in, host[:8]}}, calls, nil, 0)
	b.refused(err, "transfers 8 bytes", true)
	_, err = c.NewRun(near, calls, nil, 1)
	b.refused(err, "cannot run asynchronously", false)
	_, err = b.core[1].NewRun(nil, calls, nil, 0)
	b.refused(err, "a run of core 1", true)
	r, err := c.NewRun(near, calls, [][]Transfer{{{out, host}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	b.refused(m.Unload(), "while 1 runs hold it", true)
	b.refused(call.Inputs.Free(), "while 1 runs hold it", true)
	binary.LittleEndian.PutUint32(host[4:], 0x40400000) // 3
	r.Start(0)
	if err := r.Wait(); err != nil || binary.LittleEndian.Uint32(host[4:]) != 0x40c00000 {
		t.Errorf("%v, %x", err, host)
	}
	if err := r.Free(); err != nil {
		t.Fatal(err)
	}
	b.refused(r.Free(), "released twice", true)
	if err := m.Unload(); err != nil {
		t.Fatal(err)
	}
	b.refused(m.Unload(), "unloaded twice", true)
	_, err = c.NewRun(near, calls, nil, 0)
	b.refused(err, "released graph or set", true)
}

// TestWrongTensors: the library refuses a run whose tensors are not the graph's, which only a
// defect of the caller can ask for; the status is reported as it is.
func TestWrongTensors(t *testing.T) {
	b := newBench(t)
	c := b.core[0]
	m, err := c.Load("double", b.neff, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	in, out := b.tensor(0, "in"), b.tensor(0, "out")
	small, err := c.Allocate("small", 8)
	if err != nil {
		t.Fatal(err)
	}
	f := func(ins, outs *Set) {
		t.Helper()
		r, err := c.NewRun(nil, []GraphCall{{m, ins, outs}}, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.Start(-1)
		b.refused(r.Wait(), `nrt_execute of graph "double" on core 0: NRT_INVALID (2)`, false)
		if err := r.Free(); err != nil {
			t.Error(err)
		}
	}
	f(b.set("input", in), b.set("out", out))
	f(b.set("in", small), b.set("out", out))
	f(b.set("in", in), b.set("out", in))
	if lines, err := fake.Complaints(b.rt); len(lines) != 0 || err != nil {
		t.Errorf("%q, %v", lines, err)
	}
	more := b.set("in", in)
	if err := more.Add("extra", out); err != nil {
		t.Fatal(err)
	}
	f(more, b.set("out", b.tensor(0, "out2")))
	if lines, _ := fake.Complaints(b.rt); len(lines) != 1 || !strings.Contains(lines[0],
		"2 inputs and 1 outputs for 1 and 1") {
		t.Errorf("complaints %q", lines)
	}
}

// TestFreshMemoryIsPoison: what nobody wrote is NaN, so that a forgotten upload shows.
func TestFreshMemoryIsPoison(t *testing.T) {
	b := newBench(t)
	data := make([]byte, 16)
	if err := b.tensor(0, "fresh").Read(0, data); err != nil {
		t.Fatal(err)
	}
	for _, v := range data {
		if v != 0xff {
			t.Fatalf("fresh memory holds %x", data)
		}
	}
}

// TestEnvironment: what the library reads only from the environment is set before it starts, and a
// variable that newer releases refuse is taken away.
func TestEnvironment(t *testing.T) {
	const gone = "NEURON_RT_ASYNC_EXEC_MAX_INFLIGHT_REQUESTS"
	t.Setenv(gone, "4")
	t.Setenv("NEURON_RT_VISIBLE_CORES", "0-3")
	newBench(t)
	if v, set := os.LookupEnv(gone); set {
		t.Errorf("%s is %q", gone, v)
	}
	if os.Getenv("NEURON_LOGICAL_NC_CONFIG") != "2" || os.Getenv("NEURON_PROCESS_TAG") != "basalt" {
		t.Error("the logical core or the tag is not in the environment")
	}
}
