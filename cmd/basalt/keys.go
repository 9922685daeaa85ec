package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"basalt/server/identity"
)

// keysCmd makes and revokes the keys that callers prove themselves by.
type keysCmd struct {
	Create  keysCreateCmd  `cmd:"" help:"Make a key for a principal and show its secret, once."`
	List    keysListCmd    `cmd:"" help:"List the keys of a key file."`
	Revoke  keysRevokeCmd  `cmd:"" help:"Take a key out of a key file: running servers refuse it from the next request on."`
	SealKey keysSealKeyCmd `cmd:"" help:"Make the key that seals the secrets of access keys."`
}

type keysCreateCmd struct {
	Principal string        `arg:"" help:"Who the key belongs to, as the policy names them."`
	Keys      string        `required:"" placeholder:"FILE" help:"Key file; it is made when there is none."`
	Type      string        `enum:"bearer,access" default:"bearer" help:"bearer: an API key that is sent. access: an AWS access key that signs; it needs --seal-key."`
	SealKey   string        `placeholder:"FILE" help:"Key that seals the secret in the key file (mode 0600), or fd:N."`
	Valid     time.Duration `placeholder:"TIME" help:"How long the key is taken, such as 2160h (default: until it is revoked)."`
}

// Run makes a key.
func (c *keysCreateCmd) Run() error {
	var expires time.Time
	if c.Valid < 0 {
		return fmt.Errorf("--valid %v is in the past", c.Valid)
	}
	if c.Valid > 0 {
		expires = time.Now().Add(c.Valid)
	}
	m, err := c.mint(expires)
	if err != nil {
		return err
	}
	if err := identity.Add(c.Keys, m); err != nil {
		return fmt.Errorf("cannot add the key to %s: %w", c.Keys, err)
	}
	if c.Type == identity.Access {
		fmt.Printf("AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", m.ID, m.Secret)
	} else {
		fmt.Println(m.Secret)
	}
	fmt.Fprintf(os.Stderr, "Key %s of %s is in %s. Its secret is not shown again.\n", m.ID,
		c.Principal, c.Keys)
	return nil
}

func (c *keysCreateCmd) mint(expires time.Time) (identity.Minted, error) {
	if c.Type == identity.Bearer {
		return identity.NewBearerKey(c.Principal, expires)
	}
	if c.SealKey == "" {
		return identity.Minted{}, errors.New("an access key's secret is sealed in the key file: " +
			"give --seal-key FILE, made by: basalt keys seal-key FILE")
	}
	seal, err := openSeal(c.SealKey)
	if err != nil {
		return identity.Minted{}, err
	}
	return identity.NewAccessKey(c.Principal, expires, seal)
}

func openSeal(path string) (*identity.Seal, error) {
	text, err := readDescriptor(path)
	if err != nil {
		return nil, fmt.Errorf("--seal-key: %w", err)
	}
	if text != nil {
		return identity.NewSeal(text)
	}
	return identity.ReadSeal(path)
}

type keysListCmd struct {
	Keys string `required:"" placeholder:"FILE" help:"Key file."`
}

// Run lists keys, without their secrets.
func (c *keysListCmd) Run() error {
	all, err := identity.List(c.Keys)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPRINCIPAL\tTYPE\tEXPIRES")
	for _, e := range all {
		if e.Expires == "" {
			e.Expires = "never"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.ID, e.Principal, e.Kind, e.Expires)
	}
	return w.Flush()
}

type keysRevokeCmd struct {
	ID   string `arg:"" name:"id" help:"Id of the key, as basalt keys list shows it."`
	Keys string `required:"" placeholder:"FILE" help:"Key file."`
}

// Run revokes a key.
func (c *keysRevokeCmd) Run() error { return identity.Revoke(c.Keys, c.ID) }

type keysSealKeyCmd struct {
	File string `arg:"" help:"File to make; keep it apart from the key file."`
}

// Run makes a sealing key.
func (c *keysSealKeyCmd) Run() error {
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("cannot make a sealing key: %w", err)
	}
	_, err = f.WriteString(identity.NewSealKey())
	return errors.Join(err, f.Sync(), f.Close())
}
