// Package guardrail looks at prompts and answers with patterns that an operator sets: denied topics
// as phrases and regular expressions, word lists, personal information. What it finds it blocks,
// masks or only reports.
//
//	config.go    Read: the file of guardrails, and Set, which finds one by id or ARN
//	rule.go      a rule: a pattern, what it is reported as and what is done about it
//	personal.go  patterns of personal information, with the checks of their digits
//	check.go     Check: whole texts
//	stream.go    Stream: a text that comes in pieces, held back as far as a match may reach
//
// Patterns run in time linear to the text (RE2). The package knows no protocol.
package guardrail
