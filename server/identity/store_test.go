package identity

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/internal/testsign"
	"basalt/server/api"
)

func TestBrokenKeyFilesAreRefused(t *testing.T) {
	seal := testSeal(t)
	f := func(file, reason string) {
		t.Helper()
		_, err := readKeys(strings.NewReader(file), seal)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v; want %q", file, err, reason)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the file: %v", err)
		}
	}
	hash := "sha256:" + strings.Repeat("ab", 32)
	sealed := "sealed:" + seal.seal("B", "p", "s3cret")
	f("a b bearer hunter2", "line 1: the fourth field must be sha256:")
	f("a b bearer sha256:hunter2", "line 1: the fourth field must be sha256:")
	f("\na b bearer "+hash+"ff", "line 2: the fourth field must be sha256:")
	f("hunter2 "+hash, "line 1: it must be:")
	f("a b basic "+hash, "line 1: it must be:")
	f("a/b p bearer "+hash, "line 1: it must be:")
	f("a b bearer "+hash+"\nc d bearer "+hash, "line 2: another line has this key")
	f("B b bearer "+hash+"\nB p access "+sealed, "line 2: another line has this id")
	f("a b bearer "+hash+" tomorrow", "the fifth field must be expires:")
	f("a b bearer "+hash+" expires:tomorrow", "the fifth field must be expires:")
	f("B p access hunter2", "the fourth field must be sealed:")
	f("B p access sealed:hunter2", "cannot be opened")
	f("B q access "+sealed, "cannot be opened") // of another principal
	f("C p access "+sealed, "cannot be opened") // of another key
	f("B p access "+sealed[:len(sealed)-2], "cannot be opened")
	if _, err := readKeys(strings.NewReader("B p access "+sealed), nil); err == nil ||
		!strings.Contains(err.Error(), "no sealing key is given") {
		t.Error(err)
	}
	if _, err := readKeys(strings.NewReader("B p access "+sealed), testSeal(t)); err == nil {
		t.Error("another sealing key opens the secret")
	}
}

