package jobs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// span is a text's place in a file.
type span struct {
	at  int64
	len int32
}

// input is a job's own copy of its input: lines that never change, and where each record lies.
type input struct {
	file  *os.File
	lines []span
}

// limits of an input.
type limits struct {
	records, line int
}

// openInput finds the records: all lines that are not blank. It fills in how many each part has.
// check looks at each; nil takes all.
func openInput(path string, parts []Part, most limits, check func(n int, line []byte) error,
) (*input, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	in := &input{file: file}
	r := bufio.NewReaderSize(file, 256<<10)
	var at int64
	for i := range parts {
		parts[i].Records = 0
		number := 0
		for end := at + parts[i].Bytes; at < end && err == nil; {
			number++
			at, err = in.readLine(r, at, &parts[i], number, most, check)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return in, nil
}

// readLine reads a line, its newline included, and gives where the next one begins.
func (in *input) readLine(r *bufio.Reader, at int64, p *Part, number int, most limits,
	check func(n int, line []byte) error,
) (int64, error) {
	line, err := wholeLine(r, most.line)
	text := bytes.TrimRight(line, "\r\n")
	if errors.Is(err, errLongLine) || len(text) > most.line {
		return 0, &Failure{Faults: []Fault{{
			Code: "line_too_long", Line: number, Message: fmt.Sprintf(
				"line %d of %s has more than %d bytes", number, p.Name, most.line),
		}}}
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return 0, err
	}
	next := at + int64(len(line))
	if len(bytes.TrimSpace(text)) == 0 {
		return next, nil
	}
	if len(in.lines) == most.records {
		return 0, failure("the input has more than %d records", most.records)
	}
	if check != nil {
		if err := check(len(in.lines), text); err != nil {
			return 0, faultOf(err, p.Name, number)
		}
	}
	in.lines = append(in.lines, span{at, int32(len(text))})
	p.Records++
	return next, nil
}

// faultOf says where a fault is.
func faultOf(err error, name string, line int) error {
	var f *Fault
	if !errors.As(err, &f) {
		return err
	}
	found := *f
	found.Line = line
	found.Message = fmt.Sprintf("line %d of %s: %s", line, name, f.Message)
	return &Failure{Faults: []Fault{found}}
}

var errLongLine = errors.New("the line is too long")

// wholeLine reads up to a newline, and that too.
func wholeLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		piece, err := r.ReadSlice('\n')
		line = append(line, piece...)
		if len(line) > most+2 {
			return nil, errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// read gives the text of a record.
func (in *input) read(n int) ([]byte, error) {
	return readSpan(in.file, in.lines[n])
}

func readSpan(file *os.File, s span) ([]byte, error) {
	text := make([]byte, s.len)
	if _, err := file.ReadAt(text, s.at); err != nil {
		return nil, fmt.Errorf("cannot read %d bytes at %d: %w", s.len, s.at, err)
	}
	return text, nil
}

func (in *input) close() error {
	if in == nil {
		return nil
	}
	return in.file.Close()
}
