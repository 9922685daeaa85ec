package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokData
	tokVarBegin
	tokVarEnd
	tokBlockBegin
	tokBlockEnd
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

type token struct {
	kind tokenKind
	text string // of strings: after escapes; of numbers: without underscores
	line int
}

// lexer cuts a template into tokens with the rules of jinja2.lexer for the default delimiters.
type lexer struct {
	src       string
	pos, line int
	toks      []token
	lineStart bool   // the last match ended with a newline
	closers   []byte // brackets that are open inside the current tag
}

func lex(source string) ([]token, error) {
	src := strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(src, "\n"), line: 1, lineStart: true}
	l.toks = make([]token, 0, min(len(src)/3+2, maxTokens))
	for l.pos < len(l.src) {
		if err := l.root(); err != nil {
			return nil, err
		}
	}
	l.emit(tokEOF, "")
	return l.toks, nil
}

func (l *lexer) emit(kind tokenKind, text string) {
	l.toks = append(l.toks, token{kind, text, l.line})
}

func (l *lexer) fail(format string, a ...any) error {
	return &Error{Kind: SyntaxError, Line: l.line, Msg: fmt.Sprintf(format, a...)}
}

// advance moves to end, counting lines.
func (l *lexer) advance(end int) {
	l.line += strings.Count(l.src[l.pos:end], "\n")
	if end > l.pos {
		l.lineStart = l.src[end-1] == '\n'
	}
	l.pos = end
}

// root handles text up to and including the next tag's opening, then the tag.
func (l *lexer) root() error {
	begin := nextTag(l.src, l.pos)
	if begin < 0 {
		l.emit(tokData, l.src[l.pos:])
		l.advance(len(l.src))
		return nil
	}
	kind := l.src[begin+1]
	after, sign := signAt(l.src, begin+2)
	rawEnd := -1
	if kind == '%' {
		rawEnd = matchWord(l.src, after, "raw", false)
	}
	l.text(begin, sign, kind != '{')
	if rawEnd >= 0 {
		l.advance(rawEnd)
		return l.raw()
	}
	l.advance(after)
	switch kind {
	case '#':
		return l.comment()
	case '%':
		l.emit(tokBlockBegin, "")
	default:
		l.emit(tokVarBegin, "")
	}
	return l.tag(kind == '%')
}

func nextTag(src string, from int) int {
	for i := from; ; i++ {
		j := strings.IndexByte(src[i:], '{')
		if j < 0 || i+j+1 >= len(src) {
			return -1
		}
		i += j
		if c := src[i+1]; c == '{' || c == '%' || c == '#' {
			return i
		}
	}
}

func signAt(src string, i int) (after int, sign byte) {
	if i < len(src) && (src[i] == '-' || src[i] == '+') {
		return i + 1, src[i]
	}
	return i, 0
}

// text emits the data before a tag, less the white space that the tag takes away.
func (l *lexer) text(end int, sign byte, lstrip bool) {
	text := l.src[l.pos:end]
	kept := text
	if sign == '-' {
		kept = strings.TrimRightFunc(text, isSpace)
	} else if sign != '+' && lstrip {
		lineAt := strings.LastIndexByte(text, '\n') + 1
		if lineAt > 0 || l.lineStart {
			if strings.TrimLeftFunc(text[lineAt:], isSpace) == "" {
				kept = text[:lineAt]
			}
		}
	}
	if kept != "" {
		l.emit(tokData, kept)
	}
	l.advance(end)
}

func skipSpace(src string, i int) int {
	return len(src) - len(strings.TrimLeftFunc(src[i:], isSpace))
}

// matchWord matches `\s*word\s*` and the end of a block tag at i, and returns the position after it
// or -1. With trim, a newline after the tag goes too, and `+%}` keeps it.
func matchWord(src string, i int, word string, trim bool) int {
	i = skipSpace(src, i)
	if !strings.HasPrefix(src[i:], word) {
		return -1
	}
	return matchEnd(src, skipSpace(src, i+len(word)), "%}", trim)
}

