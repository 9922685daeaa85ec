package openai

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

const lineJSON = `{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"model":"m"}}`

func TestLinesOfBatches(t *testing.T) {
	l, err := DecodeBatchLine([]byte(lineJSON))
	if err != nil || l.ID != "a" || l.Method != "POST" || l.URL != "/v1/completions" ||
		l.Model != "m" || string(l.Body) != `{"model":"m"}` {
		t.Errorf("%+v, %v", l, err)
	}
	f := func(old, new, field string) {
		t.Helper()
		_, err := DecodeBatchLine([]byte(strings.Replace(lineJSON, old, new, 1)))
		if err == nil || err.Field != field {
			t.Errorf("%s: %v", new, err)
		}
	}
	f(`"a"`, `""`, "custom_id")
	f(`"a"`, `1`, "custom_id")
	f(`"method":"POST",`, ``, "method")
	f(`{"model":"m"}`, `"m"`, "body")
	f(`{"model":"m"}`, `{}`, "body.model")
	f(`"body"`, `"x":1,"body"`, "x")
}

func FuzzDecodeBatchLine(f *testing.F) {
	f.Add([]byte(lineJSON))
	f.Fuzz(func(t *testing.T, line []byte) {
		l, err := DecodeBatchLine(line)
		if err != nil {
			return
		}
		out := AppendBatchOutput(nil, "id", l.ID, AppendBatchAnswer(nil, "r", 200, l.Body))
		if !json.Valid(out) {
			t.Errorf("%s", out)
		}
	})
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add([]byte(`{"input_file_id":"f","endpoint":"/v1/completions","completion_window":"24h",` +
		`"metadata":{"k":"v"},"output_expires_after":{"anchor":"created_at","seconds":3600}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeBatch(body, []string{"/v1/completions"})
		if err != nil {
			return
		}
		b := &BatchInfo{BatchRequest: *r, ID: "b", Status: "failed", Created: time.Unix(1, 0)}
		b.Faults = []BatchFault{{Code: "c", Message: r.File, Line: 1}, {}}
		if out := AppendBatch(nil, b); !json.Valid(out) {
			t.Errorf("%s", out)
		}
	})
}

func FuzzDecodeUpload(f *testing.F) {
	const good = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a/b\"\r\n\r\n" +
		"x\r\n--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b--\r\n"
	f.Add("multipart/form-data; boundary=b", []byte(good))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		up, err := DecodeUpload(contentType, body)
		if err != nil {
			return
		}
		if n := len(up.Name); n == 0 || n > maxFileName || strings.ContainsAny(up.Name, "/\\\n") {
			t.Errorf("the name is %q", up.Name)
		}
		if out := AppendFile(nil, &FileInfo{ID: "f", Name: up.Name}); !json.Valid(out) {
			t.Errorf("%s", out)
		}
	})
}
