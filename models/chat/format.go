package chat

import "strings"

// Format says how a model family writes tool calls and reasoning. It is data: a family is a value,
// and one Parser reads them all. Markers must reach the Parser as text, so a detokeniser must not
// drop them as special tokens.
type Format struct {
	Name  string
	Calls []CallSyntax // the ways to write a call, tried by what follows the marker
	// Think and EndThink enclose reasoning at the start of the output; empty: the family has none.
	Think, EndThink string
	// Ignore are markers around groups of calls that carry nothing.
	Ignore []string
	// Thinking says that the prompt itself ends inside reasoning; see ForPrompt.
	Thinking bool
}

// CallSyntax is one way to write a tool call: Open, the call in its Shape, Close.
type CallSyntax struct {
	Open  string // empty: the call may be the very start of the output, without a marker
	Close string // may be missing in the output; may be empty
	Shape Shape
	// Of ShapeNamed: what stands between name and arguments, and between name and an id if any.
	BeforeArgs, BeforeID string
}

// Shape is the layout of a call between its markers.
type Shape uint8

const (
	// ShapeObject is {"name": ..., "arguments": {...}}, with an optional "id"; "tool_name" and
	// "parameters" mean the same.
	ShapeObject Shape = iota
	// ShapeList is a JSON array of such objects.
	ShapeList
	// ShapeNamed is the bare name, a marker, and the JSON object of the arguments.
	ShapeNamed
)

// Hermes is the format of Hermes 2 and 3, Qwen 2.5, QwQ and Qwen 3.
func Hermes() Format {
	return Format{
		Name: "hermes", Think: "<think>", EndThink: "</think>",
		Calls: []CallSyntax{{Open: "<tool_call>", Close: "</tool_call>", Shape: ShapeObject}},
	}
}

// Llama3 is the format of Llama 3.1, 3.2 and 3.3: the object alone, or after <|python_tag|>.
func Llama3() Format {
	return Format{
		Name:  "llama3",
		Calls: []CallSyntax{{Open: "<|python_tag|>", Shape: ShapeObject}, {Shape: ShapeObject}},
	}
}

// Mistral is the format of Mistral's models: a list after [TOOL_CALLS], or from 2025 on the name,
// [ARGS] and the arguments.
func Mistral() Format {
	return Format{Name: "mistral", Think: "[THINK]", EndThink: "[/THINK]", Calls: []CallSyntax{
		{Open: "[TOOL_CALLS]", Shape: ShapeList},
		{Open: "[TOOL_CALLS]", Shape: ShapeNamed, BeforeArgs: "[ARGS]", BeforeID: "[CALL_ID]"},
	}}
}

// Nemotron is the format of NVIDIA Nemotron Nano 2.
func Nemotron() Format {
	return Format{
		Name: "nemotron", Think: "<think>", EndThink: "</think>",
		Calls: []CallSyntax{{Open: "<TOOLCALL>", Close: "</TOOLCALL>", Shape: ShapeList}},
	}
}

// CommandR is the format of Cohere's Command R7B and Command A.
func CommandR() Format {
	return Format{
		Name: "command-r", Think: "<|START_THINKING|>", EndThink: "<|END_THINKING|>",
		Ignore: []string{"<|START_RESPONSE|>", "<|END_RESPONSE|>"},
		Calls:  []CallSyntax{{Open: "<|START_ACTION|>", Close: "<|END_ACTION|>", Shape: ShapeList}},
	}
}

// DeepSeekV31 is the format of DeepSeek V3.1.
func DeepSeekV31() Format {
	return Format{
		Name: "deepseek-v3.1", Think: "<think>", EndThink: "</think>",
		Ignore: []string{"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"},
		Calls: []CallSyntax{{
			Open: "<｜tool▁call▁begin｜>", Close: "<｜tool▁call▁end｜>",
			Shape: ShapeNamed, BeforeArgs: "<｜tool▁sep｜>",
		}},
	}
}

// DetectFormat chooses the Format that a chat template teaches its model. Where the calls are in a
// syntax that no Format here describes (XML, as in Qwen3-Coder and GLM), it has no Calls.
func DetectFormat(template string) Format {
	has := func(parts ...string) bool {
		for _, part := range parts {
			if !strings.Contains(template, part) {
				return false
			}
		}
		return true
	}
	f := Format{Name: "plain"}
	switch {
	case has("<tool_call>", "arguments") && !has("<function=") && !has("<arg_key>"):
		f = Hermes()
	case has("[TOOL_CALLS]"):
		f = Mistral()
	case has("<TOOLCALL>"):
		f = Nemotron()
	case has("<|START_ACTION|>"):
		f = CommandR()
	case has("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>") && !has("```json"):
		f = DeepSeekV31()
	case has("<|start_header_id|>", `"parameters": `), has("<|python_tag|>"):
		f = Llama3()
	}
	if f.Think != "" && !has(f.EndThink) {
		f.Think, f.EndThink = "", ""
	}
	if f.Think == "" && has("</think>") {
		f.Think, f.EndThink = "<think>", "</think>"
	}
	return f
}

// ForPrompt is f for the output that follows prompt: a prompt that ends with the marker of
// reasoning, as those of QwQ and DeepSeek R1 do, leaves the output to start inside it.
func (f Format) ForPrompt(prompt string) Format {
	f.Thinking = f.Think != "" && strings.HasSuffix(strings.TrimRight(prompt, " \n"), f.Think)
	return f
}
