package buckets

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"basalt/server/api"
)

// Limits of URIs and of the names in them, as S3 has them.
const (
	maxURI    = 1024
	minBucket = 3
	maxBucket = 63
)

// URI is an s3:// URI taken apart. Key is empty or has no empty, "." or ".." part, a trailing slash
// aside.
type URI struct{ Bucket, Key string }

// ParseURI reads s3://BUCKET or s3://BUCKET/KEY. Nothing in it is decoded. field is what errors
// name.
func ParseURI(field, text string) (URI, *api.Error) {
	rest, ok := strings.CutPrefix(text, "s3://")
	if !ok || len(text) > maxURI {
		return URI{}, api.FieldError(field,
			"%s must be a URI such as s3://bucket/key, of at most %d bytes", field, maxURI)
	}
	bucket, key, _ := strings.Cut(rest, "/")
	if !validBucket(bucket) {
		return URI{}, api.FieldError(field, "%s names no valid bucket: %d to %d lower case "+
			"letters, digits, dots and hyphens", field, minBucket, maxBucket)
	}
	if !validKey(key) {
		return URI{}, api.FieldError(field, `%s has a key that is not taken: its parts may not `+
			`be empty, "." or "..", nor have control characters or backslashes`, field)
	}
	return URI{bucket, key}, nil
}

func validBucket(s string) bool {
	if len(s) < minBucket || len(s) > maxBucket || !alphanumeric(s[0]) ||
		!alphanumeric(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '-' && s[i] != '.' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func validKey(key string) bool {
	if key == "" {
		return true
	}
	if !utf8.ValidString(key) || strings.ContainsRune(key, '\\') ||
		strings.IndexFunc(key, unicode.IsControl) >= 0 {
		return false
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// String is the URI's text.
func (u URI) String() string {
	if u.Key == "" {
		return "s3://" + u.Bucket
	}
	return "s3://" + u.Bucket + "/" + u.Key
}

// IsPrefix reports a URI that names all that lies below it.
func (u URI) IsPrefix() bool { return u.Key == "" || strings.HasSuffix(u.Key, "/") }

// Join names something below the URI, whether it ends in a slash or not.
func (u URI) Join(name string) URI {
	if u.Key != "" && !strings.HasSuffix(u.Key, "/") {
		name = "/" + name
	}
	return URI{u.Bucket, u.Key + name}
}

// Base is the last part of the key.
func (u URI) Base() string { return u.Key[strings.LastIndexByte(u.Key, '/')+1:] }
