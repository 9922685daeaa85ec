package chat

import (
	"errors"
	"fmt"
	"time"

	"basalt/models/chat/jinja"
)

// Options carry the tokens a template may print and the clock.
type Options struct {
	// bos_token and eos_token; an empty one is not defined in the template
	BOS, EOS string
	Extra    map[string]string // other special tokens by name, as pad_token
	Now      func() time.Time  // for strftime_now; nil means time.Now
}

// Template is a compiled chat template. It never changes: any number of goroutines may render it.
type Template struct {
	prog   *jinja.Program
	tokens *jinja.Dict
	now    func() time.Time
}

// RaisedError is a template's own refusal of its input: its call of raise_exception.
type RaisedError struct {
	Message string // as the template wrote it
	Line    int
}

func (e *RaisedError) Error() string {
	return fmt.Sprintf("chat template refuses the conversation: %s", e.Message)
}

// Parse compiles source. It refuses, with the line and the reason, a template that uses what chat
// templates never need (include, import, extends) or what does not exist.
func Parse(source string, o Options) (*Template, error) {
	prog, err := jinja.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("cannot compile chat template: %w", err)
	}
	t := &Template{prog: prog, tokens: jinja.NewDict(2 + len(o.Extra)), now: o.Now}
	if t.now == nil {
		t.now = time.Now
	}
	for _, name := range sortedKeys(o.Extra) {
		t.tokens.Set(name, o.Extra[name])
	}
	if o.BOS != "" {
		t.tokens.Set("bos_token", o.BOS)
	}
	if o.EOS != "" {
		t.tokens.Set("eos_token", o.EOS)
	}
	return t, nil
}

// Source is the template as it was given to Parse.
func (t *Template) Source() string { return t.prog.Source() }

// Render writes the prompt for a conversation. Steps, memory, output and depth are bounded by
// constants plus multiples of the input's size. A refusal by the template is a *RaisedError.
func (t *Template) Render(in Input) (string, error) {
	vars, size, err := t.variables(&in)
	if err != nil {
		return "", fmt.Errorf("cannot render chat template: %w", err)
	}
	return t.render(vars, size)
}

func (t *Template) render(vars *jinja.Dict, size inputSize) (string, error) {
	out, err := t.prog.Render(vars, jinja.Env{Now: t.now}, size.limits())
	if err == nil {
		return out, nil
	}
	var e *jinja.Error
	if errors.As(err, &e) && e.Kind == jinja.RaisedError {
		return "", &RaisedError{Message: e.Msg, Line: e.Line}
	}
	return "", fmt.Errorf("cannot render chat template: %w", err)
}

// inputSize measures what a template is given.
type inputSize struct {
	messages int
	values   int // roles, texts, parts, JSON values
	bytes    int // of text
}

// What every render may use, chosen so that a hostile template ends within 50 ms and 16 MiB. The
// terms for the input leave published templates room: most visit a value a few dozen times; some
// (Gemma 4) look back over all earlier messages at each message, which is the quadratic term.
const (
	baseSteps  = 200_000
	valueSteps = 256
	byteSteps  = 4
	pairSteps  = 4
	maxPairsOf = 2000 // messages
	baseBytes  = 4 << 20
	baseOutput = 1 << 20
)

func (s inputSize) limits() jinja.Limits {
	pairs := min(s.messages, maxPairsOf) * min(s.messages, maxPairsOf)
	return jinja.Limits{
		Steps:  baseSteps + valueSteps*s.values + byteSteps*s.bytes + pairSteps*pairs,
		Bytes:  baseBytes + 128*min(s.bytes, 512<<10) + 16*s.bytes + 64*s.values,
		Output: baseOutput + 16*s.bytes,
	}
}
