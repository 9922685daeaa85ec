package server

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

const jobPolicy = `principals:
  ann: {tenant: acme, models: ["*"], operations: [inference]}
  bob: {tenant: acme, models: ["*"], operations: [inference]}
  eve: {tenant: other, models: ["*"], operations: [inference]}
  conv: {tenant: acme, models: ["*"], operations: [CreateModelInvocationJob, Converse]}
  none: {tenant: acme, models: [], operations: [inference]}
  look: {tenant: acme, models: ["*"], operations: ["Get*", "List*"]}
`

// jobDeeds are the operations on jobs and files, by what a principal needs for them. JOB, ASYNC,
// FILE and BATCH stand for those of ann.
func jobDeeds() []deed {
	create := jobBody("s3://mine/in.jsonl", "s3://mine/out", "")
	async := `{"modelId":"tiny","modelInput":{"prompt":"Hi","max_gen_len":1},"outputDataConfig":` +
		`{"s3OutputDataConfig":{"s3Uri":"s3://mine/out"}}}`
	own := []string{"ann", "bob"}
	see := []string{"ann", "bob", "none", "look"}
	all := append([]string{"eve"}, see...)
	return []deed{
		{"CreateModelInvocationJob", "POST", "/model-invocation-job", create, own},
		{"ListModelInvocationJobs", "GET", "/model-invocation-jobs", "", all},
		{"GetModelInvocationJob", "GET", "/model-invocation-job/JOB", "", see},
		{"StartAsyncInvoke", "POST", "/async-invoke", async, own},
		{"ListAsyncInvokes", "GET", "/async-invoke", "", all},
		{"GetAsyncInvoke", "GET", "/async-invoke/ASYNC", "", see},
		{"ListFiles", "GET", "/v1/files", "", all},
		{"GetFile", "GET", "/v1/files/FILE", "", see},
		{"GetFileContent", "GET", "/v1/files/FILE/content", "", see},
		{
			"CreateBatch", "POST", "/v1/batches", batchOf("FILE", "/v1/chat/completions"),
			own,
		},
		{"ListBatches", "GET", "/v1/batches", "", all},
		{"GetBatch", "GET", "/v1/batches/BATCH", "", see},
	}
}

// TestEveryPairOfPrincipalAndJob asks for everything as everybody.
func TestEveryPairOfPrincipalAndJob(t *testing.T) {
	names := []string{"ann", "bob", "eve", "conv", "none", "look"}
	p := newPeople(t, jobPolicy, append(names, "unlisted")...)
	y := newYard(t, setup{cfg: p.config(), noEOS: true})
	y.write(t, "mine/in.jsonl", llamaRecords(1))
	ann := []string{"x-api-key", p.bearer["ann"]}
	file := y.uploaded(t, chatLine("a", "tiny", 1), ann...)
	arns := make(map[string]string)
	for _, d := range jobDeeds() {
		if d.method == "POST" && d.name != "CreateBatch" {
			arns[d.name] = y.created(t, y.post(d.path, d.body, ann...))
		}
	}
	batch := y.id(t, y.post("/v1/batches", batchOf(file, "/v1/chat/completions"), ann...))
	job := arns["CreateModelInvocationJob"]
	named := strings.NewReplacer("JOB", job[strings.LastIndexByte(job, '/')+1:], "ASYNC",
		strings.NewReplacer(":", "%3A", "/", "%2F").Replace(arns["StartAsyncInvoke"]),
		"FILE", file, "BATCH", batch)
	for _, d := range jobDeeds() {
		for _, name := range append(names, "unlisted", "") {
			a := y.do(d.method, named.Replace(d.path), named.Replace(d.body), "Authorization",
				"Bearer "+p.bearer[name])
			want := strings.Contains(strings.Join(d.may, " ")+" ", name+" ") && name != ""
			if got := a.status == 200; got != want || a.status >= 500 {
				t.Errorf("%q does %s: %d %.200s, may: %v", name, d.name, a.status, a.body, want)
			}
			for _, theirs := range []string{file, batch, job} {
				if name == "eve" && strings.Contains(a.body, theirs) {
					t.Errorf("%s shows another tenant's: %s", d.name, a.body)
				}
			}
		}
	}
	for _, path := range []string{"/model-invocation-job/JOB/stop", "/v1/batches/BATCH/cancel"} {
		if a := y.post(named.Replace(path), "", "x-api-key", p.bearer["eve"]); a.status != 404 {
			t.Errorf("%s by another tenant: %d", path, a.status)
		}
	}
	if a := y.do("DELETE", "/v1/files/"+file, "", "x-api-key", p.bearer["eve"]); a.status != 404 {
		t.Errorf("another tenant's file is removed: %d", a.status)
	}
	// Who may convert may not invoke.
	a := y.post("/model-invocation-job", jobBody("s3://mine/in.jsonl", "s3://mine/out",
		`,"modelInvocationType":"Converse"`), "x-api-key", p.bearer["conv"])
	if a.status != 200 {
		t.Errorf("conv: %d %s", a.status, a.body)
	}
}

