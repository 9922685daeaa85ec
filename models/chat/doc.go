// Package chat turns conversations into prompts and model output back into messages.
//
//	template.go  Parse and Render a model's chat template (Jinja2, run by models/chat/jinja)
//	input.go     the neutral Message, Tool, Input, and the variables a template sees
//	format.go    Format: how a model family writes tool calls and reasoning; DetectFormat
//	parser.go    the streaming Parser: text in, Events out; marker.go finds markers across pieces
//	call.go      the syntaxes of a tool call: JSON objects, lists of them, name and arguments
//
// Templates and model output are both untrusted: rendering is bounded in steps, memory and depth,
// and the parser holds back no more than the longest marker and loses no text.
package chat
