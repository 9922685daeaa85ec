package server

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"basalt/server/identity"
)

// people are the keys and the policy of a server under test, in files.
type people struct {
	t            testing.TB
	keys, policy string
	seal         *identity.Seal
	bearer       map[string]string          // a key of each principal
	access       map[string]identity.Minted // and another
	store        *identity.Store
	now          func() time.Time
}

// newPeople makes files; policy is YAML, or empty for none. Each name gets a key of both kinds.
func newPeople(t testing.TB, policy string, names ...string) *people {
	t.Helper()
	dir := t.TempDir()
	p := &people{
		t: t, keys: filepath.Join(dir, "keys"), bearer: make(map[string]string),
		access: make(map[string]identity.Minted),
	}
	var err error
	if p.seal, err = identity.NewSeal([]byte(identity.NewSealKey())); err != nil {
		t.Fatal(err)
	}
	p.write("# id principal kind secret\n")
	if policy != "" {
		p.policy = filepath.Join(dir, "policy.yaml")
		p.setPolicy(policy)
	}
	for _, name := range names {
		p.mint(name)
	}
	return p
}

func (p *people) mint(name string) {
	p.t.Helper()
	access, err := identity.NewAccessKey(name, time.Time{}, p.seal)
	if err != nil {
		p.t.Fatal(err)
	}
	bearer, err := identity.NewBearerKey(name, time.Time{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.access[name], p.bearer[name] = access, bearer.Secret
	p.write(access.Line + "\n" + bearer.Line + "\n")
}

// add gives a principal a bearer key of a known text.
func (p *people) add(name, secret string) {
	p.t.Helper()
	p.write(fmt.Sprintf("test-%s %s bearer sha256:%x\n", name, name,
		sha256.Sum256([]byte(secret))))
}

func (p *people) write(lines string) {
	p.t.Helper()
	f, err := os.OpenFile(p.keys, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := f.WriteString(lines); err != nil {
		p.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *people) setPolicy(yaml string) {
	p.t.Helper()
	if err := os.WriteFile(p.policy, []byte(yaml), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *people) revokeAll() {
	p.t.Helper()
	if err := os.WriteFile(p.keys, nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// config asks for these people's keys.
func (p *people) config() Config {
	p.t.Helper()
	store, err := identity.Open(identity.Files{Keys: p.keys, Policy: p.policy, Seal: p.seal},
		identity.Options{Now: p.now, Report: func(err error) {
			if err != nil {
				p.t.Error(err)
			}
		}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.store = store
	return Config{Auth: AuthKeys, Identity: store}
}
