package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const storiesModel = "../../testdata/stories260K/stories260K-f32.gguf"

// binary builds the command once for all tests of this package.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "basalt-e2e")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "basalt")
	out, err := exec.Command("go", "build", "-tags", buildTags, "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

// process is a running `basalt serve`.
type process struct {
	url  string
	cmd  *exec.Cmd
	done chan error
	log  *bytes.Buffer
}

// serve starts the binary on a free port and waits until it is ready.
func serve(t *testing.T, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{done: make(chan error, 1), log: &bytes.Buffer{}}
	p.cmd = exec.Command(path, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, url, ok := strings.Cut(lines.Text(), "Listening on "); ok {
				ready <- strings.TrimSpace(url)
			}
		}
		p.done <- p.cmd.Wait()
	}()
	select {
	case p.url = <-ready:
	case err := <-p.done:
		t.Fatalf("the server ended: %v\n%s", err, p.log)
	case <-time.After(60 * time.Second):
		t.Fatal("the server did not start in 60 s")
	}
	return p
}

// stop sends SIGTERM and gives the exit status.
func (p *process) stop(t *testing.T) error {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.done:
		return err
	case <-time.After(60 * time.Second):
		t.Fatal("the server did not stop in 60 s")
		return nil
	}
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

type story struct {
	Prompt string  `json:"prompt"`
	Tokens []int32 `json:"tokens"`
	Text   string  `json:"text"`
}

func stories(t *testing.T) []story {
	t.Helper()
	data, err := os.ReadFile("../../testdata/stories260K/greedy.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []story
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// complete asks for a greedy completion; with stream it joins the chunks.
func complete(ctx context.Context, url, prompt string, tokens int, stream bool) (string, error) {
	body, err := json.Marshal(map[string]any{
		"model": "stories260K-f32", "prompt": prompt, "max_tokens": tokens, "temperature": 0,
		"stream": stream, "ignore_eos": true,
	})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/completions",
		bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return "", fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	if stream {
		return joinStream(resp.Body)
	}
	var whole completion
	err = json.NewDecoder(resp.Body).Decode(&whole)
	return whole.text(), err
}

type completion struct {
	Choices []struct{ Text string }
}

func (c completion) text() string {
	if len(c.Choices) == 0 {
		return ""
	}
	return c.Choices[0].Text
}

func joinStream(r io.Reader) (string, error) {
	var text strings.Builder
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			return text.String(), nil
		}
		var chunk completion
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return "", err
		}
		text.WriteString(chunk.text())
	}
	return text.String(), errors.Join(errors.New("the stream ended without [DONE]"), lines.Err())
}

func TestServeAnswersAsThePublishedEngine(t *testing.T) {
	p := serve(t, storiesModel)
	for _, s := range stories(t) {
		for _, stream := range []bool{false, true} {
			got, err := complete(t.Context(), p.url, s.Prompt, len(s.Tokens), stream)
			if err != nil {
				t.Fatal(err)
			}
			want := s.Text
			if s.Prompt == "" { // text that begins with a word begins without its space
				want = strings.TrimPrefix(want, " ")
			}
			if got != want {
				t.Errorf("%q continues as\n%q, want\n%q", s.Prompt, got, want)
			}
		}
	}
	if err := p.stop(t); err != nil {
		t.Errorf("exit after SIGTERM: %v", err)
	}
}

