//go:build linux

package neuron

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"basalt/neuron/export"
	"basalt/neuron/fakelib"
	"basalt/neuron/lower"
	"basalt/neuron/nrt"
	"basalt/runtime"
)

// scene is what a mishap changes of a working device.
type scene struct {
	t        *testing.T
	env      map[string]string // of export, compiler and library
	settings export.Settings
	options  runtime.CompileOptions
	cfg      Config
	size     string // of the model
	timeout  time.Duration
	spoil    func(dir string)
}

func newScene(t *testing.T) *scene {
	s := &scene{
		t: t, env: map[string]string{}, settings: testSettings(), options: testOptions,
		size: "narrow", spoil: func(string) {},
	}
	s.settings.Buckets = []lower.Bucket{testBuckets()[1], testBuckets()[3]}
	return s
}

// open makes the export and the device.
func (s *scene) open() (*Device, runtime.Executable, error) {
	s.t.Helper()
	p, c := newModel(s.t, "llama", s.size, runtime.F32)
	dir := exported(s.t, p, s.settings)
	s.spoil(dir)
	cfg := fakeConfig(s.t, dir)
	cfg.Async, cfg.Sysfs, cfg.Monitor = s.cfg.Async, s.cfg.Sysfs, s.cfg.Monitor
	if s.cfg.Library.Path != "" {
		cfg.Library = s.cfg.Library
	}
	cfg.Library.ExecTimeout = s.timeout
	for name, value := range s.env {
		s.t.Setenv(name, value)
	}
	d, err := New(cfg)
	if err != nil {
		return nil, nil, err
	}
	watch(s.t, d)
	e, err := d.Compile(s.t.Context(), p, c, s.options)
	if err == nil {
		s.t.Cleanup(func() {
			if err := e.Close(); err != nil {
				s.t.Error(err)
			}
		})
	}
	return d, e, err
}

// once runs one prompt of 5 tokens.
func once(t *testing.T, e runtime.Executable) error {
	t.Helper()
	x := newBatcher(testOptions)
	x.add(0, randomIDs(rand.New(rand.NewPCG(1, 1)), 5, 77), false)
	p, err := e.Step(&x.b)
	if err != nil {
		return err
	}
	_, err = p.Wait()
	return err
}

// actionOf is what the status of an error asks for, 0 for an error without.
func actionOf(err error) nrt.Action {
	var status *nrt.Error
	if errors.As(err, &status) {
		return status.Status.Action()
	}
	return 0
}

// mishap wants a device not to open: the error says what is wrong and what to do, and nothing is
// left behind.
func mishap(t *testing.T, name, want string, action nrt.Action, change func(s *scene)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		s := newScene(t)
		change(s)
		_, _, err := s.open()
		if err == nil || !strings.Contains(err.Error(), want) || actionOf(err) != action {
			t.Errorf("error %v (%v), want %q (%v)", err, actionOf(err), want, action)
		}
	})
}

