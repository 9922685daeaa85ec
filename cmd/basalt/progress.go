package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress prints one line that grows while something loads; it says nothing for what is quick, and
// nothing where the output is no terminal.
type progress struct {
	w     io.Writer
	what  string
	start time.Time
	last  time.Time
	shown bool
}

func newProgress(f *os.File, what string) *progress {
	p := &progress{what: what, start: time.Now(), w: io.Discard}
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.w = f
	}
	return p
}

// update is told the bytes that are ready.
func (p *progress) update(done, total int64) {
	now := time.Now()
	if now.Sub(p.start) < 300*time.Millisecond || now.Sub(p.last) < 100*time.Millisecond {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprintf(p.w, "\r%s: %s of %s", p.what, formatBytes(done), formatBytes(total))
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprintf(p.w, "\r%s: done in %.1f s\033[K\n", p.what, time.Since(p.start).Seconds())
	}
}
