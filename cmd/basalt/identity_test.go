package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"basalt/internal/testsign"
)

// basalt runs a command to its end.
func basalt(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	text, err := cmd.Output()
	return string(text), err
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := basalt(t, args...)
	if err != nil {
		t.Fatalf("basalt %v: %v", args, err)
	}
	return out
}

// TestKeysAndCertificatesOfASite makes all that a site needs with the command alone, serves with
// it, and revokes a key under the running server.
func TestKeysAndCertificatesOfASite(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, "certs", "server", "--dir", dir)
	must(t, "certs", "client", "ci", "--dir", dir, "--organization", "Acme")
	must(t, "keys", "seal-key", at("seal"))
	if _, err := basalt(t, "keys", "seal-key", at("seal")); err == nil {
		t.Error("a sealing key is overwritten")
	}
	keys := []string{"--keys", at("keys")}
	secret := strings.TrimSpace(must(t, append([]string{"keys", "create", "bob"}, keys...)...))
	access := must(t, append([]string{
		"keys", "create", "alice", "--type", "access", "--seal-key", at("seal"),
	}, keys...)...)
	id, rest, _ := strings.Cut(strings.TrimPrefix(access, "AWS_ACCESS_KEY_ID="), "\n")
	key := strings.TrimSpace(strings.TrimPrefix(rest, "AWS_SECRET_ACCESS_KEY="))
	if list := must(t, append([]string{"keys", "list"}, keys...)...); !strings.Contains(list, id) ||
		strings.Contains(list, key) || strings.Contains(list, secret) {
		t.Errorf("the list is\n%s", list)
	}
	const policy = `principals:
  bob: {models: ["*"], operations: [inference]}
  alice: {models: ["*"], operations: [inference]}
  ci: {models: ["*"], operations: [inference], subjects: ["CN=ci,O=Acme"]}
`
	if err := os.WriteFile(at("policy"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, append([]string{
		storiesModel, "--seal-key", at("seal"), "--policy", at("policy"), "--tls-cert",
		at("server.pem"), "--tls-key", at("server.key"), "--tls-client-ca", at("ca.pem"),
		"--tls-client-auth", "optional",
	}, keys...)...)
	c := siteClient(t, dir)
	ask := func(want int, header ...[2]string) {
		t.Helper()
		if got := c.models(t, p.url, header); got != want {
			t.Errorf("%.40v: %d, want %d", header, got, want)
		}
	}
	signed := func() [][2]string {
		host := strings.TrimPrefix(p.url, "https://")
		return testsign.Signer{Access: id, Secret: key, Authority: true}.Sign(testsign.Request{
			Method: "GET", Target: "/v1/models", Host: host,
		})
	}
	ask(200, [2]string{"Authorization", "Bearer " + secret})
	ask(200, signed()...)
	ask(401)
	must(t, append([]string{"keys", "revoke", id}, keys...)...)
	ask(401, signed()...)
	ask(200, [2]string{"Authorization", "Bearer " + secret})
	pair, err := tls.LoadX509KeyPair(at("ci.pem"), at("ci.key"))
	if err != nil {
		t.Fatal(err)
	}
	c.tls.Certificates = []tls.Certificate{pair}
	c.http.CloseIdleConnections()
	ask(200)
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
}

type client struct {
	tls  *tls.Config
	http *http.Client
}

func siteClient(t *testing.T, dir string) *client {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	c := &client{tls: &tls.Config{RootCAs: roots}}
	c.http = &http.Client{Transport: &http.Transport{
		TLSClientConfig: c.tls, ForceAttemptHTTP2: true,
	}}
	return c
}

func (c *client) models(t *testing.T, url string, header [][2]string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), "GET", url+"/v1/models", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		req.Header.Set(h[0], h[1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadAll(resp.Body); err != nil || resp.ProtoMajor != 2 {
		t.Errorf("HTTP/%d, %v", resp.ProtoMajor, err)
	}
	return resp.StatusCode
}

// TestServingNeedsAnIdentity asks for what would let strangers in.
func TestServingNeedsAnIdentity(t *testing.T) {
	f := func(reason string, args ...string) {
		t.Helper()
		_, err := basalt(t, append([]string{"serve", storiesModel}, args...)...)
		var exit *exec.ExitError
		ok := errors.As(err, &exit)
		if !ok || !strings.Contains(string(exit.Stderr), reason) {
			t.Errorf("%v: %v; want %q", args, err, reason)
			if ok {
				t.Logf("%s", exit.Stderr)
			}
		}
	}
	f("is not a loopback address", "--listen", "0.0.0.0:0")
	f("only loopback is served", "--listen", "0.0.0.0:0", "--auth", "none")
	f("must prove who they are", "--auth", "keys", "--listen", "127.0.0.1:0")
	f("cannot read the keys", "--keys", "/nonexistent", "--listen", "127.0.0.1:0")
	f("cannot read the policy", "--policy", "/nonexistent", "--listen", "127.0.0.1:0")
	f("TLS needs both", "--tls-cert", "x", "--listen", "127.0.0.1:0")
	f("--tls-client-ca needs", "--tls-client-ca", "x", "--listen", "127.0.0.1:0")
}