func TestMishapsAtTheStart(t *testing.T) {
	f := func(name, want string, action nrt.Action, change func(s *scene)) {
		t.Helper()
		mishap(t, name, want, action, change)
	}
	fault := func(plan string) func(s *scene) {
		return func(s *scene) { s.env["FAKE_NRT_FAULT"] = plan }
	}
	f("no library", "aws-neuronx-runtime-lib", 0, func(s *scene) {
		s.cfg.Library.Path = "/nowhere/libnrt.so.1"
	})
	f("another library", "no function nrt_init", 0, func(s *scene) {
		s.cfg.Library.Path = "libm.so.6"
	})
	f("fake without leave", "fake Neuron runtime", 0, func(s *scene) {
		b, _ := build()
		s.cfg.Library = nrt.Config{Path: b.library}
	})
	f("driver fails", "nrt_init", nrt.KillReplica, fault("nrt_init:1:6"))
	f("bad core range", "NRT_LOAD_NOT_ENOUGH_NC", nrt.FixConfiguration, func(s *scene) {
		s.env["NEURON_RT_VISIBLE_CORES"] = "7-9"
	})
	f("too few cores", "sees 1 of 4", 0, func(s *scene) {
		s.env["NEURON_RT_VISIBLE_CORES"], s.settings.TP, s.size = "2", 2, "many"
	})
	f("another chip", "export for this machine", 0, func(s *scene) {
		s.env["FAKE_NRT_FAMILY"] = "5"
	})
	f("no version", "nrt_get_version", nrt.FailRequest, fault("nrt_get_version:1:1"))
	f("no async function", "NRT_3.0.0", 0, func(s *scene) {
		path, err := fakelib.Library(s.t.TempDir(), fakelib.Variant{
			OldAsync: true, ASan: underASan,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		s.cfg = Config{Async: true, Library: nrt.Config{Path: path, AllowFake: true}}
	})
	f("too little memory", "export with more cores", 0, func(s *scene) {
		s.env["FAKE_NRT_MEMORY"] = "100000"
	})
	f("memory runs out", "no memory or other resource", nrt.FixConfiguration,
		fault("nrt_tensor_allocate:9:4"))
	f("core is busy", "another process holds the core", nrt.FixConfiguration,
		fault("nrt_load:2:1005"))
	f("graph of another release", "NRT_UNSUPPORTED_NEFF_VERSION", nrt.FixConfiguration,
		fault("nrt_load:1:10"))
	f("no list of tensors", "nrt_get_model_tensor_info", nrt.FailRequest,
		fault("nrt_get_model_tensor_info:2:3"))
	f("weights are not written", "nrt_tensor_write", nrt.KillReplica,
		fault("nrt_tensor_write:3:1203"))
	f("cache is not cleared", "layers.0.cache", nrt.KillReplica, fault("nrt_tensor_memset:1:6"))
	f("no set", "nrt_allocate_tensor_set", nrt.FixConfiguration,
		fault("nrt_allocate_tensor_set:3:4"))
	f("no entry in a set", "nrt_add_tensor_to_tensor_set", nrt.FailRequest,
		fault("nrt_add_tensor_to_tensor_set:5:2"))
}

func TestMishapsOfOptions(t *testing.T) {
	f := func(name, want string, change func(s *scene)) {
		t.Helper()
		mishap(t, name, want, 0, change)
	}
	f("quantise at load", "when they are exported", func(s *scene) {
		s.options.Quantize = runtime.Q8_0
	})
	f("another cache", "keeps its cache in f32", func(s *scene) {
		s.options.KVDType = runtime.BF16
	})
	f("other blocks", "blocks of 16", func(s *scene) { s.options.BlockSize = 32 })
	f("longer context", "--ctx 96", func(s *scene) { s.options.MaxContext = 97 })
}

func TestOneModelAtATime(t *testing.T) {
	s := newScene(t)
	d, _, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	p, c := newModel(t, "llama", "narrow", runtime.F32)
	if _, err := d.Compile(t.Context(), p, c, s.options); err == nil ||
		!strings.Contains(err.Error(), "one at a time") {
		t.Errorf("error %v", err)
	}
}

// TestMishapsOfFiles: files that do not belong together are found before anything runs.
func TestMishapsOfFiles(t *testing.T) {
	f := func(name, want string, spoil func(t *testing.T, dir string)) {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.spoil = func(dir string) { spoil(t, dir) }
			if _, _, err := s.open(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
	f("no manifest", "basalt neuron export", func(t *testing.T, dir string) {
		remove(t, dir, "manifest.json")
	})
	f("newer manifest", "version 2", func(t *testing.T, dir string) {
		edit(t, dir, "manifest.json", `"version": 1`, `"version": 2`)
	})
	f("unknown field", "unknown field", func(t *testing.T, dir string) {
		edit(t, dir, "manifest.json", `"version"`, `"colour": 1, "version"`)
	})
	f("path in the manifest", "names the graph file", func(t *testing.T, dir string) {
		edit(t, dir, "manifest.json", `"file": "`, `"file": "../`)
	})
	f("other settings", "not the exported one", func(t *testing.T, dir string) {
		edit(t, dir, "manifest.json", `"top_k": 40`, `"top_k": 41`)
	})
	f("another model", "not the exported one", func(t *testing.T, dir string) {
		p, _ := newModel(t, "qwen3", "narrow", runtime.F32)
		s := newScene(t).settings
		if _, err := export.Write(dir, p, s); err != nil {
			t.Fatal(err)
		}
	})
	f("not compiled", "basalt neuron compile", func(t *testing.T, dir string) {
		remove(t, dir, "compiled.json")
	})
	f("one graph not compiled", "is not compiled", func(t *testing.T, dir string) {
		changeCompiled(t, dir, func(c *export.Compiled, keys []string) {
			delete(c.Graphs, keys[1])
		})
	})
	f("path outside", "is not compiled", func(t *testing.T, dir string) {
		changeCompiled(t, dir, func(c *export.Compiled, keys []string) {
			g := c.Graphs[keys[0]]
			g.File = "../" + g.File
			c.Graphs[keys[0]] = g
		})
	})
	f("changed graph", "SHA-256", func(t *testing.T, dir string) {
		for _, path := range glob(t, dir, "neff/*.neff") {
			edit(t, "", path, "basalt", "Basalt")
		}
	})
	f("lost graph", "no such file", func(t *testing.T, dir string) {
		for _, path := range glob(t, dir, "neff/*.neff") {
			remove(t, "", path)
		}
	})
	f("graphs changed places", "not the exported one", func(t *testing.T, dir string) {
		changeCompiled(t, dir, func(c *export.Compiled, keys []string) {
			c.Graphs[keys[0]], c.Graphs[keys[1]] = c.Graphs[keys[1]], c.Graphs[keys[0]]
		})
	})
}

// changeCompiled changes compiled.json; keys are its graphs, in order.
func changeCompiled(t *testing.T, dir string, change func(c *export.Compiled, keys []string)) {
	t.Helper()
	path := filepath.Join(dir, "compiled.json")
	data, err := os.ReadFile(path)
	var c export.Compiled
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err == nil {
		change(&c, slices.Sorted(maps.Keys(c.Graphs)))
		data, err = json.Marshal(&c)
	}
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestMishapsOfTheCompiler: what the compiler does wrong is said before a machine is asked.
func TestMishapsOfTheCompiler(t *testing.T) {
	b, err := build()
	if err != nil {
		t.Fatal(err)
	}
	p, _ := newModel(t, "llama", "narrow", runtime.F32)
	f := func(name, want string, change func(t *testing.T, dir string, c *export.CompileConfig)) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := export.Write(dir, p, newScene(t).settings); err != nil {
				t.Fatal(err)
			}
			c := export.CompileConfig{Compiler: b.compiler, AllowFake: true}
			change(t, dir, &c)
			_, err := export.Compile(t.Context(), dir, c)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
			if files := glob(t, dir, "compiled.json"); len(files) > 0 {
				t.Error("there is a compiled.json all the same")
			}
		})
	}
	env := func(name, value string) func(*testing.T, string, *export.CompileConfig) {
		return func(t *testing.T, _ string, _ *export.CompileConfig) { t.Setenv(name, value) }
	}
	f("absent", "a placeholder", func(_ *testing.T, _ string, c *export.CompileConfig) {
		c.Compiler = "/nowhere/neuronx-cc"
	})
	f("fake without leave", "compiles nothing",
		func(_ *testing.T, _ string, c *export.CompileConfig) { c.AllowFake = false })
	f("unknown flag", "arguments: --fast",
		func(_ *testing.T, _ string, c *export.CompileConfig) { c.Flags = []string{"--fast"} })
	f("it fails", "NCC_EVRF051", env("FAKE_CC_FAIL", "NCC_EVRF051"))
	f("cut short", "cut short", env("FAKE_CC_SHORT", "1"))
	f("another logical core", "NEURON_LOGICAL_NC_CONFIG", env("FAKE_CC_LNC", "1"))
	f("changed export", "SHA-256", func(t *testing.T, dir string, _ *export.CompileConfig) {
		edit(t, "", glob(t, dir, "*.hlo.pb")[0], "basalt", "Basalt")
	})
}

// TestMishapsOfSettings: what the accelerator cannot do is refused at the export.
func TestMishapsOfSettings(t *testing.T) {
	p, _ := newModel(t, "llama", "narrow", runtime.F32)
	f := func(want string, change func(s *export.Settings)) {
		t.Helper()
		s := testSettings()
		change(&s)
		if _, err := export.Write(t.TempDir(), p, s); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f("NCC_EVRF051", func(s *export.Settings) { s.Target, s.Weights = "trn2", "f8e4m3fn" })
	f("unknown target", func(s *export.Settings) { s.Target = "trn9" })
	f("1 or 2 physical", func(s *export.Settings) { s.LNC = 3 })
	f("ranks must divide", func(s *export.Settings) { s.TP = 3 })
	f("at least 2", func(s *export.Settings) { s.Buckets[2].Tokens, s.Buckets[2].Rows = 1, 1 })
	f("fewer blocks", func(s *export.Settings) { s.Blocks = 1 << 26 })
	f("cannot be f8e4m3fn", func(s *export.Settings) { s.KV = "f8e4m3fn" })
	p, _ = newModel(t, "llama", "many", runtime.F32)
	s := testSettings()
	s.Target, s.LNC, s.MaxContext = "trn2", 1, 2_000_000
	if err := s.Fit(p, 1); err == nil || !strings.Contains(err.Error(), "shorter --ctx") {
		t.Errorf("a context without end: %v", err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, dir, name, old, replacement string) {
	t.Helper()
	path := filepath.Join(dir, name)
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), old) {
		t.Fatalf("%s has no %q (%v)", path, old, err)
	}
	data = []byte(strings.Replace(string(data), old, replacement, 1))
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return list
}
