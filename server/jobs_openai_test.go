package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"strings"
	"testing"
	"time"
)

// upload is the body of POST /v1/files and its type.
func upload(t *testing.T, text string, fields ...string) (body, contentType string) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	f, err := w.CreateFormFile("file", "../in.jsonl")
	if err == nil {
		_, err = f.Write([]byte(text))
	}
	for i := 0; i < len(fields) && err == nil; i += 2 {
		err = w.WriteField(fields[i], fields[i+1])
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return form.String(), w.FormDataContentType()
}

func (y *yard) uploaded(t *testing.T, text string, headers ...string) string {
	t.Helper()
	body, contentType := upload(t, text, "purpose", "batch")
	return y.id(t, y.post("/v1/files", body, append(headers, "Content-Type", contentType)...))
}

func (y *yard) id(t *testing.T, a answer) string {
	t.Helper()
	var got struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return got.ID
}

func batchOf(file, endpoint string) string {
	return fmt.Sprintf(`{"input_file_id":%q,"endpoint":%q,"completion_window":"24h","metadata":`+
		`{"k":"v"}}`, file, endpoint)
}

func chatLine(id, model string, tokens int) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/chat/completions","body":`+
		`{"model":%q,"messages":[{"role":"user","content":"Hi"}],"max_tokens":%d}}`+"\n", id, model,
		tokens)
}

func batchEnds() []string { return []string{"completed", "failed", "expired", "cancelled"} }

func TestFilesOfOpenAI(t *testing.T) { both(t, testFilesOfOpenAI) }

