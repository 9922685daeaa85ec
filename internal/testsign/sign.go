package testsign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"time"
)

// Signer is who signs, and how. Fields left empty take what clients of Bedrock do.
type Signer struct {
	Access, Secret  string
	Region, Service string    // us-east-1, bedrock
	Time            time.Time // of X-Amz-Date; now when zero
	ScopeDate       string    // of the credential's scope; that of Time when empty
	Unsigned        []string  // headers to leave out of the signature, in lower case
	Authority       bool      // sign :authority in the place of host, as clients of HTTP/2
	PayloadHash     string    // in the place of the body's
	Claim           bool      // send the hash in x-amz-content-sha256
	PlainPath       bool      // do not escape the path once more, as clients of S3
}

// Request is what is signed. Target is the raw path and query.
type Request struct {
	Method, Target, Host string
	Header               [][2]string
	Body                 string
}

// Sign gives the request's header with all that signing adds: X-Amz-Date, Authorization, and the
// hash of the body where it is claimed. Host is not among them.
func (s Signer) Sign(r Request) [][2]string {
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	if s.Service == "" {
		s.Service = "bedrock"
	}
	if s.Time.IsZero() {
		s.Time = time.Now()
	}
	stamp := s.Time.UTC().Format("20060102T150405Z")
	if s.ScopeDate == "" {
		s.ScopeDate = stamp[:8]
	}
	payload := s.PayloadHash
	if payload == "" {
		payload = hash(r.Body)
	}
	header := append([][2]string{}, r.Header...)
	header = append(header, [2]string{"X-Amz-Date", stamp})
	if s.Claim {
		header = append(header, [2]string{"X-Amz-Content-Sha256", payload})
	}
	names, lines := s.headerLines(header, r.Host)
	path, query, _ := strings.Cut(r.Target, "?")
	if !s.PlainPath {
		path = encodePath(path)
	}
	canonical := strings.Join([]string{
		r.Method, path, sortQuery(query), lines, names, payload,
	}, "\n")
	scope := strings.Join([]string{s.ScopeDate, s.Region, s.Service, "aws4_request"}, "/")
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, hash(canonical)}, "\n")
	key := []byte("AWS4" + s.Secret)
	for _, part := range []string{s.ScopeDate, s.Region, s.Service, "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return append(header, [2]string{"Authorization", fmt.Sprintf(
		"AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", s.Access, scope, names,
		hex.EncodeToString(key))})
}

func (s Signer) headerLines(header [][2]string, host string) (names, lines string) {
	values := map[string]string{"host": host}
	if s.Authority {
		values = map[string]string{":authority": host}
	}
	for _, h := range header {
		name := strings.ToLower(h[0])
		value := strings.Join(strings.Fields(h[1]), " ")
		if old, ok := values[name]; ok {
			value = old + "," + value
		}
		values[name] = value
	}
	for _, name := range s.Unsigned {
		delete(values, name)
	}
	sorted := make([]string, 0, len(values))
	for name := range values {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	for _, name := range sorted {
		lines += name + ":" + values[name] + "\n"
	}
	return strings.Join(sorted, ";"), lines
}

// encodePath escapes each segment of the path once more than it is.
func encodePath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	return strings.Join(segments, "/")
}

func sortQuery(query string) string {
	if query == "" {
		return ""
	}
	pairs := strings.Split(query, "&")
	for i, p := range pairs {
		if !strings.Contains(p, "=") {
			pairs[i] = p + "="
		}
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "&")
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
