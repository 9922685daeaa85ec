// Package bedrock is the codec of the Amazon Bedrock dialect: Converse, InvokeModel, CountTokens
// and ApplyGuardrail of the runtime. It maps bytes to api.Request and api.Event to bytes, and does
// nothing else. docs/bedrock.md is its manual.
//
//	converse.go      DecodeConverse: the body of both Converse operations
//	content.go       messages and content blocks; media.go: documents, images
//	extras.go        settings beside the prompt; tools.go: toolConfig
//	converse_out.go  the codec that writes events and whole answers; paths.go: response fields
//	invoke.go        DecodeInvoke: native bodies by a table of families, framed as chunks
//	families.go      the families that are a prompt with settings, as data; families_out.go
//	nova.go, cohere.go, mistral.go  families of conversations
//	count.go         DecodeCount; apply.go: ApplyGuardrail; guardrail.go: traces
//	eventstream.go   frames of application/vnd.amazon.eventstream
//	error.go         exceptions, statuses, exception frames
//
// Shapes and limits follow the service model of bedrock-runtime, 2023-09-30.
package bedrock
