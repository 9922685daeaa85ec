//go:build linux

package neuron

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"basalt/neuron/export"
	"basalt/neuron/fake"
	"basalt/neuron/fakelib"
	"basalt/neuron/lower"
	"basalt/neuron/nrt"
	"basalt/runtime"
)

// built has the fake library and compiler, made once for the package's tests.
type built struct {
	dir, library, compiler string
}

var build = sync.OnceValues(func() (built, error) {
	dir, err := os.MkdirTemp("", "basalt-neuron")
	if err != nil {
		return built{}, err
	}
	b := built{dir: dir}
	if b.library, err = fakelib.Library(dir, fakelib.Variant{
		Async: true, ASan: underASan,
	}); err != nil {
		return b, err
	}
	b.compiler, err = fakelib.Compiler(dir)
	return b, err
})

func TestMain(m *testing.M) {
	status := m.Run()
	if b, err := build(); err == nil {
		_ = os.RemoveAll(b.dir)
	}
	os.Exit(status)
}

func testSettings() export.Settings {
	return export.Settings{
		Target: "trn3", LNC: 2, TP: 1, Scope: lower.ModelScope, Compute: "f32", Weights: "f32",
		KV: "f32", Blocks: 36, BlockSize: blockSize, MaxContext: 96, TopK: 40,
		Buckets: testBuckets(),
	}
}

// exported writes and compiles an export of a model.
func exported(t testing.TB, p *runtime.Program, s export.Settings) string {
	t.Helper()
	b, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := export.Write(dir, p, s); err != nil {
		t.Fatal(err)
	}
	if _, err := export.Compile(t.Context(), dir, export.CompileConfig{
		Compiler: b.compiler, AllowFake: true, Jobs: 2,
	}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func fakeConfig(t testing.TB, dir string) Config {
	t.Helper()
	b, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Dir: dir, Library: nrt.Config{Path: b.library, AllowFake: true}}
}

// openFake opens a device on the fake library. Complaints of the library at its end are errors.
func openFake(t testing.TB, c Config) *Device {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	watch(t, d)
	return d
}

// watch closes a device at the end of a test, and wants no complaint of the library.
func watch(t testing.TB, d *Device) {
	t.Cleanup(func() {
		d.rt.AtEnd(func() {
			lines, err := fake.Complaints(d.rt)
			if len(lines) > 0 || err != nil {
				t.Errorf("the library complains: %q (%v)", lines, err)
			}
		})
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

func compileFake(t testing.TB, d *Device, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) runtime.Executable {
	t.Helper()
	e, err := d.Compile(t.Context(), p, c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestDeviceGivesWhatTheEvaluatorGives: through files, compiler and library the numbers are the
// evaluator's, in both scopes, on several cores, with and without the asynchronous function.
func TestDeviceGivesWhatTheEvaluatorGives(t *testing.T) {
	f := func(name, family, size string, change func(s *export.Settings, c *Config)) {
		t.Run(name, func(t *testing.T) {
			p, c := newModel(t, family, size, runtime.F32)
			s, cfg := testSettings(), Config{}
			change(&s, &cfg)
			o, err := s.Options()
			if err != nil {
				t.Fatal(err)
			}
			want := rows(t, simulated(t, p, c, o, testOptions), p.Vocab, testOptions)
			full := fakeConfig(t, exported(t, p, s))
			full.Async = cfg.Async
			d := openFake(t, full)
			got := rows(t, compileFake(t, d, p, c, testOptions), p.Vocab, testOptions)
			checkRows(t, name, got, want, p.Vocab, 0)
		})
	}
	f("model", "qwen3", "narrow", func(*export.Settings, *Config) {})
	f("layer", "llama", "narrow", func(s *export.Settings, _ *Config) {
		s.Scope = lower.LayerScope
	})
	f("async", "mistral", "narrow", func(s *export.Settings, c *Config) {
		s.Scope, c.Async = lower.LayerScope, true
	})
	f("one byte a weight", "qwen3_moe", "narrow", func(s *export.Settings, _ *Config) {
		s.Weights, s.Compute, s.KV = "f8e4m3fn", "bf16", "f32"
	})
	f("two cores", "qwen2", "odd", func(s *export.Settings, _ *Config) { s.TP = 2 })
	f("four cores", "mistral", "many", func(s *export.Settings, _ *Config) {
		s.TP, s.Scope = 4, lower.LayerScope
	})
}

// TestExportsAreDeterministic: the same program and settings give the same files.
func TestExportsAreDeterministic(t *testing.T) {
	p, _ := newModel(t, "mixtral", "narrow", runtime.F32)
	s := testSettings()
	s.Scope = lower.LayerScope
	dirs := []string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		if _, err := export.Write(dir, p, s); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dirs[0], "*"))
	if err != nil || len(files) < 5 {
		t.Fatalf("files %v (%v)", files, err)
	}
	for _, path := range files {
		a, errA := os.ReadFile(path)
		b, errB := os.ReadFile(filepath.Join(dirs[1], filepath.Base(path)))
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%s differs", filepath.Base(path))
		}
	}
}
