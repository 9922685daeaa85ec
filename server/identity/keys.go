package identity

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The kinds of keys in a key file.
const (
	Bearer = "bearer" // a secret that is sent
	Access = "access" // a secret that signs (Signature Version 4)
)

// key is one line of a key file.
type key struct {
	id, principal string
	sum           [sha256.Size]byte // of a bearer key: all that is known of it
	secret        []byte            // of an access key
	expires       time.Time         // zero: never
}

// keys are those of one reading. They do not change.
type keys struct {
	bearer map[[8]byte][]*key // by the beginning of the hash
	access map[string]*key    // by id
	num    int
}

// readKeys reads a key file. Each line has an id, a principal, a kind and the secret: "sha256:" and
// 64 hex digits for a bearer key, "sealed:" and base64 for an access key; then, optionally,
// "expires:" and a time (RFC 3339). Lines that are empty or begin with # are left out. Errors name
// the line and never quote it.
func readKeys(r io.Reader, seal *Seal) (*keys, error) {
	out := &keys{bearer: make(map[[8]byte][]*key), access: make(map[string]*key)}
	ids := make(map[string]bool)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		k, kind, err := parseKey(line, seal)
		if err == nil && ids[k.id] {
			err = errors.New("another line has this id")
		}
		if err == nil {
			ids[k.id] = true
			err = out.add(k, kind)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return out, lines.Err()
}

var errKeyLine = errors.New("it must be: ID PRINCIPAL bearer sha256:HEX, or ID PRINCIPAL access " +
	"sealed:BASE64; then, if it ends, expires:TIME")

func parseKey(line string, seal *Seal) (*key, string, error) {
	fields := strings.Fields(line)
	if len(fields) < 4 || len(fields) > 5 || !validName(fields[0]) || !validName(fields[1]) {
		return nil, "", errKeyLine
	}
	k := &key{id: fields[0], principal: fields[1]}
	if len(fields) == 5 {
		text, ok := strings.CutPrefix(fields[4], "expires:")
		at, err := time.Parse(time.RFC3339, text)
		if !ok || err != nil {
			return nil, "", errors.New("the fifth field must be expires: and a time such as " +
				"2027-01-31T00:00:00Z")
		}
		k.expires = at
	}
	return k, fields[2], k.setSecret(fields[2], fields[3], seal)
}

func (k *key) setSecret(kind, text string, seal *Seal) error {
	switch kind {
	case Bearer:
		digits, ok := strings.CutPrefix(text, "sha256:")
		sum, err := hex.DecodeString(digits)
		if !ok || err != nil || len(sum) != sha256.Size {
			return errors.New("the fourth field must be sha256: and 64 hex digits")
		}
		k.sum = [sha256.Size]byte(sum)
		return nil
	case Access:
		sealed, ok := strings.CutPrefix(text, "sealed:")
		if !ok {
			return errors.New("the fourth field must be sealed: and base64")
		}
		if seal == nil {
			return errors.New("it has a sealed secret, and no sealing key is given")
		}
		var err error
		k.secret, err = seal.open(k.id, k.principal, sealed)
		return err
	}
	return errKeyLine
}

// validName reports a name of a key or principal: it is written into logs.
func validName(s string) bool {
	const maxName = 64
	for i := range len(s) {
		if !unreserved(s[i]) && s[i] != '@' {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

func (ks *keys) add(k *key, kind string) error {
	ks.num++
	if kind == Access {
		ks.access[k.id] = k
		return nil
	}
	if ks.findBearer(k.sum) != nil {
		return errors.New("another line has this key")
	}
	prefix := [8]byte(k.sum[:8])
	ks.bearer[prefix] = append(ks.bearer[prefix], k)
	return nil
}

// findBearer compares in constant time; the bytes that choose the list are of a hash, which tells
// nothing about a key.
func (ks *keys) findBearer(sum [sha256.Size]byte) *key {
	var found *key
	for _, k := range ks.bearer[[8]byte(sum[:8])] {
		if subtle.ConstantTimeCompare(k.sum[:], sum[:]) == 1 {
			found = k
		}
	}
	return found
}

func (k *key) expired(now time.Time) bool { return !k.expires.IsZero() && !now.Before(k.expires) }
