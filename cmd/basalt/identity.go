package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"basalt/server"
	"basalt/server/audit"
	"basalt/server/identity"
)

// identityFlags say who may call.
type identityFlags struct {
	Auth           string   `enum:"auto,none,keys" default:"auto" help:"none serves everybody on this machine; keys asks for a credential. auto: keys when --keys, --policy or --tls-client-ca is given, else none, on loopback only."`
	Keys           string   `placeholder:"FILE" help:"Key file, made by: basalt keys."`
	SealKey        string   `placeholder:"FILE" help:"Key that opens the access keys' secrets in the key file (mode 0600), or fd:N to read it from a descriptor."`
	Policy         string   `placeholder:"FILE" help:"Policy (YAML): principals and what they may do. Without one, every key may use every model."`
	AllowOrigin    []string `placeholder:"ORIGIN" help:"Web origins that may call without authentication."`
	AllowHost      []string `placeholder:"NAME" help:"Host names that may be called without authentication, beside loopback ones."`
	Profiles       bool     `help:"Open /debug/pprof/ to principals whom the policy grants Debug."`
	InsecureNoAuth bool     `help:"Allow --auth none on an address that other machines reach."`
}

// tlsFlags say how connections are protected.
type tlsFlags struct {
	TLSCert       string `name:"tls-cert" placeholder:"FILE" help:"Certificate chain (PEM); with --tls-key, the port speaks TLS. Files are read again when they change."`
	TLSKey        string `name:"tls-key" placeholder:"FILE" help:"Its private key (PEM, mode 0600)."`
	TLSClientCA   string `name:"tls-client-ca" placeholder:"FILE" help:"Authorities of client certificates (PEM): clients must prove themselves by one."`
	TLSClientAuth string `name:"tls-client-auth" enum:"required,optional" default:"required" help:"Whether clients need a certificate with --tls-client-ca: required, or optional beside keys."`
}

// authenticate resolves --auth and opens the files that it needs.
func (c *serveCmd) authenticate(cfg *server.Config, l net.Listener, log *zap.Logger) error {
	addr, _ := l.Addr().(*net.TCPAddr)
	loopback := addr != nil && addr.IP.IsLoopback()
	given := c.Keys != "" || c.Policy != "" || c.TLSClientCA != ""
	cfg.Hosts = c.AllowHost
	switch {
	case c.Auth == "none" && !loopback && !c.InsecureNoAuth:
		return fmt.Errorf("--auth none on %s: without authentication only loopback is served; use "+
			"--keys FILE, or --insecure-no-auth if everybody who reaches this address may use it",
			l.Addr())
	case c.Auth == "none", c.Auth == "auto" && !given && loopback:
		return nil
	case !given:
		return fmt.Errorf("%s is not a loopback address, or --auth keys was given: callers must "+
			"prove who they are; make a key with basalt keys create NAME --keys FILE, and serve "+
			"with --keys FILE", l.Addr())
	}
	files, err := c.identityFiles()
	if err != nil {
		return err
	}
	cfg.Auth = server.AuthKeys
	cfg.Identity, err = identity.Open(files, identity.Options{
		Report: reporter(log, cfg.Audit, "identity"),
	})
	return err
}

func (c *serveCmd) identityFiles() (identity.Files, error) {
	f := identity.Files{Keys: c.Keys, Policy: c.Policy}
	text, err := readDescriptor(c.SealKey)
	if err != nil {
		return f, fmt.Errorf("--seal-key: %w", err)
	}
	if text == nil {
		f.SealKey = c.SealKey
		return f, nil
	}
	f.Seal, err = identity.NewSeal(text)
	return f, err
}

// readDescriptor reads what fd:N names to its end; nil when path names a file.
func readDescriptor(path string) ([]byte, error) {
	digits, ok := strings.CutPrefix(path, "fd:")
	if !ok {
		return nil, nil
	}
	fd, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%s names no descriptor", path)
	}
	f := os.NewFile(uintptr(fd), path)
	if f == nil {
		return nil, fmt.Errorf("%s is not open", path)
	}
	const maxKey = 64 << 10
	text, err := io.ReadAll(io.LimitReader(f, maxKey))
	return text, errors.Join(err, f.Close())
}

// reporter logs readings of files that have changed.
func reporter(log *zap.Logger, trail *audit.Log, what string) func(error) {
	return func(err error) {
		recordReading(trail, what, err)
		if err != nil {
			log.Error("changed files cannot be used; what they said before still holds",
				zap.String("of", what), zap.Error(err))
			return
		}
		log.Info("read changed files", zap.String("of", what))
	}
}

// protect opens the files of TLS, if there are any.
func (c *serveCmd) protect(cfg *server.Config, log *zap.Logger) error {
	if c.TLSCert == "" && c.TLSKey == "" {
		if c.TLSClientCA != "" {
			return errors.New("--tls-client-ca needs --tls-cert and --tls-key")
		}
		return nil
	}
	if c.TLSCert == "" || c.TLSKey == "" {
		return errors.New("TLS needs both --tls-cert and --tls-key; basalt certs makes them")
	}
	var err error
	cfg.TLS, err = server.OpenTLS(server.TLSFiles{
		Cert: c.TLSCert, Key: c.TLSKey, ClientCA: c.TLSClientCA,
		ClientOptional: c.TLSClientAuth == "optional",
	}, reporter(log, cfg.Audit, "TLS"))
	return err
}

// announce says where the server listens, and how to try it where nobody has to prove anything.
func announce(cfg *server.Config, addr string, models []*opened) {
	if cfg.TLS == nil && cfg.Auth == server.AuthNone {
		printTryThis(addr, models)
		return
	}
	scheme := "http"
	if cfg.TLS != nil {
		scheme = "https"
	}
	fmt.Printf("Listening on %s://%s\n", scheme, addr)
}
