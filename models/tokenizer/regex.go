package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// regex is a compiled pattern of a tokenizer.json: Oniguruma's Ruby syntax, without captures and
// back references, matched leftmost with backtracking. It works on the text's bytes, takes a run
// of one set (\p{L}+) in one step, and allocates nothing but its stack.
type regex struct {
	code  []instr
	first *runeSet            // what a match can begin with; nil = anything
	never [utf8.RuneSelf]bool // ASCII that it can't begin with
}

type opcode uint8

const (
	opMatch  opcode = iota
	opSet           // one character of set
	opRun           // min to max characters of set, greedy, giving back when the rest fails
	opTake          // the same, giving back nothing
	opSplit         // go on at x; when that fails, at y
	opJump          // go on at x
	opAtomic        // match what follows, up to its opMatch, once and for all; go on at x
	opLook          // test what follows, up to its opMatch; go on at x
	opAssert        // test the place
)

type instr struct {
	op       opcode
	set      *runeSet
	min, max int
	x, y     int
	negate   bool // opLook
	back     int  // opLook: characters to go back before
	assert   assertion
}

type assertion uint8

const (
	lineStart assertion = iota
	lineEnd
	textStart
	textEnd
	textEndOrNewline
	wordBoundary
	notWordBoundary
)

// frame is an alternative still to try: go on at pc and pos, or, where pos > low, at any character
// between, from the right.
type frame struct{ pc, pos, low int }

// matcher runs one regex over one piece of text.
type matcher struct {
	re    *regex
	s     string
	stack []frame
	// budget bounds the alternatives tried in a piece, so that a pattern which backtracks without
	// end leaves the rest of the piece in one part instead of stopping the server.
	budget int
}

const (
	minBudget      = 1 << 20
	budgetPerBytes = 256
)

func (re *regex) find(e *encoder, dst []span, s string) []span {
	m := matcher{re: re, s: s, stack: e.backtrack, budget: minBudget + budgetPerBytes*len(s)}
	last := -1
	for at := 0; m.budget > 0; {
		for at < len(s) && s[at] < utf8.RuneSelf && re.never[s[at]] {
			at++
		}
		if at >= len(s) {
			break
		}
		r, n := runeAt(s, at)
		end := -1
		if re.first == nil || re.first.has(r) {
			end = m.run(0, at)
		}
		switch {
		case end > at:
			dst = append(dst, span{at, end, true})
			at, last = end, end
			continue
		case end == at && at != last:
			dst = append(dst, span{at, at, true})
		}
		at += n
	}
	e.backtrack = m.stack[:0]
	return dst
}

// run matches from pc at pos and returns the end of the match, or -1.
func (m *matcher) run(pc, pos int) int {
	base := len(m.stack)
	for {
		next, ok := m.step(&pc, pos)
		if ok {
			if pc < 0 {
				m.stack = m.stack[:base]
				return next
			}
			pos = next
			continue
		}
		m.budget--
		if len(m.stack) == base || m.budget <= 0 {
			m.stack = m.stack[:base]
			return -1
		}
		pc, pos = m.retry()
	}
}

// retry takes the latest alternative.
func (m *matcher) retry() (pc, pos int) {
	f := &m.stack[len(m.stack)-1]
	if f.pos > f.low {
		_, n := utf8.DecodeLastRuneInString(m.s[:f.pos])
		f.pos -= n
	}
	pc, pos = f.pc, f.pos
	if f.pos <= f.low {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return pc, pos
}

// step executes the instruction at pc, moves pc on (to -1 after opMatch) and returns the new
// position; false if it fails.
func (m *matcher) step(pc *int, pos int) (int, bool) {
	in := &m.re.code[*pc]
	*pc++
	switch in.op {
	case opMatch:
		*pc = -1
	case opSet:
		if pos >= len(m.s) {
			return 0, false
		}
		r, n := runeAt(m.s, pos)
		return pos + n, in.set.has(r)
	case opRun, opTake:
		return m.stepRun(in, *pc, pos)
	case opSplit:
		m.stack = append(m.stack, frame{in.y, pos, pos})
		*pc = in.x
	case opJump:
		*pc = in.x
	case opAtomic:
		pos = m.run(*pc, pos)
		*pc = in.x
		return pos, pos >= 0
	case opLook:
		ok := m.look(in, *pc, pos) != in.negate
		*pc = in.x
		return pos, ok
	case opAssert:
		return pos, m.holds(in.assert, pos)
	}
	return pos, true
}

func (m *matcher) stepRun(in *instr, next, pos int) (int, bool) {
	low, count := pos, 0
	for ; count < in.max && pos < len(m.s); count++ {
		if count == in.min {
			low = pos
		}
		r, n := runeAt(m.s, pos)
		if !in.set.has(r) {
			break
		}
		pos += n
	}
	if count < in.min {
		return 0, false
	}
	if count == in.min {
		low = pos
	}
	if in.op == opRun && pos > low {
		m.stack = append(m.stack, frame{next, pos, low})
	}
	return pos, true
}

func (m *matcher) look(in *instr, pc, pos int) bool {
	for range in.back {
		if pos == 0 {
			return false
		}
		_, n := utf8.DecodeLastRuneInString(m.s[:pos])
		pos -= n
	}
	return m.run(pc, pos) >= 0
}

func (m *matcher) holds(a assertion, pos int) bool {
	end := len(m.s)
	switch a {
	case lineStart:
		return pos == 0 || m.s[pos-1] == '\n' && pos < end
	case lineEnd:
		return pos == end || m.s[pos] == '\n'
	case textStart:
		return pos == 0
	case textEnd:
		return pos == end
	case textEndOrNewline:
		return pos == end || pos == end-1 && m.s[pos] == '\n'
	case wordBoundary:
		return m.inWord(pos) != m.endsWord(pos)
	case notWordBoundary:
		return m.inWord(pos) == m.endsWord(pos)
	}
	panic(fmt.Sprintf("BUG: assertion %d", a))
}

func (m *matcher) inWord(pos int) bool {
	if pos == len(m.s) {
		return false
	}
	r, _ := runeAt(m.s, pos)
	return wordSet().has(r)
}

func (m *matcher) endsWord(pos int) bool {
	r, n := utf8.DecodeLastRuneInString(m.s[:pos])
	return n > 0 && wordSet().has(r)
}
