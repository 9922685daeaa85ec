package api

// Codec writes one request's answer in the form of its dialect. It belongs to one request and one
// goroutine, and keeps the state of the wire: ids, indices of content blocks. Every method appends
// to dst and returns it; nothing of an Event may be kept.
type Codec interface {
	// AppendEvent appends the event's frames; it may append none.
	AppendEvent(dst []byte, e *Event) []byte
	// AppendError appends the frames that end a stream with an error, after the status is out.
	AppendError(dst []byte, err *Error) []byte
	// AppendAnswer appends the whole body of an answer that is not streamed.
	AppendAnswer(dst []byte, a *Answer) []byte
}
