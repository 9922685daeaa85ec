//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"basalt/cuda/driver"
	"basalt/cuda/fake"
	"basalt/runtime"
)

// compiled opens a small model on a fake in some state.
func compiled(t *testing.T, s fake.State, c Config) (runtime.Executable, *fake.Driver) {
	dev, f := openFake(t, s, c)
	p, ckpt := newModel(t, "llama", "narrow", runtime.BF16)
	o := testOptions
	o.KVDType = runtime.BF16
	return compileFor(t, dev, p, ckpt, o), f
}

// oneStep runs a decode step of one token and gives its error.
func oneStep(e runtime.Executable) error {
	x := newBatcher(testOptions)
	x.add(0, []int32{1}, false, greedy())
	p, err := e.Step(&x.b)
	if err == nil {
		_, err = p.Wait()
	}
	return err
}

func TestStickyErrorLosesTheDevice(t *testing.T) {
	needFake(t)
	e, f := compiled(t, fake.Healthy(), Config{})
	if err := oneStep(e); err != nil {
		t.Fatal(err)
	}
	s := f.State()
	s.FailCode, s.FailAfter = 719, s.Launches+2
	f.Set(s)
	err := oneStep(e)
	if err == nil || !strings.Contains(err.Error(), "the GPU is lost") ||
		!strings.Contains(err.Error(), "LAUNCH_FAILED") {
		t.Fatalf("the step gave %v", err)
	}
	var b interface{ Broken() bool }
	if !errors.As(err, &b) || !b.Broken() {
		t.Errorf("%v does not say that the device is broken", err)
	}
	f.Set(fake.Healthy()) // a device that was lost stays lost
	if err := oneStep(e); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("the step after gave %v", err)
	}
}

func TestHungStreamIsGivenUp(t *testing.T) {
	needFake(t)
	e, f := compiled(t, fake.Healthy(), Config{StepTimeout: 50 * time.Millisecond})
	s := f.State()
	s.HangAfter = s.Launches
	f.Set(s)
	start := time.Now()
	err := oneStep(e)
	if err == nil || !strings.Contains(err.Error(), "has not ended after 50ms") {
		t.Errorf("the step gave %v", err)
	}
	if passed := time.Since(start); passed > 10*time.Second {
		t.Errorf("giving up took %s", passed)
	}
	f.Set(fake.Healthy())
}

func TestModelThatDoesNotFitIsRefusedBeforeLoading(t *testing.T) {
	needFake(t)
	s := fake.Healthy()
	s.TotalMemory = 300 << 20
	dev, f := openFake(t, s, Config{})
	p, c := newModel(t, "llama", "narrow", runtime.BF16)
	_, err := dev.Compile(t.Context(), p, c, testOptions)
	if err == nil {
		t.Fatal("the model was accepted")
	}
	for _, want := range []string{"MiB are free", "quantise", "--ctx", "--device cpu"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if n := f.State().Launches; n != 0 {
		t.Errorf("%d kernels ran before the refusal", n)
	}
}

func TestCompileRefusesBadOptions(t *testing.T) {
	dev, _ := openFake(t, fake.Healthy(), Config{})
	p, c := newModel(t, "llama", "narrow", runtime.F32)
	f := func(change func(o *runtime.CompileOptions)) {
		t.Helper()
		o := testOptions
		change(&o)
		if e, err := dev.Compile(t.Context(), p, c, o); err == nil {
			_ = e.Close()
			t.Error("bad options were accepted")
		}
	}
	f(func(o *runtime.CompileOptions) { o.KVDType = runtime.Q8_0 })
	f(func(o *runtime.CompileOptions) { o.Quantize = runtime.Q4_0 })
	f(func(o *runtime.CompileOptions) { o.BlockSize = 17 })
	f(func(o *runtime.CompileOptions) { o.MaxTokens = -1 })
	f(func(o *runtime.CompileOptions) { o.MaxContext = 0 })
	f(func(o *runtime.CompileOptions) { o.KVBytes = 10 })
}

// TestStaleGraphFails shows that the fake catches a graph whose memory was given back.
func TestStaleGraphFails(t *testing.T) {
	needFake(t)
	dev, f := openFake(t, fake.Healthy(), Config{})
	if err := dev.gpu.Enter(); err != nil {
		t.Fatal(err)
	}
	defer dev.gpu.Leave()
	stream, err := dev.gpu.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	from, _ := dev.gpu.Alloc(256)
	to, _ := dev.gpu.Alloc(256)
	k := dev.kernel("bs_widen")
	l := driver.Launch{Fn: k.fn, Grid: [3]uint32{1, 1, 1}, Threads: 256, NumArgs: 4}
	copy(l.Args[:], k.cells([]any{to, from, 0, 8}))
	g, err := stream.Capture([]driver.Launch{l})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := stream.Replay(g); err != nil {
		t.Errorf("a fresh graph failed: %v", err)
	}
	if err := dev.gpu.Free(from); err != nil {
		t.Fatal(err)
	}
	if err := stream.Replay(g); err == nil || !strings.Contains(f.State().Wrong, "live memory") {
		t.Errorf("a stale graph gave %v, %q", err, f.State().Wrong)
	}
	l.Threads = 128
	if stream.Launch([]driver.Launch{l}) == nil {
		t.Error("a launch with the wrong number of threads was accepted")
	}
	_ = dev.gpu.Free(to)
	f.Set(fake.Healthy()) // forgets the rules that were broken on purpose
}

func TestLongListsGrowTheBatch(t *testing.T) {
	e, _ := compiled(t, fake.Healthy(), Config{})
	if err := oneStep(e); err != nil {
		t.Fatal(err)
	}
	x, rng := newBatcher(testOptions), rand.New(rand.NewPCG(1, 1))
	x.add(0, []int32{1}, false, greedy())
	for range 20 * maxListed {
		x.b.CountSlots = append(x.b.CountSlots, 0)
		x.b.CountIDs = append(x.b.CountIDs, rng.Int32N(70))
	}
	x.step(t, e)
	if err := oneStep(e); err != nil {
		t.Error(err)
	}
}

// TestGPUsThatCannotBeOpened: each says why, and what to do.
func TestGPUsThatCannotBeOpened(t *testing.T) {
	needFake(t)
	f := func(code int, want ...string) {
		t.Helper()
		drv, err := fake.Open(os.Getenv(fakePath))
		if err != nil {
			t.Fatal(err)
		}
		s := fake.Healthy()
		s.FailCode, s.FailAfter = code, 0
		drv.Set(s)
		defer drv.Set(fake.Healthy())
		_, err = Open(Config{Library: os.Getenv(fakePath)})
		if err == nil {
			t.Fatalf("%d: the device was opened", code)
		}
		for _, w := range append(want, "--device cpu", fmt.Sprintf("(%d)", code)) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("the error lacks %q: %v", w, err)
			}
		}
	}
	f(2, "OUT_OF_MEMORY", "nvidia-smi lists them")
	f(46, "another process has the GPU for itself")
	f(222, "the driver is too old", "580")
	f(719, "the GPU is lost", "nvidia-smi -r")
	f(802, "nvidia-fabricmanager")
	f(803, "reboot")
	f(999, "Xid in dmesg")
	drv, _ := openFake(t, fake.Healthy(), Config{})
	if _, err := Open(Config{Library: drv.cfg.Library, Ordinal: 7}); err == nil ||
		!strings.Contains(err.Error(), "there is no GPU 7: the driver shows 1") {
		t.Errorf("GPU 7 gives %v", err)
	}
}

