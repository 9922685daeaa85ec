package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An anchor says that a log had a line of a number and hash at a time:
//
//	basalt-anchor v1 LOG SEQ HASH TIME SIG
//
// LOG is the log's id. It is kept where whoever may change the log may not change it too. Other
// text may stand before it on the line, as syslog puts it there.
const (
	anchorWord   = "basalt-anchor v1 "
	anchorPrefix = "basalt audit anchor v1\n"
)

type anchor struct {
	head link
	time string
	sig  []byte
}

func (a *anchor) text() string {
	return strings.Join([]string{
		a.head.log, strconv.FormatUint(a.head.seq, 10), hex.EncodeToString(a.head.hash[:]), a.time,
	}, " ")
}

// sign gives the anchor's line.
func (a *anchor) sign(key ed25519.PrivateKey) string {
	sig := ed25519.Sign(key, []byte(anchorPrefix+a.text()))
	return anchorWord + a.text() + " " + base64.RawStdEncoding.EncodeToString(sig)
}

// parseAnchor finds an anchor on a line, nil where there is none.
func parseAnchor(text string) (*anchor, error) {
	at := strings.Index(text, anchorWord)
	if at < 0 {
		return nil, nil
	}
	fields := strings.Fields(text[at+len(anchorWord):])
	if len(fields) < 5 {
		return nil, errors.New("it is incomplete")
	}
	a := &anchor{head: link{log: fields[0]}, time: fields[3]}
	seq, err := strconv.ParseUint(fields[1], 10, 64)
	hash, herr := hex.DecodeString(fields[2])
	sig, serr := base64.RawStdEncoding.DecodeString(fields[4])
	if errors.Join(err, herr, serr) != nil || len(hash) != len(a.head.hash) {
		return nil, errors.New("it is malformed")
	}
	a.head.seq, a.sig = seq, sig
	copy(a.head.hash[:], hash)
	return a, nil
}

func (a *anchor) verify(key ed25519.PublicKey) bool {
	return len(a.sig) == ed25519.SignatureSize &&
		ed25519.Verify(key, []byte(anchorPrefix+a.text()), a.sig)
}

// readAnchors reads all anchors of a file. The last line may be torn.
func readAnchors(r io.Reader) ([]anchor, error) {
	var out []anchor
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		text, end := in.ReadString('\n')
		torn := errors.Is(end, io.EOF)
		a, err := parseAnchor(text)
		if err != nil && !torn {
			return nil, fmt.Errorf("the anchor on line %d: %w", n, err)
		}
		if a != nil {
			out = append(out, *a)
		}
		if torn {
			return out, nil
		}
		if end != nil {
			return nil, end
		}
	}
}

// Anchors is where anchors go: a file, or syslog.
type Anchors struct {
	file *os.File
	path string
	sys  *syslog.Writer
}

// OpenAnchors opens a destination: the path of a file, "syslog" for the machine's own, or
// syslog:udp:HOST:PORT and syslog:tcp:HOST:PORT.
func OpenAnchors(to string) (*Anchors, error) {
	rest, ok := strings.CutPrefix(to, "syslog")
	if !ok {
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
		if err != nil {
			return nil, fmt.Errorf("cannot open the anchors' file: %w", err)
		}
		return &Anchors{file: f, path: to}, nil
	}
	network, address := "", ""
	if rest != "" {
		network, address, _ = strings.Cut(strings.TrimPrefix(rest, ":"), ":")
		if network != "udp" && network != "tcp" || address == "" {
			return nil, fmt.Errorf("%q must be syslog, syslog:udp:HOST:PORT or "+
				"syslog:tcp:HOST:PORT", to)
		}
	}
	w, err := syslog.Dial(network, address, syslog.LOG_NOTICE|syslog.LOG_AUTH, "basalt")
	if err != nil {
		return nil, fmt.Errorf("cannot reach syslog for anchors: %w", err)
	}
	return &Anchors{sys: w}, nil
}

// put writes an anchor's line; in a file it is durable when put returns.
func (a *Anchors) put(text string) error {
	if a.sys != nil {
		return a.sys.Notice(text)
	}
	if _, err := a.file.WriteString(text + "\n"); err != nil {
		return err
	}
	return a.file.Sync()
}

// last is the newest anchor of a key in a file, nil where there is none or they go to syslog.
func (a *Anchors) last(key ed25519.PublicKey) (*anchor, error) {
	if a.file == nil {
		return nil, nil
	}
	data, err := os.ReadFile(a.path)
	if err != nil {
		return nil, err
	}
	all, err := readAnchors(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.path, err)
	}
	for _, found := range slices.Backward(all) {
		if found.verify(key) {
			return &found, nil
		}
	}
	return nil, nil
}

// Close closes the destination.
func (a *Anchors) Close() error {
	if a.sys != nil {
		return a.sys.Close()
	}
	return a.file.Close()
}

func anchorTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
