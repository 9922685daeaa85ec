package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"basalt/server/api"
)

// maxSkew is how far a request's time may be from the server's, either way.
const maxSkew = 5 * time.Minute

const dateFormat = "20060102T150405Z"

func badSignature(format string, args ...any) *api.Error {
	return api.Errorf(api.BadSignature, format, args...)
}

// signed is a request whose signature is about to be verified.
type signed struct {
	*authorization
	stamp string // X-Amz-Date
}

// readSigned takes the authorization apart and checks all that needs neither the secret nor the
// body.
func readSigned(r *Request, rest string, now time.Time) (*signed, *api.Error) {
	a, err := parseAuthorization(rest)
	if err != nil {
		return nil, badSignature("the Authorization header is malformed: %v", err)
	}
	s := &signed{authorization: a, stamp: r.value("x-amz-date")}
	if err := s.checkTime(now); err != nil {
		return nil, err
	}
	if err := s.checkScope(r.Path); err != nil {
		return nil, err
	}
	if err := s.checkCoverage(r); err != nil {
		return nil, err
	}
	return s, s.checkClaim(r.value("x-amz-content-sha256"))
}

func (s *signed) checkTime(now time.Time) *api.Error {
	at, err := time.Parse(dateFormat, s.stamp)
	if err != nil {
		return badSignature("the request must have one X-Amz-Date header, YYYYMMDDTHHMMSSZ")
	}
	if s.date != s.stamp[:8] {
		return badSignature("the date of the credential's scope is not that of X-Amz-Date")
	}
	// These are the words by which SDKs correct their clock.
	switch age := now.Sub(at); {
	case age > maxSkew:
		return badSignature("Signature expired: %s is now earlier than %s (%s - 5 min.)", s.stamp,
			now.Add(-maxSkew).UTC().Format(dateFormat), now.UTC().Format(dateFormat))
	case age < -maxSkew:
		return badSignature("Signature not yet current: %s is still later than %s (%s + 5 min.)",
			s.stamp, now.Add(maxSkew).UTC().Format(dateFormat), now.UTC().Format(dateFormat))
	}
	return nil
}

// checkScope refuses signatures that were made for another service: whoever has one could send it
// here.
func (s *signed) checkScope(path string) *api.Error {
	want := []string{"bedrock", "bedrock-mantle"}
	if strings.HasPrefix(path, "/endpoints/") {
		want = []string{"sagemaker"}
	}
	if !slices.Contains(want, s.service) {
		return badSignature("Credential should be scoped to correct service: '%s'.", want[0])
	}
	return nil
}

// mustBeSigned reports headers that change what a request means.
func mustBeSigned(name string) bool {
	return strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "x-amzn-bedrock-") ||
		strings.HasPrefix(name, "x-amzn-sagemaker-")
}

// checkCoverage sees to it that nothing that counts is outside the signature.
func (s *signed) checkCoverage(r *Request) *api.Error {
	has := func(name string) bool {
		_, found := slices.BinarySearch(s.signed, name)
		return found
	}
	if !has("host") && (!r.HTTP2 || !has(":authority")) {
		return badSignature("the Host header must be signed")
	}
	if !has("x-amz-date") {
		return badSignature("the X-Amz-Date header must be signed")
	}
	for i := range r.Header {
		if name := r.Header[i].Name; mustBeSigned(name) && !has(name) {
			return badSignature("the header %s must be signed", name)
		}
	}
	return nil
}

// checkClaim looks at x-amz-content-sha256 before the body is there.
func (s *signed) checkClaim(claim string) *api.Error {
	if claim == "" {
		return nil
	}
	b, err := hex.DecodeString(claim)
	if err != nil || len(b) != sha256.Size {
		return badSignature("x-amz-content-sha256 must be the SHA-256 of the body in hex; " +
			"unsigned and streamed payloads are not taken")
	}
	return nil
}

// verify compares the signature with what the secret makes of the request.
func (s *signed) verify(r *Request, k *key, cache *derivedKeys) *api.Error {
	bodyHash := hexHash(r.Body)
	claim := r.value("x-amz-content-sha256")
	if claim != "" && subtle.ConstantTimeCompare([]byte(strings.ToLower(claim)),
		[]byte(bodyHash)) != 1 {
		return badSignature("x-amz-content-sha256 is not the hash of the body")
	}
	if claim != "" {
		bodyHash = claim
	}
	return s.verifyHash(r, k, bodyHash, cache)
}

// verifyHash is verify with a hash of the body that the caller answers for.
func (s *signed) verifyHash(r *Request, k *key, bodyHash string, c *derivedKeys) *api.Error {
	canonical, ok := appendCanonical(make([]byte, 0, 1024), r, s.signed, bodyHash)
	if !ok {
		return badSignature("SignedHeaders names a header that the request does not have")
	}
	scope := derived{k.id, s.date, s.region, s.service}
	signing, cached := c.get(scope)
	if !cached {
		signing = scope.derive(k.secret)
	}
	want := sign(signing, s.toSign(canonical))
	if subtle.ConstantTimeCompare(want[:], s.signature[:]) != 1 {
		return badSignature("The request signature we calculated does not match the signature " +
			"you provided. Check your AWS Secret Access Key and signing method.")
	}
	if !cached {
		c.put(scope, signing)
	}
	return nil
}

func (s *signed) toSign(canonical []byte) []byte {
	b := make([]byte, 0, 256)
	b = append(append(b, algorithm...), '\n')
	b = append(append(b, s.stamp...), '\n')
	for _, part := range []string{s.date, s.region, s.service} {
		b = append(append(b, part...), '/')
	}
	b = append(b, "aws4_request\n"...)
	return append(b, hexHash(canonical)...)
}

// derived is what a signing key is made for.
type derived struct{ access, date, region, service string }

func (d derived) derive(secret []byte) [32]byte {
	key := append([]byte("AWS4"), secret...)
	step := sign32(key, d.date)
	step = sign32(step[:], d.region)
	step = sign32(step[:], d.service)
	return sign32(step[:], "aws4_request")
}

func sign32(key []byte, text string) [32]byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return [32]byte(mac.Sum(nil))
}

func sign(key [32]byte, text []byte) [32]byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(text)
	return [32]byte(mac.Sum(nil))
}

// derivedKeys remembers signing keys that have verified a request. It belongs to one reading of the
// key file and goes with it.
type derivedKeys struct {
	mu   sync.RWMutex
	keys map[derived][32]byte
}

// maxDerived bounds the cache: clients choose their regions.
const maxDerived = 4096

func (c *derivedKeys) get(d derived) ([32]byte, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.keys[d]
	return k, ok
}

func (c *derivedKeys) put(d derived, key [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) >= maxDerived || c.keys == nil {
		c.keys = make(map[derived][32]byte)
	}
	c.keys[d] = key
}
