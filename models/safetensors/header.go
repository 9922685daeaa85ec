package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"basalt/runtime"
)

const (
	maxHeader = 100 << 20 // bytes, the format's own limit
	maxDims   = 8
)

// entry is one tensor as the header describes it.
type entry struct {
	name    string
	dtype   string
	shape   []uint64
	offsets []uint64
}

// parseHeader splits a file into its tensors and its data.
func parseHeader(data []byte) ([]entry, []byte, error) {
	if len(data) < 8 {
		return nil, nil, fmt.Errorf("it has %d bytes, too few for a safetensors file", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxHeader || n > uint64(len(data)-8) {
		return nil, nil, fmt.Errorf("its header claims %d bytes; the file has %d and the limit "+
			"is %d",
			n, len(data)-8, maxHeader)
	}
	entries, err := parseJSON(data[8 : 8+n])
	if err != nil {
		return nil, nil, fmt.Errorf("its header is broken: %w", err)
	}
	body := data[8+n:]
	return entries, body, checkLayout(entries, uint64(len(body)))
}

// parseJSON reads the header's object token by token, so that a repeated name is noticed.
func parseJSON(header []byte) ([]entry, error) {
	dec := json.NewDecoder(bytes.NewReader(header))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	var entries []entry
	seen := make(map[string]bool)
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if seen[name] {
			return nil, fmt.Errorf("%q appears twice", name)
		}
		seen[name] = true
		if name == "__metadata__" {
			var ignored map[string]string
			if err := dec.Decode(&ignored); err != nil {
				return nil, fmt.Errorf("__metadata__: %w", err)
			}
			continue
		}
		e, err := parseEntry(dec, name)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		entries = append(entries, e)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return entries, nil
}

// parseEntry reads a tensor's object: dtype, shape and data_offsets, each once and nothing else.
func parseEntry(dec *json.Decoder, name string) (entry, error) {
	e := entry{name: name}
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return e, errors.New("its description is no JSON object")
	}
	seen := make(map[string]bool, 3)
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return e, err
		}
		key, _ := t.(string)
		if seen[key] {
			return e, fmt.Errorf("%q appears twice", key)
		}
		seen[key] = true
		switch key {
		case "dtype":
			err = dec.Decode(&e.dtype)
		case "shape":
			err = dec.Decode(&e.shape)
		case "data_offsets":
			err = dec.Decode(&e.offsets)
		default:
			err = fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return e, err
		}
	}
	if e.shape == nil {
		return e, errors.New("it has no shape")
	}
	_, err := dec.Token()
	return e, err
}

// checkLayout proves that the tensors cover the data exactly once.
func checkLayout(entries []entry, size uint64) error {
	slices.SortFunc(entries, func(a, b entry) int {
		if len(a.offsets) != 2 || len(b.offsets) != 2 {
			return 0
		}
		return cmp.Or(cmp.Compare(a.offsets[0], b.offsets[0]), cmp.Compare(a.offsets[1],
			b.offsets[1]))
	})
	at := uint64(0)
	for _, e := range entries {
		if err := e.check(at, size); err != nil {
			return fmt.Errorf("tensor %q: %w", e.name, err)
		}
		at = e.offsets[1]
	}
	if at != size {
		return fmt.Errorf("its tensors end at byte %d of the data, the file at %d: "+
			"the file is truncated or corrupt", at, size)
	}
	return nil
}

func (e *entry) check(at, size uint64) error {
	width, ok := dtypeBytes(e.dtype)
	switch {
	case !ok:
		return fmt.Errorf("unknown dtype %q", e.dtype)
	case len(e.shape) > maxDims:
		return fmt.Errorf("it has %d dimensions; the limit is %d", len(e.shape), maxDims)
	case len(e.offsets) != 2:
		return fmt.Errorf("data_offsets has %d numbers, not 2", len(e.offsets))
	case e.offsets[0] != at:
		return fmt.Errorf("it begins at byte %d of the data, where %d is next: a gap or an overlap",
			e.offsets[0], at)
	case e.offsets[1] < at || e.offsets[1] > size:
		return fmt.Errorf("it ends at byte %d of %d: the file is truncated or corrupt",
			e.offsets[1], size)
	}
	n := width
	for _, d := range e.shape {
		high, low := bits.Mul64(n, d)
		if high != 0 || d > 1<<40 {
			return fmt.Errorf("its shape %v is absurd", e.shape)
		}
		n = low
	}
	if got := e.offsets[1] - at; n != got {
		return fmt.Errorf("shape %v of %s needs %d bytes, it has %d", e.shape, e.dtype, n, got)
	}
	return nil
}

// dtypeBytes is the width of every dtype that the format knows.
func dtypeBytes(name string) (uint64, bool) {
	switch name {
	case "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0":
		return 1, true
	case "I16", "U16", "F16", "BF16":
		return 2, true
	case "I32", "U32", "F32":
		return 4, true
	case "I64", "U64", "F64":
		return 8, true
	}
	return 0, false
}

// dtypeOf gives the dtypes that Basalt computes with.
func dtypeOf(name string) (runtime.DType, bool) {
	switch name {
	case "F32":
		return runtime.F32, true
	case "F16":
		return runtime.F16, true
	case "BF16":
		return runtime.BF16, true
	case "F8_E4M3":
		return runtime.F8_E4M3, true
	case "F8_E8M0":
		return runtime.F8_E8M0, true
	}
	return 0, false
}
