package buckets

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"basalt/server/api"
)

// Place is what a URI means for a tenant. Its methods may be called from any goroutine.
type Place struct {
	URI    URI
	bucket *bucket
}

// ErrReadOnly is the error of a bucket that takes no results.
var ErrReadOnly = errors.New("the bucket is read-only")

// Writable refuses places where no results can go.
func (p *Place) Writable() *api.Error {
	if p.bucket.ReadOnly {
		return api.Errorf(api.Forbidden, "Access denied: the bucket %q is read-only", p.URI.Bucket)
	}
	return nil
}

// at is the place of another key of the same bucket.
func (p *Place) at(u URI) *Place { return &Place{URI: u, bucket: p.bucket} }

// Join names something below the place.
func (p *Place) Join(name string) *Place { return p.at(p.URI.Join(name)) }

// Open reads the object. It fails with fs.ErrNotExist when there is none. The caller closes it.
func (p *Place) Open(ctx context.Context) (io.ReadCloser, error) {
	if p.URI.IsPrefix() {
		return nil, fs.ErrNotExist
	}
	if f := p.bucket.folder; f != nil {
		return f.get(p.URI.Key)
	}
	return p.bucket.store.get(ctx, p.URI.Key)
}

// maxListed is how many objects a prefix may have.
const maxListed = 10_000

var errTooMany = errors.New("it has more than 10000 objects; give the input a folder of its own")

// List gives the objects directly below a prefix whose names end as asked, in the order of their
// names. Hidden ones are left out.
func (p *Place) List(ctx context.Context, suffix string) ([]*Place, error) {
	key := p.URI.Key
	if key != "" && !strings.HasSuffix(key, "/") {
		key += "/"
	}
	list := p.bucket.listFolder
	if p.bucket.store != nil {
		list = p.bucket.store.list
	}
	names, err := list(ctx, key)
	if err != nil {
		return nil, err
	}
	var out []*Place
	for _, name := range names {
		if strings.HasSuffix(name, suffix) && name[0] != '.' && validKey(key+name) {
			out = append(out, p.at(URI{p.URI.Bucket, key + name}))
		}
	}
	return out, nil
}

func (b *bucket) listFolder(_ context.Context, prefix string) ([]string, error) {
	return b.folder.list(prefix)
}

// Put writes the object: all of it, durably, or nothing. An object that was there before is
// replaced. mark tells apart those who write at the same time.
func (p *Place) Put(ctx context.Context, src io.ReadSeeker, mark string) error {
	if p.bucket.ReadOnly {
		return ErrReadOnly
	}
	if p.URI.IsPrefix() {
		return errors.New("a prefix is no place for an object")
	}
	if f := p.bucket.folder; f != nil {
		return f.put(p.URI.Key, src, mark)
	}
	return p.bucket.store.put(ctx, p.URI.Key, src)
}