// TestOldGPU: one before Ampere is refused.
func TestOldGPU(t *testing.T) {
	needFake(t)
	drv, err := fake.Open(os.Getenv(fakePath))
	if err != nil {
		t.Fatal(err)
	}
	s := fake.Healthy()
	s.Capability = 75
	drv.Set(s)
	defer drv.Set(fake.Healthy())
	if _, err := Open(Config{Library: os.Getenv(fakePath)}); err == nil ||
		!strings.Contains(err.Error(), "capability 7.5; 8.0 (Ampere) or later") {
		t.Errorf("an old GPU gives %v", err)
	}
}

// TestKernelsOfOtherGPUs: machine code without this GPU's costs a warning, and a folder without
// kernels an error.
func TestKernelsOfOtherGPUs(t *testing.T) {
	needFake(t)
	dir := t.TempDir()
	if _, err := Open(Config{Library: os.Getenv(fakePath), Kernels: dir}); err == nil ||
		!strings.Contains(err.Error(), "has no .fatbin and no .ptx file") {
		t.Errorf("an empty folder gives %v", err)
	}
	file := filepath.Join(dir, "norm.fatbin")
	if err := os.WriteFile(file, []byte("code of another GPU"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, _ := openFake(t, fake.Healthy(), Config{Kernels: dir})
	if d.native || !slices.Contains(d.Info().Features, "portable kernels, compiled by the driver") {
		t.Errorf("native is %v, features %v", d.native, d.Info().Features)
	}
	p, c := newModel(t, "llama", "narrow", runtime.BF16)
	if err := oneStep(compileFor(t, d, p, c, testOptions)); err != nil {
		t.Error(err)
	}
}

// TestMain's process has the fake; a driver that is absent or refuses needs one of its own.
func TestNoDriver(t *testing.T) {
	needFake(t)
	if lib := os.Getenv("BASALT_TEST_OPEN"); lib != "" {
		_, err := Open(Config{Library: lib})
		if err == nil {
			t.Fatal("the device was opened")
		}
		t.Log(err)
		return
	}
	f := func(lib, env string, want ...string) {
		t.Helper()
		cmd := exec.Command(os.Args[0], "-test.run", "^TestNoDriver$", "-test.v")
		cmd.Env = append(os.Environ(), "BASALT_TEST_OPEN="+lib, env)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, w := range append(want, "--device cpu", "basalt doctor") {
			if !strings.Contains(string(out), w) {
				t.Errorf("%s: the error lacks %q:\n%s", lib, w, out)
			}
		}
	}
	f("libcuda-that-is-not-there.so.1", "X=1", "no CUDA driver", "cannot open shared object file",
		"release 580 or later")
	f(os.Getenv(fakePath), "BASALT_FAKE_CUINIT=100", "NO_DEVICE (100)", "no GPU is visible")
	f(os.Getenv(fakePath), "BASALT_FAKE_CUINIT=804", "(804)", "reboot after an update")
	f(oldDriver(t), "X=1", "it is too old", "release 580 or later")
}

// oldDriver builds a driver of long ago.
func oldDriver(t *testing.T) string {
	t.Helper()
	lib := filepath.Join(t.TempDir(), "libcuda.so.1")
	cmd := exec.Command("cc", "-shared", "-fPIC", "-x", "c", "-o", lib, "-")
	cmd.Stdin = strings.NewReader("int cuInit(unsigned f) { return f; }")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return lib
}
