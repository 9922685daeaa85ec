package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestProfilesNeedTheirPermission(t *testing.T) {
	p, a := newPeople(t, matrixPolicy, "all", "infer", "ops"), newAuditLog(t)
	cfg := p.config()
	cfg.Profiles, cfg.Audit = true, a.log
	f := start(t, setup{cfg: cfg})
	num := uint64(1)
	try := func(name, path string, status int, recorded bool) {
		t.Helper()
		if got := f.do("GET", path, "", "x-api-key", p.bearer[name]); got.status != status {
			t.Errorf("%s, %s: %d %.200s", name, path, got.status, got.body)
		}
		if recorded {
			num++
			a.read(num)
		}
	}
	try("all", "/debug/pprof/goroutine?debug=1", 200, true)
	try("all", "/debug/pprof/heap", 200, true)
	try("all", "/debug/pprof/profile?seconds=1", 200, true)
	try("all", "/debug/pprof/trace?seconds=1", 200, true)
	try("all", "/debug/pprof/profile?seconds=0", 400, false)
	try("all", "/debug/pprof/profile?seconds=61", 400, false)
	try("all", "/debug/pprof/heap?debug=x", 400, false)
	try("all", "/debug/pprof/cmdline", 404, false)
	for _, name := range []string{"infer", "ops", ""} {
		got := f.do("GET", "/debug/pprof/heap", "", "x-api-key", p.bearer[name])
		if got.status != 403 && got.status != 401 {
			t.Errorf("%q reads a profile: %d", name, got.status)
		}
	}
}

func TestProfilesAreClosedUnlessAskedFor(t *testing.T) {
	f := start(t, setup{})
	if got := f.do("GET", "/debug/pprof/heap", ""); got.status != 404 ||
		!strings.Contains(got.body, "nothing at this path") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestProfilesAreLabelledByPhase(t *testing.T) {
	p := newPeople(t, matrixPolicy, "all")
	cfg := p.config()
	cfg.Profiles = true
	f := start(t, setup{cfg: cfg, noEOS: true})
	body := `{"model":"tiny","prompt":"` + strings.Repeat("a ", 200) +
		`","max_tokens":200,"stream":true}`
	done := make(chan struct{})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					f.do("POST", "/v1/completions", body, "x-api-key", p.bearer["all"])
				}
			}
		})
	}
	missing := []string{"phase", "prefill", "decode", "sample", "encode"}
	for range 20 { // a hundred samples a second find a rare phase in the end
		profile := f.cpuProfile(t, p.bearer["all"])
		missing = slices.DeleteFunc(missing, func(name string) bool {
			// An entry of the profile's table of strings: field 6, its length, the text.
			entry := append([]byte{6<<3 | 2, byte(len(name))}, name...)
			return bytes.Contains(profile, entry)
		})
		if len(missing) == 0 {
			break
		}
	}
	close(done)
	clients.Wait()
	if len(missing) > 0 {
		t.Errorf("no sample of 20 profiles is labelled %q", missing)
	}
}

// cpuProfile is one of a second, as it is after decompression.
func (f *fixture) cpuProfile(t *testing.T, key string) []byte {
	t.Helper()
	got := f.do("GET", "/debug/pprof/profile?seconds=1", "", "x-api-key", key)
	packed, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatalf("status %d: %v", got.status, err)
	}
	profile, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	return profile
}
