package server

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"basalt/internal/testsign"
)

// call is a request that is signed and then, perhaps, changed on its way.
type call struct {
	testsign.Request
	header [][2]string // what is sent beside Host
}

func (c *call) set(name, value string) {
	for i := range c.header {
		if strings.EqualFold(c.header[i][0], name) {
			c.header[i][1] = value
			return
		}
	}
	c.header = append(c.header, [2]string{name, value})
}

func (c *call) get(name string) string {
	for _, h := range c.header {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

func (c *call) drop(name string) {
	for i, h := range c.header {
		if strings.EqualFold(h[0], name) {
			c.header = append(c.header[:i], c.header[i+1:]...)
			return
		}
	}
}

func (c *call) again(name string) { c.header = append(c.header, [2]string{name, c.get(name)}) }

func (c *call) replace(name, old, new string) {
	c.set(name, strings.Replace(c.get(name), old, new, 1))
}

// wire is the call in HTTP/1.1.
func (c *call) wire() string {
	var b strings.Builder
	b.WriteString(c.Method + " " + c.Target + " HTTP/1.1\r\n")
	if c.Host != "" {
		b.WriteString("Host: " + c.Host + "\r\n")
	}
	for _, h := range c.header {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("Connection: close\r\nContent-Length: " + strconv.Itoa(len(c.Body)) + "\r\n\r\n")
	return b.String() + c.Body
}

// send gives the status and the name of the error.
func (c *call) send(f *fixture, h2 bool) (status int, name, body string) {
	f.t.Helper()
	if !h2 {
		out := f.raw(c.wire(), 3*time.Second)
		head, body, _ := strings.Cut(out, "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		for _, l := range lines {
			if key, v, _ := strings.Cut(l, ": "); strings.EqualFold(key, "x-amzn-ErrorType") {
				name = v
			}
		}
		if len(lines[0]) > len("HTTP/1.1 200") {
			status, _ = strconv.Atoi(lines[0][9:12])
		}
		return status, name, body
	}
	req, err := http.NewRequest(c.Method, f.url, strings.NewReader(c.Body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.URL.Opaque, req.Host = c.Target, c.Host
	for _, h := range c.header {
		key := http.CanonicalHeaderKey(h[0])
		req.Header[key] = append(req.Header[key], h[1])
	}
	a := f.roundTrip(req)
	return a.status, a.header.Get("x-amzn-ErrorType"), a.body
}

// tampering is one way to cheat: with the signer, before, or with what is sent, after.
type tampering struct {
	name   string
	before func(s *testsign.Signer, c *call)
	after  func(c *call)
	want   string // the error's name
	only   string // a protocol that alone can say it: "1" or "2"
}

const (
	badSig    = "InvalidSignatureException"
	unknown   = "UnrecognizedClientException"
	invalid   = "ValidationException"
	forbidden = "AccessDeniedException"
)

func signerTampering(other testsign.Signer) []tampering {
	unsigned := func(name string) func(*testsign.Signer, *call) {
		return func(s *testsign.Signer, _ *call) { s.Unsigned = append(s.Unsigned, name) }
	}
	payload := func(hash string) func(*testsign.Signer, *call) {
		return func(s *testsign.Signer, _ *call) { s.PayloadHash, s.Claim = hash, true }
	}
	return []tampering{
		{name: "host not signed", want: badSig, before: func(s *testsign.Signer, _ *call) {
			s.Unsigned = []string{"host", ":authority"}
		}},
		{name: "date not signed", want: badSig, before: unsigned("x-amz-date")},
		{name: "scope of another day", want: badSig, before: func(s *testsign.Signer, _ *call) {
			s.ScopeDate = "20200101"
		}},
		{name: "another service", want: badSig, before: func(s *testsign.Signer, _ *call) {
			s.Service = "s3"
		}},
		{name: "SageMaker's service", want: badSig, before: func(s *testsign.Signer, _ *call) {
			s.Service = "sagemaker"
		}},
		{name: "hash of another body", want: badSig, before: payload(strings.Repeat("ab", 32))},
		{name: "unsigned payload", want: badSig, before: payload("UNSIGNED-PAYLOAD")},
		{
			name: "streamed payload", want: badSig,
			before: payload("STREAMING-AWS4-HMAC-SHA256-EVENTS"),
		},
		{
			name: "session token not signed", want: badSig,
			before: func(s *testsign.Signer, c *call) {
				c.Header = append(c.Header, [2]string{"X-Amz-Security-Token", "x"})
				s.Unsigned = []string{"x-amz-security-token"}
			},
		},
		{
			name: "guardrail not signed", want: badSig, before: func(s *testsign.Signer, c *call) {
				c.Header = append(c.Header, [2]string{"X-Amzn-Bedrock-GuardrailIdentifier", "x"})
				s.Unsigned = []string{"x-amzn-bedrock-guardrailidentifier"}
			},
		},
		{name: "6 minutes old", want: badSig, before: func(s *testsign.Signer, _ *call) {
			s.Time = time.Now().Add(-6 * time.Minute)
		}},
		{name: "6 minutes early", want: badSig, before: func(s *testsign.Signer, _ *call) {
			s.Time = time.Now().Add(6 * time.Minute)
		}},
		{name: "unknown key", want: unknown, before: func(s *testsign.Signer, _ *call) {
			s.Access = "BSLTAAAAAAAAAAAAAAAA"
		}},
		{name: "wrong secret", want: badSig, before: func(s *testsign.Signer, _ *call) {
			s.Secret += "x"
		}},
		{name: "another's key id", want: badSig, before: func(s *testsign.Signer, _ *call) {
			s.Access = other.Access
		}},
	}
}

func wireTampering() []tampering {
	auth := func(old, new string) func(c *call) {
		return func(c *call) { c.replace("Authorization", old, new) }
	}
	target := func(old, new string) func(c *call) {
		return func(c *call) { c.Target = strings.Replace(c.Target, old, new, 1) }
	}
	return []tampering{
		{name: "Authorization twice", want: invalid, after: func(c *call) {
			c.again("Authorization")
		}},
		{name: "X-Amz-Date twice", want: invalid, after: func(c *call) { c.again("X-Amz-Date") }},
		{name: "Host twice", only: "1", want: invalid, after: func(c *call) {
			c.set("Host", c.Host)
		}},
		{name: "no date", want: badSig, after: func(c *call) { c.drop("X-Amz-Date") }},
		{name: "another date", want: badSig, after: func(c *call) {
			c.set("X-Amz-Date", time.Now().Add(time.Minute).UTC().Format("20060102T150405Z"))
		}},
		{name: "another host", want: badSig, after: func(c *call) { c.Host = "elsewhere:8080" }},
		{name: "no host", only: "1", want: invalid, after: func(c *call) { c.Host = "" }},
		{name: "absolute target of another host", only: "1", want: "", after: func(c *call) {
			c.Target = "http://elsewhere" + c.Target
		}},
		{name: "slash for its escape", want: badSig, after: target("%2F", "/")},
		{name: "colon for its escape", want: badSig, after: target("%3A", ":")},
		{name: "escape of another case", want: badSig, after: target("%2F", "%2f")},
		{name: "escaped letter", want: badSig, after: target("inf", "i%6Ef")},
		{name: "escaped twice", want: badSig, after: target("%2F", "%252F")},
		{name: "dot segment", want: badSig, after: target("/model/", "/model/x/../")},
		{name: "double slash", only: "1", want: "", after: target("/model/", "//model/")},
		{name: "another operation", want: badSig, after: target("/converse", "/converse-stream")},
		{name: "query", want: badSig, after: func(c *call) { c.Target += "?a=b" }},
		{name: "presigned", want: badSig, after: func(c *call) {
			c.drop("Authorization")
			c.Target += "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=" +
				strings.Repeat("a", 64)
		}},
		{name: "body", want: badSig, after: func(c *call) {
			c.Body = strings.Replace(c.Body, "Hi", "Ho", 1)
		}},
		{name: "no body", want: badSig, after: func(c *call) { c.Body = "" }},
		{name: "signed header changed", want: badSig, after: func(c *call) {
			c.set("Content-Type", "text/plain")
		}},
		{name: "signed header gone", want: badSig, after: func(c *call) { c.drop("X-Signed") }},
		{name: "header of AWS's added", want: badSig, after: func(c *call) {
			c.set("X-Amz-Target", "x")
		}},
		{name: "API key beside", want: forbidden, after: func(c *call) {
			c.set("x-api-key", "x")
		}},
		{name: "no credential", want: forbidden, after: func(c *call) { c.drop("Authorization") }},
		{name: "another algorithm", want: forbidden, after: auth("SHA256", "SHA1")},
		{name: "another region", want: badSig, after: auth("us-east-1", "us-east-2")},
		{name: "signed names out of order", want: badSig, after: auth("x-amz-date;x-signed",
			"x-signed;x-amz-date")},
		{name: "half a signature", want: badSig, after: func(c *call) {
			a := c.get("Authorization")
			c.set("Authorization", a[:len(a)-32])
		}},
		{name: "signature of zeros", want: badSig, after: func(c *call) {
			a := c.get("Authorization")
			c.set("Authorization", a[:len(a)-64]+strings.Repeat("0", 64))
		}},
	}
}

// TestTamperedRequestsAreRefused sends a good request, and then the same in every way in which
// somebody between client and server, or a cheating client, could have changed it.
func TestTamperedRequestsAreRefused(t *testing.T) { both(t, testTamperedRequestsAreRefused) }

func testTamperedRequestsAreRefused(t *testing.T, start starter) {
	p := newPeople(t, "", "acme", "evil")
	f := start(t, setup{cfg: p.config()})
	h2 := !strings.HasSuffix(t.Name(), "HTTP1")
	base := testsign.Signer{
		Access: p.access["acme"].ID, Secret: p.access["acme"].Secret, Authority: h2,
	}
	evil := testsign.Signer{Access: p.access["evil"].ID}
	try := func(x tampering) (int, string, string) {
		c := &call{Request: testsign.Request{
			Method: "POST", Host: "bedrock.test:8080", Body: converseHi,
			Target: "/model/arn%3Aaws%3Abedrock%3A%3A%3Ainference-profile%2Ftiny/converse",
			Header: [][2]string{{"Content-Type", "application/json"}, {"X-Signed", "a  b"}},
		}}
		s := base
		if x.before != nil {
			x.before(&s, c)
		}
		c.header = s.Sign(c.Request)
		if x.after != nil {
			x.after(c)
		}
		return c.send(f, h2)
	}
	control := tampering{before: func(_ *testsign.Signer, c *call) {
		c.Target = "/model/tiny/converse"
	}}
	if status, name, body := try(control); status != 200 {
		t.Fatalf("a good request: %d %s %s", status, name, body)
	}
	// The same with an unknown model proves that its signature is good.
	if status, name, body := try(tampering{}); name != "ResourceNotFoundException" {
		t.Fatalf("a good request for another model: %d %s %s", status, name, body)
	}
	all := append(signerTampering(evil), wireTampering()...)
	for _, x := range all {
		if x.only != "" && (x.only == "2") != h2 {
			continue
		}
		status, name, body := try(x)
		if status < 400 || status >= 500 || name != x.want {
			t.Errorf("%s: %d %s %s; want %s", x.name, status, name, body, x.want)
		}
	}
	if len(all) < 40 {
		t.Errorf("only %d ways", len(all))
	}
}

// TestClientsOfHTTP2MaySignEitherName covers clients that sign host where the wire has :authority.
func TestClientsOfHTTP2MaySignEitherName(t *testing.T) {
	p := newPeople(t, "", "acme")
	f := start(t, setup{cfg: p.config(), h2: true})
	for _, authority := range []bool{false, true} {
		s := testsign.Signer{
			Access: p.access["acme"].ID, Secret: p.access["acme"].Secret, Authority: authority,
			Claim: authority,
		}
		c := &call{Request: testsign.Request{
			Method: "POST", Target: conversePath, Host: "x:1", Body: converseHi,
		}}
		c.header = s.Sign(c.Request)
		if status, name, body := c.send(f, true); status != 200 {
			t.Errorf("%v: %d %s %s", authority, status, name, body)
		}
	}
	s := testsign.Signer{
		Access: p.access["acme"].ID, Secret: p.access["acme"].Secret, Authority: true,
	}
	c := &call{Request: testsign.Request{Method: "POST", Target: conversePath, Host: "x:1"}}
	c.header = s.Sign(c.Request)
	if status, name, _ := c.send(f, false); name != badSig {
		t.Errorf(":authority over HTTP/1.1: %d %s", status, name)
	}
}
