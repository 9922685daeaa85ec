package delivery

import (
	"strings"
	"testing"

	"basalt/server/audit"
	"basalt/server/buckets"
)

// FuzzObjectKey: whatever a record says, its object stays below its account's folder.
func FuzzObjectKey(f *testing.F) {
	f.Add("acme", "eu-site-1", "2026-03-04T05:06:07.089Z")
	f.Add("..", "", "yesterday")
	f.Add("a/b", "../../x", "0000-01-01T00:00:00Z")
	f.Add("", ".", "9999-12-31T23:59:59-23:59")
	f.Add(".", "..", "0000-01-01T00:00:00+23:59")
	f.Fuzz(func(t *testing.T, account, region, at string) {
		h := &head{AccountID: account, Region: region, Timestamp: at}
		key := objectKey(h, audit.Position{Log: "l", Record: 7})
		parts := strings.Split(key, "/")
		if len(parts) != 9 || parts[0] != "AWSLogs" || parts[2] != "BedrockModelInvocationLogs" ||
			len(parts[4]) != 4 || !strings.HasSuffix(parts[8], ".json.gz") || len(parts[8]) != 44 {
			t.Errorf("%q", key)
		}
		if len(key) < 800 {
			if _, err := buckets.ParseURI("key", "s3://bucket/"+key); err != nil {
				t.Errorf("%q: %v", key, err)
			}
		}
	})
}

// TestServersShareABucket: two logs have no object of one name.
func TestServersShareABucket(t *testing.T) {
	h := &head{AccountID: "acme", Region: "r", Timestamp: "2026-03-04T05:06:07.089Z"}
	a := objectKey(h, audit.Position{Log: "0123456789abcdef", Record: 7})
	b := objectKey(h, audit.Position{Log: "0123456789abcde0", Record: 7})
	c := objectKey(h, audit.Position{Log: "0123456789abcdef", Record: 8})
	if a == b || a == c || b == c {
		t.Errorf("%s\n%s\n%s", a, b, c)
	}
}

// TestAccountsHaveFoldersOfTheirOwn: no two names come to one folder.
func TestAccountsHaveFoldersOfTheirOwn(t *testing.T) {
	seen := map[string]string{}
	for _, account := range []string{
		"acme", "Acme", ".", "..", "_", "_%2E", "%2E", "a/b", "a%2Fb", "a b", "ü", "-",
	} {
		folder := accountFolder(account)
		if other, dup := seen[folder]; dup {
			t.Errorf("%q and %q are both in %s", account, other, folder)
		}
		seen[folder] = account
	}
}
