package openai

import (
	"strings"
	"testing"
)

func TestDecodeEmbeddings(t *testing.T) {
	f := func(fields string) {
		t.Helper()
		model, err := DecodeEmbeddings([]byte(`{"model":"m",` + fields + `}`))
		if err != nil || model != "m" {
			t.Errorf("%s: %q, %v", fields, model, err)
		}
	}
	f(`"input":"a"`)
	f(`"input":["a","b"],"encoding_format":"base64","dimensions":256,"user":"u"`)
	f(`"input":[1,2,3],"encoding_format":null,"dimensions":null`)
	f(`"input":[[1,2],[3]]`)
}

func TestDecodeEmbeddingsRefuses(t *testing.T) {
	f := func(body, field string) {
		t.Helper()
		_, err := DecodeEmbeddings([]byte(body))
		if err == nil || err.Field != field {
			t.Errorf("%s: %+v, want a fault of %q", body, err, field)
		}
	}
	f(`{"input":"a"}`, "model")
	f(`{"model":"m"}`, "input")
	f(`{"model":"m","input":""}`, "input")
	f(`{"model":"m","input":[]}`, "input")
	f(`{"model":"m","input":[`+strings.Repeat("1,", 2048)+`1]}`, "input")
	f(`{"model":"m","input":[true]}`, "input[0]")
	f(`{"model":"m","input":[[-1]]}`, "input[0][0]")
	f(`{"model":"m","input":"a","encoding_format":"int8"}`, "encoding_format")
	f(`{"model":"m","input":"a","dimensions":0}`, "dimensions")
	f(`{"model":"m","input":"a","other":1}`, "other")
}

func FuzzDecodeEmbeddings(f *testing.F) {
	f.Add([]byte(`{"model":"m","input":["a",[1]],"encoding_format":"float","dimensions":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := DecodeEmbeddings(body)
		if err != nil && err.Message == "" {
			t.Fatal("an error without a message")
		}
	})
}

func FuzzDecodeTokens(f *testing.F) {
	f.Add([]byte(`{"model":"m","prompt":"a","return_token_strs":true,"add_special_tokens":false}`))
	f.Add([]byte(`{"messages":[{"role":"user","content":"a"}],"continue_final_message":true}`))
	f.Add([]byte(`{"tokens":[1,2,3]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, _, err := DecodeTokenize(body)
		if err == nil && len(req.Messages)+len(req.Prompts) == 0 {
			t.Fatal("accepted nothing to encode")
		}
		_, ids, err := DecodeDetokenize(body)
		for _, id := range ids {
			if err == nil && id < 0 {
				t.Fatal("accepted a negative id")
			}
		}
	})
}
