package server

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"basalt/server/api"
)

// AuthMode says how requests are attributed to tenants.
type AuthMode uint8

// AuthNone serves everybody as the tenant "local" and reads no credential; AuthKeys asks for a key.
const (
	AuthNone AuthMode = iota
	AuthKeys
)

// localTenant is everybody's tenant without authentication.
const localTenant = "local"

// Principal is who a key belongs to.
type Principal struct {
	Tenant string
	Name   string
}

// Keys is a set of API keys, of which only the SHA-256 is known. Keys are random and long, so that
// a fast hash suffices. It does not change.
type Keys struct {
	byPrefix map[[8]byte][]keyEntry
	num      int
}

type keyEntry struct {
	sum [sha256.Size]byte
	who Principal
}

// Len is the number of keys.
func (k *Keys) Len() int { return k.num }

// ReadKeys reads a key file. Each line has a tenant, a name and "sha256:" followed by the 64 hex
// digits of the key's SHA-256; lines that are empty or begin with # are left out.
func ReadKeys(r io.Reader) (*Keys, error) {
	keys := &Keys{byPrefix: make(map[[8]byte][]keyEntry)}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := keys.add(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read keys: %w", err)
	}
	return keys, nil
}

func (k *Keys) add(line string) error {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return fmt.Errorf("has %d fields; it must have a tenant, a name and sha256:HEX",
			len(fields))
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(fields[2], "sha256:"))
	if err != nil || len(sum) != sha256.Size || !strings.HasPrefix(fields[2], "sha256:") {
		// Not the field itself: somebody may have written the key there.
		return fmt.Errorf("the third field must be sha256: and 64 hex digits")
	}
	e := keyEntry{sum: [sha256.Size]byte(sum), who: Principal{Tenant: fields[0], Name: fields[1]}}
	if _, dup := k.find(e.sum); dup {
		return fmt.Errorf("the key of %s %s is there already", fields[0], fields[1])
	}
	prefix := [8]byte(sum)
	k.byPrefix[prefix] = append(k.byPrefix[prefix], e)
	k.num++
	return nil
}

// find compares in constant time; the bytes that choose the list are of a hash, which tells nothing
// about a key.
func (k *Keys) find(sum [sha256.Size]byte) (Principal, bool) {
	var who Principal
	found := 0
	for _, e := range k.byPrefix[[8]byte(sum[:8])] {
		same := subtle.ConstantTimeCompare(e.sum[:], sum[:])
		if found |= same; same == 1 {
			who = e.who
		}
	}
	return who, found == 1
}

// authenticate gives the principal of a request.
func (s *Server) authenticate(r *request) (Principal, *api.Error) {
	if s.cfg.Auth == AuthNone {
		return Principal{Tenant: localTenant}, nil
	}
	key := r.apiKey
	if key == "" {
		scheme, token, _ := strings.Cut(r.authorization, " ")
		switch {
		case r.authorization == "":
			return Principal{}, api.Errorf(api.Unauthenticated, "no API key was given; send "+
				"Authorization: Bearer KEY, or x-api-key: KEY")
		case !strings.EqualFold(scheme, "Bearer"):
			return Principal{}, api.Errorf(api.Unauthenticated, "this server takes API keys only; "+
				"send Authorization: Bearer KEY (AWS SDKs: AWS_BEARER_TOKEN_BEDROCK)")
		}
		key = strings.TrimSpace(token)
	}
	who, ok := s.keys.Load().find(sha256.Sum256([]byte(key)))
	if !ok {
		return Principal{}, api.Errorf(api.Unauthenticated, "the API key is not known")
	}
	return who, nil
}
