package hlo

import (
	"encoding/binary"
	"math"
	"strings"

	"basalt/internal/half"
)

// Field numbers of the messages, from xla/service/hlo.proto and xla/xla_data.proto.
const (
	moduleName, moduleEntryName, moduleComputations = 1, 2, 3
	moduleShape, moduleID, moduleEntryID            = 4, 5, 6
	moduleAliases                                   = 8

	computationName, computationInstrs, computationShape = 1, 2, 4
	computationID, computationRoot                       = 5, 6

	instrName, instrOpcode, instrShape, instrLiteral = 1, 2, 3, 8
	instrParam, instrTupleIndex, instrDims           = 9, 13, 14
	instrSlice, instrTarget, instrDot                = 17, 28, 30
	instrGather, instrGatherSizes, instrID           = 33, 34, 35
	instrOperands, instrCalled, instrConfig          = 36, 38, 43
	instrScatter, instrGroups, instrStable           = 48, 49, 60
	instrDirection, instrAttributes                  = 63, 68

	shapeType, shapeDims, shapeTuple, shapeLayout, shapeDynamic = 2, 3, 4, 5, 6
	layoutMinorToMajor, layoutTailPadding                       = 1, 16

	literalShape, literalPreds, literalS32s, literalU32s = 1, 2, 4, 6
	literalF32s, literalBF16s, literalF8E4M3FNs          = 8, 13, 20

	programParams, programResult, programNames   = 1, 2, 3
	aliasEntries, aliasOutput, aliasParam, alias = 1, 1, 2, 4
	mustAlias                                    = 2
)

const (
	inputNames  = "neff_input_names"
	outputNames = "neff_output_names"
)

// message is the wire form of a message under construction. Fields are appended in ascending order,
// zeros are left out, so equal modules give equal bytes.
type message []byte

func (m *message) tag(field, wire uint64) { *m = binary.AppendUvarint(*m, field<<3|wire) }

func (m *message) uint(field, v uint64) {
	if v != 0 {
		m.tag(field, 0)
		*m = binary.AppendUvarint(*m, v)
	}
}

func (m *message) int(field uint64, v int) { m.uint(field, uint64(v)) }

func (m *message) bool(field uint64, v bool) {
	if v {
		m.uint(field, 1)
	}
}

func (m *message) bytes(field uint64, v []byte) {
	m.tag(field, 2)
	*m = binary.AppendUvarint(*m, uint64(len(v)))
	*m = append(*m, v...)
}

func (m *message) string(field uint64, v string) {
	if v != "" {
		m.bytes(field, []byte(v))
	}
}

// ints is a packed repeated field.
func (m *message) ints(field uint64, vs []int) {
	if len(vs) == 0 {
		return
	}
	var packed []byte
	for _, v := range vs {
		packed = binary.AppendUvarint(packed, uint64(v))
	}
	m.bytes(field, packed)
}

// Encode gives the module's HloModuleProto.
func Encode(m *Module) []byte {
	var w message
	w.string(moduleName, m.Name)
	w.string(moduleEntryName, m.Entry.Name)
	for _, c := range m.Computations {
		w.bytes(moduleComputations, encodeComputation(c))
	}
	w.bytes(moduleShape, encodeProgram(m.Entry))
	w.int(moduleID, 1)
	w.int(moduleEntryID, m.Entry.ID)
	if len(m.Aliases) > 0 {
		w.bytes(moduleAliases, encodeAliases(m))
	}
	return w
}

func encodeAliases(m *Module) []byte {
	var w message
	for _, a := range m.Aliases {
		var e message
		if m.Entry.Root.Op == OpTuple {
			e.ints(aliasOutput, []int{a.Output})
		}
		e.int(aliasParam, a.Param)
		e.uint(alias, mustAlias)
		w.bytes(aliasEntries, e)
	}
	return w
}

func encodeComputation(c *Computation) []byte {
	var w message
	w.string(computationName, c.Name)
	for _, in := range c.Instrs {
		w.bytes(computationInstrs, encodeInstruction(in))
	}
	w.bytes(computationShape, encodeProgram(c))
	w.int(computationID, c.ID)
	w.int(computationRoot, c.Root.ID)
	return w
}

func encodeProgram(c *Computation) []byte {
	var w, names message
	for _, p := range c.Params() {
		w.bytes(programParams, encodeShape(p.Shape))
		name := p.InputName
		if name == "" {
			name = p.Name
		}
		names.string(programNames, name)
	}
	w.bytes(programResult, encodeShape(c.Root.Shape))
	return append(w, names...)
}

