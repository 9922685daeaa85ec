package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestMetricsOfTenants: invocations are counted for their tenant, and shown to it and to those whom
// the policy shows every tenant.
func TestMetricsOfTenants(t *testing.T) {
	p := newPeople(t, metricsPolicy, "ann", "eve", "new", "ops")
	f := start(t, setup{cfg: p.config(), noEOS: true})
	ask := func(name, body string, status int) {
		t.Helper()
		if a := f.do("POST", chatPath, body, "x-api-key", p.bearer[name]); a.status != status {
			t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
		}
	}
	ask("ann", chatHi, 200)
	ask("ann", strings.Replace(chatHi, `"max_tokens":3`, `"max_tokens":3,"stream":true`, 1), 200)
	ask("ann", strings.Replace(chatHi, "tiny", "unknown", 1), 404)
	ask("ann", "{", 400)
	ask("eve", strings.Replace(chatHi, `"max_tokens":3`, `"max_tokens":5`, 1), 200)
	lines := func(tenant string, answered, refused, output, first int) []string {
		return []string{
			fmt.Sprintf(`requests_total{result="answered",tenant=%q} %d`, tenant, answered),
			fmt.Sprintf(`requests_total{result="refused",tenant=%q} %d`, tenant, refused),
			fmt.Sprintf(`requests_total{result="failed",tenant=%q} 0`, tenant),
			fmt.Sprintf(`generation_tokens_total{tenant=%q} %d`, tenant, output),
			fmt.Sprintf(`time_to_first_token_seconds_count{tenant=%q} %d`, tenant, first),
		}
	}
	acme, other := lines("acme", 2, 2, 6, 2), lines("other", 1, 0, 5, 1)
	see := func(name string, want, not []string) {
		t.Helper()
		text := f.do("GET", "/metrics", "", "x-api-key", p.bearer[name]).body
		for _, line := range want {
			if !strings.Contains(text, "\nbasalt_tenant_"+line+"\n") {
				t.Errorf("%s does not see %s in %s", name, line, text)
			}
		}
		for _, line := range not {
			if strings.Contains(text, line) {
				t.Errorf("%s sees %s", name, line)
			}
		}
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		for _, problem := range problems {
			if strings.HasPrefix(problem.Metric, "basalt_tenant") {
				t.Errorf("%s: %s", problem.Metric, problem.Text)
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
	see("ann", acme, []string{`tenant="other"`})
	see("eve", other, []string{`tenant="acme"`})
	see("new", nil, []string{`tenant="other"`, `tenant="acme"`})
	see("ops", append(acme, other...), nil)
}
