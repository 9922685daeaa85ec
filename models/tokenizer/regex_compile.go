package tokenizer

import (
	"errors"
	"fmt"
)

const maxInstrs = 1 << 14

var errRegexSize = fmt.Errorf("pattern needs more than %d instructions", maxInstrs)

// compileRegex turns a pattern into a program, or says what of it is not supported.
func compileRegex(pattern string) (*regex, error) {
	root, err := parseRegex(pattern)
	if err != nil {
		return nil, err
	}
	c := &regexCompiler{sets: map[string]*runeSet{}}
	if err := c.emitNode(root); err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	c.emit(instr{op: opMatch})
	re := &regex{code: c.code}
	if first, nullable := c.firstOf(root); !nullable {
		re.first = newRuneSet(first)
		for c := range re.never {
			re.never[c] = !re.first.has(rune(c))
		}
	}
	return re, nil
}

type regexCompiler struct {
	code []instr
	sets map[string]*runeSet // by their ranges
}

func (c *regexCompiler) emit(in instr) int {
	c.code = append(c.code, in)
	return len(c.code) - 1
}

func (c *regexCompiler) set(list []runeRange) *runeSet {
	key := fmt.Sprint(mergeRanges(list))
	if c.sets[key] == nil {
		c.sets[key] = newRuneSet(list)
	}
	return c.sets[key]
}

func (c *regexCompiler) emitNode(n *node) error {
	if len(c.code) > maxInstrs {
		return errRegexSize
	}
	switch n.kind {
	case nodeSet:
		c.emit(instr{op: opSet, set: c.set(n.set)})
	case nodeCat:
		return c.emitAll(n.subs)
	case nodeAlt:
		return c.emitAlt(n.subs)
	case nodeRepeat:
		return c.emitRepeat(n)
	case nodeAtomic:
		return c.emitSub(instr{op: opAtomic}, n.subs[0])
	case nodeLook:
		return c.emitLook(n)
	case nodeAssert:
		c.emit(instr{op: opAssert, assert: n.assert})
	}
	return nil
}

func (c *regexCompiler) emitAll(list []*node) error {
	for _, n := range list {
		if err := c.emitNode(n); err != nil {
			return err
		}
	}
	return nil
}

func (c *regexCompiler) emitAlt(list []*node) error {
	var jumps []int
	for i, n := range list {
		if i == len(list)-1 {
			if err := c.emitNode(n); err != nil {
				return err
			}
			break
		}
		split := c.emit(instr{op: opSplit})
		c.code[split].x = len(c.code)
		if err := c.emitNode(n); err != nil {
			return err
		}
		jumps = append(jumps, c.emit(instr{op: opJump}))
		c.code[split].y = len(c.code)
	}
	for _, j := range jumps {
		c.code[j].x = len(c.code)
	}
	return nil
}

// emitSub emits in, then n as a program of its own; in goes on behind it.
func (c *regexCompiler) emitSub(in instr, n *node) error {
	at := c.emit(in)
	if err := c.emitNode(n); err != nil {
		return err
	}
	c.emit(instr{op: opMatch})
	c.code[at].x = len(c.code)
	return nil
}

func (c *regexCompiler) emitLook(n *node) error {
	in := instr{op: opLook, negate: n.negate}
	if n.behind {
		width, ok := fixedWidth(n.subs[0])
		if !ok {
			return errors.New("a look behind must have one length")
		}
		in.back = width
	}
	return c.emitSub(in, n.subs[0])
}

func (c *regexCompiler) emitRepeat(n *node) error {
	sub := n.subs[0]
	if sub.kind == nodeSet && n.mode != lazy {
		op := opRun
		if n.mode == possessive {
			op = opTake
		}
		c.emit(instr{op: op, set: c.set(sub.set), min: n.min, max: n.max})
		return nil
	}
	if n.mode == possessive {
		once := *n
		once.mode = greedy
		return c.emitSub(instr{op: opAtomic}, &once)
	}
	for range n.min {
		if err := c.emitNode(sub); err != nil {
			return err
		}
	}
	if n.max == unbounded {
		return c.emitLoop(n)
	}
	return c.emitOptional(n, n.max-n.min)
}

func (c *regexCompiler) emitLoop(n *node) error {
	if _, nullable := c.firstOf(n.subs[0]); nullable {
		return errors.New("what is repeated without limit must not match the empty text")
	}
	split := c.emit(instr{op: opSplit})
	if err := c.emitNode(n.subs[0]); err != nil {
		return err
	}
	c.emit(instr{op: opJump, x: split})
	c.setBranches(split, n.mode, split+1, len(c.code))
	return nil
}

// emitOptional emits up to count more of n's element, each only after the one before.
func (c *regexCompiler) emitOptional(n *node, count int) error {
	var splits []int
	for range count {
		splits = append(splits, c.emit(instr{op: opSplit}))
		if err := c.emitNode(n.subs[0]); err != nil {
			return err
		}
	}
	for _, at := range splits {
		c.setBranches(at, n.mode, at+1, len(c.code))
	}
	return nil
}

func (c *regexCompiler) setBranches(split int, mode repeatMode, again, leave int) {
	if mode == lazy {
		again, leave = leave, again
	}
	c.code[split].x, c.code[split].y = again, leave
}

// firstOf returns what a match of n can begin with, and whether it can be empty. Conditions count
// as always met.
func (c *regexCompiler) firstOf(n *node) (first []runeRange, nullable bool) {
	switch n.kind {
	case nodeSet:
		return n.set, false
	case nodeCat:
		for _, sub := range n.subs {
			f, empty := c.firstOf(sub)
			first = append(first, f...)
			if !empty {
				return first, false
			}
		}
		return first, true
	case nodeAlt:
		for _, sub := range n.subs {
			f, empty := c.firstOf(sub)
			first, nullable = append(first, f...), nullable || empty
		}
		return first, nullable
	case nodeRepeat:
		first, nullable = c.firstOf(n.subs[0])
		return first, nullable || n.min == 0
	case nodeAtomic:
		return c.firstOf(n.subs[0])
	}
	return nil, true
}

// fixedWidth returns the number of characters that every match of n has.
func fixedWidth(n *node) (int, bool) {
	switch n.kind {
	case nodeSet:
		return 1, true
	case nodeCat:
		total := 0
		for _, sub := range n.subs {
			w, ok := fixedWidth(sub)
			if !ok {
				return 0, false
			}
			total += w
		}
		return total, true
	case nodeAlt:
		width, ok := fixedWidth(n.subs[0])
		for _, sub := range n.subs[1:] {
			if w, okSub := fixedWidth(sub); !okSub || w != width {
				return 0, false
			}
		}
		return width, ok
	case nodeRepeat:
		w, ok := fixedWidth(n.subs[0])
		return w * n.min, ok && n.min == n.max
	case nodeAtomic:
		return fixedWidth(n.subs[0])
	}
	return 0, true
}
