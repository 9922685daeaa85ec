package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"basalt/internal/live"
)

// The files of an authority, in its folder.
const (
	AuthorityCert = "ca.pem"
	AuthorityKey  = "ca.key"
)

// Authority signs certificates.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority of a name and writes its files into dir.
func NewAuthority(dir, name string, from time.Time, valid time.Duration) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := template(pkix.Name{CommonName: name}, from, valid)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &Authority{cert: cert, key: key}
	return a, write(dir, AuthorityCert, AuthorityKey, [][]byte{der}, key)
}

// LoadAuthority reads the files that NewAuthority wrote.
func LoadAuthority(dir string) (*Authority, error) {
	text, err := os.ReadFile(filepath.Join(dir, AuthorityCert))
	if err != nil {
		return nil, err
	}
	secret, err := live.ReadSecret(filepath.Join(dir, AuthorityKey))
	if err != nil {
		return nil, err
	}
	certBlock, _ := pem.Decode(text)
	keyBlock, _ := pem.Decode(secret)
	if certBlock == nil || keyBlock == nil {
		return nil, fmt.Errorf("%s and %s must be PEM", AuthorityCert, AuthorityKey)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok || !signer.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%s is not the key of %s", AuthorityKey, AuthorityCert)
	}
	return &Authority{cert: cert, key: signer}, nil
}

// Request is what a certificate is for.
type Request struct {
	Name         string   // common name
	Organization string   // may be empty
	Hosts        []string // names and addresses of a server
	URIs         []string // of a client
	Client       bool     // else a server
	Valid        time.Duration
}

// Issue signs a certificate for a new key and writes both, NAME.pem and NAME.key, into dir.
func (a *Authority) Issue(dir, file string, r Request, from time.Time) error {
	name := pkix.Name{CommonName: r.Name}
	if r.Organization != "" {
		name.Organization = []string{r.Organization}
	}
	t := template(name, from, r.Valid)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if r.Client {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	} else if len(r.Hosts) == 0 {
		return errors.New("a server's certificate needs at least one host name or address")
	}
	for _, h := range r.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	for _, text := range r.URIs {
		u, err := url.Parse(text)
		if err != nil {
			return fmt.Errorf("cannot read the URI %q: %w", text, err)
		}
		t.URIs = append(t.URIs, u)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("cannot sign the certificate: %w", err)
	}
	return write(dir, file+".pem", file+".key", [][]byte{der}, key)
}

// template has what all certificates have. Clocks of a site may differ by some minutes.
func template(name pkix.Name, from time.Time, valid time.Duration) *x509.Certificate {
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] &= 0x7f
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: name,
		NotBefore: from.Add(-10 * time.Minute), NotAfter: from.Add(valid),
	}
}

func write(dir, certFile, keyFile string, chain [][]byte, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := create(filepath.Join(dir, keyFile), secret, 0o600); err != nil {
		return err
	}
	var text []byte
	for _, c := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	return create(filepath.Join(dir, certFile), text, 0o644)
}

// create writes a file that must not be there yet.
func create(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; it is not overwritten", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
