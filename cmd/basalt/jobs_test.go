package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	numRecords  = 1000
	numRequests = 150 // of the batch of OpenAI's API
	numKills    = 20
)

// TestJobsSurviveKills runs a job of 1,000 records and a batch while the server is killed at random
// 20 times. Each record has one result at the end, and each in its place.
func TestJobsSurviveKills(t *testing.T) {
	s := newJobSite(t)
	p := serve(t, s.args...)
	job, batch := s.createJob(t, p), s.createBatch(t, p)
	done := 0
	for kill := range numKills {
		s.work(t, p, job, (kill+1)*numRecords/(numKills+1))
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.done // with the error that it was killed
		p = serve(t, s.args...)
		// The job counts its results as it goes on.
		for before, tries := done, 0; tries == 0 || done < before; tries++ {
			state := s.get(t, p, "/model-invocation-job/"+job)
			done = int(number(state["processedRecordCount"]))
			if tries > 1000 {
				t.Fatalf("after kill %d, %d records are done; %d were before", kill, done, before)
			}
			time.Sleep(time.Millisecond)
		}
	}
	t.Logf("after %d kills %d of %d records were done", numKills, done, numRecords)
	begun := time.Now()
	if err := p.stop(t); err != nil || time.Since(begun) > 10*time.Second {
		t.Errorf("SIGTERM took %v: %v\n%s", time.Since(begun), err, p.log)
	}
	p = serve(t, s.args...)
	state := s.wait(t, p, "/model-invocation-job/"+job, "Completed")
	if number(state["successRecordCount"]) != numRecords {
		t.Errorf("%v", state)
	}
	s.checkJob(t, job)
	info := s.wait(t, p, "/v1/batches/"+batch, "completed")
	_, output := get(t, p.url+"/v1/files/"+info["output_file_id"].(string)+"/content")
	checkBatch(t, output)
	if err := p.stop(t); err != nil {
		t.Errorf("%v\n%s", err, p.log)
	}
}

// work lets the server work for a random time, but no further than to so many records, so that
// there is something left for the next kill.
func (s *jobSite) work(t *testing.T, p *process, job string, most int) {
	t.Helper()
	end := time.Now().Add(time.Duration(rand.IntN(200_000)) * time.Microsecond)
	for time.Now().Before(end) {
		state := s.get(t, p, "/model-invocation-job/"+job)
		if int(number(state["processedRecordCount"])) >= most {
			return
		}
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
	}
}

func number(v any) float64 {
	f, _ := v.(float64)
	return f
}

// jobSite is a folder with a bucket and a store of jobs.
type jobSite struct {
	bucket string
	args   []string
}

func newJobSite(t *testing.T) *jobSite {
	t.Helper()
	dir := t.TempDir()
	s := &jobSite{bucket: filepath.Join(dir, "bucket")}
	if err := os.Mkdir(s.bucket, 0o700); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, "buckets.yaml")
	writeFile(t, table, "buckets:\n  data: {tenants: [local], folder: "+s.bucket+"}\n")
	s.args = []string{
		storiesModel, "--device", "null", "--log-level", "error", "--jobs",
		filepath.Join(dir, "jobs"), "--buckets", table, "--job-records", "8",
	}
	return s
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *jobSite) createJob(t *testing.T, p *process) string {
	t.Helper()
	var input strings.Builder
	for i := range numRecords {
		fmt.Fprintf(&input, `{"recordId":"r%04d","modelInput":{"prompt":"Tim %d",`+
			`"max_gen_len":%d}}`+"\n", i, i, 1+i%40)
	}
	writeFile(t, filepath.Join(s.bucket, "in.jsonl"), input.String())
	status, body := post(t, p.url+"/model-invocation-job", `{"jobName":"killed","modelId":`+
		`"stories260K-f32","roleArn":"arn:aws:iam::123456789012:role/r","inputDataConfig":`+
		`{"s3InputDataConfig":{"s3Uri":"s3://data/in.jsonl"}},"outputDataConfig":`+
		`{"s3OutputDataConfig":{"s3Uri":"s3://data/out"}}}`)
	_, id, ok := strings.Cut(strings.TrimSuffix(body, `"}`), "model-invocation-job/")
	if status != http.StatusOK || !ok {
		t.Fatalf("%d %s", status, body)
	}
	return id
}

func (s *jobSite) createBatch(t *testing.T, p *process) string {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	file, err := w.CreateFormFile("file", "requests.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for i := range numRequests {
		if _, err := fmt.Fprintf(file, `{"custom_id":"c%04d","method":"POST","url":`+
			`"/v1/completions","body":{"model":"stories260K-f32","prompt":"Lily %d",`+
			`"max_tokens":5,"ignore_eos":true}}`+"\n", i, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteField("purpose", "batch"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(p.url+"/v1/files", w.FormDataContentType(), &form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ ID string }
	if err := json.Unmarshal(text, &made); err != nil || made.ID == "" {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	_, body := post(t, p.url+"/v1/batches", `{"input_file_id":"`+made.ID+`","endpoint":`+
		`"/v1/completions","completion_window":"24h"}`)
	if err := json.Unmarshal([]byte(body), &made); err != nil || !strings.HasPrefix(made.ID,
		"batch_") {
		t.Fatal(body)
	}
	return made.ID
}

func (s *jobSite) get(t *testing.T, p *process, path string) map[string]any {
	t.Helper()
	status, body := get(t, p.url+path)
	var out map[string]any
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s\n%s", path, status, body, p.log)
	}
	return out
}

func (s *jobSite) wait(t *testing.T, p *process, path, want string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		state := s.get(t, p, path)
		if state["status"] == want {
			return state
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v\n%s", path, state, p.log)
		}
	}
}

// checkJob reads the output: the records of the input, in their order, each once and with its
// answer.
func (s *jobSite) checkJob(t *testing.T, id string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.bucket, "out", id, "in.jsonl.out"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != numRecords {
		t.Fatalf("%d results, want %d", len(lines), numRecords)
	}
	for i, line := range lines {
		var r struct {
			RecordID   string
			ModelInput struct {
				Prompt string
				Most   int `json:"max_gen_len"`
			}
			ModelOutput struct {
				Tokens int `json:"generation_token_count"`
			}
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil ||
			r.RecordID != fmt.Sprintf("r%04d", i) || r.ModelInput.Prompt != fmt.Sprint("Tim ", i) ||
			r.ModelOutput.Tokens < 1 || r.ModelOutput.Tokens > r.ModelInput.Most {
			t.Fatalf("result %d is %s, %v", i, line, err)
		}
	}
	left, err := os.ReadDir(filepath.Join(s.bucket, "out", id))
	if err != nil || len(left) != 2 {
		t.Errorf("the output has %v, %v", left, err)
	}
}

func checkBatch(t *testing.T, output string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(output, "\n"), "\n")
	if len(lines) != numRequests {
		t.Fatalf("%d answers of the batch, want %d", len(lines), numRequests)
	}
	for i, line := range lines {
		var r struct {
			CustomID string `json:"custom_id"`
			Response struct {
				Status int `json:"status_code"`
				Body   struct {
					Usage struct {
						Tokens int `json:"completion_tokens"`
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Response.Status != 200 ||
			r.CustomID != fmt.Sprintf("c%04d", i) || r.Response.Body.Usage.Tokens != 5 {
			t.Fatalf("answer %d is %s, %v", i, line, err)
		}
	}
}
