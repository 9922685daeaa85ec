package hlo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// field is one field of a message: a number (wire type 0), or bytes (wire type 2).
type field struct {
	num  uint64
	wire uint64
	v    uint64
	data []byte
}

var errWire = errors.New("the bytes end in the middle of a field")

// fields calls visit for each field of a message.
func fields(data []byte, visit func(f field) error) error {
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 {
			return errWire
		}
		data = data[n:]
		f := field{num: tag >> 3, wire: tag & 7}
		v, n := binary.Uvarint(data)
		if n <= 0 {
			return errWire
		}
		data = data[n:]
		switch f.wire {
		case 0:
			f.v = v
		case 2:
			if v > uint64(len(data)) {
				return errWire
			}
			f.data, data = data[:v], data[v:]
		default:
			return fmt.Errorf("field %d has the wire type %d", f.num, f.wire)
		}
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

func unknown(f field) error { return fmt.Errorf("field %d is unknown", f.num) }

// int takes a number that fits 31 bits, as every count, axis and id of a graph does; sizes of axes
// may have 40.
func (f field) int(to *int) error {
	if f.wire != 0 || f.v > maxElems {
		return fmt.Errorf("field %d has the value %d", f.num, f.v)
	}
	*to = int(f.v)
	return nil
}

// ints takes a repeated field, packed or one by one.
func (f field) ints(to *[]int) error {
	if f.wire == 0 {
		var v int
		err := f.int(&v)
		*to = append(*to, v)
		return err
	}
	for data := f.data; len(data) > 0; {
		v, n := binary.Uvarint(data)
		if n <= 0 || v > maxElems {
			return errWire
		}
		*to = append(*to, int(v))
		data = data[n:]
	}
	return nil
}

func (f field) string(to *string) error {
	if f.wire != 2 {
		return fmt.Errorf("field %d is not text", f.num)
	}
	*to = string(f.data)
	return nil
}

func (f field) bool(to *bool) error {
	if f.wire != 0 || f.v > 1 {
		return fmt.Errorf("field %d is not a truth value", f.num)
	}
	*to = f.v == 1
	return nil
}

// message visits the fields of a nested message.
func (f field) message(visit func(f field) error) error {
	if f.wire != 2 {
		return fmt.Errorf("field %d is not a message", f.num)
	}
	return fields(f.data, visit)
}

func decodeShape(f field) (Shape, error) { return decodeShapeAt(f, 0) }

func decodeShapeAt(f field, depth int) (Shape, error) {
	var s Shape
	kind, tuple := 0, []Shape{}
	err := f.message(func(f field) error {
		switch f.num {
		case shapeType:
			return f.int(&kind)
		case shapeDims:
			return f.ints(&s.Dims)
		case shapeTuple:
			if depth > 0 {
				return errors.New("a tuple holds a tuple")
			}
			t, err := decodeShapeAt(f, depth+1)
			tuple = append(tuple, t)
			return err
		case shapeLayout, shapeDynamic:
			return nil // checked against the canonical form at the end of Decode
		}
		return unknown(f)
	})
	if kind == protoTuple {
		return Shape{Tuple: tuple}, err
	}
	for d := Pred; d <= F8E4M3FN; d++ {
		if dtypes[d].proto == uint64(kind) {
			s.DType = d
			return s, err
		}
	}
	return s, errors.Join(err, fmt.Errorf("element type %d is unknown", kind))
}

func decodeLiteral(f field) (*Literal, error) {
	l := &Literal{}
	var data []byte
	var num uint64
	err := f.message(func(f field) error {
		var err error
		switch f.num {
		case literalShape:
			l.Shape, err = decodeShape(f)
		case literalPreds, literalS32s, literalU32s, literalF32s, literalBF16s, literalF8E4M3FNs:
			if f.wire != 2 {
				return fmt.Errorf("literal field %d is not packed", f.num)
			}
			num, data = f.num, f.data
		default:
			err = unknown(f)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if l.Shape.IsTuple() || !l.Shape.DType.valid() || literalField(l.Shape.DType) != num {
		return nil, fmt.Errorf("literal of shape %s has its values in field %d", l.Shape, num)
	}
	return l, l.values(data)
}

// values reads the elements; infer compares their number with the shape.
func (l *Literal) values(data []byte) error {
	size := l.Shape.DType.Size()
	if l.Shape.DType.IsFloat() {
		if len(data)%size != 0 {
			return errWire
		}
		l.F = make([]float32, len(data)/size)
		DecodeFloats(l.F, l.Shape.DType, data)
		return nil
	}
	for len(data) > 0 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			return errWire
		}
		if x := int64(v); x < math.MinInt32 || x > math.MaxUint32 ||
			l.Shape.DType == Pred && v > 1 {
			return fmt.Errorf("a %s literal holds %d", l.Shape.DType, x)
		}
		l.I = append(l.I, int32(v))
		data = data[n:]
	}
	return nil
}
