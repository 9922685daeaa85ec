package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"basalt/server/api"
)

// Upload is the body of POST /v1/files.
type Upload struct {
	Name    string
	Data    []byte
	Seconds int // after which it expires, 0: never
}

// Limits of the API.
const (
	maxFileName   = 255
	minFileExpiry = 3600
	maxFileExpiry = 30 * 24 * 3600
)

// DecodeUpload reads a body of multipart/form-data. What it gives belongs to the caller.
func DecodeUpload(contentType string, body []byte) (*Upload, *api.Error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, api.Errorf(api.Invalid, "the body must be multipart/form-data")
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	fields := make(map[string]string)
	var up *Upload
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, api.Errorf(api.Invalid, "the body is not valid multipart/form-data")
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return nil, api.Errorf(api.Invalid, "the body is not valid multipart/form-data")
		}
		name := p.FormName()
		if _, dup := fields[name]; dup || name == "" {
			return nil, api.Errorf(api.Invalid, "a part of the body has no name, or another's")
		}
		fields[name] = ""
		if name == "file" {
			up = &Upload{Name: fileName(p.FileName()), Data: data}
		} else {
			fields[name] = string(data)
		}
	}
	return up, up.read(fields)
}

// read reads the fields beside the file.
func (up *Upload) read(fields map[string]string) *api.Error {
	if up == nil {
		return api.FieldError("file", "file is required")
	}
	for name := range fields {
		switch name {
		case "file", "purpose", "expires_after[anchor]", "expires_after[seconds]":
		default:
			return api.FieldError("body", "the body has a part that is not known; it takes file, "+
				"purpose and expires_after")
		}
	}
	if fields["purpose"] != "batch" {
		return api.FieldError("purpose", "purpose must be \"batch\": files are the input of "+
			"batches here")
	}
	seconds, timed := fields["expires_after[seconds]"]
	anchor, anchored := fields["expires_after[anchor]"]
	if !timed && !anchored {
		return nil
	}
	n, err := strconv.Atoi(seconds)
	if anchor != "created_at" || err != nil || n < minFileExpiry || n > maxFileExpiry {
		return api.FieldError("expires_after", "expires_after must have the anchor created_at "+
			"and %d to %d seconds", minFileExpiry, maxFileExpiry)
	}
	up.Seconds = n
	return nil
}

// fileName is a name as others may see it: it is never a path here.
func fileName(s string) string {
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == unicode.ReplacementChar {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, ""))
	for len(s) > maxFileName {
		_, size := lastRune(s)
		s = s[:len(s)-size]
	}
	if s == "" {
		return "file"
	}
	return s
}

func lastRune(s string) (rune, int) {
	r := []rune(s)
	last := r[len(r)-1]
	return last, len(string(last))
}

// FileInfo is what is told of a file.
type FileInfo struct {
	ID, Name, Purpose string
	Bytes             int64
	Created, Expires  time.Time
}

// AppendFile appends a file object.
func AppendFile(dst []byte, f *FileInfo) []byte {
	dst = api.AppendString(append(dst, `{"id":`...), f.ID)
	dst = append(dst, `,"object":"file","bytes":`...)
	dst = strconv.AppendInt(dst, f.Bytes, 10)
	dst = appendSeconds(dst, "created_at", f.Created)
	dst = appendSeconds(dst, "expires_at", f.Expires)
	dst = api.AppendString(append(dst, `,"filename":`...), f.Name)
	dst = api.AppendString(append(dst, `,"purpose":`...), f.Purpose)
	return append(dst, `,"status":"processed","status_details":null}`...)
}

// appendSeconds appends a member after a comma, null for no time.
func appendSeconds(dst []byte, name string, at time.Time) []byte {
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	if at.IsZero() {
		return append(dst, "null"...)
	}
	return strconv.AppendInt(dst, at.Unix(), 10)
}

// AppendDeleted appends the answer of DELETE /v1/files/{id}.
func AppendDeleted(dst []byte, id string) []byte {
	dst = api.AppendString(append(dst, `{"id":`...), id)
	return append(dst, `,"object":"file","deleted":true}`...)
}

// Page says which part of a list is wanted.
type Page struct {
	After, Purpose string
	Limit          int
	Ascending      bool
}

// ParsePage reads the query of a list. files says that it is one of files, whose lists may be
// longer and in either order.
func ParsePage(raw string, files bool) (*Page, *api.Error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, api.FieldError("query", "the query cannot be read")
	}
	p, most := &Page{After: values.Get("after"), Limit: 20}, 100
	if files {
		p.Limit, most = 10_000, 10_000
		p.Purpose = values.Get("purpose")
		switch values.Get("order") {
		case "", "desc":
		case "asc":
			p.Ascending = true
		default:
			return nil, api.FieldError("order", "order must be asc or desc")
		}
	}
	if v := values.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > most {
			return nil, api.FieldError("limit", "limit must be 1 to %d", most)
		}
		p.Limit = n
	}
	return p, nil
}

// AppendList appends a part of a list. ids are those of the entries.
func AppendList(dst []byte, ids []string, entries [][]byte, more bool) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	dst = append(append(dst, bytes.Join(entries, []byte(","))...), ']')
	first, last := "", ""
	if len(ids) > 0 {
		first, last = ids[0], ids[len(ids)-1]
	}
	dst = appendOrNull(append(dst, `,"first_id":`...), first)
	dst = appendOrNull(append(dst, `,"last_id":`...), last)
	return fmt.Appendf(dst, `,"has_more":%t}`, more)
}
