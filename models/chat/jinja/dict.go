package jinja

import (
	"iter"
	"math"
	"math/big"
	"strconv"
)

// indexFrom is the number of entries from which a Dict keeps a hash index.
const indexFrom = 9

// Dict is a Python dict: it keeps the order of insertion. The caller that fills one owns it until
// it is handed to Render; from then on it is only read.
type Dict struct {
	entries []entry
	index   map[any]int // from key.hash to its entry; nil while small
}

type entry struct {
	key, val Value
	hash     any
}

// NewDict returns an empty Dict with room for n entries.
func NewDict(n int) *Dict { return &Dict{entries: make([]entry, 0, n)} }

// Len is the number of entries.
func (d *Dict) Len() int { return len(d.entries) }

// Get looks a string key up.
func (d *Dict) Get(key string) (Value, bool) {
	if i := d.find(key); i >= 0 {
		return d.entries[i].val, true
	}
	return nil, false
}

// Set puts val under a string key; an existing key keeps its place.
func (d *Dict) Set(key string, val Value) { d.set(key, key, val) }

func (d *Dict) find(hash any) int {
	if d.index != nil {
		if i, ok := d.index[hash]; ok {
			return i
		}
		return -1
	}
	for i := range d.entries {
		if d.entries[i].hash == hash {
			return i
		}
	}
	return -1
}

func (d *Dict) set(hash any, key, val Value) {
	if i := d.find(hash); i >= 0 {
		d.entries[i].val = val
		return
	}
	d.entries = append(d.entries, entry{key: key, val: val, hash: hash})
	if d.index != nil {
		d.index[hash] = len(d.entries) - 1
		return
	}
	if len(d.entries) < indexFrom {
		return
	}
	d.index = make(map[any]int, 2*len(d.entries))
	for i := range d.entries {
		d.index[d.entries[i].hash] = i
	}
}

func (d *Dict) put(in *interp, key, val Value) error {
	hash, err := in.hash(key)
	if err != nil {
		return err
	}
	d.set(hash, key, val)
	return in.grow(96)
}

// undefinedHash is the hash of every Undefined: Python compares them by type alone.
type undefinedHash struct{}

// packedHash is the hash of a tuple or of an integer beyond int64.
type packedHash string

// hash maps a value to a comparable Go value such that equal Python values have equal hashes.
func (in *interp) hash(v Value) (any, error) {
	switch v := v.(type) {
	case string, None:
		return v, nil
	case Markup:
		return string(v), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case int64:
		return v, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<62 {
			return int64(v), nil
		}
		return v, nil
	case *big.Int:
		return packedHash(v.Append(nil, 62)), in.work(v.BitLen())
	case *List:
		if !v.tuple {
			return nil, typeErrorf("unhashable type: 'list'")
		}
		packed, err := in.packTuple(nil, v, 0)
		return packedHash(packed), err
	case *Dict:
		return nil, typeErrorf("unhashable type: 'dict'")
	case *Undefined:
		return undefinedHash{}, nil
	}
	return v, nil
}

func (in *interp) packTuple(b []byte, t *List, depth int) ([]byte, error) {
	if depth > maxDataDepth {
		return nil, in.tooDeep("tuple")
	}
	if err := in.grow(2 + 8*len(t.items)); err != nil {
		return nil, err
	}
	b = append(b, '(')
	for _, item := range t.items {
		if sub, ok := item.(*List); ok && sub.tuple {
			var err error
			if b, err = in.packTuple(b, sub, depth+1); err != nil {
				return nil, err
			}
			continue
		}
		hash, err := in.hash(item)
		if err != nil {
			return nil, err
		}
		if packed, ok := hash.(packedHash); ok {
			hash = "#" + string(packed)
		}
		text, err := in.repr(hash)
		if err != nil {
			return nil, err
		}
		if err := in.grow(len(text)); err != nil {
			return nil, err
		}
		b = strconv.AppendInt(b, int64(len(text)), 10)
		b = append(append(b, ':'), text...)
	}
	return append(b, ')'), nil
}

// All walks the entries with string keys in order.
func (d *Dict) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for i := range d.entries {
			if key, ok := d.entries[i].key.(string); ok && !yield(key, d.entries[i].val) {
				return
			}
		}
	}
}
