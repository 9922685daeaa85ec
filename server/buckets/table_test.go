package buckets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/server/api"
)

// open writes a table and opens it. FOLDER stands for a new folder.
func open(t *testing.T, text string) (*Table, string, error) {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"a", "b", "a/inner"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "secret"), "very secret\n")
	path := filepath.Join(dir, "buckets.yaml")
	write(t, path, strings.ReplaceAll(text, "FOLDER", dir))
	table, err := Open(path, nil)
	return table, dir, err
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t *testing.T, text string) (*Table, string) {
	t.Helper()
	table, dir, err := open(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return table, dir
}

func mustFind(t *testing.T, table *Table, tenant, uri string) *Place {
	t.Helper()
	u, bad := ParseURI("s3Uri", uri)
	if bad != nil {
		t.Fatal(bad)
	}
	p, err := table.Find(tenant, u)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBadTables(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, _, err := open(t, "buckets:\n"+text); err == nil || !strings.Contains(err.Error(),
			want) {
			t.Errorf("%s\n%v, want %q", text, err, want)
		}
	}
	f("  data: {tenants: [x], folder: FOLDER/a, color: red}", "color")
	f("  data:", "nothing below it")
	f("  Data: {tenants: [x], folder: FOLDER/a}", "no name that a URI")
	f("  data: {folder: FOLDER/a}", "tenants is missing")
	f("  data: {tenants: [x, y], folder: FOLDER/a}", "say shared: true")
	f(`  data: {tenants: ["*"], folder: FOLDER/a}`, "say shared: true")
	f("  data: {tenants: [x]}", "either folder or endpoint")
	f("  data: {tenants: [x], folder: FOLDER/a, endpoint: 'https://h'}", "either folder or")
	f("  data: {tenants: [x], folder: FOLDER/a, prefix: p}", "none of the fields")
	f("  data: {tenants: [x], folder: a}", "no absolute path")
	f("  data: {tenants: [x], folder: FOLDER/none}", "cannot open the folder")
	f("  data: {tenants: [x], folder: FOLDER/secret}", "cannot open the folder")
	f("  data: {tenants: [x], endpoint: 'ftp://h'}", "https://HOST:PORT")
	f("  data: {tenants: [x], endpoint: 'https://u:p@h'}", "https://HOST:PORT")
	f("  data: {tenants: [x], endpoint: 'https://h/path'}", "https://HOST:PORT")
	f("  data: {tenants: [x], endpoint: 'http://example.com'}", "plain-http")
	f("  data: {tenants: [x], endpoint: 'https://h'}", "access-key")
	f("  data: {tenants: [x], endpoint: 'https://h', access-key: A, secret-key-file: FOLDER/no}",
		"secret-key-file")
	f("  data: {tenants: [x], endpoint: 'https://h', prefix: a/../b}", "malformed")
	two := "  one: {tenants: [x], folder: FOLDER/a}\n"
	f(two+"  two: {tenants: [y], folder: FOLDER/a}", "one and two overlap")
	f(two+"  two: {tenants: [y], folder: FOLDER/a/inner}", "overlap")
	f("  one: {tenants: [x], folder: FOLDER/a}\n"+
		"  two: {tenants: [y, x], shared: true, folder: FOLDER/a/../a}", "overlap")
	store := "{endpoint: 'https://h', access-key: A, secret-key-file: FOLDER/secret, bucket: b, "
	f("  one: "+store+"tenants: [x]}\n  two: "+store+"tenants: [y], prefix: p}", "overlap")
}

func TestOverlapsThatAreMeant(t *testing.T) {
	f := func(text string) {
		t.Helper()
		mustOpen(t, "buckets:\n"+text)
	}
	f("  one: {tenants: [x], folder: FOLDER/a}\n  two: {tenants: [x], folder: FOLDER/a/inner}")
	f("  one: {tenants: [x], folder: FOLDER/a}\n  two: {tenants: [y], folder: FOLDER/b}")
	f("  one: {tenants: [x], shared: true, folder: FOLDER/a}\n" +
		"  two: {tenants: [y], shared: true, folder: FOLDER/a}")
	store := "{endpoint: 'https://h', access-key: A, secret-key-file: FOLDER/secret, bucket: b, "
	f("  one: " + store + "tenants: [x], prefix: p}\n  two: " + store + "tenants: [y], prefix: pq}")
}

// TestBucketsAreTheirTenants asks for every pair of tenant and bucket.
func TestBucketsAreTheirTenants(t *testing.T) {
	table, _ := mustOpen(t, `buckets:
  x-data: {tenants: [x], folder: FOLDER/a}
  both: {tenants: [x, y], shared: true, folder: FOLDER/b}
`)
	f := func(tenant, bucket string, want bool) {
		t.Helper()
		p, err := table.Find(tenant, URI{bucket, "k"})
		if (err == nil) != want || (p != nil) != want || err != nil && err.Code != api.Forbidden {
			t.Errorf("%s finds %s: %v, %v", tenant, bucket, p, err)
		}
	}
	f("x", "x-data", true)
	f("y", "x-data", false)
	f("", "x-data", false)
	f("*", "x-data", false)
	f("x", "both", true)
	f("y", "both", true)
	f("z", "both", false)
	f("x", "absent", false)
	var none *Table
	if _, err := none.Find("x", URI{"x-data", "k"}); err == nil || err.Code != api.Forbidden {
		t.Error("no table has a bucket")
	}
}

// TestTheTableIsReadAgain takes a bucket away and then breaks the file.
func TestTheTableIsReadAgain(t *testing.T) {
	table, dir := mustOpen(t, "buckets:\n  x-data: {tenants: [x], folder: FOLDER/a}\n")
	mustFind(t, table, "x", "s3://x-data/k")
	path := filepath.Join(dir, "buckets.yaml")
	time.Sleep(60 * time.Millisecond) // beyond the granularity of stamps
	write(t, path, "buckets: {}\n")
	if _, err := table.Find("x", URI{"x-data", "k"}); err == nil {
		t.Error("a bucket that is gone is found")
	}
	write(t, path, "buckets:\n  y-data: {tenants: [x], folder: "+dir+"/b}\n")
	mustFind(t, table, "x", "s3://y-data/k")
	write(t, path, "buckets: [")
	mustFind(t, table, "x", "s3://y-data/k")
}

// FuzzTable: a bucket that is taken has tenants, and is either a folder or a store.
func FuzzTable(f *testing.F) {
	f.Add([]byte("buckets:\n  data: {tenants: [a], folder: /nowhere}\n"))
	f.Add([]byte("buckets: {data: {tenants: [a], endpoint: \"https://h\", access-key: A}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := parse(data)
		if err != nil {
			return
		}
		for name, b := range table {
			if len(b.Tenants) == 0 || (b.folder == nil) == (b.store == nil) || !validBucket(name) {
				t.Errorf("%q was taken", data)
			}
			if b.folder != nil {
				_ = b.folder.root.Close()
			}
		}
	})
}
