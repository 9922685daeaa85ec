package load

import "bytes"

// splitSSE splits server-sent events (https://html.spec.whatwg.org/#server-sent-events) into the
// values of their data lines; OpenAI's events have one such line each. Comments and other fields
// are left out.
func splitSSE(data []byte, visit func(event []byte) error) ([]byte, error) {
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			return data, nil
		}
		line := bytes.TrimSuffix(data[:end], []byte{'\r'})
		data = data[end+1:]
		value, found := bytes.CutPrefix(line, []byte("data:"))
		if !found {
			continue
		}
		if err := visit(bytes.TrimPrefix(value, []byte{' '})); err != nil {
			return data, err
		}
	}
}
