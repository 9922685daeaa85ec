package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// appendCanonical appends the canonical request (AWS General Reference, "Create a signed AWS API
// request"): method, path, query, the signed headers with their values, their names, and the hash
// of the body. ok is false when a signed header is not there.
func appendCanonical(dst []byte, r *Request, signed []string, bodyHash string) (_ []byte, ok bool) {
	dst = append(append(dst, r.Method...), '\n')
	dst = append(appendPath(dst, r.Path), '\n')
	dst = append(appendQuery(dst, r.Query), '\n')
	for _, name := range signed {
		dst = append(append(dst, name...), ':')
		if dst, ok = appendHeader(dst, r, name); !ok {
			return dst, false
		}
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	for i, name := range signed {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = append(dst, name...)
	}
	dst = append(dst, '\n')
	return append(dst, bodyHash...), true
}

// appendPath encodes the path as it was received once more, as every service but S3 has it: the
// escape %2F becomes %252F and can never be taken for a slash. Dot segments stay.
func appendPath(dst []byte, path string) []byte {
	for i := range len(path) {
		c := path[i]
		if c == '/' || unreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

const hexDigits = "0123456789ABCDEF"

// unreserved is RFC 3986, section 2.3.
func unreserved(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '.' ||
		c == '_' || c == '~'
}

// appendQuery sorts the parameters as they were received, by name, then value; one without a value
// gets an empty one. Escapes stay as they are, and what should have been escaped is.
func appendQuery(dst []byte, query string) []byte {
	if query == "" {
		return dst
	}
	parts := strings.Split(query, "&")
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	for i, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		escaped := append(appendEscaped(nil, name), '=')
		parts[i] = string(appendEscaped(escaped, value))
	}
	slices.SortFunc(parts, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(an, bn); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
	return append(dst, strings.Join(parts, "&")...)
}

func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c == '%' || unreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// appendHeader appends a header's values, joined by commas. Clients of HTTP/2 name the host either
// way; :authority is no header and HTTP/1.1 has none.
func appendHeader(dst []byte, r *Request, name string) ([]byte, bool) {
	if name == ":authority" || name == "host" && r.HTTP2 {
		return append(dst, r.Host...), r.HTTP2
	}
	found := false
	for i := range r.Header {
		if r.Header[i].Name != name {
			continue
		}
		if found {
			dst = append(dst, ',')
		}
		found = true
		dst = appendTrimmed(dst, r.Header[i].Value)
	}
	return dst, found
}

// appendTrimmed leaves white space out at both ends and makes one space of each run between.
func appendTrimmed(dst []byte, s string) []byte {
	space := false
	start := len(dst)
	for i := range len(s) {
		if s[i] == ' ' || s[i] == '\t' {
			space = true
			continue
		}
		if space && len(dst) > start {
			dst = append(dst, ' ')
		}
		space = false
		dst = append(dst, s[i])
	}
	return dst
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
