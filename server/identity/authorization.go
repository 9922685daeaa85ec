package identity

import (
	"encoding/hex"
	"errors"
	"strings"
)

const algorithm = "AWS4-HMAC-SHA256"

// authorization is an Authorization header of Signature Version 4, taken apart.
type authorization struct {
	access, date, region, service string
	signed                        []string // names in lower case, ascending, each once
	signature                     [32]byte
}

// The errors name what is wrong and quote nothing: the header is a credential.
var (
	errParts      = errors.New("it must have Credential, SignedHeaders and Signature, each once")
	errCredential = errors.New("its Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request")
	errSigned     = errors.New("its SignedHeaders must be lower case, ascending, each once")
	errHex        = errors.New("its Signature must be 64 hex digits in lower case")
)

// parseAuthorization reads what follows the name of the algorithm.
func parseAuthorization(rest string) (*authorization, error) {
	var a authorization
	seen := 0
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " "), "=")
		var err error
		switch {
		case name == "Credential" && seen&1 == 0:
			seen |= 1
			err = a.setCredential(value)
		case name == "SignedHeaders" && seen&2 == 0:
			seen |= 2
			err = a.setSigned(value)
		case name == "Signature" && seen&4 == 0:
			seen |= 4
			err = a.setSignature(value)
		default:
			err = errParts
		}
		if err != nil {
			return nil, err
		}
	}
	if seen != 7 {
		return nil, errParts
	}
	return &a, nil
}

func (a *authorization) setCredential(s string) error {
	parts := strings.Split(s, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" {
		return errCredential
	}
	a.access, a.date, a.region, a.service = parts[0], parts[1], parts[2], parts[3]
	const maxPart = 128
	for _, p := range parts {
		if p == "" || len(p) > maxPart {
			return errCredential
		}
	}
	return nil
}

func (a *authorization) setSigned(s string) error {
	a.signed = strings.Split(s, ";")
	for i, name := range a.signed {
		if name == "" || name != strings.ToLower(name) || i > 0 && name <= a.signed[i-1] {
			return errSigned
		}
	}
	return nil
}

func (a *authorization) setSignature(s string) error {
	if len(s) != 2*len(a.signature) || s != strings.ToLower(s) {
		return errHex
	}
	if _, err := hex.Decode(a.signature[:], []byte(s)); err != nil {
		return errHex
	}
	return nil
}
