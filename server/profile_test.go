package server

import (
	"strings"
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
