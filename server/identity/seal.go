package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"basalt/internal/live"
)

// Seal encrypts the secrets of access keys at rest, with AES-256-GCM. To verify a signature the
// server needs the secret itself, so that a hash will not do. The key lies in another file than
// what it seals, or comes through a descriptor.
type Seal struct{ aead cipher.AEAD }

// sealKeySize is AES-256's.
const sealKeySize = 32

// NewSeal takes the text of a sealing key: 64 hex digits.
func NewSeal(text []byte) (*Seal, error) {
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != sealKeySize {
		return nil, fmt.Errorf("a sealing key is %d hex digits", 2*sealKeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Seal{aead}, nil
}

// ReadSeal reads a sealing key from a file that only its owner may read.
func ReadSeal(path string) (*Seal, error) {
	text, err := live.ReadSecret(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the sealing key: %w", err)
	}
	s, err := NewSeal(text)
	if err != nil {
		return nil, fmt.Errorf("cannot use the sealing key %s: %w", path, err)
	}
	return s, nil
}

// NewSealKey draws the text of a sealing key.
func NewSealKey() string {
	var key [sealKeySize]byte
	rand.Read(key[:])
	return hex.EncodeToString(key[:]) + "\n"
}

// bound is what a sealed secret belongs to. It is authenticated: in the line of another key or
// principal the secret cannot be opened.
func bound(id, principal string) []byte {
	return []byte("basalt access key\x00" + id + "\x00" + principal)
}

func (s *Seal) seal(id, principal, secret string) string {
	return base64.RawStdEncoding.EncodeToString(
		s.aead.Seal(nil, nil, []byte(secret), bound(id, principal)))
}

var errSealed = errors.New("the secret cannot be opened: it was sealed with another key, or the " +
	"line was changed")

func (s *Seal) open(id, principal, sealed string) ([]byte, error) {
	b, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, errSealed
	}
	secret, err := s.aead.Open(nil, nil, b, bound(id, principal))
	if err != nil {
		return nil, errSealed
	}
	return secret, nil
}
