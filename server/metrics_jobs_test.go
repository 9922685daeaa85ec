package server

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

const metricsPolicy = `principals:
  ann: {tenant: acme, models: ["*"], operations: [inference, Metrics]}
  eve: {tenant: other, models: ["*"], operations: [inference, Metrics]}
  new: {tenant: third, models: ["*"], operations: [Metrics]}
  ops: {tenant: site, models: [], operations: [Metrics, TenantMetrics]}
  odd: {tenant: site, models: [], operations: [TenantMetrics]}
`

// TestMetricsOfJobs: sums for everybody who may see metrics, tenants for themselves and for those
// whom the policy shows them.
func TestMetricsOfJobs(t *testing.T) {
	p := newPeople(t, metricsPolicy, "ann", "eve", "new", "ops", "odd")
	y := newYard(t, setup{cfg: p.config(), noEOS: true})
	y.write(t, "mine/in.jsonl", llamaRecords(3)+
		`{"recordId":"bad","modelInput":{"prompt":"Hi","max_gen_len":-1}}`)
	y.write(t, "theirs/in.jsonl", llamaRecords(2))
	run := func(name, bucket string) {
		key := []string{"x-api-key", p.bearer[name]}
		arn := y.created(t, y.post("/model-invocation-job", jobBody("s3://"+bucket+"/in.jsonl",
			"s3://"+bucket+"/out", ""), key...))
		y.wait(t, "/model-invocation-job/"+arn[strings.LastIndexByte(arn, '/')+1:], "status",
			[]string{"Completed"}, key...)
	}
	run("ann", "mine")
	run("eve", "theirs")
	acme := []string{
		`basalt_tenant_jobs{state="Completed",tenant="acme"} 1`,
		`basalt_tenant_job_records_total{result="succeeded",tenant="acme"} 3`,
		`basalt_tenant_job_records_total{result="failed",tenant="acme"} 1`,
	}
	other := []string{
		`basalt_tenant_jobs{state="Completed",tenant="other"} 1`,
		`basalt_tenant_job_records_total{result="succeeded",tenant="other"} 2`,
	}
	f := func(name string, want ...string) {
		t.Helper()
		text := y.do("GET", "/metrics", "", "x-api-key", p.bearer[name]).body
		want = append(want, `basalt_jobs{state="Completed"} 2`, `basalt_jobs{state="Failed"} 0`,
			`basalt_job_records_total{result="succeeded"} 5`)
		for _, line := range want {
			if !strings.Contains(text, "\n"+line+"\n") {
				t.Errorf("%s does not see %s", name, line)
			}
		}
		for _, line := range append(acme, other...) {
			if strings.Contains(text, line) && !strings.Contains(strings.Join(want, "\n"), line) {
				t.Errorf("%s sees %s", name, line)
			}
		}
		if strings.Contains(text, `tenant="third"`) {
			t.Errorf("%s sees a tenant without jobs", name)
		}
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		for _, problem := range problems {
			if !strings.HasPrefix(problem.Metric, "vllm:") {
				t.Errorf("%s: %s", problem.Metric, problem.Text)
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
	f("ann", acme...)
	f("eve", other...)
	f("new")
	f("ops", append(acme, other...)...)
	if a := y.do("GET", "/metrics", "", "x-api-key", p.bearer["odd"]); a.status != 403 {
		t.Errorf("TenantMetrics alone opens the metrics: %d", a.status)
	}
}
