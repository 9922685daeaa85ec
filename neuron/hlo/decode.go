package hlo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"basalt/internal/half"
)

// ErrFormat is wrapped by every complaint of Decode about the bytes.
var ErrFormat = errors.New("not a graph that this program writes")

// Decode reads a module that Encode wrote and verifies it. Every field that it does not know, and
// every form that Encode does not use, is refused.
func Decode(data []byte) (*Module, error) {
	d := decoder{comps: map[int]*Computation{}, instrs: map[int]*Instruction{}}
	if err := d.module(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := Verify(d.m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !bytes.Equal(Encode(d.m), data) {
		return nil, fmt.Errorf("%w: the encoding is not canonical", ErrFormat)
	}
	return d.m, nil
}

type decoder struct {
	m      *Module
	comps  map[int]*Computation
	instrs map[int]*Instruction
}

func (d *decoder) module(data []byte) error {
	d.m = &Module{}
	var entry string
	var entryID, id int
	err := fields(data, func(f field) error {
		switch f.num {
		case moduleName:
			return f.string(&d.m.Name)
		case moduleEntryName:
			return f.string(&entry)
		case moduleComputations:
			c, err := d.computation(f)
			d.m.Computations = append(d.m.Computations, c)
			return err
		case moduleShape:
			return nil // follows from the entry
		case moduleID:
			return f.int(&id)
		case moduleEntryID:
			return f.int(&entryID)
		case moduleAliases:
			return f.message(d.alias)
		}
		return unknown(f)
	})
	if d.m.Entry = d.comps[entryID]; err == nil && d.m.Entry == nil {
		err = fmt.Errorf("no computation has the id %d of the entry", entryID)
	}
	return err
}

func (d *decoder) alias(f field) error {
	if f.num != aliasEntries {
		return unknown(f)
	}
	var output []int
	var a Alias
	kind := 0
	err := f.message(func(f field) error {
		switch f.num {
		case aliasOutput:
			return f.ints(&output)
		case aliasParam:
			return f.int(&a.Param)
		case alias:
			return f.int(&kind)
		}
		return unknown(f)
	})
	if len(output) > 1 || kind != mustAlias {
		return errors.Join(err, fmt.Errorf("alias of output %v of kind %d", output, kind))
	}
	if len(output) == 1 {
		a.Output = output[0]
	}
	d.m.Aliases = append(d.m.Aliases, a)
	return err
}

func (d *decoder) computation(f field) (*Computation, error) {
	c := &Computation{}
	root := 0
	err := f.message(func(f field) error {
		switch f.num {
		case computationName:
			return f.string(&c.Name)
		case computationInstrs:
			in, err := d.instruction(f)
			c.Instrs = append(c.Instrs, in)
			return err
		case computationShape:
			return nil // follows from parameters and root
		case computationID:
			return f.int(&c.ID)
		case computationRoot:
			return f.int(&root)
		}
		return unknown(f)
	})
	if err != nil {
		return c, err
	}
	if c.Root = d.instrs[root]; c.Root == nil || d.comps[c.ID] != nil {
		return c, fmt.Errorf("computation %q has the id %d and the root %d", c.Name, c.ID, root)
	}
	d.comps[c.ID] = c
	return c, nil
}

func (d *decoder) instruction(f field) (*Instruction, error) {
	in := &Instruction{}
	err := f.message(func(f field) error {
		if f.num == instrOperands || f.num == instrCalled {
			return d.reference(in, f)
		}
		return in.decode(f)
	})
	if err == nil && d.instrs[in.ID] != nil {
		err = fmt.Errorf("two instructions have the id %d", in.ID)
	}
	d.instrs[in.ID] = in
	return in, err
}

func (d *decoder) reference(in *Instruction, f field) error {
	var list []int
	if err := f.ints(&list); err != nil {
		return err
	}
	for _, id := range list {
		x, c := d.instrs[id], d.comps[id]
		switch {
		case f.num == instrOperands && x != nil:
			in.Operands = append(in.Operands, x)
		case f.num == instrCalled && c != nil:
			in.Called = append(in.Called, c)
		default:
			return fmt.Errorf("instruction %q refers to %d before it", in.Name, id)
		}
	}
	return nil
}

// decode takes the fields that refer to nothing else.
func (in *Instruction) decode(f field) error {
	var err error
	switch f.num {
	case instrName:
		return f.string(&in.Name)
	case instrOpcode:
		return f.string((*string)(&in.Op))
	case instrShape:
		in.Shape, err = decodeShape(f)
	case instrLiteral:
		in.Literal, err = decodeLiteral(f)
	case instrParam:
		return f.int(&in.Param)
	case instrTupleIndex:
		return f.int(&in.Index)
	case instrDims:
		return f.ints(&in.Dims)
	case instrSlice:
		in.Slices = append(in.Slices, SliceDim{})
		return decodeSlice(f, &in.Slices[len(in.Slices)-1])
	case instrTarget:
		return f.string(&in.Target)
	case instrID:
		return f.int(&in.ID)
	case instrConfig:
		return f.string(&in.Config)
	case instrStable:
		return f.bool(&in.Stable)
	case instrDirection:
		return f.string(&in.Direction)
	case instrAttributes:
		return in.decodeNames(f)
	default:
		return in.decodeAxes(f)
	}
	return err
}

func decodeSlice(f field, s *SliceDim) error {
	return f.message(func(f field) error {
		switch f.num {
		case 1:
			return f.int(&s.Start)
		case 2:
			return f.int(&s.Limit)
		case 3:
			return f.int(&s.Stride)
		}
		return unknown(f)
	})
}

// lists reads a message of repeated numbers, and one number as its field last.
func lists(f field, last *int, to ...*[]int) error {
	return f.message(func(f field) error {
		if last != nil && f.num == 4 {
			return f.int(last)
		}
		if f.num < 1 || f.num > uint64(len(to)) {
			return unknown(f)
		}
		return f.ints(to[f.num-1])
	})
}

func (in *Instruction) decodeAxes(f field) error {
	dot, g, s := &in.Dot, &in.Gather, &in.Scatter
	switch f.num {
	case instrDot:
		return lists(f, nil, &dot.LHSContract, &dot.RHSContract, &dot.LHSBatch, &dot.RHSBatch)
	case instrGather:
		return lists(f, &g.IndexVector, &g.Offset, &g.Collapsed, &g.StartMap)
	case instrGatherSizes:
		return f.ints(&g.Sizes)
	case instrScatter:
		return lists(f, &s.IndexVector, &s.UpdateWindow, &s.Inserted, &s.ToOperand)
	case instrGroups:
		var group []int
		err := lists(f, nil, &group)
		in.Groups = append(in.Groups, group)
		return err
	}
	return unknown(f)
}

func (in *Instruction) decodeNames(f field) error {
	var key, value string
	err := f.message(func(f field) error {
		if f.num != 1 {
			return unknown(f)
		}
		return f.message(func(f field) error {
			switch f.num {
			case 1:
				return f.string(&key)
			case 2:
				return f.string(&value)
			}
			return unknown(f)
		})
	})
	switch key {
	case inputNames:
		in.InputName = value
	case outputNames:
		in.OutputNames = strings.Split(value, ",")
	default:
		err = errors.Join(err, fmt.Errorf("frontend attribute %q is unknown", key))
	}
	return err
}

// DecodeFloats widens little-endian numbers of type d.
func DecodeFloats(dst []float32, d DType, src []byte) {
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case BF16:
		half.DecodeBF16(dst, src)
	case F8E4M3FN:
		for i := range dst {
			dst[i] = FromF8(src[i])
		}
	default:
		panic(fmt.Sprintf("BUG: %s holds no floating point numbers", d))
	}
}

// EncodeFloats is the inverse of DecodeFloats; numbers are rounded to the nearest.
func EncodeFloats(dst []byte, d DType, src []float32) {
	switch d {
	case F32:
		for i, v := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		}
	case BF16:
		for i, v := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], half.ToBF16(v))
		}
	case F8E4M3FN:
		for i, v := range src {
			dst[i] = ToF8(v)
		}
	default:
		panic(fmt.Sprintf("BUG: %s holds no floating point numbers", d))
	}
}
