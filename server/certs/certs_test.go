package certs

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestACertificateChain(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	if _, err := NewAuthority(dir, "site", now, time.Hour); err != nil {
		t.Fatal(err)
	}
	a, err := LoadAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := Request{Name: "s", Hosts: []string{"localhost", "127.0.0.1", "::1"}, Valid: time.Hour}
	client := Request{
		Name: "ci", Organization: "Acme", URIs: []string{"spiffe://acme/ci"}, Client: true,
		Valid: time.Hour,
	}
	for file, r := range map[string]Request{"server": server, "ci": client} {
		if err := a.Issue(dir, file, r, now); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(dir, AuthorityCert))
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	verify := func(file, host string, usage x509.ExtKeyUsage, want bool) *x509.Certificate {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, file+".pem"),
			filepath.Join(dir, file+".key"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = pair.Leaf.Verify(x509.VerifyOptions{
			Roots: pool, DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if (err == nil) != want {
			t.Errorf("%s for %q: %v", file, host, err)
		}
		return pair.Leaf
	}
	verify("server", "localhost", x509.ExtKeyUsageServerAuth, true)
	verify("server", "127.0.0.1", x509.ExtKeyUsageServerAuth, true)
	verify("server", "::1", x509.ExtKeyUsageServerAuth, true)
	verify("server", "evil.example", x509.ExtKeyUsageServerAuth, false)
	verify("server", "", x509.ExtKeyUsageClientAuth, false)
	leaf := verify("ci", "", x509.ExtKeyUsageClientAuth, true)
	if leaf.Subject.String() != "CN=ci,O=Acme" || leaf.URIs[0].String() != "spiffe://acme/ci" {
		t.Errorf("the subject is %s, the URI %v", leaf.Subject, leaf.URIs)
	}
	verify("ci", "", x509.ExtKeyUsageServerAuth, false)
	checkFiles(t, dir, a, server, now)
}

func checkFiles(t *testing.T, dir string, a *Authority, r Request, now time.Time) {
	t.Helper()
	for _, file := range []string{"ca.key", "server.key", "ci.key"} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info.Mode(), err)
		}
	}
	if err := a.Issue(dir, "server", r, now); err == nil ||
		!strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("overwriting: %v", err)
	}
	if _, err := NewAuthority(dir, "site", now, time.Hour); err == nil {
		t.Error("the authority is overwritten")
	}
	if err := a.Issue(dir, "x", Request{Name: "x", Valid: time.Hour}, now); err == nil {
		t.Error("a server without a host has a certificate")
	}
	other := t.TempDir()
	if _, err := NewAuthority(other, "other", now, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(other, AuthorityKey),
		filepath.Join(dir, AuthorityKey)); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadAuthority(dir); err == nil {
		t.Error("an authority with another's key is loaded")
	}
}
