package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// traceLine is a line of a trace. Lengths and hash ids are those of the Mooncake traces, which
// several benchmarks replay: each hash id names a block of traceBlock prompt tokens, so that equal
// ids are equal text. A recorded prompt or conversation may stand in their place.
type traceLine struct {
	Timestamp *float64  `json:"timestamp"` // milliseconds from the trace's beginning
	Input     int       `json:"input_length"`
	Output    int       `json:"output_length"`
	HashIDs   []uint64  `json:"hash_ids"`
	Prompt    string    `json:"prompt"`
	Messages  []Message `json:"messages"`
	MaxTokens int       `json:"max_tokens"` // another name of output_length
}

const (
	traceBlock = 512
	maxTrace   = 1 << 20 // lines
)

// ReadTrace reads a trace of JSON lines. With vocab, blocks are random ids below it, else words.
func ReadTrace(r io.Reader, vocab int, seed uint64) ([]Session, error) {
	var sessions []Session
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var line traceLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("line %d of the trace: %w", n, err)
		}
		s, err := line.session(vocab, seed, uint64(n))
		if err != nil {
			return nil, fmt.Errorf("line %d of the trace: %w", n, err)
		}
		if sessions = append(sessions, s); len(sessions) > maxTrace {
			return nil, fmt.Errorf("the trace has more than %d lines", maxTrace)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the trace: %w", err)
	}
	if len(sessions) == 0 {
		return nil, errors.New("the trace is empty")
	}
	return sessions, nil
}

func (l *traceLine) session(vocab int, seed, line uint64) (Session, error) {
	const most = 1 << 22
	r := Request{InputLen: l.Input, OutputLen: max(l.Output, l.MaxTokens)}
	if r.OutputLen < 1 || r.OutputLen > most {
		return Session{}, fmt.Errorf("output_length %d; 1 to %d are possible", r.OutputLen, most)
	}
	switch {
	case len(l.Messages) > 0:
		r.Messages = l.Messages
	case l.Prompt != "":
		r.Text = l.Prompt
	case l.Input < 1 || l.Input > most:
		return Session{}, fmt.Errorf("input_length %d; 1 to %d are possible", l.Input, most)
	default:
		p := l.blocks(vocab, seed, line)
		if r.Tokens = p.ids; vocab == 0 {
			r.Text = sentence(p.words)
		}
	}
	s := Session{Requests: []Request{r}, At: -1}
	if l.Timestamp != nil {
		if !(*l.Timestamp >= 0 && *l.Timestamp < 1e12) {
			return s, fmt.Errorf("timestamp %g; it must be milliseconds, 0 or more", *l.Timestamp)
		}
		s.At = time.Duration(*l.Timestamp * float64(time.Millisecond))
	}
	return s, nil
}

// blocks makes a prompt of Input tokens: one block for each hash id, the rest of this line alone.
func (l *traceLine) blocks(vocab int, seed, line uint64) prompt {
	var p prompt
	for i := 0; i < l.Input; i += traceBlock {
		stream := line<<32 | uint64(i) | 1<<63
		if k := i / traceBlock; k < len(l.HashIDs) {
			stream = l.HashIDs[k] &^ (1 << 63)
		}
		block := newMaker(Workload{Vocab: vocab}, rand.NewPCG(seed, stream)).draw(min(traceBlock,
			l.Input-i))
		p.ids, p.words = append(p.ids, block.ids...), append(p.words, block.words...)
	}
	return p
}
