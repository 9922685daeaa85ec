package server

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"basalt/server/api"
	"basalt/server/jobs"
	"basalt/server/openai"
)

// openaiJobOf gives the route of an operation that names a file or a batch in its path.
func openaiJobOf(path string) []route {
	for _, base := range []string{"/v1", "/openai/v1"} {
		if rest, ok := strings.CutPrefix(path, base+"/files/"); ok {
			return fileRoutes(rest)
		}
		if rest, ok := strings.CutPrefix(path, base+"/batches/"); ok {
			return batchRoutes(rest)
		}
	}
	return nil
}

func fileRoutes(id string) []route {
	if id, ok := strings.CutSuffix(id, "/content"); ok {
		return reads(route{
			action: "GetFileContent", inference: true,
			serve: func(s *Server, r *request) reply { return s.serveContent(r, id) },
		})
	}
	return append(reads(route{
		action: "GetFile", inference: true,
		serve: func(s *Server, r *request) reply { return s.getFile(r, id) },
	}), route{
		method: "DELETE", action: "DeleteFile", inference: true,
		serve: func(s *Server, r *request) reply { return s.deleteFile(r, id) },
	})
}

func (s *Server) createFile(r *request) reply {
	body, err := s.newFile(r)
	return s.openaiReply(r, body, err)
}

func (s *Server) newFile(r *request) ([]byte, *api.Error) {
	store, err := s.jobStore()
	if err != nil {
		return nil, err
	}
	up, err := openai.DecodeUpload(r.value("content-type"), r.body)
	if err != nil {
		return nil, err
	}
	r.record.operation = "CreateFile"
	f := jobs.File{
		ID: "file-" + jobs.NewID(24), Tenant: r.who.Tenant, Name: up.Name, Purpose: "batch",
		Bytes: int64(len(up.Data)), Created: time.Now().UTC(),
	}
	if up.Seconds > 0 {
		f.Expires = f.Created.Add(time.Duration(up.Seconds) * time.Second)
	}
	if err := s.auditAct(r, map[string]any{"file": f.ID, "bytes": f.Bytes}); err != nil {
		return nil, err
	}
	kept, failed := store.AddFile(f, bytes.NewReader(up.Data))
	if failed != nil {
		return nil, s.storeError(r, failed)
	}
	return openai.AppendFile(nil, fileInfo(kept)), nil
}

func fileInfo(f *jobs.File) *openai.FileInfo {
	return &openai.FileInfo{
		ID: f.ID, Name: f.Name, Purpose: f.Purpose, Bytes: f.Bytes, Created: f.Created,
		Expires: f.Expires,
	}
}

// findFile finds a file of a request's tenant.
func (s *Server) findFile(r *request, escaped, field string) (*jobs.File, *api.Error) {
	store, err := s.jobStore()
	if err != nil {
		return nil, err
	}
	id, valid := decodeSegment(escaped)
	if f := store.File(r.who.Tenant, id); valid && f != nil {
		return f, nil
	}
	return nil, &api.Error{
		Code: api.NotFound, Field: field, Message: "there is no such file here",
	}
}

func (s *Server) getFile(r *request, id string) reply {
	r.record.operation = "GetFile"
	f, err := s.findFile(r, id, "file_id")
	if err != nil {
		return s.openaiReply(r, nil, err)
	}
	return s.openaiReply(r, openai.AppendFile(nil, fileInfo(f)), nil)
}

func (s *Server) deleteFile(r *request, id string) reply {
	r.record.operation = "DeleteFile"
	f, err := s.findFile(r, id, "file_id")
	if err == nil {
		err = s.auditAct(r, map[string]any{"file": f.ID})
	}
	if err != nil {
		return s.openaiReply(r, nil, err)
	}
	if failed := s.backlog.store.RemoveFile(f); failed != nil {
		return s.openaiReply(r, nil, s.storeError(r, failed))
	}
	return s.openaiReply(r, openai.AppendDeleted(nil, f.ID), nil)
}

// serveContent sends a file in pieces: it may be larger than what should be in memory.
func (s *Server) serveContent(r *request, id string) reply {
	r.record.operation = "GetFileContent"
	f, err := s.findFile(r, id, "file_id")
	if err != nil {
		return s.openaiReply(r, nil, err)
	}
	data, failed := s.backlog.store.OpenFile(f)
	if failed != nil {
		return s.openaiReply(r, nil, s.storeError(r, failed))
	}
	p := reply{status: 200, contentType: "application/octet-stream"}
	p.set(openaiDialect().idHeader, r.id)
	p.stream = func(w io.Writer) error {
		// A writer alone: the reader's own way to write would take the whole file at once.
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{data},
			make([]byte, 64<<10))
		return errors.Join(err, data.Close())
	}
	return p
}

func (s *Server) listFiles(r *request) reply {
	r.record.operation = "ListFiles"
	store, err := s.jobStore()
	if err != nil {
		return s.openaiReply(r, nil, err)
	}
	page, err := openai.ParsePage(r.query, true)
	if err != nil {
		return s.openaiReply(r, nil, err)
	}
	list := slices.DeleteFunc(store.ListFiles(r.who.Tenant), func(f *jobs.File) bool {
		return page.Purpose != "" && f.Purpose != page.Purpose
	})
	body, err := appendPage(page, list, func(f *jobs.File) (string, []byte) {
		return f.ID, openai.AppendFile(nil, fileInfo(f))
	})
	return s.openaiReply(r, body, err)
}

// appendPage answers with a part of a list, which is the oldest first.
func appendPage[T any](p *openai.Page, list []T, of func(T) (string, []byte)) ([]byte, *api.Error) {
	if !p.Ascending {
		slices.Reverse(list)
	}
	var ids []string
	var entries [][]byte
	skip, more := p.After != "", false
	for _, one := range list {
		id, text := of(one)
		switch {
		case skip:
			skip = id != p.After
		case len(ids) == p.Limit:
			more = true
		default:
			ids, entries = append(ids, id), append(entries, text)
		}
	}
	if skip {
		return nil, api.FieldError("after", "after names nothing of this list")
	}
	return openai.AppendList(nil, ids, entries, more), nil
}
