// Package bedrock is the codec of the Amazon Bedrock runtime dialect: Converse, ConverseStream,
// InvokeModel and InvokeModelWithResponseStream. It maps bytes to api.Request and api.Event to
// bytes, and does nothing else. README.md is its manual page.
//
//	converse.go      DecodeConverse: the body of both Converse operations
//	content.go       its messages and content blocks; tools.go: toolConfig
//	converse_out.go  the codec that writes events and whole answers
//	invoke.go        DecodeInvoke: native bodies by a table of families, framed as chunks
//	llama.go         the Meta Llama family
//	eventstream.go   frames of application/vnd.amazon.eventstream
//	error.go         exceptions, statuses, exception frames
//
// Shapes and limits follow the service model of bedrock-runtime, 2023-09-30.
package bedrock
