package buckets

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"basalt/internal/live"
)

// store is a bucket of an S3-compatible store, addressed by path (Amazon S3 API Reference:
// GetObject, PutObject, ListObjectsV2).
type store struct {
	client         *http.Client
	endpoint       *url.URL
	region         string
	bucket, prefix string // prefix is empty or ends in a slash
	keys           aws.Credentials
	signer         *v4.Signer
}

func openStore(e *entry, name string) (*store, error) {
	u, err := url.Parse(e.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("endpoint must be https://HOST:PORT and nothing behind it")
	}
	if u.Scheme == "http" && !e.Plain && !loopback(u.Hostname()) {
		return nil, errors.New("endpoint is http:// to another machine; use https://, or say " +
			"plain-http: true if everybody on the way may read and change what is sent")
	}
	s := &store{
		endpoint: &url.URL{Scheme: u.Scheme, Host: u.Host}, region: e.Region, bucket: e.Bucket,
		prefix: strings.TrimSuffix(e.Prefix, "/"),
		signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
	}
	if s.region == "" {
		s.region = "us-east-1"
	}
	if s.bucket == "" {
		s.bucket = name
	}
	if !validKey(s.prefix) || strings.Contains(s.bucket, "/") {
		return nil, errors.New("bucket or prefix is malformed")
	}
	if s.prefix != "" {
		s.prefix += "/"
	}
	if s.client, err = e.client(); err != nil {
		return nil, err
	}
	return s, s.readKeys(e)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *store) readKeys(e *entry) error {
	if e.AccessKey == "" || e.SecretKey == "" {
		return errors.New("an endpoint needs access-key and secret-key-file")
	}
	secret, err := live.ReadSecret(e.SecretKey)
	if err != nil {
		return fmt.Errorf("cannot read secret-key-file: %w", err)
	}
	s.keys = aws.Credentials{
		AccessKeyID: e.AccessKey, SecretAccessKey: strings.TrimSpace(string(secret)),
	}
	return nil
}

// client makes the endpoint's client: no proxy is taken from the environment.
func (e *entry) client() (*http.Client, error) {
	t := &http.Transport{
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       30 * time.Second,
		DisableCompression:    true,
	}
	if e.Authority == "" {
		return newClient(t), nil
	}
	text, err := os.ReadFile(e.Authority)
	if err != nil {
		return nil, fmt.Errorf("cannot read ca: %w", err)
	}
	t.TLSClientConfig.RootCAs = x509.NewCertPool()
	if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca: %s has no certificate", e.Authority)
	}
	return newClient(t), nil
}

func (s *store) host() string { return s.endpoint.Host }

// url is that of a key, or of the bucket. Escapes are those that signatures count with.
func (s *store) url(key string, query url.Values) *url.URL {
	u := *s.endpoint
	u.Path = "/" + s.bucket
	if key != "" {
		u.Path += "/" + s.prefix + key
	}
	u.RawPath = escape(u.Path)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return &u
}

// escape escapes all but unreserved characters (RFC 3986, section 2.3) and slashes.
func escape(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}

// do signs a request and sends it. An answer other than 200 is an error, and so is a redirect.
func (s *store) do(ctx context.Context, method string, u *url.URL, body io.Reader, size int64,
	sum string,
) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.URL, req.ContentLength = u, size
	req.Header.Set("X-Amz-Content-Sha256", sum)
	if err := s.signer.SignHTTP(ctx, s.keys, req, sum, "s3", s.region, time.Now()); err != nil {
		return nil, fmt.Errorf("cannot sign a request: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the store: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	_ = resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, fs.ErrNotExist
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, errors.New("the store answers with a redirect, and none is followed")
	}
	return nil, &StoreError{Status: resp.StatusCode}
}

// StoreError is a refusal of an S3-compatible store.
type StoreError struct{ Status int }

// Error implements error.
func (e *StoreError) Error() string {
	return fmt.Sprintf("the store answers with status %d", e.Status)
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (s *store) get(ctx context.Context, key string) (io.ReadCloser, error) {
	resp, err := s.do(ctx, http.MethodGet, s.url(key, nil), nil, 0, hashOf(nil))
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// maxPut is what S3 takes in one request.
const maxPut = 5 << 30

// put reads src twice: for its hash, which is signed, and to send it.
func (s *store) put(ctx context.Context, key string, src io.ReadSeeker) error {
	h := sha256.New()
	size, err := io.Copy(h, src)
	if err != nil {
		return err
	}
	if size > maxPut {
		return fmt.Errorf("the object has %d bytes; the store takes at most %d at once", size,
			int64(maxPut))
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var body io.Reader = io.NopCloser(src)
	if size == 0 {
		body = http.NoBody
	}
	resp, err := s.do(ctx, http.MethodPut, s.url(key, nil), body, size,
		hex.EncodeToString(h.Sum(nil)))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