func testFilesOfOpenAI(t *testing.T, start starter) {
	y := newYardBy(t, start, setup{})
	text := strings.Repeat("x", 300_000) + "\n"
	id := y.uploaded(t, text)
	a := y.do("GET", "/v1/files/"+id, "")
	var f struct {
		Object, Filename, Purpose, Status string
		Bytes, CreatedAt                  int64
	}
	if err := json.Unmarshal([]byte(a.body), &f); err != nil || f.Object != "file" ||
		f.Filename != "in.jsonl" || f.Purpose != "batch" || f.Bytes != int64(len(text)) {
		t.Errorf("%s", a.body)
	}
	if a := y.do("GET", "/openai/v1/files/"+id+"/content", ""); a.status != 200 || a.body != text {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	second := y.uploaded(t, "two")
	list := func(query string) string { return y.do("GET", "/v1/files"+query, "").body }
	if got := list(""); strings.Index(got, second) > strings.Index(got, id) ||
		!strings.Contains(got, `"has_more":false`) {
		t.Error(got)
	}
	if got := list("?limit=1&order=asc"); strings.Contains(got, second) ||
		!strings.Contains(got, `"has_more":true`) {
		t.Error(got)
	}
	got := list("?after=" + second)
	if strings.Contains(got, second) || !strings.Contains(got, id) {
		t.Error(got)
	}
	if got := list("?purpose=batch_output"); strings.Contains(got, id) {
		t.Error(got)
	}
	if a := y.do("DELETE", "/v1/files/"+id, ""); a.status != 200 || !strings.Contains(a.body,
		`"deleted":true`) {
		t.Error(a.status, a.body)
	}
	for _, path := range []string{"/v1/files/" + id, "/v1/files/" + id + "/content"} {
		if a := y.do("GET", path, ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	y.badUploads(t)
}

func (y *yard) badUploads(t *testing.T) {
	t.Helper()
	f := func(want string, fields ...string) {
		t.Helper()
		body, contentType := upload(t, "x", fields...)
		a := y.post("/v1/files", body, "Content-Type", contentType)
		if message, _ := openaiError(t, a); a.status != 400 || !strings.Contains(message, want) {
			t.Errorf("%v: %d %s", fields, a.status, message)
		}
	}
	f("purpose")
	f("purpose", "purpose", "fine-tune")
	f("not known", "purpose", "batch", "color", "red")
	f("no name, or another", "purpose", "batch", "purpose", "batch")
	f("expires_after", "purpose", "batch", "expires_after[anchor]", "created_at",
		"expires_after[seconds]", "5")
	if a := y.post("/v1/files", "{}"); a.status != 400 {
		t.Error(a.status, a.body)
	}
	cut := "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx"
	if a := y.post("/v1/files", cut, "Content-Type", "multipart/form-data; boundary=b"); a.status !=
		400 {
		t.Error(a.status, a.body)
	}
}

func TestABatchOfOpenAI(t *testing.T) {
	y := newYard(t, setup{noEOS: true})
	text := chatLine("a", "tiny", 3) + chatLine("b", "tiny", -1) + chatLine("c", "tiny", 4)
	stream := strings.Replace(chatLine("d", "tiny", 3), `"max_tokens"`,
		`"stream":true,"max_tokens"`, 1)
	file := y.uploaded(t, text+stream)
	id := y.id(t, y.post("/v1/batches", batchOf(file, "/v1/chat/completions")))
	b := y.wait(t, "/v1/batches/"+id, "status", batchEnds())
	counts := b["request_counts"].(map[string]any)
	if b["status"] != "completed" || counts["total"] != 4.0 || counts["completed"] != 2.0 ||
		counts["failed"] != 2.0 || b["model"] != "tiny" || b["completed_at"] == nil ||
		b["metadata"].(map[string]any)["k"] != "v" ||
		b["usage"].(map[string]any)["output_tokens"] != 7.0 {
		t.Errorf("%v", b)
	}
	content := func(name string) []string {
		t.Helper()
		a := y.do("GET", fmt.Sprintf("/v1/files/%s/content", b[name]), "")
		if a.status != 200 {
			t.Fatal(a.status, a.body)
		}
		return lines(a.body)
	}
	output, failed := content("output_file_id"), content("error_file_id")
	if len(output) != 2 || !strings.Contains(output[1], `"completion_tokens":4`) ||
		!strings.Contains(output[0], `"custom_id":"a","response":{"status_code":200,`) {
		t.Errorf("%s", output)
	}
	if len(failed) != 2 || !strings.Contains(failed[1], "stream must be false") ||
		!strings.Contains(failed[0], `"custom_id":"b","response":{"status_code":400,`) {
		t.Errorf("%s", failed)
	}
	for _, line := range append(output, failed...) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%s", line)
		}
	}
	if a := y.post("/v1/batches/"+id+"/cancel", ""); a.status != 409 {
		t.Error(a.status, a.body)
	}
	if a := y.do("GET", "/v1/batches?limit=5", ""); !strings.Contains(a.body, id) {
		t.Error(a.body)
	}
}

func TestBatchesThatAreRefused(t *testing.T) {
	y := newYard(t, setup{})
	file := func(text string) string { return y.uploaded(t, text) }
	good := chatLine("a", "tiny", 3)
	f := func(text, code string, line float64) {
		t.Helper()
		id := y.id(t, y.post("/v1/batches", batchOf(file(text), "/v1/chat/completions")))
		b := y.wait(t, "/v1/batches/"+id, "status", batchEnds())
		errors, _ := b["errors"].(map[string]any)
		if b["status"] != "failed" || errors == nil {
			t.Fatalf("%s: %v", text, b)
		}
		first := errors["data"].([]any)[0].(map[string]any)
		if first["code"] != code || line > 0 && first["line"] != line {
			t.Errorf("%s: %v", text, first)
		}
	}
	f("{", "invalid_json_line", 1)
	f(good+"{}\n", "invalid_request", 2)
	f(good+good, "duplicate_custom_id", 2)
	f(good+chatLine("b", "other", 1), "model_not_found", 2)
	f(good+chatLine("b", "meta.tiny-v1:0", 1), "mismatched_model", 2)
	f(strings.Replace(good, "POST", "GET", 1), "invalid_method", 1)
	f(strings.Replace(good, "/v1/chat", "/v2/chat", 1), "mismatched_endpoint", 1)
	f("\n", "batch_failed", 0)
	refuse := func(body string, status int) {
		t.Helper()
		if a := y.post("/v1/batches", body); a.status != status {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	id := file(good)
	refuse(batchOf("file-absent", "/v1/chat/completions"), 404)
	refuse(batchOf(id, "/v1/embeddings"), 400)
	refuse(strings.Replace(batchOf(id, "/v1/chat/completions"), "24h", "1h", 1), 400)
	refuse(strings.Replace(batchOf(id, "/v1/chat/completions"), `{"k":"v"}`, `{"k":1}`, 1), 400)
	refuse(`{}`, 400)
}

func TestABatchIsCancelled(t *testing.T) {
	y := newYard(t, setup{noEOS: true, stepTime: time.Millisecond})
	var text strings.Builder
	for i := range 400 {
		text.WriteString(chatLine(fmt.Sprint(i), "tiny", 20))
	}
	id := y.id(t, y.post("/v1/batches", batchOf(y.uploaded(t, text.String()),
		"/v1/chat/completions")))
	y.wait(t, "/v1/batches/"+id, "status", []string{"in_progress"})
	if a := y.post("/v1/batches/"+id+"/cancel", ""); a.status != 200 || !strings.Contains(a.body,
		`"cancelling"`) {
		t.Error(a.status, a.body)
	}
	b := y.wait(t, "/v1/batches/"+id, "status", batchEnds())
	if b["status"] != "cancelled" || b["error_file_id"] == nil {
		t.Errorf("%v", b)
	}
	a := y.do("GET", fmt.Sprintf("/v1/files/%s/content", b["error_file_id"]), "")
	counts := b["request_counts"].(map[string]any)
	if n := len(lines(a.body)); float64(n) != 400-counts["completed"].(float64) ||
		!strings.Contains(a.body, `"response":null,"error":{"code":"batch_cancelled"`) {
		t.Errorf("%d lines, %v", n, counts)
	}
	y.balance(2 * time.Second)
}