func TestMintedKeysAreTaken(t *testing.T) {
	seal := testSeal(t)
	bearer, err := NewBearerKey("acme", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	access, err := NewAccessKey("ci@acme", time.Now().Add(time.Hour), seal)
	if err != nil {
		t.Fatal(err)
	}
	if len(access.ID) != 20 || len(access.Secret) != 40 || len(bearer.Secret) < 60 {
		t.Errorf("%+v %+v", access, bearer)
	}
	for _, m := range []Minted{bearer, access} {
		if strings.Contains(m.Line, m.Secret) {
			t.Errorf("the line shows the secret: %s", m.Line)
		}
	}
	keys, err := readKeys(strings.NewReader("# keys\n\n"+bearer.Line+"\n"+access.Line), seal)
	if err != nil || keys.num != 2 {
		t.Fatal(keys, err)
	}
	if k := keys.findBearer(sha256.Sum256([]byte(bearer.Secret))); k == nil || k.id != bearer.ID {
		t.Error("the bearer key is not found")
	}
	if k := keys.access[access.ID]; k == nil || string(k.secret) != access.Secret {
		t.Error("the access key is not found")
	}
	for _, bad := range []string{"", "a b", "a/b", strings.Repeat("x", 65), "é"} {
		if _, err := NewBearerKey(bad, time.Time{}); err == nil {
			t.Errorf("a principal may be named %q", bad)
		}
	}
}

func TestSealingKeys(t *testing.T) {
	for _, bad := range []string{"", "abc", strings.Repeat("a", 63), strings.Repeat("g", 64)} {
		if _, err := NewSeal([]byte(bad)); err == nil {
			t.Errorf("%q is a sealing key", bad)
		}
	}
	path := filepath.Join(t.TempDir(), "seal")
	if err := os.WriteFile(path, []byte(NewSealKey()), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSeal(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a sealing key that others may read: %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSeal(path); err != nil {
		t.Error(err)
	}
}

func TestBrokenPoliciesAreRefused(t *testing.T) {
	f := func(policy, reason string) {
		t.Helper()
		_, err := parsePolicy([]byte(policy))
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v; want %q", policy, err, reason)
		}
	}
	f("principals: {a: }", "has nothing below it")
	f("principals: {a: {operations: [inference]}}", "principal a: models is missing")
	f("principals: {a: {models: []}}", "principal a: operations is missing")
	f("principals: {a: {models: [], operations: [], max-contxt: 5}}", "max-contxt")
	f("principals: {a: {models: [], operations: [], max-context: -1}}", "max-context is -1")
	f("principals: {a: {models: [], operations: [], tenant: x y}}", "tenant must have")
	f("principals: {a: {models: [], operations: [], guardrail: {id: x}}}", "both id and version")
	f("principals: {'a b': {models: [], operations: []}}", `"a b"`)
	f("principls: {}", "principls")
	f(`principals: {a: {models: [], operations: [], subjects: [CN=x]},
		b: {models: [], operations: [], subjects: [CN=x]}}`, "a and b have the subject")
}

func TestPatterns(t *testing.T) {
	f := func(pattern, name string, want bool) {
		t.Helper()
		if got := matches(pattern, name); got != want {
			t.Errorf("%q matches %q: %v", pattern, name, got)
		}
	}
	f("a", "a", true)
	f("a", "ab", false)
	f("", "", true)
	f("", "a", false)
	f("*", "", true)
	f("*", "anything", true)
	f("meta.*", "meta.llama", true)
	f("meta.*", "metallama", false)
	f("*:0", "a:0", true)
	f("*:0", "a:01", false)
	f("a*b", "ab", true)
	f("a*b", "a", false)
	f("aa*aa", "aaa", false)
	f("a*b*c", "a-b-b-c", true)
	f("a*b*c", "acb", false)
	f("**", "x", true)
}

func TestGrants(t *testing.T) {
	g := &Grant{Models: []string{"a", "b*"}, Operations: []string{"Converse*", InferenceGroup}}
	f := func(got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("granted: %v", got)
		}
	}
	f(g.MayUse("a"), true)
	f(g.MayUse("c", "b2"), true)
	f(g.MayUse("c"), false)
	f(g.MayUse(), false)
	f(g.MayDo("InvokeModel", true), true)
	f(g.MayDo("ConverseStream", false), true)
	f(g.MayDo("Metrics", false), false)
	f(g.MayDo(InferenceGroup, false), true) // no operation has that name
	f((&Grant{Operations: []string{"*"}}).MayDo("Metrics", false), true)
	f((&Grant{}).MayDo("Metrics", true), false)
}

// files writes a policy and keys, and gives the store over them.
func files(t *testing.T, policy, keyLines string, seal *Seal) (*Store, Files) {
	t.Helper()
	dir := t.TempDir()
	f := Files{Keys: filepath.Join(dir, "keys"), Seal: seal}
	put(t, f.Keys, keyLines)
	if policy != "" {
		f.Policy = filepath.Join(dir, "policy.yaml")
		put(t, f.Policy, policy)
	}
	s, err := Open(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func with(header ...string) *Request {
	r := &Request{Method: "GET", Path: "/", Host: "h", Header: []Header{{"host", "h"}}}
	for i := 0; i < len(header); i += 2 {
		r.Header = append(r.Header, Header{header[i], header[i+1]})
	}
	return r
}

func bearerLine(id, principal, secret, more string) string {
	return fmt.Sprintf("%s %s bearer sha256:%x%s\n", id, principal, sha256.Sum256([]byte(secret)),
		more)
}

func TestEveryReadingCountsAtOnce(t *testing.T) {
	policy := `principals: {ci: {tenant: acme, models: ["*"], operations: [inference]}}`
	s, f := files(t, policy, bearerLine("k1", "ci", "one", ""), nil)
	ask := func(secret string) *Principal {
		t.Helper()
		who, err := s.Identify(with("authorization", "Bearer "+secret))
		if err != nil {
			return nil
		}
		return who
	}
	if who := ask("one"); who == nil || who.Tenant != "acme" || who.Key != "k1" {
		t.Fatalf("%+v", who)
	}
	put(t, f.Keys, bearerLine("k2", "ci", "two", ""))
	if ask("one") != nil || ask("two") == nil {
		t.Error("a revoked key is taken, or a new one is not")
	}
	put(t, f.Policy, `principals: {ci: {tenant: other, models: [], operations: []}}`)
	if who := ask("two"); who == nil || who.Tenant != "other" || who.Grant.MayUse("m") {
		t.Errorf("%+v", who)
	}
	put(t, f.Policy, `principals: {}`)
	if ask("two") != nil {
		t.Error("a principal that was taken out is served")
	}
	put(t, f.Keys, "broken")
	put(t, f.Policy, policy)
	if ask("two") != nil {
		t.Error("half a new reading counts")
	}
}

func TestKeysExpire(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	seal := testSeal(t)
	access, err := NewAccessKey("p", now.Add(time.Hour), seal)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keys")
	put(t, path, bearerLine("k", "p", "x", " expires:2026-01-01T01:00:00Z")+access.Line)
	s, err := Open(Files{Keys: path, Seal: seal}, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	f := func(want bool) {
		t.Helper()
		signed := sign1(testsign.Signer{Access: access.ID, Secret: access.Secret, Time: now},
			testsign.Request{Method: "GET", Target: "/", Host: "h"})
		for _, r := range []*Request{with("authorization", "Bearer x"), signed} {
			if _, err := s.Identify(r); (err == nil) != want {
				t.Errorf("at %v: %v", now, err)
			}
			if err := s.Known(r); (err == nil) != want {
				t.Errorf("at %v, before the body: %v", now, err)
			}
		}
	}
	f(true)
	now = now.Add(time.Hour - time.Second)
	f(true)
	now = now.Add(time.Second)
	f(false)
}

func TestOneCredentialIsAskedFor(t *testing.T) {
	s, _ := files(t, "", bearerLine("k", "p", "x", ""), nil)
	f := func(r *Request, code api.Code) {
		t.Helper()
		_, err := s.Identify(r)
		if err == nil || err.Code != code {
			t.Errorf("%+v: %v", r, err)
		}
		if known := s.Known(r); known == nil {
			t.Errorf("%+v is known", r)
		}
	}
	f(with(), api.Unauthenticated)
	f(with("authorization", "Basic eDp5"), api.Unauthenticated)
	f(with("authorization", "Bearer"), api.Unauthenticated)
	f(with("authorization", "Bearer "), api.Unauthenticated)
	f(with("authorization", "x"), api.Unauthenticated)
	f(with("authorization", "Bearer x", "x-api-key", "y"), api.Unauthenticated)
	f(with("authorization", "Basic x", "x-api-key", "x"), api.Unauthenticated)
	f(with("authorization", algorithm+" Credential=a", "x-api-key", "x"), api.Unauthenticated)
	f(with("authorization", algorithm+" Credential=a"), api.BadSignature)
	for _, q := range []string{
		"X-Amz-Signature=a", "x-amz-credential=a", "a=b&X-Amz-Algorithm=c",
		"X%2DAmz%2dSignature=a", "X-Amz-Security-Token=a",
	} {
		r := with("authorization", "Bearer x")
		r.Query = q
		f(r, api.BadSignature)
	}
	if _, err := s.Identify(with("x-api-key", "x", "authorization", "bearer  x")); err != nil {
		t.Errorf("the same key twice: %v", err)
	}
}

func TestCertificatesProvePrincipals(t *testing.T) {
	const policy = `principals:
  ci: {tenant: acme, models: ["*"], operations: [inference], subjects: ["CN=ci,O=Acme"]}
  bob: {models: ["*"], operations: [inference], subjects: ["URI:spiffe://acme/bob"]}`
	s, f := files(t, policy, bearerLine("k", "bob", "x", ""), nil)
	cert := func(name, uri string) *x509.Certificate {
		c := &x509.Certificate{Subject: pkix.Name{
			CommonName:   name,
			Organization: []string{"Acme"},
		}}
		if u, err := url.Parse(uri); err == nil && uri != "" {
			c.URIs = []*url.URL{u}
		}
		return c
	}
	try := func(c *x509.Certificate, want string, header ...string) {
		t.Helper()
		r := with(header...)
		r.Peer = c
		who, err := s.Identify(r)
		if got := fmt.Sprint(err); want != "" && (err != nil || who.Name != want) {
			t.Errorf("%v: %s", c.Subject, got)
		}
		if want == "" && err == nil {
			t.Errorf("%v is %s", c.Subject, who.Name)
		}
	}
	try(cert("ci", ""), "ci")
	try(cert("x", "spiffe://acme/bob"), "bob")
	try(cert("x", ""), "")
	try(cert("ci", "spiffe://acme/bob"), "") // two principals
	try(cert("ci", ""), "bob", "authorization", "Bearer x")
	try(cert("ci", ""), "", "authorization", "Bearer y")
	put(t, f.Policy, `principals: {}`)
	try(cert("ci", ""), "")
}

// TestQuotas runs on a clock of its own.
func TestQuotas(t *testing.T) {
	now := time.Unix(0, 0)
	m := NewMeter(func() time.Time { return now })
	who := &Principal{Name: "p", Grant: &Grant{
		RequestsPerMinute: 6, TokensPerMinute: 1000, ConcurrentRequests: 2,
	}}
	refused := func(err *api.Error, words string, wait time.Duration) {
		t.Helper()
		if err == nil || err.Code != api.Throttled || !strings.Contains(err.Message, words) ||
			err.Retry != wait {
			t.Errorf("%+v, in %v; want %q in %v", err, err.Retry, words, wait)
		}
	}
	begin := func() *Lease {
		t.Helper()
		l, err := m.Begin(who)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	a, b := begin(), begin()
	_, err := m.Begin(who)
	refused(err, "at most 2", time.Second)
	if _, err := m.Begin(&Principal{Name: "q", Grant: who.Grant}); err != nil {
		t.Error("another principal is held up", err)
	}
	if err := a.Reserve(600); err != nil {
		t.Error(err)
	}
	refused(b.Reserve(600), "1000 tokens a minute", 12*time.Second)
	a.End(100) // 500 come back
	a.End(100) // the second time does not count
	if err := b.Reserve(600); err != nil {
		t.Error(err)
	}
	b.End(600) // 300 are left
	begin().End(0)
	begin().End(0)
	begin().End(0)
	begin().End(0)
	_, err = m.Begin(who)
	refused(err, "6 requests a minute", 10*time.Second)
	now = now.Add(10 * time.Second) // 466 tokens
	c := begin()
	// More than a minute has: waits for a full minute, then owes.
	refused(c.Reserve(5000), "may need 5000", 32*time.Second)
	now = now.Add(33 * time.Second)
	if err := c.Reserve(5000); err != nil {
		t.Error(err)
	}
	c.End(2000) // 1000 are owed
	d := begin()
	refused(d.Reserve(1), "may need 1,", 61*time.Second)
	now = now.Add(61 * time.Second)
	if err := d.Reserve(1); err != nil {
		t.Error(err)
	}
	d.End(1)
	who.Grant = &Grant{}
	for range 100 {
		l := begin()
		if err := l.Reserve(1 << 40); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte("principals:\n  a: {models: [\"*\"], operations: [inference], priority: -1}\n"))
	f.Add([]byte("principals: {a: {subjects: [\"CN=a\"], guardrail: {id: x, version: \"1\"}}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePolicy(data)
		if err != nil {
			return
		}
		for name, g := range p.Principals {
			if g == nil || !validName(name) {
				t.Errorf("%q was taken", name)
			}
			g.MayDo("Converse", true)
			g.MayUse("m")
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("k p bearer sha256:" + strings.Repeat("00", 32) +
		" expires:2027-01-31T00:00:00Z\n"))
	f.Add([]byte("# a comment\nk p access sealed:AAAA\n"))
	seal, err := NewSeal([]byte(NewSealKey()))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := readKeys(bytes.NewReader(data), seal); err == nil && k == nil {
			t.Error("no keys and no error")
		}
	})
}
