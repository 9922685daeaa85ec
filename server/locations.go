package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"basalt/server/api"
	"basalt/server/buckets"
)

// Blocks of a request may name objects in the operator's buckets. All are found, and refused where
// one may not be read, before the first is opened.

// Limits of what a request may name beside what it has; the bytes are at most those of a body.
const (
	maxLocations = 100
	locationTime = 30 * time.Second // for all objects of a request
)

// located is a block and the place that it goes on at.
type located struct {
	block *api.Block
	place *buckets.Place
}

// fetch reads what the request's blocks name. The bytes are counted until letGo.
func (g *generation) fetch() *api.Error {
	list, err := g.locate(nil, g.req.Messages)
	if err != nil || len(list) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(g.r.ctx, locationTime)
	defer cancel()
	for _, l := range list {
		data, err := g.read(ctx, l)
		if err != nil {
			return err
		}
		l.block.Text += string(data) + "\n"
		l.block.From = nil
	}
	return nil
}

// locate finds the places of all blocks. Nothing is read for it.
func (g *generation) locate(list []located, messages []api.Message) ([]located, *api.Error) {
	var err *api.Error
	for i := range messages {
		if list, err = g.locateBlocks(list, messages[i].Content); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (g *generation) locateBlocks(list []located, blocks []api.Block) ([]located, *api.Error) {
	var err *api.Error
	for i := range blocks {
		b := &blocks[i]
		if list, err = g.locateBlocks(list, b.Content); err != nil {
			return nil, err
		}
		if b.From == nil {
			continue
		}
		place, err := g.s.bucketPlace(g.r, b.From.Field, b.From.URI, b.From.Owner)
		switch {
		case err != nil:
			// A record of a job fails alone for it: the field says that it is the record's own.
			err.Field = b.From.Field
			return nil, err
		case b.Kind == api.BlockImage:
			return nil, g.model.noImages()
		case len(list) == maxLocations:
			return nil, api.FieldError(b.From.Field, "%s is one too many: a request may name %d "+
				"objects", b.From.Field, maxLocations)
		}
		list = append(list, located{b, place})
	}
	return list, nil
}

// read reads one object, which counts as what a large body is.
func (g *generation) read(ctx context.Context, l located) ([]byte, *api.Error) {
	from := l.block.From
	most := min(from.MaxBytes, g.s.limits.MaxBody-int(g.fetched))
	if !g.s.reserve(int64(most) + 1) {
		return nil, &api.Error{
			Code: api.Throttled, Retry: time.Second,
			Message: "too many large requests are being answered; try again later",
		}
	}
	data, err := readObject(ctx, l.place, most)
	g.s.fetched.Add(int64(len(data)) - int64(most) - 1)
	g.fetched += int64(len(data))
	switch {
	case err != nil:
		return nil, g.locationError(from, l.place, err)
	case len(data) == 0 || len(data) > from.MaxBytes:
		return nil, api.FieldError(from.Field, "%s: the object must have 1 to %d bytes",
			from.Field, from.MaxBytes)
	case len(data) > most:
		return nil, api.FieldError(from.Field, "%s: the objects of a request may have %d bytes "+
			"together", from.Field, g.s.limits.MaxBody)
	case !utf8.Valid(data):
		return nil, api.FieldError(from.Field, "%s: the object must be UTF-8 text", from.Field)
	}
	return data, nil
}

// readObject reads at most one byte more than it should.
func readObject(ctx context.Context, p *buckets.Place, most int) (data []byte, err error) {
	r, err := p.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(r, int64(most)+1))
	return b.Bytes(), err
}

// locationError is what the client is told: no path and no address.
func (g *generation) locationError(from *api.Location, p *buckets.Place, err error) *api.Error {
	var refused *buckets.StoreError
	switch {
	case g.r.ctx.Err() != nil:
		return asAPI(g.nextError(err))
	case errors.Is(err, fs.ErrNotExist):
		return api.FieldError(from.Field, "%s: there is no object at %s", from.Field, p.URI)
	case buckets.Transient(err), errors.Is(err, context.DeadlineExceeded):
		g.s.log.Warn("cannot read an object", zap.String("request", g.r.id),
			zap.Stringer("uri", p.URI), zap.Error(err))
		return &api.Error{
			Code: api.Unavailable, Field: from.Field, Retry: 5 * time.Second,
			Message: fmt.Sprintf("%s: the store of %s does not answer; try again later",
				from.Field, p.URI),
		}
	case errors.As(err, &refused):
		return api.FieldError(from.Field, "%s: cannot read %s: %v", from.Field, p.URI, refused)
	}
	g.s.log.Warn("cannot read an object", zap.String("request", g.r.id),
		zap.Stringer("uri", p.URI), zap.Error(err))
	return api.FieldError(from.Field, "%s: cannot read %s; the server's log says why", from.Field,
		p.URI)
}

// reserve counts bytes of objects, if there is room for them.
func (s *Server) reserve(n int64) bool {
	if s.fetched.Add(n) <= int64(s.limits.MaxBuffered) {
		return true
	}
	s.fetched.Add(-n)
	return false
}

// letGo forgets the bytes of a request's objects. It may be called twice.
func (g *generation) letGo() {
	g.s.fetched.Add(-g.fetched)
	g.fetched = 0
}
