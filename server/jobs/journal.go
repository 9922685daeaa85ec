package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// journal is a file of framed lines that is appended to. Each line is durable before append
// returns; after a failed append the file is what it was before.
type journal struct {
	file *os.File
	end  int64
}

// append writes a value as JSON.
func (w *journal) append(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: cannot encode a state: " + err.Error())
	}
	return w.write(appendFrame(nil, text))
}

// write appends whole lines. A part of them that was written before an error is overwritten by the
// next: it begins at the same place.
func (w *journal) write(lines []byte) error {
	_, err := w.file.WriteAt(lines, w.end)
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		return errors.Join(err, w.file.Truncate(w.end))
	}
	w.end += int64(len(lines))
	return nil
}

func (w *journal) close() error {
	if w == nil || w.file == nil {
		return nil
	}
	return w.file.Close()
}

// openJournal opens a file of framed lines, calls take with each, and cuts what follows the last
// whole one.
func openJournal(path string, maxLine int, take func(at int64, text []byte) error) (*journal,
	error,
) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	end, err := readFrames(file, maxLine, take)
	if err == nil {
		err = cut(file, end)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read %s: %w", path, err), file.Close())
	}
	return &journal{file: file, end: end}, nil
}

func cut(file *os.File, end int64) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == end {
		return err
	}
	return errors.Join(file.Truncate(end), file.Sync())
}

// maxState bounds a line of a job's journal: parts are the most of it.
const maxState = 16 << 20

// openJob reads a job as its journal has it: the spec, then its states, of which the last counts.
// ErrNotExist stands for a journal without a whole spec and state.
func openJob(path string) (*Job, error) {
	j := &Job{}
	num := 0
	var err error
	j.journal, err = openJournal(path, maxState, func(_ int64, text []byte) error {
		num++
		if num == 1 {
			return json.Unmarshal(text, &j.Spec)
		}
		var s State
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		j.state = s
		return nil
	})
	if err != nil {
		return nil, err
	}
	if num < 2 {
		return nil, errors.Join(os.ErrNotExist, j.journal.close())
	}
	return j, nil
}
