package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func parseWith(t *testing.T, yaml string, args ...string) (*cli, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "basalt.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	var c cli
	parser, err := newParser(&c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{args[0], "--config", file}, args[1:]...))
	return &c, err
}

func TestSettingsFileEnvironmentAndFlags(t *testing.T) {
	t.Setenv("BASALT_MAX_SEQS", "7")
	yaml := "ctx: 4096\nmax-seqs: 3\nserve:\n  listen: 127.0.0.1:9\n  kv-memory: 2GiB\n" +
		"  drain-timeout: 5s\n  served-name: [a, b]\n"
	c, err := parseWith(t, yaml, "serve", "--ctx", "512", "model.gguf")
	if err != nil {
		t.Fatal(err)
	}
	s := c.Serve
	if s.Ctx != 512 || s.MaxSeqs != 7 || s.Listen != "127.0.0.1:9" || s.KVMemory != 2<<30 {
		t.Errorf("flag, environment, section, size: %+v", s)
	}
	if s.DrainTimeout != 5*time.Second || strings.Join(s.ServedName, "+") != "a+b" {
		t.Errorf("duration and list: %v, %q", s.DrainTimeout, s.ServedName)
	}
	if strings.Join(s.Models, "+") != "model.gguf" {
		t.Errorf("models %q", s.Models)
	}
}

func TestSettingsFileRefusesWhatIsNoFlag(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		if _, err := parseWith(t, yaml, "serve"); err == nil || !strings.Contains(err.Error(),
			want) {
			t.Errorf("%q: got error %v, want one with %q", yaml, err, want)
		}
	}
	f("lissen: 1", `unknown setting "lissen"`)
	f("serve:\n  lissen: 1", `unknown setting "lissen" below "serve"`)
	f("ctx: many", "ctx")
	f("kv-memory: -3", "is no size")
	f("ctx: 1\nctx: 2", "ctx")
	f("a: [", "cannot read the settings")
}

func TestByteSize(t *testing.T) {
	f := func(text string, want int64) {
		t.Helper()
		if got, err := parseByteSize(text); err != nil || got != want {
			t.Errorf("%q = %d, %v; want %d", text, got, err, want)
		}
	}
	f("1500000", 1500000)
	f("512MiB", 512<<20)
	f("4GB", 4e9)
	f("2g", 2<<30)
	f("1.5 k", 1536)
	for _, bad := range []string{"", "x", "4XB", "-1", "0", "NaN", "1e300", "GiB", "4 G B"} {
		if got, err := parseByteSize(bad); err == nil {
			t.Errorf("%q was read as %d", bad, got)
		}
	}
	if got := formatBytes(3 << 29); got != "1.5 GiB" {
		t.Errorf("formatBytes(1.5 GiB) = %q", got)
	}
}
