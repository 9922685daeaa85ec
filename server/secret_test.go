package server

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) Sync() error { return nil }

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newLog() (*zap.Logger, *lockedBuffer) {
	out := &lockedBuffer{}
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(enc, out, zap.DebugLevel)), out
}

// TestNothingSecretIsLogged puts a word everywhere a client can put one, good and bad, and looks
// for it in the log, at its most talkative, and in the metrics.
func TestNothingSecretIsLogged(t *testing.T) {
	const canary = "cAnArY7"
	log, out := newLog()
	p := newPeople(t, `principals: {acme: {models: ["*"], operations: [inference, Metrics]}}`)
	p.add("acme", canary+"-key")
	cfg := p.config()
	cfg.Logger = log
	cfg.Limits = Limits{ReadTime: 200 * time.Millisecond, MaxBody: 1 << 20}
	f := start(t, setup{context: 300, cfg: cfg})
	auth := []string{"Authorization", "Bearer " + canary + "-key", "X-Request-Id", canary}
	numGood := 0
	for _, body := range secretBodies(canary) {
		for _, path := range []string{
			chatPath, textPath, conversePath,
			"/model/" + canary + "/converse",
			"/model/tiny/invoke", "/model/tiny/converse-stream", "/" + canary,
			chatPath + "?k=" + canary,
			"/model/tiny/invoke-with-response-stream", "/v1/models/" + canary,
		} {
			if f.post(path, body, auth...).status == 200 {
				numGood++
			}
		}
	}
	f.post(chatPath, chatHi, "Authorization", "Bearer "+canary, "Origin", "http://"+canary)
	f.do("GET", "/v1/models/"+canary, "", auth...)
	head := "POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
		"" + canary + "\r\n"
	for _, rest := range []string{
		"X Y: " + canary + "\r\n\r\n", canary + "\r\n\r\n",
		"Content-Length: 9999999999\r\n\r\n" + canary, "Content-Length: 90\r\n\r\n" + canary,
		"Transfer-Encoding: chunked\r\n\r\n" + canary, "X: " + strings.Repeat(canary,
			9999) + "\r\n\r\n",
		"Host: " + canary + "\r\n\r\n", "Expect: " + canary + "\r\n\r\n", "X: " + canary,
	} {
		f.raw(head+rest, 400*time.Millisecond)
	}
	f.raw(canary+" / HTTP/1.1\r\n\r\n", 400*time.Millisecond)
	if numGood < 8 {
		t.Errorf("only %d good requests", numGood)
	}
	if lines := strings.Count(out.String(), "\n"); lines < 50 {
		t.Errorf("only %d lines were logged", lines)
	}
	metrics := f.do("GET", "/metrics", "", auth...).body
	for what, text := range map[string]string{"log": out.String(), "metrics": metrics} {
		if i := strings.Index(strings.ToLower(text), strings.ToLower(canary)); i >= 0 {
			t.Errorf("the %s shows the secret: %s", what, text[max(0, i-200):min(len(text), i+100)])
		}
	}
	if !strings.Contains(out.String(), `"tenant":"acme"`) {
		t.Error("the log does not name the tenant")
	}
}

func secretBodies(canary string) []string {
	return []string{
		canary,
		`{"` + canary + `":1}`,
		`{"model":"` + canary + `","messages":[],"prompt":"x"}`,
		fmt.Sprintf(`{"model":"tiny","messages":[{"role":"user","content":%q}],%q:1,`+
			`"max_tokens":3,`+
			`"tools":[{"type":"function","function":{"name":%q}}],"stop":[%q]}`, canary, canary,
			canary,
			canary),
		fmt.Sprintf(`{"model":"tiny","messages":[{"role":"user","content":%q,"name":%q}],`+
			`"max_tokens":3,"metadata":{%q:%q},"user":%q,"stop":[%q]}`, canary, canary, canary,
			canary, canary, canary),
		fmt.Sprintf(`{"model":"tiny","messages":[{"role":%q,"content":"x"}],"max_tokens":3}`,
			canary),
		fmt.Sprintf(`{"model":"tiny","prompt":%q,"max_tokens":3,"user":%q}`, canary, canary),
		fmt.Sprintf(`{"model":"tiny","prompt":%q,"max_tokens":3}`, strings.Repeat(canary+" ", 300)),
		fmt.Sprintf(`{"prompt":%q,"max_gen_len":3}`, canary),
		fmt.Sprintf(`{"prompt":"x","max_gen_len":3,%q:%q}`, canary, canary),
		fmt.Sprintf(`{"messages":[{"role":"user","content":[{"text":%q}]}],"system":[{"text":%q}],`+
			`"inferenceConfig":{"maxTokens":3,"stopSequences":[%q]},"requestMetadata":{%q:%q}}`,
			canary, canary,
			canary, canary, canary),
		fmt.Sprintf(`{"messages":[{"role":"user","content":[{%q:%q}]}]}`, canary, canary),
		fmt.Sprintf(`{"messages":[{"role":"user","content":[{"text":"x"}]}],`+
			`"additionalModelRequestFields":{"chat_template_kwargs":{"messages":%q}}}`, canary),
	}
}