// TestRevokedJobs takes a principal out of the policy while its job runs.
func TestRevokedJobs(t *testing.T) {
	p := newPeople(t, jobPolicy, "ann", "bob")
	y := newYard(t, setup{cfg: p.config(), noEOS: true, stepTime: time.Millisecond})
	y.write(t, "mine/in.jsonl", llamaRecords(3000))
	arn := y.created(t, y.post("/model-invocation-job", jobBody("s3://mine/in.jsonl",
		"s3://mine/out", ""), "x-api-key", p.bearer["ann"]))
	path := "/model-invocation-job/" + arn[strings.LastIndexByte(arn, '/')+1:]
	bob := []string{"x-api-key", p.bearer["bob"]}
	y.wait(t, path, "status", []string{"InProgress"}, bob...)
	lines := strings.SplitAfter(jobPolicy, "\n")
	p.setPolicy(lines[0] + lines[2])
	st := y.wait(t, path, "status", jobEnds(), bob...)
	message, _ := st["message"].(string)
	if st["status"] != "Failed" || !strings.Contains(message, "policy") {
		t.Errorf("%v", st)
	}
}

// TestJobsAreAudited: who asked for what, and a record for each invocation.
func TestJobsAreAudited(t *testing.T) {
	p := newPeople(t, jobPolicy, "ann")
	log := newAuditLog(t)
	cfg := p.config()
	cfg.Audit = log.log
	y := newYard(t, setup{cfg: cfg, noEOS: true})
	y.write(t, "mine/in.jsonl", llamaRecords(3))
	ann := []string{"x-api-key", p.bearer["ann"]}
	arn := y.created(t, y.post("/model-invocation-job", jobBody("s3://mine/in.jsonl",
		"s3://mine/out", ""), ann...))
	id := arn[strings.LastIndexByte(arn, '/')+1:]
	y.wait(t, "/model-invocation-job/"+id, "status", []string{"Completed"}, ann...)
	y.post("/model-invocation-job", jobBody("s3://theirs/in.jsonl", "s3://mine/out", ""), ann...)
	var created, refused, invoked int
	for _, r := range log.read(6) {
		switch {
		case r.EventName == "CreateModelInvocationJob":
			created++
			if r.Detail["job"] != id || r.Detail["input"] != "s3://mine/in.jsonl" {
				t.Errorf("%s", r.raw)
			}
		case r.EventName == "Refused":
			refused++
		case r.Operation == "InvokeModel":
			invoked++
			if r.Basalt.Job != id || r.Basalt.Record == nil || r.Basalt.Principal != "ann" ||
				r.AccountID != "acme" || r.Output.TokenCount != 4 {
				t.Errorf("%s", r.raw)
			}
		}
	}
	if created != 1 || refused != 1 || invoked != 3 {
		t.Errorf("%d jobs, %d refusals and %d invocations are recorded", created, refused, invoked)
	}
}

