package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnAuditedServer serves, stops, goes on, and verifies what it left; then the log is changed.
func TestAnAuditedServer(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, "audit", "keygen", at("key"))
	args := []string{
		storiesModel, "--audit", at("log"), "--audit-key", at("key"), "--audit-anchors",
		at("anchors"), "--audit-region", "site-1",
	}
	for range 2 {
		p := serve(t, args...)
		status, _ := post(t, p.url+"/v1/completions",
			`{"model":"stories260K-f32","prompt":"Once","max_tokens":5}`)
		if status != 200 {
			t.Errorf("status %d", status)
		}
		if err := p.stop(t); err != nil {
			t.Fatalf("%v\n%s", err, p.log)
		}
	}
	verify := []string{"audit", "verify", at("log"), "--key", at("key.pub")}
	anchored := append(verify, "--anchors", at("anchors"))
	out := must(t, anchored...)
	for _, want := range []string{"records 1 to 6 are as", "covers record 6", "tail: 0 records"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q lacks %q", out, want)
		}
	}
	if out := must(t, verify...); !strings.Contains(out, "Without --anchors") {
		t.Error(out)
	}
	file := filepath.Join(at("log"), "audit-00000001.jsonl")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	checkDigest(t, bytes.Split(data, []byte("\n"))[1])
	lines := bytes.SplitAfter(data, []byte("\n"))
	change := func(text []byte, reason string) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := basalt(t, anchored...)
		var exit *exec.ExitError
		ok := errors.As(err, &exit)
		if !ok || !strings.Contains(string(exit.Stderr), reason) {
			t.Errorf("%v; want %q", err, reason)
		}
	}
	change(bytes.Replace(data, []byte("Completions"), []byte("completions"), 1), "was changed")
	change(bytes.Join(lines[:4], nil), "records were cut off")
	if _, err := basalt(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...); err ==
		nil {
		t.Error("a log that was cut off is carried on")
	}
}

func checkDigest(t *testing.T, line []byte) {
	t.Helper()
	var r struct {
		Region string
		Basalt struct {
			ModelDigest, TokenizerDigest string
		}
	}
	model, err := os.ReadFile(storiesModel)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(model)
	want := "sha256:" + hex.EncodeToString(sum[:])
	if err := json.Unmarshal(line, &r); err != nil || r.Basalt.ModelDigest != want ||
		r.Basalt.TokenizerDigest != want || r.Region != "site-1" {
		t.Errorf("%v: %s", err, line)
	}
}

func TestDigestsOfFolders(t *testing.T) {
	dir := t.TempDir()
	f := modelFlags{}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	digest := func() (string, string) {
		t.Helper()
		model, tok, err := f.digests(dir)
		if err != nil {
			t.Fatal(err)
		}
		return model, tok
	}
	write("config.json", "a")
	write("tokenizer.json", "b")
	model, tok := digest()
	sum := sha256.Sum256([]byte("b"))
	if tok != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Error(tok)
	}
	write(".hidden", "x")
	if again, _ := digest(); again != model {
		t.Error("a hidden file counts")
	}
	write("config.json", "c")
	if other, same := digest(); other == model || same != tok {
		t.Error("a change is not seen")
	}
}
