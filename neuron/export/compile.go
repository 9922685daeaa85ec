package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"basalt/neuron/neff"
)

const compiledName = "compiled.json"

// Compiled says which files belong to an export's graphs.
type Compiled struct {
	Compiler string `json:"compiler"` // what it says of its version
	// Fake graphs come from the fake compiler of the tests and run on the fake library alone.
	Fake   bool                 `json:"fake,omitempty"`
	Graphs map[string]Compilate `json:"graphs"` // by the hash of the graph
}

// fakeMark is in the version of the fake compiler of the tests.
const fakeMark = "+fake"

// ErrFakeCompiler reports the fake compiler of the tests, used without permission.
var ErrFakeCompiler = errors.New("this is the fake neuronx-cc of the tests: it compiles nothing")

// Compilate is one compiled graph.
type Compilate struct {
	File    string  `json:"file"` // below neff/
	Hash    string  `json:"neff_sha256"`
	Flags   string  `json:"flags"`
	UUID    string  `json:"uuid"`
	LNC     uint32  `json:"lnc"`
	Seconds float64 `json:"seconds"`
}

// CompileConfig says how graphs are compiled.
type CompileConfig struct {
	Compiler  string   // the program; "" is neuronx-cc on the path
	Flags     []string // added to the documented ones
	Jobs      int      // compilers at the same time
	AllowFake bool     // take the fake compiler of the tests
	Log       io.Writer
}

// compiler is one run of Compile.
type compiler struct {
	CompileConfig
	dir     string
	m       *Manifest
	version string

	mu   sync.Mutex
	done Compiled
}

// Compile runs the compiler for every graph that has no file yet, by graph, flags and version, and
// writes compiled.json. It needs no accelerator.
func Compile(ctx context.Context, dir string, cfg CompileConfig) (*Compiled, error) {
	m, err := Open(dir)
	if err != nil {
		return nil, err
	}
	if cfg.Compiler == "" {
		cfg.Compiler = "neuronx-cc"
	}
	c := &compiler{CompileConfig: cfg, dir: dir, m: m}
	c.done.Graphs = make(map[string]Compilate)
	if err := c.probe(ctx); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "neff"), 0o755); err != nil {
		return nil, fmt.Errorf("cannot compile %s: %w", dir, err)
	}
	if err := c.all(ctx); err != nil {
		return nil, err
	}
	return &c.done, writeJSON(filepath.Join(dir, compiledName), &c.done)
}

// probe asks the compiler for its version and, in its help, for the target.
func (c *compiler) probe(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, c.Compiler, "--version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot run the compiler %q: %w: install the package neuronx-cc from "+
			"AWS's repository (pip.repos.neuron.amazonaws.com; the one on PyPI is a placeholder), "+
			"or name it by --compiler", c.Compiler, err)
	}
	c.version = strings.TrimSpace(string(out))
	c.done.Compiler, c.done.Fake = c.version, strings.Contains(c.version, fakeMark)
	if c.done.Fake && !c.AllowFake {
		return fmt.Errorf("cannot compile with %s (%s): %w", c.Compiler, c.version, ErrFakeCompiler)
	}
	help, err := exec.CommandContext(ctx, c.Compiler, "compile", "--help").CombinedOutput()
	if err == nil && !strings.Contains(string(help), c.m.Settings.Target) {
		c.logf("warning: the help of %s does not name the target %s", c.Compiler,
			c.m.Settings.Target)
	}
	return nil
}

func (c *compiler) logf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Log != nil {
		_, _ = fmt.Fprintf(c.Log, format+"\n", args...)
	}
}

// all compiles with so many at a time; the first failure ends the rest.
func (c *compiler) all(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, max(c.Jobs, 1))
	var wg sync.WaitGroup
	for i := range c.m.Graphs {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := c.graph(ctx, &c.m.Graphs[i]); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// Flags are the documented flags of a graph. Decode graphs, which run most, are optimised more.
func (m *Manifest) Flags(g *Graph) []string {
	level := "1"
	if g.Kind == "decode" {
		level = "2"
	}
	return []string{
		"--framework", "XLA", "--target", m.Settings.Target, "--model-type", "transformer",
		"--auto-cast", "none", "--logical-nc-config", strconv.Itoa(m.Settings.LNC),
		"--optlevel", level, "--enable-fast-loading-neuron-binaries",
	}
}

// graph compiles one graph, or finds its file.
func (c *compiler) graph(ctx context.Context, g *Graph) error {
	hlo, err := readHashed(filepath.Join(c.dir, g.File), g.Hash)
	if err != nil {
		return err
	}
	flags := append(c.m.Flags(g), c.Flags...)
	key := sha256.New()
	for _, part := range append([]string{string(hlo), c.version}, flags...) {
		fmt.Fprintf(key, "%d:%s", len(part), part)
	}
	name := hex.EncodeToString(key.Sum(nil))[:32] + ".neff"
	path := filepath.Join(c.dir, "neff", name)
	start := time.Now()
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		c.logf("%s: compiled before", g.Name)
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cannot read the compiled graph %q: %w", g.Name, err)
	default:
		if data, err = c.run(ctx, g, flags, path); err != nil {
			return err
		}
		c.logf("%s: compiled in %.0f s, %d KiB", g.Name, time.Since(start).Seconds(), len(data)>>10)
	}
	return c.record(g, name, strings.Join(flags, " "), data, time.Since(start))
}

func readHashed(path, hash string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	if got := sum(data); got != hash {
		return nil, fmt.Errorf("%s has the SHA-256 %.12s..., the manifest says %.12s...: it was "+
			"changed or cut short; make it anew", path, got, hash)
	}
	return data, nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// run calls the compiler; its file gets its name only when it is whole.
func (c *compiler) run(ctx context.Context, g *Graph, flags []string, path string) ([]byte, error) {
	tmp := path + ".tmp"
	args := append([]string{"compile", filepath.Join(c.dir, g.File)}, flags...)
	args = append(args, "--output", tmp, "--logfile", path+".log")
	out, err := exec.CommandContext(ctx, c.Compiler, args...).CombinedOutput()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot compile graph %q: %s %s: %w\n%s", g.Name, c.Compiler,
			strings.Join(args, " "), err, tail(string(out), 20))
	}
	data, err := os.ReadFile(tmp)
	if err != nil {
		return nil, fmt.Errorf("cannot compile graph %q: the compiler ended well without "+
			"its file: %w", g.Name, err)
	}
	if _, err := neff.Parse(data); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot use what the compiler made of graph %q: %w",
			g.Name, err), os.Remove(tmp))
	}
	return data, os.Rename(tmp, path)
}

func tail(text string, lines int) string {
	list := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(list[max(len(list)-lines, 0):], "\n")
}

func (c *compiler) record(g *Graph, name, flags string, data []byte, took time.Duration) error {
	h, err := neff.Parse(data)
	if err != nil {
		return fmt.Errorf("graph %q, neff/%s: %w", g.Name, name, err)
	}
	if err := h.Check(c.m.Settings.LNC); err != nil {
		return fmt.Errorf("graph %q, neff/%s: %w", g.Name, name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done.Graphs[g.Hash] = Compilate{
		File: name, Hash: sum(data), Flags: flags, UUID: h.UUID, LNC: h.LNC,
		Seconds: took.Round(time.Millisecond).Seconds(),
	}
	return nil
}
