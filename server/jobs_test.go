package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/server/buckets"
	"basalt/server/jobs"
)

// yard is a server with jobs, whose tenants have buckets that are folders.
type yard struct {
	*fixture
	dir string
}

const yardBuckets = `buckets:
  mine: {tenants: [local, acme], shared: true, folder: DIR/mine}
  theirs: {tenants: [other], folder: DIR/theirs}
  still: {tenants: [local, acme], shared: true, folder: DIR/still, read-only: true}
`

func newYard(t *testing.T, s setup) *yard {
	t.Helper()
	return newYardBy(t, start, s)
}

func newYardBy(t *testing.T, start starter, s setup) *yard {
	t.Helper()
	y := &yard{dir: t.TempDir()}
	for _, name := range []string{"mine", "theirs", "still"} {
		if err := os.Mkdir(filepath.Join(y.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	table := filepath.Join(y.dir, "buckets.yaml")
	y.write(t, "buckets.yaml", strings.ReplaceAll(yardBuckets, "DIR", y.dir))
	var err error
	if s.cfg.Buckets, err = buckets.Open(table, nil); err != nil {
		t.Fatal(err)
	}
	if s.cfg.Jobs, err = jobs.Open(jobs.Config{Folder: filepath.Join(y.dir, "jobs")}); err != nil {
		t.Fatal(err)
	}
	y.fixture = start(t, s)
	return y
}

func (y *yard) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(y.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (y *yard) read(t *testing.T, parts ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{y.dir}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// jobBody is a body of CreateModelInvocationJob.
func jobBody(input, output, extra string) string {
	return fmt.Sprintf(`{"jobName":"nightly","roleArn":"arn:aws:iam::123456789012:role/r",`+
		`"modelId":"tiny","inputDataConfig":{"s3InputDataConfig":{"s3Uri":%q}},`+
		`"outputDataConfig":{"s3OutputDataConfig":{"s3Uri":%q}}%s}`, input, output, extra)
}

func llamaRecords(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"recordId":"r%05d","modelInput":{"prompt":"Hi %d","max_gen_len":4}}`+"\n",
			i, i)
	}
	return b.String()
}

// wait polls a path until a member of the answer is one of the values.
func (y *yard) wait(t *testing.T, path, member string, values []string, headers ...string,
) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		a := y.do("GET", path, "", headers...)
		var got map[string]any
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		for _, v := range values {
			if got[member] == v {
				return got
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", path, a.body)
		}
	}
}

func jobEnds() []string {
	return []string{"Completed", "Failed", "Stopped", "Expired", "PartiallyCompleted"}
}

func (y *yard) created(t *testing.T, a answer) string {
	t.Helper()
	var got map[string]string
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, arn := range got {
		return arn
	}
	return ""
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func TestAJobOfBedrock(t *testing.T) {
	y := newYard(t, setup{noEOS: true})
	input := llamaRecords(30) + `{"recordId":"bad","modelInput":{"prompt":"Hi","max_gen_len":-1}}` +
		"\n" + `{"modelInput":{"prompt":"Hi","max_gen_len":2}}`
	y.write(t, "mine/in.jsonl", input)
	arn := y.created(t, y.post("/model-invocation-job",
		jobBody("s3://mine/in.jsonl", "s3://mine/out/", `,"tags":[{"key":"k","value":"v"}]`)))
	id := arn[strings.LastIndexByte(arn, '/')+1:]
	if !strings.HasPrefix(arn, "arn:aws:bedrock:us-east-1:000000000000:model-invocation-job/") {
		t.Error(arn)
	}
	escaped := strings.NewReplacer(":", "%3A", "/", "%2F").Replace(arn)
	st := y.wait(t, "/model-invocation-job/"+escaped, "status", jobEnds())
	if st["status"] != "Completed" || st["totalRecordCount"] != 32.0 ||
		st["successRecordCount"] != 31.0 || st["errorRecordCount"] != 1.0 || st["endTime"] == nil {
		t.Errorf("%v", st)
	}
	out := lines(y.read(t, "mine/out", id, "in.jsonl.out"))
	if len(out) != 32 {
		t.Fatalf("%d lines", len(out))
	}
	for i, line := range out {
		var r struct {
			RecordID    string
			ModelInput  map[string]any
			ModelOutput map[string]any
			Error       map[string]any
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		switch {
		case i < 30 && (r.RecordID != fmt.Sprintf("r%05d", i) ||
			r.ModelOutput["generation_token_count"] != 4.0 || r.Error != nil ||
			r.ModelInput["prompt"] != fmt.Sprintf("Hi %d", i)):
			t.Errorf("%s", line)
		case i == 30 && (r.Error["errorCode"] != 400.0 || r.ModelOutput != nil ||
			!strings.Contains(r.Error["errorMessage"].(string), "max_gen_len")):
			t.Errorf("%s", line)
		case i == 31 && (len(r.RecordID) != 11 || r.ModelOutput == nil):
			t.Errorf("%s", line)
		}
	}
	var manifest map[string]int
	if err := json.Unmarshal([]byte(y.read(t, "mine/out", id, "manifest.json.out")),
		&manifest); err != nil || manifest["totalRecordCount"] != 32 ||
		manifest["processedRecordCount"] != 32 || manifest["successRecordCount"] != 31 ||
		manifest["errorRecordCount"] != 1 || manifest["outputTokenCount"] != 30*4+2 ||
		manifest["inputTokenCount"] < 31 {
		t.Error(manifest, err)
	}
	message, name := awsError(t, y.post("/model-invocation-job/"+id+"/stop", ""))
	if name != "ConflictException" {
		t.Error(name, message)
	}
	y.balance(time.Second)
}

func TestAJobOfAPrefixWithConverse(t *testing.T) {
	y := newYard(t, setup{noEOS: true})
	record := `{"recordId":"%s","modelInput":{"messages":[{"role":"user","content":[` +
		`{"text":"Hi"}]}],"inferenceConfig":{"maxTokens":3}}}`
	y.write(t, "mine/a.jsonl", fmt.Sprintf(record, "a1")+"\n"+fmt.Sprintf(record, "a2"))
	y.write(t, "mine/b.jsonl", fmt.Sprintf(record, "b1")+"\r\n\n")
	y.write(t, "mine/c.txt", "no input")
	id := y.created(t, y.post("/model-invocation-job", jobBody("s3://mine/", "s3://mine/out",
		`,"modelInvocationType":"Converse"`)))
	id = id[strings.LastIndexByte(id, '/')+1:]
	if st := y.wait(t, "/model-invocation-job/"+id, "status", jobEnds()); st["status"] !=
		"Completed" || st["successRecordCount"] != 3.0 {
		t.Errorf("%v", st)
	}
	a, b := y.read(t, "mine/out", id, "a.jsonl.out"), y.read(t, "mine/out", id, "b.jsonl.out")
	if len(lines(a)) != 2 || len(lines(b)) != 1 ||
		!strings.Contains(b, `"stopReason":"max_tokens"`) {
		t.Errorf("%s\n%s", a, b)
	}
}

// TestBucketsOfOthers: what the table does not give to a tenant is refused before anything is
// done.
func TestBucketsOfOthers(t *testing.T) { both(t, testBucketsOfOthers) }

func testBucketsOfOthers(t *testing.T, start starter) {
	y := newYardBy(t, start, setup{})
	y.write(t, "mine/in.jsonl", llamaRecords(1))
	y.write(t, "theirs/in.jsonl", llamaRecords(1))
	f := func(input, output, extra, want string) {
		t.Helper()
		a := y.post("/model-invocation-job", jobBody(input, output, extra))
		if message, name := awsError(t, a); name != want {
			t.Errorf("%s to %s: %d %s %s; want %s", input, output, a.status, name, message, want)
		}
	}
	in, out := "s3://mine/in.jsonl", "s3://mine/out"
	denied, invalid := "AccessDeniedException", "ValidationException"
	f("s3://theirs/in.jsonl", out, "", denied)
	f(in, "s3://theirs/out", "", denied)
	f("s3://absent/in.jsonl", out, "", denied)
	f(in, "s3://still/out", "", denied)
	f("s3://mine/../theirs/in.jsonl", out, "", invalid)
	f("https://example.com/in.jsonl", out, "", invalid)
	f("file:///etc/passwd", out, "", invalid)
	f(in, out, `,"vpcConfig":{"subnetIds":["a"],"securityGroupIds":["b"]}`, invalid)
	f(in, out, `,"timeoutDurationInHours":1`, invalid)
	f(in, out, `,"nonsense":1`, invalid)
	body := jobBody(in, out, "")
	owned := strings.Replace(body, `"s3Uri":"s3://mine/out"`,
		`"s3Uri":"s3://mine/out","s3BucketOwner":"123456789012"`, 1)
	if _, name := awsError(t, y.post("/model-invocation-job", owned)); name != denied {
		t.Error(name)
	}
	other := strings.Replace(body, `"tiny"`, `"absent"`, 1)
	if _, name := awsError(t, y.post("/model-invocation-job", other)); name !=
		"ResourceNotFoundException" {
		t.Error(name)
	}
	async := `{"modelId":"tiny","modelInput":{"prompt":"Hi"},"outputDataConfig":` +
		`{"s3OutputDataConfig":{"s3Uri":"s3://theirs/out"}}}`
	if _, name := awsError(t, y.post("/async-invoke", async)); name != denied {
		t.Error(name)
	}
	if entries, err := os.ReadDir(filepath.Join(y.dir, "theirs")); err != nil || len(entries) != 1 {
		t.Error(entries, err)
	}
	if entries, err := os.ReadDir(filepath.Join(y.dir, "jobs/jobs")); err != nil ||
		len(entries) != 0 {
		t.Error("a job was made:", entries, err)
	}
}

func TestJobsThatCannotBeRead(t *testing.T) {
	y := newYard(t, setup{})
	if err := os.Symlink("../theirs/in.jsonl", filepath.Join(y.dir, "mine/link")); err != nil {
		t.Fatal(err)
	}
	y.write(t, "theirs/in.jsonl", llamaRecords(1))
	y.write(t, "mine/broken", llamaRecords(2)+"{\n")
	f := func(input, want string) {
		t.Helper()
		arn := y.created(t, y.post("/model-invocation-job", jobBody(input, "s3://mine/out", "")))
		path := "/model-invocation-job/" + arn[strings.LastIndexByte(arn, '/')+1:]
		st := y.wait(t, path, "status", jobEnds())
		message, _ := st["message"].(string)
		if st["status"] != "Failed" || !strings.Contains(message, want) ||
			strings.Contains(message, y.dir) {
			t.Errorf("%s: %v", input, st)
		}
	}
	f("s3://mine/absent", "cannot read s3://mine/absent: it is not there")
	f("s3://mine/link", "cannot read s3://mine/link")
	f("s3://mine/none/", "cannot list s3://mine/none/")
	f("s3://mine/broken", "line 3 of broken: ")
}

func TestListsOfJobs(t *testing.T) {
	y := newYard(t, setup{noEOS: true})
	y.write(t, "mine/in.jsonl", llamaRecords(1))
	var ids []string
	for range 3 {
		arn := y.created(t, y.post("/model-invocation-job",
			jobBody("s3://mine/in.jsonl", "s3://mine/out", "")))
		ids = append(ids, arn)
		time.Sleep(2 * time.Millisecond)
	}
	list := func(query string) (arns []string, next string) {
		t.Helper()
		var got struct {
			Summaries []struct{ JobArn string } `json:"invocationJobSummaries"`
			NextToken string
		}
		a := y.do("GET", "/model-invocation-jobs"+query, "")
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, s := range got.Summaries {
			arns = append(arns, s.JobArn)
		}
		return arns, got.NextToken
	}
	f := func(query string, want ...string) {
		t.Helper()
		if got, _ := list(query); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	f("", ids[2], ids[1], ids[0])
	f("?sortOrder=Ascending&sortBy=CreationTime", ids...)
	f("?nameContains=NIGHT", ids[2], ids[1], ids[0])
	f("?nameContains=daily")
	f("?submitTimeAfter=2099-01-01T00%3A00%3A00Z")
	f("?submitTimeBefore=2099-01-01T00%3A00%3A00Z&maxResults=1", ids[2])
	_, next := list("?maxResults=2")
	f("?maxResults=2&nextToken="+next, ids[0])
	for _, query := range []string{"?nextToken=x", "?maxResults=0", "?sortBy=x", "?what=1"} {
		if a := y.do("GET", "/model-invocation-jobs"+query, ""); a.status != 400 {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}

func TestAnAsyncInvocation(t *testing.T) {
	y := newYard(t, setup{noEOS: true})
	body := func(n int, token string) string {
		return fmt.Sprintf(`{"modelId":"tiny","clientRequestToken":%q,"modelInput":{"prompt":`+
			"\n"+`"Hi","max_gen_len":%d},"outputDataConfig":{"s3OutputDataConfig":{"s3Uri":`+
			`"s3://mine/async"}}}`, token, n)
	}
	arn := y.created(t, y.post("/async-invoke", body(5, "one")))
	if again := y.created(t, y.post("/async-invoke", body(5, "one"))); again != arn {
		t.Errorf("the same token gave %s and %s", arn, again)
	}
	if _, name := awsError(t, y.post("/async-invoke", body(6, "one"))); name !=
		"ConflictException" {
		t.Error(name)
	}
	escape := strings.NewReplacer(":", "%3A", "/", "%2F")
	st := y.wait(t, "/async-invoke/"+escape.Replace(arn), "status", []string{"Completed", "Failed"})
	id := arn[strings.LastIndexByte(arn, '/')+1:]
	if st["status"] != "Completed" || !strings.Contains(y.read(t, "mine/async", id, "output.json"),
		`"generation_token_count":5`) {
		t.Errorf("%v", st)
	}
	bad := y.created(t, y.post("/async-invoke", body(-1, "two")))
	st = y.wait(t, "/async-invoke/"+escape.Replace(bad), "status", []string{"Completed", "Failed"})
	if message, _ := st["failureMessage"].(string); st["status"] != "Failed" ||
		!strings.Contains(message, "max_gen_len") {
		t.Errorf("%v", st)
	}
	if a := y.do("GET", "/async-invoke?statusEquals=Failed", ""); strings.Count(a.body,
		"invocationArn") != 1 || !strings.Contains(a.body, bad) {
		t.Error(a.body)
	}
	if a := y.do("GET", "/async-invoke/"+escape.Replace(strings.Replace(arn, id, "000000000000",
		1)), ""); a.status != 400 {
		t.Error(a.status, a.body)
	}
}
