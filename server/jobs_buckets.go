package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"basalt/server/bedrock"
	"basalt/server/buckets"
	"basalt/server/jobs"
)

// jobPlace finds a place of a job as the table is now.
func (s *Server) jobPlace(j *jobs.Job, uri string) (*buckets.Place, error) {
	u, err := buckets.ParseURI("s3Uri", uri)
	if err != nil {
		return nil, &jobs.Failure{Message: err.Message}
	}
	p, err := s.cfg.Buckets.Find(j.Tenant, u)
	if err != nil {
		return nil, &jobs.Failure{Message: err.Message}
	}
	return p, nil
}

// bucketFailure ends a job for an error that stays. The client learns no path and no address.
func (s *Server) bucketFailure(j *jobs.Job, what string, p *buckets.Place, err error) error {
	var refused *buckets.StoreError
	var failed *jobs.Failure
	reason := "the server's log says why"
	switch {
	case errors.As(err, &failed), buckets.Transient(err), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		reason = "it is not there"
	case errors.Is(err, buckets.ErrReadOnly), errors.As(err, &refused):
		reason = err.Error()
	default:
		s.reportJob(j, "cannot "+what+" "+p.URI.String(), err)
	}
	return &jobs.Failure{Message: fmt.Sprintf("cannot %s %s: %s", what, p.URI, reason)}
}

// fetchBuckets copies the input: one object, or all .jsonl objects of a prefix.
func (s *Server) fetchBuckets(ctx context.Context, j *jobs.Job, w io.Writer) ([]jobs.Part, error) {
	p, err := s.jobPlace(j, j.Input)
	if err != nil {
		return nil, err
	}
	list := []*buckets.Place{p}
	if p.URI.IsPrefix() {
		if list, err = p.List(ctx, ".jsonl"); err != nil {
			return nil, s.bucketFailure(j, "list", p, err)
		}
		if len(list) == 0 {
			return nil, &jobs.Failure{Message: p.URI.String() + " has no .jsonl objects"}
		}
	}
	var parts []jobs.Part
	for _, one := range list {
		n, err := copyObject(ctx, one, w)
		if err != nil {
			return nil, s.bucketFailure(j, "read", one, err)
		}
		parts = append(parts, jobs.Part{Name: one.URI.Base(), Bytes: n})
	}
	return parts, nil
}

// copyObject copies an object, and the newline at its end that it may lack.
func copyObject(ctx context.Context, p *buckets.Place, w io.Writer) (n int64, err error) {
	r, err := p.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	last := &lastByte{r: r}
	if n, err = io.Copy(w, last); err != nil || n == 0 || last.b == '\n' {
		return n, err
	}
	_, err = w.Write([]byte("\n"))
	return n + 1, err
}

// lastByte remembers the last byte that was read.
type lastByte struct {
	r io.Reader
	b byte
}

// Read implements io.Reader.
func (l *lastByte) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if n > 0 {
		l.b = p[n-1]
	}
	return n, err
}

// deliverBuckets writes an output for each input, then the manifest.
func (s *Server) deliverBuckets(ctx context.Context, j *jobs.Job, o *jobs.Outcome) error {
	p, err := s.jobPlace(j, j.Output)
	if err != nil {
		return err
	}
	p = p.Join(j.ID)
	for i := range o.Parts {
		to := p.Join(o.Parts[i].Name + ".out")
		err := o.Temp(func(f *os.File) error {
			if err := writeOutput(j, o, i, f); err != nil {
				return err
			}
			return to.Put(ctx, f, j.ID)
		})
		if err != nil {
			return s.bucketFailure(j, "write", to, err)
		}
	}
	info := jobInfo(j)
	info.setCounts(o.Counts)
	to := p.Join("manifest.json.out")
	manifest := bedrock.Manifest(&info.JobInfo, o.Counts.InputTokens, o.Counts.OutputTokens)
	if err := to.Put(ctx, bytes.NewReader(manifest), j.ID); err != nil {
		return s.bucketFailure(j, "write", to, err)
	}
	return nil
}

// writeOutput writes the lines of one part that have a result, and goes back to the beginning.
func writeOutput(j *jobs.Job, o *jobs.Outcome, part int, f *os.File) error {
	w := bufio.NewWriterSize(f, 256<<10)
	var line []byte
	err := o.Each(part, func(n int, in, body []byte) error {
		if body == nil {
			return nil
		}
		record, bad := bedrock.DecodeRecord(in)
		if bad != nil {
			return fmt.Errorf("record %d was checked and is malformed: %w", n, bad)
		}
		if record.ID == "" {
			record.ID = recordID(j.ID, n)
		}
		line = bedrock.AppendOutput(line[:0], record.ID, record.Input, body)
		_, err := w.Write(line)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	return err
}

// recordID makes up the id of a record that has none: eleven letters and digits, always the same.
func recordID(job string, record int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", job, record))
	return base32.StdEncoding.EncodeToString(sum[:])[:11]
}

// deliverAsync writes the answer of an asynchronous invocation.
func (s *Server) deliverAsync(ctx context.Context, j *jobs.Job, o *jobs.Outcome) error {
	p, err := s.jobPlace(j, j.Output)
	if err != nil {
		return err
	}
	to := p.Join(j.ID).Join("output.json")
	return o.Each(0, func(_ int, _, body []byte) error {
		switch {
		case body == nil:
			return nil
		case o.Counts.Failed > 0:
			return &jobs.Failure{Message: string(body)}
		}
		if err := to.Put(ctx, bytes.NewReader(body), j.ID); err != nil {
			return s.bucketFailure(j, "write", to, err)
		}
		return nil
	})
}