func TestInvokeModelWithTheLlamaBody(t *testing.T) {
	p := serve(t, storiesModel, "--served-name", "meta.stories-v1:0")
	s := stories(t)[0]
	status, body := post(t, p.url+"/model/meta.stories-v1%3A0/invoke",
		fmt.Sprintf(`{"prompt":%q,"max_gen_len":%d,"temperature":0}`, s.Prompt, len(s.Tokens)))
	var answer struct {
		Generation           string
		PromptTokenCount     int    `json:"prompt_token_count"`
		GenerationTokenCount int    `json:"generation_token_count"`
		StopReason           string `json:"stop_reason"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	if answer.StopReason != "length" || answer.GenerationTokenCount != len(s.Tokens) ||
		answer.Generation != s.Text {
		t.Errorf("answer %+v", answer)
	}
}

// TestManyStreamsEqualOne: 64 streams of mixed lengths give what each gives alone.
func TestManyStreamsEqualOne(t *testing.T) {
	p := serve(t, storiesModel, "--step-tokens", "40", "--max-seqs", "40")
	words := strings.Fields("Once there was a little dog who liked to play in the park with " +
		"Tom and Lily")
	prompt := func(i int) string { return strings.Join(words[:1+i%len(words)], " ") }
	want := make([]string, 64)
	for i := range want {
		var err error
		if want[i], err = complete(t.Context(), p.url, prompt(i), 5+3*i, false); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range want {
		wg.Go(func() {
			got, err := complete(t.Context(), p.url, prompt(i), 5+3*i, true)
			if err != nil || got != want[i] {
				t.Errorf("stream %d: %v\n%q, alone\n%q", i, err, got, want[i])
			}
		})
	}
	wg.Wait()
}

// TestClientsThatLeaveFreeTheirBlocks: the cache is empty soon after clients went away in
// mid-stream.
func TestClientsThatLeaveFreeTheirBlocks(t *testing.T) {
	p := serve(t, storiesModel)
	for range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		_, err := complete(ctx, p.url, "Once upon a time", 480, true)
		cancel()
		if err == nil {
			t.Log("a stream ended before its client left")
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		_, metrics := get(t, p.url+"/metrics")
		if strings.Contains(metrics,
			`vllm:num_requests_running{engine="0",model_name="stories260K-f32"} 0`) &&
			strings.Contains(metrics,
				`vllm:kv_cache_usage_perc{engine="0",model_name="stories260K-f32"} 0`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("blocks are still in use:\n%s", metrics)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// TestSIGTERMLosesNoStream: 32 streams that have begun end complete.
func TestSIGTERMLosesNoStream(t *testing.T) {
	p := serve(t, storiesModel)
	want, err := complete(t.Context(), p.url, "Tim had a red ball", 300, false)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if got, err := complete(t.Context(), p.url, "Tim had a red ball", 300,
				true); err != nil ||
				got != want {
				t.Errorf("%v, %d of %d bytes", err, len(got), len(want))
			}
		})
	}
	waitRunning(t, p.url, 32)
	if err := p.stop(t); err != nil {
		t.Errorf("exit: %v\n%s", err, p.log)
	}
	wg.Wait()
}

// waitRunning waits until n requests are running or waiting, or have run.
func waitRunning(t *testing.T, url string, n int) {
	t.Helper()
	for range 500 {
		_, metrics := get(t, url+"/metrics")
		for line := range strings.Lines(metrics) {
			var got float64
			if _, err := fmt.Sscanf(line,
				`vllm:num_requests_running{engine="0",model_name="stories260K-f32"} %g`,
				&got); err == nil &&
				got >= float64(n) {
				return
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Log("the streams were never all running at once")
}

func TestRunContinuesAPrompt(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := stories(t)[0]
	out, err := exec.Command(path, "run", storiesModel, s.Prompt, "--max-tokens", "180",
		"--temperature", "0").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), strings.TrimSpace(s.Text)) {
		t.Errorf("got\n%s\nwant\n%s", out, s.Text)
	}
}

// TestBadInputEndsInOneClearError runs the command with what cannot work.
func TestBadInputEndsInOneClearError(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	f := func(want string, args ...string) {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil {
			t.Errorf("%q succeeded", args)
		}
		if !strings.Contains(stderr.String(), want) || strings.Contains(stderr.String(), "panic") {
			t.Errorf("%q prints\n%s\nwant %q", args, stderr.String(), want)
		}
	}
	f("no such file", "run", filepath.Join(dir, "absent.gguf"), "x")
	f("pytorch_model.bin", "run", write("pytorch_model.bin", "\x80\x02"), "x")
	f("short.gguf", "run", write("short.gguf", "GGUF"), "x")
	f("unknown flag", "serve", "--frobnicate")
	f("longer context", "run", storiesModel, "x", "--ctx", "100000")
	f("--listen", "serve", storiesModel, "--listen", "nowhere:port")
	f("chat template", "run", storiesModel, "--system", "You are kind.", "x")
}
