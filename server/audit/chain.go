package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// A line is a JSON object whose last member is the chain:
//
//	{...,"chain":{"log":"ID","seq":7,"prev":"HEX","sig":"BASE64"}}
//
// log is the log's random id. prev is the SHA-256 of the line before, without its end, 0s for the
// first. sig signs all that stands before it on the line, behind signPrefix. Lines are compared as
// bytes and never encoded again.
const (
	chainStart = `,"chain":{"log":"`
	seqStart   = `","seq":`
	prevStart  = `,"prev":"`
	sigStart   = `","sig":"`
	lineEnd    = `"}}`
	signPrefix = "basalt audit record v1\n"
)

// link is a place in a log's chain: the number and hash of a line.
type link struct {
	log  string
	seq  uint64
	hash [sha256.Size]byte
}

// logIDSize is the length of a log's id, in hex digits.
const logIDSize = 16

func newLogID() string {
	var b [logIDSize / 2]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// signer signs lines.
type signer struct{ key ed25519.PrivateKey }

// appendLine appends the line of a record that follows head, and gives the new head. record is a
// JSON object with at least one member, on one line.
func (s signer) appendLine(dst, record []byte, head link) ([]byte, link) {
	start := len(dst)
	dst = append(dst, record[:len(record)-1]...)
	dst = append(append(dst, chainStart...), head.log...)
	dst = strconv.AppendUint(append(dst, seqStart...), head.seq+1, 10)
	dst = hex.AppendEncode(append(dst, prevStart...), head.hash[:])
	sig := ed25519.Sign(s.key, append([]byte(signPrefix), dst[start:]...))
	dst = base64.RawStdEncoding.AppendEncode(append(dst, sigStart...), sig)
	dst = append(dst, lineEnd...)
	next := link{head.log, head.seq + 1, sha256.Sum256(dst[start:])}
	return append(dst, '\n'), next
}

// line is a line taken apart.
type line struct {
	signed []byte // what the signature covers
	log    string
	seq    uint64
	prev   [sha256.Size]byte
	sig    []byte
}

var errLine = errors.New("it is no record of an audit log")

// parseLine takes a line apart, without its end.
func parseLine(text []byte) (line, error) {
	var out line
	at := bytes.LastIndex(text, []byte(chainStart))
	if at <= 0 || text[0] != '{' {
		return out, errLine
	}
	rest, ok := strings.CutSuffix(string(text[at+len(chainStart):]), lineEnd)
	if !ok {
		return out, errLine
	}
	log, rest, ok0 := strings.Cut(rest, seqStart)
	seq, rest, ok1 := strings.Cut(rest, prevStart)
	prev, sig, ok2 := strings.Cut(rest, sigStart)
	if !ok0 || !ok1 || !ok2 || len(prev) != 2*len(out.prev) || len(log) != logIDSize {
		return out, errLine
	}
	out.log = log
	var err error
	if out.seq, err = strconv.ParseUint(seq, 10, 64); err != nil ||
		strconv.FormatUint(out.seq, 10) != seq {
		return out, errLine
	}
	if _, err := hex.Decode(out.prev[:], []byte(prev)); err != nil ||
		prev != strings.ToLower(prev) {
		return out, errLine
	}
	if out.sig, err = base64.RawStdEncoding.Strict().DecodeString(sig); err != nil {
		return out, errLine
	}
	out.signed = text[:len(text)-len(sigStart)-len(sig)-len(lineEnd)]
	return out, nil
}

// verify reports whether the key's owner wrote the line.
func (l *line) verify(key ed25519.PublicKey) bool {
	return len(l.sig) == ed25519.SignatureSize &&
		ed25519.Verify(key, append([]byte(signPrefix), l.signed...), l.sig)
}
