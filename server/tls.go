package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"basalt/internal/live"
)

// TLSFiles name what a server proves itself by, and asks clients to.
type TLSFiles struct {
	Cert, Key string // PEM: the chain, and its private key (mode 0600)
	// ClientCA are the authorities of clients' certificates, PEM. Without it none is asked for.
	ClientCA string
	// ClientOptional serves clients without a certificate too; who they are, a key must prove.
	ClientOptional bool
}

// TLS is the current content of TLSFiles. New connections use the files as they are; connections
// that are open stay, but a client's certificate is verified anew when the authorities change.
type TLS struct {
	files TLSFiles
	live  *live.Value[*tlsState]
}

type tlsState struct {
	config  *tls.Config
	clients *x509.CertPool // nil: no client certificates
}

// OpenTLS reads the files. report is called after each later reading, with nil when it succeeded.
func OpenTLS(f TLSFiles, report func(error)) (*TLS, error) {
	t := &TLS{files: f}
	paths := []string{f.Cert, f.Key}
	if f.ClientCA != "" {
		paths = append(paths, f.ClientCA)
	}
	var err error
	t.live, err = live.Open(paths, t.load, report)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *TLS) load() (*tlsState, error) {
	key, err := live.ReadSecret(t.files.Key)
	if err != nil {
		return nil, fmt.Errorf("cannot read the TLS key: %w", err)
	}
	chain, err := os.ReadFile(t.files.Cert)
	if err != nil {
		return nil, fmt.Errorf("cannot read the TLS certificate: %w", err)
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s with %s: %w", t.files.Cert, t.files.Key, err)
	}
	s := &tlsState{config: tlsConfig(cert)}
	if t.files.ClientCA != "" {
		if s.clients, err = readPool(t.files.ClientCA); err != nil {
			return nil, err
		}
		t.askClients(s)
	}
	return s, nil
}

// tlsConfig leaves the choice of TLS 1.3 suites and groups to the library; of TLS 1.2 only suites
// with forward secrecy and authenticated encryption are left, as HTTP/2 demands.
func tlsConfig(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"h2", "http/1.1"},
	}
}

// askClients asks for certificates. Sessions are not resumed then: a ticket would outlive the
// authority that vouched for the client.
func (t *TLS) askClients(s *tlsState) {
	s.config.ClientCAs = s.clients
	s.config.ClientAuth = tls.RequireAndVerifyClientCert
	s.config.SessionTicketsDisabled = true
	if t.files.ClientOptional {
		s.config.ClientAuth = tls.VerifyClientCertIfGiven
	}
}

func readPool(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the clients' authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s has no PEM certificate", path)
	}
	return pool, nil
}

// asksClients reports whether clients may prove themselves by a certificate.
func (t *TLS) asksClients() bool { return t != nil && t.files.ClientCA != "" }

// handshake puts TLS over the connection.
func (c *conn) handshake(ctx context.Context, t *TLS) error {
	over := tls.Server(c.raw, t.live.Get().config)
	err := over.HandshakeContext(ctx)
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) && looksLikeHTTP(plain.RecordHeader) {
		_, _ = c.raw.Write([]byte(plainOnTLS))
		c.linger = true
	}
	if err != nil {
		return err
	}
	state := over.ConnectionState()
	c.Conn, c.tls = over, &state
	return nil
}

// looksLikeHTTP reports the beginning of a request without TLS.
func looksLikeHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "POST ", "PUT /", "HEAD ", "DELET", "OPTIO", "PRI *", "PATCH":
		return true
	}
	return false
}

const plainOnTLS = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n" +
	"x-amzn-ErrorType: ValidationException\r\nConnection: close\r\n\r\n" +
	`{"message":"this port speaks TLS: use https","error":{"message":"this port speaks TLS: use ` +
	`https","type":"invalid_request_error","param":null,"code":null}}`

// peer is the client's certificate, nil when it has none that is good now. It was verified in the
// handshake; the authorities may have changed and time has passed since.
func (c *conn) peer(t *TLS, now time.Time) *x509.Certificate {
	if c == nil || c.tls == nil || len(c.tls.PeerCertificates) == 0 {
		return nil
	}
	pool := t.live.Get().clients
	if pool == nil {
		return nil
	}
	cert := c.tls.PeerCertificates[0]
	if seen := c.verified.Load(); seen != nil && seen.pool == pool && now.Before(cert.NotAfter) {
		return cert
	}
	between := x509.NewCertPool()
	for _, other := range c.tls.PeerCertificates[1:] {
		between.AddCert(other)
	}
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil
	}
	c.verified.Store(&verified{pool})
	return cert
}

// verified remembers by which authorities a client's certificate was found good.
type verified struct{ pool *x509.CertPool }
