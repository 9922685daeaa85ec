package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxComponentDepth = 8 // sequences within each other
	maxComponents     = 64
	maxGrowth         = 1 << 10 // of a text, by all its normalisers; of a token, by its decoders
)

// pattern is {"String": ...} or {"Regex": ...}.
type pattern struct{ String, Regex *string }

// component is any normalizer, pre-tokenizer or decoder; each type reads its own fields.
type component struct {
	Type          string
	Normalizers   []json.RawMessage
	Pretokenizers []json.RawMessage
	Decoders      []json.RawMessage
	Pattern       pattern
	Behavior      string
	Invert        bool
	// ByteLevel; Metaspace
	AddPrefixSpace *bool `json:"add_prefix_space"`
	UseRegex       *bool `json:"use_regex"`
	// Digits
	IndividualDigits bool `json:"individual_digits"`
	// Metaspace
	Replacement   string
	PrependScheme string `json:"prepend_scheme"`
	Split         *bool
	// Replace, Strip, Prepend
	Content     string
	Prepend     string
	Start, Stop int
	StripLeft   bool `json:"strip_left"`
	StripRight  bool `json:"strip_right"`
}

// membersOf returns what a sequence is made of.
type membersOf func(*component) []json.RawMessage

// components reads a component, sequences taken apart.
func components(raw string, depth int, members membersOf) ([]component, error) {
	var c component
	if err := unmarshal(raw, &c); err != nil || raw == "" || raw == "null" {
		return nil, err
	}
	if c.Type != "Sequence" {
		return []component{c}, nil
	}
	if depth == maxComponentDepth {
		return nil, fmt.Errorf("more than %d sequences within each other", depth)
	}
	var all []component
	for _, raw := range members(&c) {
		list, err := components(string(raw), depth+1, members)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
		if len(all) > maxComponents {
			return nil, fmt.Errorf("more than %d components", maxComponents)
		}
	}
	return all, nil
}

// checkGrowth guards against rewrites that multiply.
func checkGrowth(list []normalizer) error {
	total := 1
	for _, n := range list {
		switch n := n.(type) {
		case replaceText:
			total *= 1 + len(n.with)/len(n.old)
		case replacePattern:
			total *= 1 + len(n.with)
		case prependText:
			total *= 1 + len(n)/maxPieceLen
		}
		if total > maxGrowth {
			return fmt.Errorf("its rewrites could make a text over %d times as long", maxGrowth)
		}
	}
	return nil
}

func (b *builder) normalizer(raw string) error {
	list, err := components(raw, 0, func(c *component) []json.RawMessage { return c.Normalizers })
	if err != nil {
		return err
	}
	for i := range list {
		n, err := compileNormalizer(&list[i])
		if err != nil {
			return err
		}
		b.t.norm = append(b.t.norm, n)
	}
	return checkGrowth(b.t.norm)
}

func compileNormalizer(c *component) (normalizer, error) {
	switch c.Type {
	case "NFC":
		return unicodeForm(norm.NFC), nil
	case "NFD":
		return unicodeForm(norm.NFD), nil
	case "NFKC":
		return unicodeForm(norm.NFKC), nil
	case "NFKD":
		return unicodeForm(norm.NFKD), nil
	case "Lowercase":
		return lowercase{}, nil
	case "Strip":
		return strip{c.StripLeft, c.StripRight}, nil
	case "Prepend":
		return prependText(c.Prepend), nil
	case "Replace":
		return compileReplace(c)
	}
	return nil, fmt.Errorf("type %q is not supported; NFC, NFD, NFKC, NFKD, Lowercase, Strip, "+
		"Prepend, Replace and Sequence are", c.Type)
}

func compileReplace(c *component) (normalizer, error) {
	switch {
	case c.Pattern.String != nil && *c.Pattern.String != "":
		return replaceText{*c.Pattern.String, c.Content}, nil
	case c.Pattern.Regex != nil:
		re, err := compileRegex(*c.Pattern.Regex)
		if err != nil {
			return nil, err
		}
		return replacePattern{re, c.Content}, nil
	}
	return nil, errors.New("normalizer Replace needs a pattern")
}

