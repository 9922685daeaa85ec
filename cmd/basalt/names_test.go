package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"basalt/server"
)

func TestAliasesAreGiven(t *testing.T) {
	models := []server.Model{{ID: "a"}, {ID: "b"}}
	c := &serveCmd{apiFlags: apiFlags{Alias: []string{"meta.a=a", "x=y.z=b", "other=a"}}}
	if err := c.alias(models); err == nil || !strings.Contains(err.Error(), "a, b") {
		t.Error(err)
	}
	c.Alias = []string{"meta.a=a", "other=a", "meta.b=b"}
	models = []server.Model{{ID: "a"}, {ID: "b"}}
	if err := c.alias(models); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(models[0].Aliases, []string{"meta.a", "other"}) ||
		!slices.Equal(models[1].Aliases, []string{"meta.b"}) {
		t.Errorf("%+v", models)
	}
	for _, bad := range []string{"a", "=a", "x=c"} {
		c.Alias = []string{bad}
		if c.alias(models) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestTheAPIIsConfigured(t *testing.T) {
	file := filepath.Join(t.TempDir(), "g.yaml")
	good := "guardrails: [{id: a, words: [x]}]"
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(f apiFlags) (*server.Config, error) {
		cfg := &server.Config{}
		return cfg, (&serveCmd{apiFlags: f}).openAPI(cfg)
	}
	cfg, err := open(apiFlags{Region: "cn-north-1", Account: "123456789012", Guardrails: file})
	if err != nil || cfg.Guardrails.Find("a", "1") == nil || cfg.Place.Partition != "aws-cn" {
		t.Errorf("%+v %v", cfg, err)
	}
	refused := func(f apiFlags, reason string) {
		t.Helper()
		if _, err := open(f); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%v, want %s", err, reason)
		}
	}
	refused(apiFlags{Account: "1"}, "--account")
	refused(apiFlags{Account: "123456789012", Guardrails: file + "x"}, "--guardrails")
	if err := os.WriteFile(file, []byte("guardrails: [{id: A}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(apiFlags{Account: "123456789012", Guardrails: file}, "lower case")
}
