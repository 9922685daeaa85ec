package buckets

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"basalt/internal/live"
	"basalt/server/api"
)

// entry is a bucket as the file has it.
type entry struct {
	// Tenants may use the bucket; "*" stands for all of them. More than one tenant, or "*", needs
	// Shared.
	Tenants []string `yaml:"tenants"`
	Shared  bool     `yaml:"shared"`
	// ReadOnly buckets take no results.
	ReadOnly bool `yaml:"read-only"`

	Folder string `yaml:"folder"` // an existing folder; or:

	Endpoint  string `yaml:"endpoint"` // https://HOST:PORT of an S3-compatible store
	Region    string `yaml:"region"`   // us-east-1 when empty
	Bucket    string `yaml:"bucket"`   // the store's name of it; the table's when empty
	Prefix    string `yaml:"prefix"`   // before every key there
	AccessKey string `yaml:"access-key"`
	SecretKey string `yaml:"secret-key-file"` // mode 0600
	Authority string `yaml:"ca"`              // certificates (PEM); the system's when empty
	// Plain allows http:// to other machines.
	Plain bool `yaml:"plain-http"`
}

// bucket is an entry that is ready for use. Exactly one of folder and store is set.
type bucket struct {
	entry
	name   string
	folder *folder
	store  *store
}

// table is one reading of the file. It does not change.
type table map[string]*bucket

// Table knows the buckets as the file is now. A file that cannot be used changes nothing. Its
// methods may be called from any goroutine; a nil Table has no buckets.
type Table struct{ live *live.Value[table] }

// Open reads a table for the first time. report is told of later readings; it may be nil.
func Open(path string, report func(error)) (*Table, error) {
	read := func() (table, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read the bucket table: %w", err)
		}
		t, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("cannot use the bucket table %s: %w", path, err)
		}
		return t, nil
	}
	v, err := live.Open([]string{path}, read, report)
	if err != nil {
		return nil, err
	}
	return &Table{v}, nil
}

// parse reads YAML and opens what it names. A field that is not known is an error.
func parse(data []byte) (table, error) {
	var file struct {
		Buckets map[string]*entry `yaml:"buckets"`
	}
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		return nil, err
	}
	t := make(table)
	for _, name := range slices.Sorted(maps.Keys(file.Buckets)) {
		e := file.Buckets[name]
		if e == nil || !validBucket(name) {
			return nil, fmt.Errorf("the bucket %q has nothing below it, or no name that a URI "+
				"could have", name)
		}
		b := &bucket{entry: *e, name: name}
		if err := b.open(); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", name, err)
		}
		t[name] = b
	}
	return t, t.checkSharing()
}

func (b *bucket) open() (err error) {
	if err := b.checkTenants(); err != nil {
		return err
	}
	switch {
	case (b.Folder == "") == (b.Endpoint == ""):
		return errors.New("it needs either folder or endpoint")
	case b.Folder != "":
		if b.Region+b.Bucket+b.Prefix+b.AccessKey+b.SecretKey+b.Authority != "" || b.Plain {
			return errors.New("a folder has none of the fields of an endpoint")
		}
		b.folder, err = openFolder(b.Folder)
		return err
	}
	b.store, err = openStore(&b.entry, b.name)
	return err
}

// find gives a tenant's bucket. Buckets that are not there and those of others are one thing.
func (t *Table) find(tenant, name string) *bucket {
	if t == nil {
		return nil
	}
	b := t.live.Get()[name]
	if b == nil || !slices.Contains(b.Tenants, tenant) && !slices.Contains(b.Tenants, "*") {
		return nil
	}
	return b
}

// Find gives the place that a URI names for a tenant. Nothing is read or written for it.
func (t *Table) Find(tenant string, u URI) (*Place, *api.Error) {
	b := t.find(tenant, u.Bucket)
	if b == nil {
		return nil, api.Errorf(api.Forbidden, "Access denied: there is no bucket %q for you "+
			"here; the operator declares buckets in the table of --buckets", u.Bucket)
	}
	return &Place{URI: u, bucket: b}, nil
}

// newClient makes a client that goes where it is told and nowhere else.
func newClient(transport *http.Transport) *http.Client {
	return &http.Client{
		Transport: transport, Timeout: 15 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}