func (b *builder) preTokenizer(raw string) error {
	list, err := components(raw, 0, func(c *component) []json.RawMessage { return c.Pretokenizers })
	if err != nil {
		return err
	}
	for i := range list {
		s, err := b.compileStep(&list[i])
		if err != nil {
			return err
		}
		b.t.steps = append(b.t.steps, s)
	}
	return nil
}

func (b *builder) compileStep(c *component) (step, error) {
	switch c.Type {
	case "ByteLevel":
		if b.byteLevel {
			return nil, errors.New("ByteLevel is there twice")
		}
		b.byteLevel = true
		return byteLevelStep{
			addPrefixSpace: isTrue(c.AddPrefixSpace, true),
			words:          isTrue(c.UseRegex, true), table: classes(),
		}, nil
	case "Split":
		return compileSplit(c)
	case "Digits":
		if c.IndividualDigits {
			return splitStep{finder: runs{set: newRuneSet(numeric()), max: 1}}, nil
		}
		return splitStep{finder: runs{set: newRuneSet(numeric()), max: math.MaxInt}}, nil
	case "Punctuation":
		how, err := behaviourOf(c.Behavior)
		return splitStep{finder: runs{set: newRuneSet(punctuation()), max: 1}, behaviour: how}, err
	case "WhitespaceSplit":
		spaces := runs{set: newRuneSet(whitespace()), max: 1}
		return splitStep{finder: spaces, behaviour: removed}, nil
	case "Metaspace":
		return compileMetaspace(c)
	}
	return nil, fmt.Errorf("type %q is not supported; ByteLevel, Split, Digits, Punctuation, "+
		"WhitespaceSplit, Metaspace and Sequence are", c.Type)
}

func isTrue(b *bool, absent bool) bool {
	if b == nil {
		return absent
	}
	return *b
}

func compileSplit(c *component) (step, error) {
	how, err := behaviourOf(c.Behavior)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Pattern.String != nil && *c.Pattern.String != "":
		return splitStep{literal(*c.Pattern.String), how, c.Invert}, nil
	case c.Pattern.Regex == nil:
		return nil, errors.New("pre-tokenizer Split needs a pattern")
	}
	expr := *c.Pattern.Regex
	if scan := scannerOf(expr); scan != nil && keepsAll(how, c.Invert) {
		return scanStep{scan, classes()}, nil
	}
	if expr == `\s+$` {
		return splitStep{trailingSpace{newRuneSet(whitespace())}, how, c.Invert}, nil
	}
	re, err := compileRegex(expr)
	if err != nil {
		return nil, err
	}
	return splitStep{re, how, c.Invert}, nil
}

// keepsAll reports whether a pattern whose matches are the whole text leaves just these matches.
func keepsAll(how behaviour, invert bool) bool {
	return how == isolated || how == removed && invert
}

func scannerOf(expr string) scanner {
	switch expr {
	case gpt2Pattern:
		return scanGPT2
	case cl100kPattern:
		return scanCL100K
	case qwen2Pattern:
		return scanQwen2
	case qwen35Pattern:
		return scanQwen35
	}
	return nil
}

func behaviourOf(name string) (behaviour, error) {
	switch strings.ToLower(name) {
	case "isolated", "":
		return isolated, nil
	case "removed":
		return removed, nil
	case "mergedwithprevious":
		return mergedWithPrevious, nil
	case "mergedwithnext":
		return mergedWithNext, nil
	case "contiguous":
		return contiguous, nil
	}
	return 0, fmt.Errorf("behavior %q is not supported", name)
}

func compileMetaspace(c *component) (step, error) {
	if utf8.RuneCountInString(c.Replacement) != 1 || c.Replacement == " " {
		return nil, fmt.Errorf("pre-tokenizer Metaspace: replacement %q must be one character",
			c.Replacement)
	}
	how, err := prependOf(c)
	return metaspaceStep{c.Replacement, how, isTrue(c.Split, true)}, err
}

// prependOf reads prepend_scheme, or add_prefix_space of older files.
func prependOf(c *component) (prepend, error) {
	switch c.PrependScheme {
	case "always":
		return prependAlways, nil
	case "first":
		return prependFirst, nil
	case "never":
		return prependNever, nil
	case "":
		if isTrue(c.AddPrefixSpace, true) {
			return prependAlways, nil
		}
		return prependNever, nil
	}
	return 0, fmt.Errorf("prepend_scheme %q is not supported", c.PrependScheme)
}