// matchEnd matches the closing delimiter at i with its white space control, or returns -1.
func matchEnd(src string, i int, delim string, trim bool) int {
	rest := src[i:]
	switch {
	case strings.HasPrefix(rest, "-"+delim):
		return skipSpace(src, i+1+len(delim))
	case strings.HasPrefix(rest, delim):
		i += len(delim)
		if trim && i < len(src) && src[i] == '\n' {
			i++
		}
		return i
	case trim && strings.HasPrefix(rest, "+"+delim):
		return i + 1 + len(delim)
	}
	return -1
}

func (l *lexer) raw() error {
	if l.pos == len(l.src) {
		return nil
	}
	for i := l.pos; ; i += 2 {
		j := strings.Index(l.src[i:], "{%")
		if j < 0 {
			return l.fail("Missing end of raw directive")
		}
		i += j
		after, sign := signAt(l.src, i+2)
		if end := matchWord(l.src, after, "endraw", true); end >= 0 {
			l.text(i, sign, true)
			l.advance(end)
			return nil
		}
	}
}

func (l *lexer) comment() error {
	if l.pos == len(l.src) { // Jinja2 looks for the end from the first character on
		return nil
	}
	i := strings.Index(l.src[l.pos:], "#}")
	if i < 0 {
		return l.fail("Missing end of comment tag")
	}
	i += l.pos
	if i > l.pos && (l.src[i-1] == '-' || l.src[i-1] == '+') {
		i--
	}
	l.advance(matchEnd(l.src, i, "#}", true))
	return nil
}

// tag lexes the inside of {% %} or {{ }}.
func (l *lexer) tag(block bool) error {
	delim, endKind := "}}", tokVarEnd
	if block {
		delim, endKind = "%}", tokBlockEnd
	}
	l.closers = l.closers[:0]
	for {
		if len(l.closers) == 0 {
			if end := matchEnd(l.src, l.pos, delim, block); end >= 0 {
				l.emit(endKind, "")
				l.advance(end)
				return nil
			}
		}
		if l.pos >= len(l.src) {
			return l.fail("unexpected end of template inside a tag")
		}
		if err := l.token(); err != nil {
			return err
		}
	}
}

func (l *lexer) token() error {
	if len(l.toks) >= maxTokens {
		return l.fail("template has more than %d tokens", maxTokens)
	}
	r, size := utf8.DecodeRuneInString(l.src[l.pos:])
	switch {
	case isSpace(r):
		l.advance(skipSpace(l.src, l.pos))
	case r >= '0' && r <= '9':
		l.number()
	case r == '_' || unicode.IsLetter(r):
		return l.name()
	case r == '"' || r == '\'':
		return l.str(byte(r))
	default:
		return l.operator(r, size)
	}
	return nil
}

func (l *lexer) name() error {
	end := l.pos
	for end < len(l.src) {
		r, size := utf8.DecodeRuneInString(l.src[end:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Mn, r) {
			break
		}
		end += size
	}
	l.emit(tokName, l.src[l.pos:end])
	l.advance(end)
	return nil
}

func (l *lexer) str(quote byte) error {
	for i := l.pos + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case quote:
			text, err := unescape(l.src[l.pos+1 : i])
			if err != nil {
				return l.fail("%v", err)
			}
			l.emit(tokString, text)
			l.advance(i + 1)
			return nil
		}
	}
	return l.fail("string without an end")
}

func (l *lexer) operator(r rune, size int) error {
	rest := l.src[l.pos:]
	for _, op := range [...]string{"//", "**", "==", "!=", ">=", "<="} {
		if strings.HasPrefix(rest, op) {
			l.emit(tokOp, op)
			l.advance(l.pos + 2)
			return nil
		}
	}
	switch r {
	case '(':
		l.closers = append(l.closers, ')')
	case '[':
		l.closers = append(l.closers, ']')
	case '{':
		l.closers = append(l.closers, '}')
	case ')', ']', '}':
		n := len(l.closers)
		if n == 0 || rune(l.closers[n-1]) != r {
			return l.fail("unexpected '%c'", r)
		}
		l.closers = l.closers[:n-1]
	default:
		if !strings.ContainsRune("+-/*%~><=.:|,;", r) {
			return l.fail("unexpected character %q", r)
		}
	}
	l.emit(tokOp, rest[:size])
	l.advance(l.pos + size)
	return nil
}
