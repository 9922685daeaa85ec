package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	framePrelude = 12 // total length, length of headers, sum of both
	frameSum     = 4
	maxFrame     = 16 << 20
)

var errFrameSum = errors.New("the checksum of a frame is wrong")

// splitFrames splits a stream of application/vnd.amazon.eventstream messages (the framing of
// Bedrock's streams): lengths, headers, payload and two CRC-32 sums. It hands out whole messages.
func splitFrames(data []byte, visit func(event []byte) error) ([]byte, error) {
	for len(data) >= framePrelude {
		total := binary.BigEndian.Uint32(data)
		if total < framePrelude+frameSum || total > maxFrame {
			return nil, fmt.Errorf("a frame of %d bytes; 16 to %d are possible", total, maxFrame)
		}
		if crc32.ChecksumIEEE(data[:8]) != binary.BigEndian.Uint32(data[8:]) {
			return nil, errFrameSum
		}
		if int(total) > len(data) {
			return data, nil
		}
		frame := data[:total]
		body, sum := frame[:total-frameSum], frame[total-frameSum:]
		if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(sum) {
			return nil, errFrameSum
		}
		if err := visit(body); err != nil {
			return data, err
		}
		data = data[total:]
	}
	return data, nil
}

// frameParts are the headers that name a message, and its payload.
func frameParts(body []byte) (message, event, payload []byte, err error) {
	size := binary.BigEndian.Uint32(body[4:])
	if int64(size) > int64(len(body)-framePrelude) {
		return nil, nil, nil, fmt.Errorf("a frame of %d bytes has %d bytes of headers", len(body),
			size)
	}
	headers := body[framePrelude : framePrelude+size]
	payload = body[framePrelude+size:]
	for len(headers) > 0 {
		name, value, rest, ok := frameHeader(headers)
		if !ok {
			return nil, nil, nil, errors.New("a frame's headers cannot be read")
		}
		switch string(name) {
		case ":message-type":
			message = value
		case ":event-type", ":exception-type":
			event = value
		}
		headers = rest
	}
	return message, event, payload, nil
}

// frameHeader reads one header of type string, the only type in use.
func frameHeader(b []byte) (name, value, rest []byte, ok bool) {
	const stringType = 7
	n := int(b[0])
	if len(b) < 1+n+3 || b[1+n] != stringType {
		return nil, nil, nil, false
	}
	name, b = b[1:1+n], b[2+n:]
	n = int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, nil, false
	}
	return name, b[2 : 2+n], b[2+n:], true
}
