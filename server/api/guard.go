package api

import "time"

// GuardAction is what a guardrail did about a finding.
type GuardAction uint8

// The actions. GuardNone only reports.
const (
	GuardNone  GuardAction = iota
	GuardMask              // the text was replaced by the name of what it is
	GuardBlock             // the whole text was replaced by the guardrail's message
)

// Finding is a place at which a policy of a guardrail fits a text.
type Finding struct {
	Name   string // of the topic or the regular expression
	Type   string // of the personal information
	Match  string // the text found
	Regex  string
	Action GuardAction
}

// Assessment is what a guardrail found in one text.
type Assessment struct {
	Topics, Words, Profanity, Personal, Regexes []Finding
	// Units are counted per policy that looked at the text, one for each begun 1000 characters.
	Units                          int
	HasTopics, HasWords, HasFilter bool // policies that the guardrail has
	Guarded, Total                 int  // characters
	Latency                        time.Duration
}

// Empty reports that nothing was found.
func (a *Assessment) Empty() bool {
	return len(a.Topics)+len(a.Words)+len(a.Profanity)+len(a.Personal)+len(a.Regexes) == 0
}

// Action is the strongest action of the findings.
func (a *Assessment) Action() GuardAction {
	most := GuardNone
	for _, list := range [][]Finding{a.Topics, a.Words, a.Profanity, a.Personal, a.Regexes} {
		for i := range list {
			most = max(most, list[i].Action)
		}
	}
	return most
}

// GuardTrace tells a guardrail's work on one request.
type GuardTrace struct {
	ID, Version, ARN string
	Mode             TraceMode
	Intervened       bool
	Input            *Assessment // nil: the input was not looked at
	Outputs          []Assessment
	// ModelOutput is what the model wrote before the guardrail changed it.
	ModelOutput []string
	Reason      string
}
