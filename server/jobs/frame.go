package jobs

import (
	"bufio"
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"strconv"
)

// A framed line is the CRC-32C of its text in eight hex digits, a space, the text and a newline. A
// line that was torn, or whose bytes were lost, is told by it.

const frameHead = 9 // bytes before the text

func checksum(text []byte) uint32 { return crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)) }

// appendFrame appends a framed line. text has no newline.
func appendFrame(dst, text []byte) []byte {
	sum := strconv.AppendUint(nil, uint64(checksum(text)), 16)
	dst = append(dst, "00000000"[len(sum):]...)
	dst = append(append(dst, sum...), ' ')
	return append(append(dst, text...), '\n')
}

// unframe gives the text of a line, which ends in its newline if it is whole.
func unframe(line []byte) ([]byte, bool) {
	if len(line) < frameHead+1 || line[len(line)-1] != '\n' || line[frameHead-1] != ' ' {
		return nil, false
	}
	sum, err := strconv.ParseUint(string(line[:frameHead-1]), 16, 32)
	text := line[frameHead : len(line)-1]
	return text, err == nil && uint32(sum) == checksum(text)
}

// readFrames calls take with each whole line's text and the text's offset, up to the first line
// that is not whole, and gives the length of all that it took. An error of take ends it too, and
// that line does not count.
func readFrames(r io.Reader, maxLine int, take func(at int64, text []byte) error) (int64, error) {
	lines := bufio.NewReaderSize(r, 64<<10)
	var end int64
	var line []byte
	for {
		piece, err := lines.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxLine:
			continue
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return end, err
		}
		text, ok := unframe(line)
		if !ok {
			return end, nil
		}
		if err := take(end+frameHead, text); err != nil {
			return end, err
		}
		end += int64(len(line))
		line = line[:0]
	}
}

// oneLine makes text fit a line: JSON may hold newlines between its values, never in them.
func oneLine(text []byte) []byte {
	if bytes.IndexByte(text, '\n') < 0 {
		return text
	}
	return bytes.ReplaceAll(text, []byte("\n"), []byte(" "))
}
