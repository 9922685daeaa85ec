package jobs

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// Result is what a record came to.
type Result struct {
	Record        int // from 0
	OK            bool
	Input, Output int    // tokens
	Body          []byte // Work's own text
}

// results are those of a running job: a log of framed lines in the order in which records ended,
// and where each lies in it.
type results struct {
	log    *journal
	at     []span // by record; len < 0: none yet
	counts Counts
	buf    []byte // reused
}

// openResults reads the log of a job of so many records, and cuts what follows its last whole line.
func openResults(path string, records int) (*results, error) {
	rs := &results{at: make([]span, records), counts: Counts{Total: records}}
	for i := range rs.at {
		rs.at[i].len = -1
	}
	var err error
	rs.log, err = openJournal(path, math.MaxInt32, func(at int64, text []byte) error {
		r, ok := parseResult(text)
		if !ok || r.Record >= records {
			return errors.New("a line is whole and is no result of this job")
		}
		rs.note(&r, at+int64(len(text)-len(r.Body)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rs, nil
}

// note counts a result, the first of each record.
func (rs *results) note(r *Result, at int64) {
	if rs.at[r.Record].len >= 0 {
		return
	}
	rs.at[r.Record] = span{at, int32(len(r.Body))}
	if !r.OK {
		rs.counts.Failed++
		return
	}
	rs.counts.Succeeded++
	rs.counts.InputTokens += int64(r.Input)
	rs.counts.OutputTokens += int64(r.Output)
}

// done reports a record that has a result.
func (rs *results) done(record int) bool { return rs.at[record].len >= 0 }

// append makes results durable, all or none.
func (rs *results) append(list []Result) error {
	rs.buf = rs.buf[:0]
	ends := make([]int64, len(list))
	var text []byte
	for i := range list {
		text = appendResult(text[:0], &list[i])
		rs.buf = appendFrame(rs.buf, text)
		ends[i] = rs.log.end + int64(len(rs.buf)) - 1
	}
	if err := rs.log.write(rs.buf); err != nil {
		return err
	}
	for i := range list {
		rs.note(&list[i], ends[i]-int64(len(list[i].Body)))
	}
	const keep = 1 << 20
	if cap(rs.buf) > keep {
		rs.buf = nil
	}
	return nil
}

// appendResult appends: record, "s" or "e", tokens of the prompt and of the answer, and the body.
func appendResult(dst []byte, r *Result) []byte {
	verdict := " e "
	if r.OK {
		verdict = " s "
	}
	dst = append(strconv.AppendInt(dst, int64(r.Record), 10), verdict...)
	dst = append(strconv.AppendInt(dst, int64(r.Input), 10), ' ')
	dst = append(strconv.AppendInt(dst, int64(r.Output), 10), ' ')
	return append(dst, r.Body...)
}

func parseResult(text []byte) (Result, bool) {
	fields := bytes.SplitN(text, []byte(" "), 5)
	if len(fields) != 5 || len(fields[1]) != 1 || fields[1][0] != 's' && fields[1][0] != 'e' {
		return Result{}, false
	}
	r := Result{OK: fields[1][0] == 's', Body: fields[4]}
	for _, n := range []struct {
		to   *int
		text []byte
	}{{&r.Record, fields[0]}, {&r.Input, fields[2]}, {&r.Output, fields[3]}} {
		v, err := strconv.ParseUint(string(n.text), 10, 31)
		if err != nil {
			return Result{}, false
		}
		*n.to = int(v)
	}
	return r, true
}

func (rs *results) close() error {
	if rs == nil {
		return nil
	}
	return rs.log.close()
}

// Outcome is a job's results as they are given out, in the order of the input.
type Outcome struct {
	Parts  []Part
	Counts Counts
	dir    string
	in     *input
	rs     *results
}

// Each calls take with every record of a part; body is nil where there is no result. What take is
// given is its own.
func (o *Outcome) Each(part int, take func(record int, line, body []byte) error) error {
	first := 0
	for _, p := range o.Parts[:part] {
		first += p.Records
	}
	for n := first; n < first+o.Parts[part].Records; n++ {
		line, err := o.in.read(n)
		if err != nil {
			return err
		}
		var body []byte
		if o.rs.done(n) {
			if body, err = readSpan(o.rs.log.file, o.rs.at[n]); err != nil {
				return err
			}
		}
		if err := take(n, line, body); err != nil {
			return err
		}
	}
	return nil
}

// Temp makes a file for what is being given out; with says what happens to it before it goes.
func (o *Outcome) Temp(with func(*os.File) error) error {
	f, err := os.CreateTemp(o.dir, "out-*")
	if err != nil {
		return err
	}
	return errors.Join(with(f), f.Close(), os.Remove(filepath.Join(o.dir, filepath.Base(f.Name()))))
}
