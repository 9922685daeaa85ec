package guardrail

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"basalt/server/api"
)

// unit is how many characters of text count as one unit of a policy's work.
const unit = 1000

// find is a match in a text.
type find struct {
	start, end int
	rule       *rule
}

// finds gives the matches of all rules in a text, in order of their beginnings.
func (g *Guardrail) finds(text string) []find {
	var out []find
	for i := range g.rules {
		r := &g.rules[i]
		for _, at := range r.pattern.FindAllStringIndex(text, -1) {
			if r.valid == nil || r.valid(text[at[0]:at[1]]) {
				out = append(out, find{at[0], at[1], r})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b find) int { return a.start - b.start })
	return out
}

// Direction says whose text is looked at.
type Direction uint8

// The directions.
const (
	Input Direction = iota
	Output
)

// New is an assessment of nothing yet.
func (g *Guardrail) New() *api.Assessment {
	a := &api.Assessment{}
	for i := range g.rules {
		switch g.rules[i].group {
		case topicGroup:
			a.HasTopics = true
		case wordGroup, profanityGroup:
			a.HasWords = true
		default:
			a.HasFilter = true
		}
	}
	return a
}

// Check looks at a text, adds what it finds to a, and gives the text with what is to be masked
// replaced. Whether it is to be blocked is a's Action.
func (g *Guardrail) Check(text string, d Direction, a *api.Assessment) string {
	begun := time.Now()
	found := g.finds(text)
	for i := range found {
		report(a, &found[i], text, d)
	}
	n := utf8.RuneCountInString(text)
	a.Units += (n + unit - 1) / unit
	a.Guarded += n
	a.Total += n
	a.Latency += time.Since(begun)
	return mask(text, found, d)
}

// report adds a find to an assessment. Each match is told once.
func report(a *api.Assessment, f *find, text string, d Direction) {
	r := f.rule
	list := map[group]*[]api.Finding{
		topicGroup: &a.Topics, wordGroup: &a.Words, profanityGroup: &a.Profanity,
		personalGroup: &a.Personal, regexGroup: &a.Regexes,
	}[r.group]
	found := api.Finding{
		Name: r.name, Type: r.kind, Regex: r.source, Match: text[f.start:f.end],
		Action: r.action[d],
	}
	if r.group == topicGroup {
		found.Match = ""
	}
	if !slices.Contains(*list, found) {
		*list = append(*list, found)
	}
}

// mask replaces what is to be masked by its name in braces. Of matches that overlap the first, and
// of those the longest, counts.
func mask(text string, found []find, d Direction) string {
	var out strings.Builder
	at := 0
	for i := range found {
		f := &found[i]
		if f.rule.action[d] != api.GuardMask || f.start < at {
			continue
		}
		for _, other := range found[i+1:] {
			if other.start == f.start && other.end > f.end &&
				other.rule.action[d] == api.GuardMask {
				f = &other
			}
		}
		out.WriteString(text[at:f.start])
		out.WriteString(f.rule.label())
		at = f.end
	}
	if at == 0 {
		return text
	}
	out.WriteString(text[at:])
	return out.String()
}

// label is what stands in a masked match's place.
func (r *rule) label() string {
	if r.group == personalGroup {
		return "{" + r.kind + "}"
	}
	return "{" + r.name + "}"
}