func encodeShape(s Shape) []byte {
	var w message
	if s.IsTuple() {
		w.uint(shapeType, protoTuple)
		for _, t := range s.Tuple {
			w.bytes(shapeTuple, encodeShape(t))
		}
		return w
	}
	w.uint(shapeType, dtypes[s.DType].proto)
	w.ints(shapeDims, s.Dims)
	var order []int
	for i := s.Rank() - 1; i >= 0; i-- {
		order = append(order, i)
	}
	var layout message
	layout.ints(layoutMinorToMajor, order)
	layout.int(layoutTailPadding, 1)
	w.bytes(shapeLayout, layout)
	w.ints(shapeDynamic, make([]int, s.Rank()))
	return w
}

func encodeInstruction(in *Instruction) []byte {
	var w message
	w.string(instrName, in.Name)
	w.string(instrOpcode, string(in.Op))
	w.bytes(instrShape, encodeShape(in.Shape))
	if in.Literal != nil {
		w.bytes(instrLiteral, encodeLiteral(in.Literal))
	}
	w.int(instrParam, in.Param)
	w.int(instrTupleIndex, in.Index)
	w.ints(instrDims, in.Dims)
	for _, s := range in.Slices {
		var d message
		d.int(1, s.Start)
		d.int(2, s.Limit)
		d.int(3, s.Stride)
		w.bytes(instrSlice, d)
	}
	w.string(instrTarget, in.Target)
	encodeAxes(&w, in)
	w.int(instrID, in.ID)
	w.ints(instrOperands, ids(in.Operands))
	var called []int
	for _, c := range in.Called {
		called = append(called, c.ID)
	}
	w.ints(instrCalled, called)
	w.string(instrConfig, in.Config)
	if in.Op == OpScatter {
		w.bytes(instrScatter, encodeScatter(in.Scatter))
	}
	for _, g := range in.Groups {
		var group message
		group.ints(1, g)
		w.bytes(instrGroups, group)
	}
	w.bool(instrStable, in.Stable)
	w.string(instrDirection, in.Direction)
	encodeNames(&w, in)
	return w
}

func ids(list []*Instruction) []int {
	var out []int
	for _, in := range list {
		out = append(out, in.ID)
	}
	return out
}

func encodeAxes(w *message, in *Instruction) {
	if in.Op == OpDot {
		var d message
		d.ints(1, in.Dot.LHSContract)
		d.ints(2, in.Dot.RHSContract)
		d.ints(3, in.Dot.LHSBatch)
		d.ints(4, in.Dot.RHSBatch)
		w.bytes(instrDot, d)
	}
	if in.Op == OpGather {
		var g message
		g.ints(1, in.Gather.Offset)
		g.ints(2, in.Gather.Collapsed)
		g.ints(3, in.Gather.StartMap)
		g.int(4, in.Gather.IndexVector)
		w.bytes(instrGather, g)
		w.ints(instrGatherSizes, in.Gather.Sizes)
	}
}

func encodeScatter(n ScatterDims) []byte {
	var w message
	w.ints(1, n.UpdateWindow)
	w.ints(2, n.Inserted)
	w.ints(3, n.ToOperand)
	w.int(4, n.IndexVector)
	return w
}

func encodeNames(w *message, in *Instruction) {
	key, value := inputNames, in.InputName
	if len(in.OutputNames) > 0 {
		key, value = outputNames, strings.Join(in.OutputNames, ",")
	}
	if value == "" {
		return
	}
	var entry, attributes message
	entry.string(1, key)
	entry.string(2, value)
	attributes.bytes(1, entry)
	w.bytes(instrAttributes, attributes)
}

func encodeLiteral(l *Literal) []byte {
	var w message
	w.bytes(literalShape, encodeShape(l.Shape))
	var data []byte
	for _, v := range l.I {
		data = binary.AppendUvarint(data, literalInt(l.Shape.DType, v))
	}
	for _, v := range l.F {
		switch l.Shape.DType {
		case F32:
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		case BF16:
			data = binary.LittleEndian.AppendUint16(data, half.ToBF16(v))
		case F8E4M3FN:
			data = append(data, ToF8(v))
		}
	}
	w.bytes(literalField(l.Shape.DType), data)
	return w
}

// literalInt is a value as protobuf counts it: an int32 is widened with its sign.
func literalInt(d DType, v int32) uint64 {
	if d == S32 {
		return uint64(int64(v))
	}
	return uint64(uint32(v))
}

func literalField(d DType) uint64 {
	return [...]uint64{
		Pred: literalPreds, S32: literalS32s, U32: literalU32s, F32: literalF32s,
		BF16: literalBF16s, F8E4M3FN: literalF8E4M3FNs,
	}[d]
}
