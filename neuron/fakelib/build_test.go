package fakelib

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompilerChecksItsArguments: only documented flags and values pass.
func TestCompilerChecksItsArguments(t *testing.T) {
	dir := t.TempDir()
	cc, err := Compiler(dir)
	if err != nil {
		t.Fatal(err)
	}
	graph := filepath.Join(dir, "g.hlo.pb")
	if err := os.WriteFile(graph, []byte("\x0a\x01x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(want string, args ...string) {
		t.Helper()
		cmd := exec.Command(cc, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if (err == nil) != (want == "") || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v, %s, want %q", args, err, out, want)
		}
	}
	good := []string{"compile", graph, "--framework", "XLA", "--target=trn3", "--lnc", "2"}
	f("", good...)
	f("", append(good, "--auto-cast", "none", "-O", "1", "--output", "x.neff")...)
	f("ized arguments", append(good, "--fast-math")...)
	f("ized arguments", append(good, "another.pb")...)
	f("invalid choice", append(good, "--auto-cast", "some")...)
	f("invalid choice", append(good, "--target", "trn9")...)
	f("expected one", append(good, "--output")...)
	f("takes no value", append(good, "--enable-saturate-infinity=1")...)
	f("required", "compile", graph)
	f("required", good[0], "--framework", "XLA", "--target", "trn2")
	f("cannot read", "compile", "absent.pb", "--framework", "XLA", "--target", "trn2")
	f("invalid command", "frobnicate")
}

func TestEveryVariantCompiles(t *testing.T) {
	for _, v := range []Variant{{}, {NoBatch: true}, {Async: true}, {OldAsync: true}} {
		if _, err := Library(t.TempDir(), v); err != nil {
			t.Errorf("%+v: %v", v, err)
		}
	}
}
