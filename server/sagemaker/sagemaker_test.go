package sagemaker

import (
	"encoding/json"
	"strings"
	"testing"

	"basalt/server/api"
)

func header(pairs ...string) *Header {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return Read(func(name string) string { return m[name] }, false)
}

func TestHeaders(t *testing.T) {
	f := func(h *Header, field, model string) {
		t.Helper()
		err := h.Check()
		switch {
		case field == "" && err != nil:
			t.Error(err)
		case field != "" && (err == nil || err.Field != field):
			t.Errorf("%+v: %v, want %s", h, err, field)
		}
		if got := h.Model("end"); field == "" && got != model {
			t.Errorf("%+v: model %s, want %s", h, got, model)
		}
	}
	const own = "x-amzn-sagemaker-"
	f(header(), "", "end")
	f(header(own+"target-variant", Variant, own+"custom-attributes", "a=b"), "", "end")
	f(header(own+"target-model", "/m.tar.gz"), "", "m.tar.gz")
	f(header(own+"inference-component", "c"), "", "c")
	f(header(own+"target-variant", "x"), "TargetVariant", "")
	f(header(own+"target-container-hostname", "x"), "TargetContainerHostname", "")
	f(header(own+"enable-explanations", "x"), "EnableExplanations", "")
	f(header(own+"session-id", "NEW_SESSION"), "SessionId", "")
	f(header(own+"target-model", "a", own+"inference-component", "b"), "TargetModel", "")
	f(header(own+"custom-attributes", strings.Repeat("a", 1025)), "CustomAttributes", "")
	if h := Read(func(n string) string { return n }, true); h.Accept != own+"accept" {
		t.Error(h.Accept)
	}
}

func TestErrors(t *testing.T) {
	f := func(code api.Code, name string, status int, member string) {
		t.Helper()
		err := &api.Error{Code: code, Message: "why"}
		if n, s := Exception(err); n != name || s != status {
			t.Errorf("%d: %s %d, want %s %d", code, n, s, name, status)
		}
		var body struct {
			Message            string
			OriginalStatusCode int
		}
		if e := json.Unmarshal(AppendError(nil, err), &body); e != nil || body.Message != "why" ||
			(body.OriginalStatusCode == 400) != (name == "ModelError") {
			t.Errorf("%s: %v", AppendError(nil, err), e)
		}
		n, payload := StreamException(err)
		if e := json.Unmarshal(payload, &body); e != nil || n != member {
			t.Errorf("%s %s: %v", n, payload, e)
		}
	}
	f(api.Invalid, "ModelError", 424, "ModelStreamError")
	f(api.ContextExceeded, "ModelError", 424, "ModelStreamError")
	f(api.NotFound, "ValidationError", 400, "ModelStreamError")
	f(api.TooLarge, "ValidationError", 400, "ModelStreamError")
	f(api.Unauthenticated, "AccessDeniedException", 403, "ModelStreamError")
	f(api.Forbidden, "AccessDeniedException", 403, "ModelStreamError")
	f(api.Throttled, "ThrottlingException", 429, "ModelStreamError")
	f(api.Unavailable, "ServiceUnavailable", 503, "ModelStreamError")
	f(api.DeviceFailed, "InternalFailure", 500, "ModelStreamError")
	f(api.Internal, "InternalFailure", 500, "InternalStreamFailure")
	own := &api.Error{Code: api.Invalid, Field: "SessionId", Message: "SessionId is bad"}
	if name, status := Exception(own); name != "ValidationError" || status != 400 {
		t.Error(name, status)
	}
}
