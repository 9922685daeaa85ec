package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestInvocationLogsSurviveKills asks without pause while the server is killed at random, and then
// looks for every invocation of the audit log in the bucket.
func TestInvocationLogsSurviveKills(t *testing.T) {
	const kills = 10
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(at("bucket"), 0o700); err != nil {
		t.Fatal(err)
	}
	must(t, "audit", "keygen", at("key"))
	writeFile(t, at("table"), "buckets:\n  logs: {tenants: [local], folder: "+at("bucket")+"}\n")
	args := []string{
		storiesModel, "--device", "null", "--log-level", "error", "--audit", at("log"),
		"--audit-key", at("key"), "--audit-file-size", "16KiB", "--buckets", at("table"),
		"--audit-deliver-every", "5ms",
	}
	p := serve(t, args...)
	putLogging(t, p, `{"loggingConfig":{"s3Config":{"bucketName":"logs","keyPrefix":"p"}}}`)
	for range kills {
		askUntil(p, func() {
			time.Sleep(time.Duration(rand.IntN(120)) * time.Millisecond)
			if err := p.cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		})
		<-p.done // that it was killed
		p = serve(t, args...)
	}
	askUntil(p, func() { time.Sleep(20 * time.Millisecond) })
	if err := p.stop(t); err != nil {
		t.Errorf("%v\n%s", err, p.log)
	}
	if p.log.Len() > 0 {
		t.Errorf("the server complains: %s", p.log)
	}
	must(t, "audit", "verify", at("log"), "--key", at("key.pub"))
	want := invocations(t, at("log"), ".jsonl")
	got := invocations(t, at("bucket/p/AWSLogs/local/BedrockModelInvocationLogs/us-east-1"), ".gz")
	if len(want) < 3*kills || len(got) != len(want) {
		t.Errorf("%d invocations are recorded, %d are delivered", len(want), len(got))
	}
	for id := range want {
		if want[id] != 1 || got[id] != 1 {
			t.Errorf("invocation %s is recorded %d times and delivered %d times", id, want[id],
				got[id])
		}
	}
	t.Logf("%d invocations", len(want))
}

func putLogging(t *testing.T, p *process, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, p.url+"/logging/modelinvocations",
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %s %v", resp.StatusCode, text, err)
	}
}

// askUntil sends requests from several clients until stop returns. What they are answered counts
// for nothing: the server is killed meanwhile.
func askUntil(p *process, stop func()) {
	const body = `{"model":"stories260K-f32","prompt":"Tim","max_tokens":2}`
	done := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				resp, err := http.Post(p.url+"/v1/completions", "application/json",
					strings.NewReader(body))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	stop()
	close(done)
	clients.Wait()
}

// invocations counts how often each is in the files of a folder.
func invocations(t *testing.T, dir, end string) map[string]int {
	t.Helper()
	out := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, end) {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && end == ".gz" {
			var r *gzip.Reader
			if r, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
				data, err = io.ReadAll(r)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for line := range bytes.Lines(data) {
			var r struct{ SchemaType, RequestID string }
			if err := json.Unmarshal(line, &r); err != nil {
				return fmt.Errorf("%s: %w: %s", path, err, line)
			}
			if r.SchemaType == "ModelInvocationLog" {
				out[r.RequestID]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
