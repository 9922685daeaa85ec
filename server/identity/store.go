package identity

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"basalt/internal/live"
	"basalt/server/api"
)

// Files name what a Store reads. Each may be empty, but keys need a policy or not, subjects a
// policy, and sealed secrets a sealing key.
type Files struct {
	Keys    string
	Policy  string
	SealKey string
	Seal    *Seal // instead of the file SealKey
}

// Options change what a Store depends on; the zero value is for production.
type Options struct {
	Now func() time.Time
	// Report is called after each later reading of the files, with nil when it succeeded.
	Report func(error)
}

// Principal is who a request was proven to come from.
type Principal struct {
	Name   string
	Tenant string
	Key    string // the id of the key, or the subject of the certificate
	Grant  *Grant // what the policy allows
	// Account is whose use counts against the grant's limits; the principal's own when empty.
	Account string
}

// Store knows the keys and the policy as their files are now: a key that is taken out of the file
// is refused by the next request. Its methods may be called from any goroutine.
type Store struct {
	live   *live.Value[*snapshot]
	now    func() time.Time
	nobody *key // of unknown access keys, so that they take as long as known ones
}

// snapshot is one reading of all files. It does not change, apart from its cache.
type snapshot struct {
	keys    *keys
	policy  *policy // nil: every principal of a key has its own grant
	derived derivedKeys
}

