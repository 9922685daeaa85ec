package bedrock

import (
	"encoding/binary"
	"hash/crc32"
)

// StreamContentType is the media type of event streams.
const StreamContentType = "application/vnd.amazon.eventstream"

// A frame is: total length, length of the headers, CRC-32 of those 8 bytes, headers, payload,
// CRC-32 of all before it; numbers are big-endian. A header is the length of its name in a byte,
// the name, the type (7: a string), the length of the value in two bytes, the value.
const (
	preludeLen = 12
	trailerLen = 4
	typeString = 7
)

// headers is a frame's encoded header block, made once for each type of event. Without a block it
// is a document: an object whose only member is named by the event, and a newline.
type headers struct {
	block []byte
	event string
}

func documentHeaders(event string) headers { return headers{event: event} }

func eventHeaders(event string) headers {
	return makeHeaders(":event-type", event, ":content-type", "application/json", ":message-type",
		"event")
}

func exceptionHeaders(exception string) headers {
	return makeHeaders(":exception-type", exception, ":content-type", "application/json",
		":message-type", "exception")
}

func makeHeaders(pairs ...string) headers {
	var h headers
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		h.block = append(append(h.block, byte(len(name))), name...)
		h.block = append(h.block, typeString, byte(len(value)>>8), byte(len(value)))
		h.block = append(h.block, value...)
	}
	return h
}

// begin appends a frame up to its payload. The payload is appended next, then end is called with
// the length that dst had before begin.
func (h headers) begin(dst []byte) []byte {
	if h.block == nil {
		return append(append(append(dst, `{"`...), h.event...), `":`...)
	}
	var prelude [preludeLen]byte
	binary.BigEndian.PutUint32(prelude[4:], uint32(len(h.block)))
	return append(append(dst, prelude[:]...), h.block...)
}

// end fills the lengths and checksums of the frame that began at start.
func (h headers) end(dst []byte, start int) []byte {
	if h.block == nil {
		return append(dst, "}\n"...)
	}
	frame := dst[start:]
	binary.BigEndian.PutUint32(frame, uint32(len(frame)+trailerLen))
	binary.BigEndian.PutUint32(frame[8:], crc32.ChecksumIEEE(frame[:8]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(frame))
}
