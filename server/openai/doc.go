// Package openai is the codec of the OpenAI dialect: chat completions, completions and models, with
// the sampling extras that vLLM made common. It maps bytes to api.Request and api.Event to bytes,
// and does nothing else. README.md is its manual page.
//
//	chat.go        DecodeChat: the body of /v1/chat/completions
//	messages.go    its messages, tools and tool choice
//	completion.go  DecodeCompletion: the body of /v1/completions
//	sampling.go    the fields both share, with their limits
//	chat_out.go, completion_out.go  the codecs that write chunks and whole answers
//	write.go       pieces of JSON that both write
//	error.go       statuses and error bodies; models.go: the list of models
package openai