// Open reads the files for the first time.
func Open(f Files, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{now: o.Now, nobody: &key{secret: []byte(draw(40, letters))}}
	var paths []string
	for _, p := range []string{f.Keys, f.Policy, f.SealKey} {
		if p != "" {
			paths = append(paths, p)
		}
	}
	var err error
	s.live, err = live.Open(paths, func() (*snapshot, error) { return load(f) }, o.Report)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func load(f Files) (*snapshot, error) {
	out := &snapshot{keys: &keys{}}
	if f.Policy != "" {
		data, err := os.ReadFile(f.Policy)
		if err != nil {
			return nil, fmt.Errorf("cannot read the policy: %w", err)
		}
		if out.policy, err = parsePolicy(data); err != nil {
			return nil, fmt.Errorf("cannot use the policy %s: %w", f.Policy, err)
		}
	}
	seal := f.Seal
	if seal == nil && f.SealKey != "" {
		var err error
		if seal, err = ReadSeal(f.SealKey); err != nil {
			return nil, err
		}
	}
	if f.Keys != "" {
		data, err := os.ReadFile(f.Keys)
		if err != nil {
			return nil, fmt.Errorf("cannot read the keys: %w", err)
		}
		if out.keys, err = readKeys(bytes.NewReader(data), seal); err != nil {
			return nil, fmt.Errorf("cannot use the key file %s: %w", f.Keys, err)
		}
	}
	return out, nil
}

// Identify says who sent a request.
func (s *Store) Identify(r *Request) (*Principal, *api.Error) {
	snap := s.live.Get()
	c, err := readCredential(r)
	if err != nil {
		return nil, err
	}
	switch c.kind {
	case signature:
		return s.identifySigned(snap, r, c.text)
	case bearer:
		return s.identifyBearer(snap, c.text)
	}
	return snap.identifyPeer(r.Peer)
}

// Known is Identify before the body is there: nil for a sender who may well be the one they claim.
// A signature that covers the body's hash is verified already.
func (s *Store) Known(r *Request) *api.Error {
	snap := s.live.Get()
	c, err := readCredential(r)
	if err != nil {
		return err
	}
	if c.kind != signature {
		_, err := s.Identify(r)
		return err
	}
	signed, err := readSigned(r, c.text, s.now())
	if err != nil {
		return err
	}
	k, _, err := s.accessKey(snap, signed.access)
	if err != nil {
		return err
	}
	if claim := r.value("x-amz-content-sha256"); claim != "" {
		return signed.verifyHash(r, k, claim, &snap.derived)
	}
	return nil
}

func (s *Store) identifySigned(snap *snapshot, r *Request, rest string) (*Principal, *api.Error) {
	signed, err := readSigned(r, rest, s.now())
	if err != nil {
		return nil, err
	}
	k, who, denied := s.accessKey(snap, signed.access)
	// Unknown keys take their time too.
	if err := signed.verify(r, k, &snap.derived); denied == nil && err != nil {
		return nil, err
	}
	return who, denied
}

func (s *Store) accessKey(snap *snapshot, id string) (*key, *Principal, *api.Error) {
	k := snap.keys.access[id]
	if k == nil || k.expired(s.now()) {
		return s.nobody, nil, api.Errorf(api.UnknownKey,
			"The security token included in the request is invalid: the access key is not known.")
	}
	who, err := snap.principal(k.principal, k.id)
	return k, who, err
}

func (s *Store) identifyBearer(snap *snapshot, secret string) (*Principal, *api.Error) {
	k := snap.keys.findBearer(sha256.Sum256([]byte(secret)))
	if k == nil || k.expired(s.now()) {
		return nil, api.Errorf(api.Unauthenticated, "the API key is not known")
	}
	return snap.principal(k.principal, k.id)
}

func (snap *snapshot) principal(name, key string) (*Principal, *api.Error) {
	g := ownGrant(name)
	if snap.policy != nil {
		if g = snap.policy.Principals[name]; g == nil {
			return nil, api.Errorf(api.Forbidden, "the policy does not name this key's principal")
		}
	}
	return &Principal{Name: name, Tenant: g.Tenant, Key: key, Grant: g}, nil
}

// identifyPeer finds the principal of a client certificate. One certificate must not be two.
func (snap *snapshot) identifyPeer(cert *x509.Certificate) (*Principal, *api.Error) {
	name := ""
	for _, subject := range subjects(cert) {
		if snap.policy == nil {
			break
		}
		p := snap.policy.subjects[subject]
		if p != "" && name != "" && p != name {
			return nil, api.Errorf(api.Forbidden, "the client certificate is of two principals")
		}
		if p != "" {
			name = p
		}
	}
	if name == "" {
		return nil, api.Errorf(api.Unauthenticated, "no credential was given, and the client "+
			"certificate is of no principal of the policy")
	}
	return snap.principal(name, cert.Subject.String())
}

func subjects(cert *x509.Certificate) []string {
	names := []string{cert.Subject.String()}
	for _, u := range cert.URIs {
		names = append(names, "URI:"+u.String())
	}
	return names
}

// kind is a way to prove oneself.
type kind uint8

const (
	signature kind = iota
	bearer
	certificate
)

// credential is the one that a request carries.
type credential struct {
	kind kind
	text string
}

// readCredential finds the credential. Of two different ones neither counts.
func readCredential(r *Request) (credential, *api.Error) {
	if r.presigned() {
		return credential{}, badSignature("presigned requests are not taken; send the " +
			"signature in the Authorization header")
	}
	auth, apiKey := r.value("authorization"), r.value("x-api-key")
	scheme, rest, _ := strings.Cut(auth, " ")
	rest = strings.Trim(rest, " ")
	switch {
	case auth == "" && apiKey != "":
		return credential{bearer, apiKey}, nil
	case scheme == algorithm && apiKey == "":
		return credential{signature, rest}, nil
	case strings.EqualFold(scheme, "Bearer") && (apiKey == "" || apiKey == rest):
		return credential{bearer, rest}, nil
	case auth == "" && r.Peer != nil:
		return credential{kind: certificate}, nil
	case auth == "":
		return credential{}, api.Errorf(api.Unauthenticated, "no credential was given; sign the "+
			"request (AWS SDKs: an access key), or send Authorization: Bearer KEY, or "+
			"x-api-key: KEY")
	case apiKey != "":
		return credential{}, api.Errorf(api.Unauthenticated, "two credentials were given; send "+
			"either Authorization or x-api-key")
	}
	return credential{}, api.Errorf(api.Unauthenticated, "this kind of Authorization is not "+
		"taken; sign the request (%s), or send Authorization: Bearer KEY", algorithm)
}
