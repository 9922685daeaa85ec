// Package api is the neutral vocabulary between the dialects and the server: what a client asks for
// and what it is told, without any protocol.
//
//	request.go  Request, Message, Block, Tool, Sampling
//	event.go    Event, Answer, Usage: what a generation produces
//	error.go    Error and its codes; a dialect turns each into its own status and shape
//	codec.go    Codec: how a dialect writes events, answers and errors
//	json.go     ParseJSON: a strict reader; value.go: Value and Object, which read fields by name,
//	            type and range and report the first fault
//	append.go   JSON text, appended to a buffer
//
// It imports nothing of the house. Dialects map bytes to Request and Event to bytes; none converts
// to another.
package api
