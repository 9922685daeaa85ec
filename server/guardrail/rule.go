package guardrail

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"basalt/server/api"
)

// group says which part of an assessment reports a rule.
type group uint8

const (
	topicGroup group = iota
	wordGroup
	profanityGroup
	personalGroup
	regexGroup
)

// rule is a pattern and what is done about what it finds.
type rule struct {
	group   group
	name    string // of a topic or a regular expression
	kind    string // of personal information
	source  string // of a regular expression
	pattern *regexp.Regexp
	valid   func(match string) bool // nil: every match counts
	action  [2]api.GuardAction      // of input and output
	reach   int                     // bytes that a match may have
}

// farthest is the reach of patterns whose matches have no bound. What is longer may be found in a
// whole text and missed in a stream.
const farthest = 1024

// reachOf is the greatest number of bytes that a match of a pattern can have, at most farthest.
func reachOf(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return farthest
	}
	return min(longest(re), farthest)
}

func longest(re *syntax.Regexp) int {
	n := 0
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			n += utf8.RuneLen(r)
			if re.Flags&syntax.FoldCase != 0 {
				n++ // the other case may be longer, as that of k is
			}
		}
		return n
	case syntax.OpCharClass:
		return utf8.RuneLen(re.Rune[len(re.Rune)-1])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return utf8.UTFMax
	case syntax.OpStar, syntax.OpPlus:
		return farthest
	case syntax.OpRepeat:
		if re.Max < 0 {
			return farthest
		}
		return min(farthest, re.Max*longest(re.Sub[0]))
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			n = max(n, longest(sub))
		}
		return n
	}
	for _, sub := range re.Sub {
		n = min(farthest, n+longest(sub))
	}
	return n
}

// compile makes the pattern of a rule.
func (r *rule) compile(pattern string) error {
	if len(pattern) > maxPattern {
		return fmt.Errorf("a pattern has %d bytes; at most %d are allowed", len(pattern),
			maxPattern)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	if re.MatchString("") {
		return fmt.Errorf("the pattern %q finds the empty text", pattern)
	}
	r.pattern, r.reach = re, reachOf(pattern)
	return nil
}

// phrase is the pattern of words, whatever their case and the white space between them, that do not
// stand inside of longer ones.
func phrase(words string) (string, error) {
	parts := strings.Fields(words)
	if len(parts) == 0 {
		return "", errors.New("a phrase has no word")
	}
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	pattern := `(?i)` + strings.Join(parts, `\s{1,8}`)
	if isWord(words[strings.IndexFunc(words, notSpace)]) {
		pattern = `(?i)\b` + pattern[len(`(?i)`):]
	}
	if trimmed := strings.TrimSpace(words); isWord(trimmed[len(trimmed)-1]) {
		pattern += `\b`
	}
	return pattern, nil
}

func notSpace(r rune) bool { return !strings.ContainsRune(" \t\r\n\v\f", r) }

// isWord reports what \b takes for a part of a word.
func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func block() [2]api.GuardAction { return [2]api.GuardAction{api.GuardBlock, api.GuardBlock} }

func (g *Guardrail) addPhrases(r rule, phrases []string) error {
	for _, words := range phrases {
		pattern, err := phrase(words)
		if err != nil {
			return err
		}
		one := r
		if err := one.compile(pattern); err != nil {
			return err
		}
		g.rules = append(g.rules, one)
	}
	return nil
}

func (g *Guardrail) addTopics(c *config) error {
	for i := range c.Topics {
		t := &c.Topics[i]
		if t.Name == "" || len(t.Phrases)+len(t.Regexes) == 0 {
			return fmt.Errorf("topic %d (%q) needs a name, and phrases or regexes", i+1, t.Name)
		}
		r := rule{group: topicGroup, name: t.Name, action: block()}
		if err := g.addPhrases(r, t.Phrases); err != nil {
			return fmt.Errorf("topic %q: %w", t.Name, err)
		}
		for _, pattern := range t.Regexes {
			one := r
			if err := one.compile(pattern); err != nil {
				return fmt.Errorf("topic %q: %w", t.Name, err)
			}
			g.rules = append(g.rules, one)
		}
	}
	return nil
}

func (g *Guardrail) addWords(c *config) error {
	if err := g.addPhrases(rule{group: wordGroup, action: block()}, c.Words); err != nil {
		return fmt.Errorf("words: %w", err)
	}
	if err := g.addPhrases(rule{group: profanityGroup, action: block()}, c.Profanity); err != nil {
		return fmt.Errorf("profanity: %w", err)
	}
	return nil
}

func (g *Guardrail) addRegexes(c *config) error {
	for i := range c.Regexes {
		x := &c.Regexes[i]
		r := rule{group: regexGroup, name: x.Name, source: x.Pattern}
		if x.Name == "" || x.Pattern == "" || x.Type != "" {
			return fmt.Errorf("regex %d needs a name and a pattern, and no type", i+1)
		}
		if err := r.set(x); err != nil {
			return fmt.Errorf("regex %q: %w", x.Name, err)
		}
		if err := r.compile(x.Pattern); err != nil {
			return fmt.Errorf("regex %q: %w", x.Name, err)
		}
		g.rules = append(g.rules, r)
	}
	return nil
}

// set reads what is done about a rule's matches.
func (r *rule) set(c *ruleConfig) error {
	for i, word := range []string{c.Input, c.Output} {
		switch word {
		case "block":
			r.action[i] = api.GuardBlock
		case "mask", "":
			r.action[i] = api.GuardMask
		case "none":
			r.action[i] = api.GuardNone
		default:
			return fmt.Errorf("%q is no action; use block, mask or none", word)
		}
	}
	return nil
}
