package buckets

import (
	"strings"
	"testing"
)

func TestURIs(t *testing.T) {
	f := func(text, bucket, key string, prefix bool) {
		t.Helper()
		u, err := ParseURI("s3Uri", text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if u.Bucket != bucket || u.Key != key || u.IsPrefix() != prefix ||
			strings.TrimSuffix(text, "/") != strings.TrimSuffix(u.String(), "/") {
			t.Errorf("%q is %+v", text, u)
		}
	}
	f("s3://data", "data", "", true)
	f("s3://data/", "data", "", true)
	f("s3://data/a/b.jsonl", "data", "a/b.jsonl", false)
	f("s3://my-data.2/in put/é", "my-data.2", "in put/é", false)
	f("s3://data/a/", "data", "a/", true)
	f("s3://data/a%2F..", "data", "a%2F..", false)
	f("s3://data/..a", "data", "..a", false)
}

func TestBadURIs(t *testing.T) {
	f := func(text string) {
		t.Helper()
		u, err := ParseURI("outputDataConfig", text)
		if err == nil || err.Field != "outputDataConfig" || !strings.HasPrefix(err.Message,
			"outputDataConfig ") {
			t.Errorf("%q: %+v, %v", text, u, err)
		}
	}
	for _, text := range []string{
		"", "data/a", "http://data/a", "S3://data/a", "s3:/data", "s3:///a", "s3://d/a",
		"s3://Data/a", "s3://-data/a", "s3://data-/a", "s3://da_ta/a", "s3://../a",
		"s3://data//a", "s3://data/a//b", "s3://data/./a", "s3://data/a/..", "s3://data/../a",
		"s3://data/a\\b", "s3://data/a\x00", "s3://data/a\nb", "s3://data/\xff",
		"s3://data//", "s3://data/a//", "s3://" + strings.Repeat("a", 64) + "/a",
		"s3://data/" + strings.Repeat("a", 1024), "s3://user@data/a", "s3://data:80/a",
		"s3://169.254.169.254:80/latest",
	} {
		f(text)
	}
}

func TestJoin(t *testing.T) {
	f := func(text, name, want string) {
		t.Helper()
		u, err := ParseURI("s3Uri", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Join(name); got.String() != want {
			t.Errorf("%s and %s are %s, want %s", text, name, got, want)
		}
	}
	f("s3://data", "x", "s3://data/x")
	f("s3://data/", "x", "s3://data/x")
	f("s3://data/a", "x/y", "s3://data/a/x/y")
	f("s3://data/a/", "x", "s3://data/a/x")
}

// FuzzURI holds that what is taken can name nothing outside of its bucket.
func FuzzURI(f *testing.F) {
	for _, s := range []string{
		"s3://data/a/b", "s3://data", "s3://data/../x", "s3://data/%2e%2e/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURI("s3Uri", text)
		if err != nil {
			return
		}
		for part := range strings.SplitSeq(strings.TrimSuffix(u.Key, "/"), "/") {
			if part == ".." || part == "." || part == "" && u.Key != "" {
				t.Errorf("%q has the part %q", text, part)
			}
		}
		again, err := ParseURI("s3Uri", u.String())
		if err != nil || again != u {
			t.Errorf("%q is %+v, then %+v, %v", text, u, again, err)
		}
	})
}