// TestActsOnJobsAreAudited: each is recorded with who did it before it is done, and nothing is done
// whose record cannot be written.
func TestActsOnJobsAreAudited(t *testing.T) {
	p := newPeople(t, jobPolicy, "ann")
	log := newAuditLog(t)
	cfg := p.config()
	cfg.Audit = log.log
	y := newYard(t, setup{cfg: cfg, noEOS: true, stepTime: 10 * time.Millisecond})
	y.write(t, "mine/in.jsonl", strings.ReplaceAll(llamaRecords(50), `"max_gen_len":4`,
		`"max_gen_len":1000`))
	ann := []string{"x-api-key", p.bearer["ann"]}
	arn := y.created(t, y.post("/model-invocation-job", jobBody("s3://mine/in.jsonl",
		"s3://mine/out", ""), ann...))
	y.post("/model-invocation-job/"+arn[strings.LastIndexByte(arn, '/')+1:]+"/stop", "", ann...)
	async := jobDeeds()[3].body
	y.created(t, y.post("/async-invoke", async, ann...))
	file := y.uploaded(t, chatLine("a", "tiny", 1000), ann...)
	batch := y.id(t, y.post("/v1/batches", batchOf(file, "/v1/chat/completions"), ann...))
	y.post("/v1/batches/"+batch+"/cancel", "", ann...)
	y.do("DELETE", "/v1/files/"+file, "", ann...)
	want := []string{
		"CreateModelInvocationJob", "StopModelInvocationJob", "StartAsyncInvoke", "CreateFile",
		"CreateBatch", "CancelBatch", "DeleteFile",
	}
	var got []string
	acts := func() (names []string) {
		for _, r := range log.read(log.log.Len()) {
			if slices.Contains(want, r.EventName) && r.EventName != "" {
				names = append(names, r.EventName)
				if !strings.Contains(r.raw, `"principal":"ann"`) || r.AccountID != "acme" {
					t.Errorf("%s", r.raw)
				}
			}
		}
		return names
	}
	if got = acts(); !slices.Equal(got, want) {
		t.Errorf("recorded are %v, want %v", got, want)
	}
	file = y.uploaded(t, chatLine("a", "tiny", 1), ann...)
	jobs := y.do("GET", "/model-invocation-jobs", "", ann...).body
	if err := log.log.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, a := range []answer{
		y.post("/model-invocation-job", jobBody("s3://mine/in.jsonl", "s3://mine/out", ""), ann...),
		y.post("/async-invoke", async, ann...),
		y.post("/v1/batches", batchOf(file, "/v1/chat/completions"), ann...),
	} {
		if a.status != 503 {
			t.Errorf("without its record: %d %s", a.status, a.body)
		}
	}
	if now := y.do("GET", "/model-invocation-jobs", "", ann...).body; now != jobs {
		t.Errorf("a job was made without its record: %s", now)
	}
}

// TestJobsGiveWay: a request that somebody waits for is answered as if there were no job.
func TestJobsGiveWay(t *testing.T) {
	y := newYard(t, setup{noEOS: true, seqs: 4, stepTime: time.Millisecond})
	ask := func() time.Duration {
		begun := time.Now()
		if a := y.post(textPath, completionBody("a", 1, 30, "")); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
		return time.Since(begun)
	}
	alone := ask()
	y.write(t, "mine/in.jsonl", strings.ReplaceAll(llamaRecords(500), `"max_gen_len":4`,
		`"max_gen_len":200`))
	arn := y.created(t, y.post("/model-invocation-job", jobBody("s3://mine/in.jsonl",
		"s3://mine/out", "")))
	for y.loop.Stats().Running < 3 {
		time.Sleep(time.Millisecond)
	}
	for range 5 {
		if n := y.loop.Stats().Running; n > 4 {
			t.Errorf("%d sequences run", n)
		}
		if beside := ask(); beside > 4*alone+200*time.Millisecond {
			t.Errorf("beside a job it took %v, alone %v", beside, alone)
		}
	}
	stop := "/model-invocation-job/" + arn[strings.LastIndexByte(arn, '/')+1:]
	if a := y.post(stop+"/stop", ""); a.status != 200 {
		t.Error(a.status, a.body)
	}
	y.wait(t, stop, "status", []string{"Stopped"})
	y.balance(2 * time.Second)
}

// TestServersWithoutJobs say so.
func TestServersWithoutJobs(t *testing.T) {
	f := start(t, setup{})
	for _, path := range []string{
		"/model-invocation-jobs", "/async-invoke", "/v1/files",
		"/v1/batches",
	} {
		if a := f.do("GET", path, ""); a.status != 400 || !strings.Contains(a.body, "--jobs") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
