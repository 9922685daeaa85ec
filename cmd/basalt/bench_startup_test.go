package main

import (
	"strings"
	"testing"
	"time"

	"basalt/bench/proc"
)

func TestPhases(t *testing.T) {
	began := time.UnixMicro(5_000_000)
	log := `{"msg":"other","phases":[{"name":"x"}]}
no JSON
{"level":"info","msg":"ready","phases":[{"name":"pack weights","began":5020000,"took":100000},
`
	s := &proc.Server{
		Began: began, Ready: 130 * time.Millisecond, Log: func() []byte { return []byte(log) },
	}
	if spans := readPhases(s); spans != nil {
		t.Errorf("phases of a log without them: %v", spans)
	}
	log += `{"msg":"ready","phases":[{"name":"pack weights","began":5020000,"took":100000},` +
		`{"name":"configure","began":5018000,"took":2000}]}`
	all := []start{{phases: readPhases(s)}}
	var b strings.Builder
	if err := printPhases(&b, all, 1e9); err != nil {
		t.Fatal(err)
	}
	want := `  phase                 begins, ms  takes, ms
  exec to flags read    0           18
  configure             18          2
  pack weights          20          100  10 GB/s of the file
  first 200 of /health  120         10
`
	if b.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", b.String(), want)
	}
}

func TestNoPhases(t *testing.T) {
	var none *phases
	none.begin("configure")()
	p := new(phases)
	end := p.begin("configure")
	end()
	if len(p.list) != 1 || p.list[0].Name != "configure" || p.list[0].Took < 0 {
		t.Errorf("phases %v", p.list)
	}
}
