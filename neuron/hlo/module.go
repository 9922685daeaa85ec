package hlo

// Opcode names an operation as XLA spells it.
type Opcode string

// The opcodes that graphs use.
const (
	OpParameter   Opcode = "parameter"
	OpConstant    Opcode = "constant"
	OpIota        Opcode = "iota"
	OpAdd         Opcode = "add"
	OpSubtract    Opcode = "subtract"
	OpMultiply    Opcode = "multiply"
	OpDivide      Opcode = "divide"
	OpMaximum     Opcode = "maximum"
	OpMinimum     Opcode = "minimum"
	OpAnd         Opcode = "and"
	OpNegate      Opcode = "negate"
	OpExp         Opcode = "exponential"
	OpLog         Opcode = "log"
	OpRsqrt       Opcode = "rsqrt"
	OpLogistic    Opcode = "logistic"
	OpConvert     Opcode = "convert"
	OpCopy        Opcode = "copy"
	OpCompare     Opcode = "compare"
	OpSelect      Opcode = "select"
	OpBroadcast   Opcode = "broadcast"
	OpReshape     Opcode = "reshape"
	OpTranspose   Opcode = "transpose"
	OpSlice       Opcode = "slice"
	OpConcatenate Opcode = "concatenate"
	OpReduce      Opcode = "reduce"
	OpDot         Opcode = "dot"
	OpGather      Opcode = "gather"
	OpScatter     Opcode = "scatter"
	OpSort        Opcode = "sort"
	OpCall        Opcode = "call"
	OpCustomCall  Opcode = "custom-call"
	OpTuple       Opcode = "tuple"
	OpGetTuple    Opcode = "get-tuple-element"
	OpAllReduce   Opcode = "all-reduce"
	OpAllGather   Opcode = "all-gather"
)

// TopKTarget is the custom call that neuronx-cc compiles to the hardware's selection: (values,
// indices) of the k greatest of each row, k in decimal as its configuration.
const TopKTarget = "AwsNeuronTopK"

// MustAlias ends the name of a parameter that shares its memory with the output of the same name.
const MustAlias = ".must_alias_input"

// Instruction is one operation and its result. Which attributes count depends on the opcode.
type Instruction struct {
	ID       int
	Name     string
	Op       Opcode
	Shape    Shape
	Operands []*Instruction

	Param     int         // parameter: its number
	Index     int         // get-tuple-element
	Dims      []int       // broadcast, transpose, reduce, concatenate, iota, sort, all-gather
	Slices    []SliceDim  // slice: one for each axis
	Literal   *Literal    // constant
	Direction string      // compare: EQ, NE, LT, LE, GT, GE
	Dot       DotDims     // dot
	Gather    GatherDims  // gather
	Scatter   ScatterDims // scatter
	Stable    bool        // sort
	Called    []*Computation
	Target    string  // custom-call
	Config    string  // custom-call
	Groups    [][]int // all-reduce, all-gather: ranks that take part together

	// InputName and OutputNames become the names of tensors in the compiled file: of a parameter of
	// the entry, and of its root.
	InputName   string
	OutputNames []string
}

// SliceDim keeps the elements start, start+stride, ... below limit of one axis.
type SliceDim struct{ Start, Limit, Stride int }

// DotDims pairs the axes of a dot's operands. The result has the batch axes, then what is left of
// the left operand, then of the right.
type DotDims struct{ LHSContract, RHSContract, LHSBatch, RHSBatch []int }

// GatherDims are the axes of a gather (OpenXLA, "Operation semantics", Gather).
type GatherDims struct {
	Offset, Collapsed, StartMap []int
	IndexVector                 int
	Sizes                       []int // of each slice
}

// ScatterDims are the axes of a scatter.
type ScatterDims struct {
	UpdateWindow, Inserted, ToOperand []int
	IndexVector                       int
}

// Literal is a constant's value: F for floating point types, I for the others (a predicate is 0 or
// 1, a u32 its bits).
type Literal struct {
	Shape Shape
	F     []float32
	I     []int32
}

// Computation is a list of instructions, operands before their users.
type Computation struct {
	ID     int
	Name   string
	Instrs []*Instruction
	Root   *Instruction
}

// Params gives the parameters by their numbers.
func (c *Computation) Params() []*Instruction {
	var params []*Instruction
	for _, in := range c.Instrs {
		if in.Op == OpParameter {
			params = append(params, in)
		}
	}
	return params
}

// Alias says that an output lies in the memory of a parameter.
type Alias struct{ Output, Param int }

// Module is a compiled unit: computations, callees before callers, the last one being the entry.
type Module struct {
	Name         string
	Computations []*Computation
	Entry        *Computation
	Aliases      []Alias
}

// Port is a tensor that goes in or comes out.
type Port struct {
	Name  string
	Shape Shape
	Alias string // of an output: the name of the input whose memory it shares, or ""
}

// Inputs are the entry's parameters in order.
func (m *Module) Inputs() []Port {
	var ports []Port
	for _, in := range m.Entry.Params() {
		ports = append(ports, Port{Name: in.InputName, Shape: in.Shape})
	}
	return ports
}

// Outputs are the entry's results in order.
func (m *Module) Outputs() []Port {
	root := m.Entry.Root
	shapes := []Shape{root.Shape}
	if root.Op == OpTuple {
		shapes = root.Shape.Tuple
	}
	ports := make([]Port, len(shapes))
	for i, s := range shapes {
		ports[i] = Port{Name: root.OutputNames[i], Shape: s}
	}
	params := m.Entry.Params()
	for _, a := range m.Aliases {
		ports[a.Output].Alias = params[a.Param].InputName
	}
	return ports
}
