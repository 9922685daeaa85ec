package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Minted is a new key: the secret, which is shown once, and the line that the key file gets.
type Minted struct {
	ID     string
	Secret string
	Line   string
}

// NewBearerKey draws a key that is sent: 256 random bits behind a prefix that scanners for leaked
// secrets can look for.
func NewBearerKey(principal string, expires time.Time) (Minted, error) {
	if !validName(principal) {
		return Minted{}, nameError(principal)
	}
	id := "k" + draw(12, lower)
	m := Minted{ID: id, Secret: "bslt_" + id + "_" + draw(43, letters)}
	sum := sha256.Sum256([]byte(m.Secret))
	m.Line = line(id, principal, Bearer, "sha256:"+hex.EncodeToString(sum[:]), expires)
	return m, nil
}

// NewAccessKey draws an access key id and a secret of 238 random bits, in the lengths that AWS's
// own have.
func NewAccessKey(principal string, expires time.Time, seal *Seal) (Minted, error) {
	if !validName(principal) {
		return Minted{}, nameError(principal)
	}
	m := Minted{ID: "BSLT" + draw(16, upper), Secret: draw(40, letters)}
	m.Line = line(m.ID, principal, Access, "sealed:"+seal.seal(m.ID, principal, m.Secret), expires)
	return m, nil
}

func nameError(name string) error {
	return fmt.Errorf("%q cannot name a principal: it must have 1 to 64 letters, digits or "+
		". _ - ~ @", name)
}

func line(id, principal, kind, secret string, expires time.Time) string {
	fields := []string{id, principal, kind, secret}
	if !expires.IsZero() {
		fields = append(fields, "expires:"+expires.UTC().Format(time.RFC3339))
	}
	return strings.Join(fields, " ")
}

const (
	lower   = "abcdefghijklmnopqrstuvwxyz234567"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// draw gives n characters, each equally likely.
func draw(n int, alphabet string) string {
	out := make([]byte, 0, n)
	limit := 256 - 256%len(alphabet)
	var b [1]byte
	for len(out) < n {
		rand.Read(b[:])
		if int(b[0]) < limit {
			out = append(out, alphabet[int(b[0])%len(alphabet)])
		}
	}
	return string(out)
}
