package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"basalt/server/certs"
)

// certsCmd makes what TLS needs where there is no public authority to ask.
type certsCmd struct {
	Server certsServerCmd `cmd:"" help:"Make a server's certificate, and the site's authority where there is none yet."`
	Client certsClientCmd `cmd:"" help:"Make a client's certificate."`
}

type certsServerCmd struct {
	Dir   string        `default:"certs" type:"path" help:"Folder of the authority and all certificates."`
	Host  []string      `default:"localhost,127.0.0.1,::1" help:"Names and addresses that clients call the server by."`
	Name  string        `default:"server" help:"Name of the files."`
	Site  string        `default:"Basalt site" help:"Name of a new authority."`
	Valid time.Duration `default:"8760h" help:"How long the certificate is good."`
}

// authorityYears is how long a new authority is good.
const authorityYears = 10

// Run makes a server's certificate.
func (c *certsServerCmd) Run() error {
	now := time.Now()
	a, err := certs.LoadAuthority(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		a, err = certs.NewAuthority(c.Dir, c.Site, now, authorityYears*365*24*time.Hour)
	}
	if err != nil {
		return fmt.Errorf("cannot open the authority in %s: %w", c.Dir, err)
	}
	r := certs.Request{Name: c.Host[0], Hosts: c.Host, Valid: c.Valid}
	if err := a.Issue(c.Dir, c.Name, r, now); err != nil {
		return err
	}
	at := func(file string) string { return filepath.Join(c.Dir, file) }
	fmt.Printf("Serve with:    --tls-cert %s --tls-key %s\n"+
		"Clients trust: %s (AWS SDKs: AWS_CA_BUNDLE; Node.js: NODE_EXTRA_CA_CERTS)\n",
		at(c.Name+".pem"), at(c.Name+".key"), at(certs.AuthorityCert))
	fmt.Fprintf(os.Stderr, "Keep %s where nobody else can read it: it can vouch for anybody.\n",
		at(certs.AuthorityKey))
	return nil
}

type certsClientCmd struct {
	Name         string        `arg:"" help:"Common name, and name of the files."`
	Dir          string        `default:"certs" type:"path" help:"Folder of the authority and all certificates."`
	Organization string        `help:"Organization of the subject."`
	URI          []string      `name:"uri" help:"URIs that the certificate is for, such as spiffe://site/name."`
	Valid        time.Duration `default:"2160h" help:"How long the certificate is good."`
}

// Run makes a client's certificate.
func (c *certsClientCmd) Run() error {
	a, err := certs.LoadAuthority(c.Dir)
	if err != nil {
		return fmt.Errorf("cannot open the authority in %s (basalt certs server makes one): %w",
			c.Dir, err)
	}
	r := certs.Request{
		Name: c.Name, Organization: c.Organization, URIs: c.URI, Client: true, Valid: c.Valid,
	}
	if err := a.Issue(c.Dir, c.Name, r, time.Now()); err != nil {
		return err
	}
	subject := "CN=" + c.Name
	if c.Organization != "" {
		subject += ",O=" + c.Organization
	}
	fmt.Printf("Client uses:   %s and %s.key\nPolicy names:  subjects: [%q]\nServe with:    "+
		"--tls-client-ca %s\n", filepath.Join(c.Dir, c.Name+".pem"),
		filepath.Join(c.Dir, c.Name), subject, filepath.Join(c.Dir, certs.AuthorityCert))
	return nil
}
