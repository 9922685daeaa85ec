package load

import (
	"encoding/json"
	"errors"
	"fmt"
)

func decodeString(value []byte) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// chunk is what one event of a stream says.
type chunk struct {
	token  bool   // brings output
	text   []byte // JSON string of the output's text, valid until the next event
	end    bool   // nothing follows
	input  int    // prompt tokens, where the event reports usage
	output int    // generated tokens
	cached int    // prompt tokens that a cache held
}

// splitter cuts a stream into events, which it hands to visit; it gives back what is left of an
// incomplete one.
type splitter func(data []byte, visit func(event []byte) error) (rest []byte, err error)

var errTruncated = errors.New("the stream ended before its last event")

// statusError is an answer without a stream.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("status %d: %s", e.status, e.text)
}
