package track

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Value is a figure over the rounds of a run.
type Value struct {
	Unit   string  `json:"unit"`
	Lower  bool    `json:"lower,omitempty"` // less is better
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// Entry is one line of the record: of one commit, class of machine and workload.
type Entry struct {
	Commit   string           `json:"commit"`
	Date     time.Time        `json:"date"`
	Machine  string           `json:"machine"`
	Workload string           `json:"workload"`
	Command  string           `json:"command"` // that prints the figures
	Figures  map[string]Value `json:"figures"`
}

// Summarise gives the median and the ends of values.
func Summarise(x []float64, unit string, lower bool) Value {
	if len(x) == 0 {
		return Value{Unit: unit, Lower: lower}
	}
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return Value{
		Unit: unit, Lower: lower, Median: (x[(n-1)/2] + x[n/2]) / 2, Min: x[0], Max: x[n-1], N: n,
	}
}

// Read reads lines of JSON.
func Read(r io.Reader) ([]Entry, error) {
	var all []Entry
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if e.Commit == "" || e.Machine == "" || e.Workload == "" {
			return nil, fmt.Errorf("line %d names no commit, machine or workload", n)
		}
		all = append(all, e)
	}
	return all, lines.Err()
}

// ReadFolder reads all files of a record, in the order of their dates; no folder is an empty
// record.
func ReadFolder(dir string) ([]Entry, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		entries, err := Read(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", name, err)
		}
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return a.Date.Compare(b.Date) })
	return all, nil
}

// Put writes entries into the record: a file for each class of machine, in which an entry takes the
// place of an older one of the same commit and workload.
func Put(dir string, entries []Entry) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	byFile := make(map[string][]Entry)
	for _, e := range entries {
		name := filepath.Join(dir, fileName(e.Machine))
		byFile[name] = append(byFile[name], e)
	}
	for name, added := range byFile {
		if err := putFile(name, added); err != nil {
			return fmt.Errorf("cannot write the record %s: %w", name, err)
		}
	}
	return nil
}

func putFile(name string, added []Entry) error {
	var all []Entry
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if all, err = Read(strings.NewReader(string(data))); err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(old Entry) bool {
		return slices.ContainsFunc(added, func(e Entry) bool {
			return e.Commit == old.Commit && e.Workload == old.Workload
		})
	})
	var b strings.Builder
	for _, e := range append(all, added...) {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}

// fileName is a class of machine in the letters of a file's name.
func fileName(machine string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(machine) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-") + ".jsonl"
}

// Last is the newest entry of a machine and workload that is not of the given commit; nil when
// there is none.
func Last(record []Entry, machine, workload, not string) *Entry {
	var last *Entry
	for i := range record {
		e := &record[i]
		if e.Machine == machine && e.Workload == workload && e.Commit != not &&
			(last == nil || !e.Date.Before(last.Date)) {
			last = e
		}
	}
	return last
}
