package main

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// phases notes what the start of a server is made of; some run side by side. A nil one notes
// nothing.
type phases struct {
	mu   sync.Mutex
	list []phase
}

// phase is in the log line readyLine, for bench startup to read.
type phase struct {
	Name  string `json:"name"`
	Began int64  `json:"began"` // microseconds since 1970
	Took  int64  `json:"took"`  // microseconds
}

// readyLine is logged once the server answers.
const readyLine = "ready"

// begin notes that a phase begins; end, that it has ended.
func (p *phases) begin(name string) (end func()) {
	if p == nil {
		return func() {}
	}
	began := time.Now()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.list = append(p.list, phase{name, began.UnixMicro(), time.Since(began).Microseconds()})
	}
}

func (p *phases) log(l *zap.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.Info(readyLine, zap.Any("phases", p.list))
}
