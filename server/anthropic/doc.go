// Package anthropic is the codec of Anthropic's Messages dialect, as its own API and InvokeModel
// speak it. It maps bytes to api.Request and api.Event to bytes, and does nothing else.
//
//	messages.go  DecodeMessages and DecodeCount: the body of /v1/messages
//	settings.go  what is set beside the prompt
//	content.go   messages and content blocks; tools.go: tools and the choice of one
//	out.go       the codec that writes events and whole answers
//	error.go     statuses and error bodies; models.go: the list of models
//
// Every field is acted on or refused by name; the table in docs/bedrock.md says which. Shapes and
// limits follow the Messages API, 2023-06-01.
package anthropic
