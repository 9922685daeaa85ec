package hlo

import (
	"fmt"
	"slices"
)

func inferBroadcast(in *Instruction) (Shape, error) {
	x, s := in.Operands[0].Shape, in.Shape
	if len(in.Dims) != x.Rank() || s.DType != x.DType || s.IsTuple() {
		return Shape{}, fmt.Errorf("broadcast of %s to %s along %v", x, s, in.Dims)
	}
	for i, d := range in.Dims {
		if !axis(d, s) || s.Dims[d] != x.Dims[i] || i > 0 && d <= in.Dims[i-1] {
			return Shape{}, fmt.Errorf("broadcast of %s to %s along %v", x, s, in.Dims)
		}
	}
	return s, s.check()
}

func inferReshape(in *Instruction) (Shape, error) {
	x, s := in.Operands[0].Shape, in.Shape
	if err := s.check(); err != nil {
		return Shape{}, err
	}
	if s.IsTuple() || s.DType != x.DType || s.Elems() != x.Elems() {
		return Shape{}, fmt.Errorf("reshape of %s to %s", x, s)
	}
	return s, nil
}

func inferTranspose(in *Instruction) (Shape, error) {
	x := in.Operands[0].Shape
	if !permutation(in.Dims, x.Rank()) {
		return Shape{}, fmt.Errorf("transpose of %s by %v", x, in.Dims)
	}
	s := Shape{DType: x.DType, Dims: make([]int, x.Rank())}
	for i, d := range in.Dims {
		s.Dims[i] = x.Dims[d]
	}
	return s, nil
}

func permutation(dims []int, rank int) bool {
	seen := make([]bool, rank)
	for _, d := range dims {
		if d < 0 || d >= rank || seen[d] {
			return false
		}
		seen[d] = true
	}
	return len(dims) == rank
}

func inferSlice(in *Instruction) (Shape, error) {
	x := in.Operands[0].Shape
	if len(in.Slices) != x.Rank() {
		return Shape{}, fmt.Errorf("slice of %s has %d axes", x, len(in.Slices))
	}
	s := Shape{DType: x.DType, Dims: make([]int, x.Rank())}
	for i, d := range in.Slices {
		if d.Start < 0 || d.Limit <= d.Start || d.Limit > x.Dims[i] || d.Stride < 1 {
			return Shape{}, fmt.Errorf("slice %+v of axis %d of %s", d, i, x)
		}
		s.Dims[i] = (d.Limit-d.Start-1)/d.Stride + 1
	}
	return s, nil
}

func inferConcatenate(in *Instruction) (Shape, error) {
	if len(in.Operands) == 0 || len(in.Dims) != 1 || !axis(in.Dims[0], in.Operands[0].Shape) {
		return Shape{}, fmt.Errorf("concatenate of %d arrays along %v", len(in.Operands), in.Dims)
	}
	at, x := in.Dims[0], in.Operands[0].Shape
	s := Shape{DType: x.DType, Dims: slices.Clone(x.Dims)}
	for _, y := range in.Operands[1:] {
		other := slices.Clone(y.Shape.Dims)
		if len(other) != len(s.Dims) || y.Shape.DType != x.DType {
			return Shape{}, fmt.Errorf("concatenate of %s and %s", x, y.Shape)
		}
		s.Dims[at] += other[at]
		other[at] = x.Dims[at]
		if !slices.Equal(other, x.Dims) {
			return Shape{}, fmt.Errorf("concatenate of %s and %s along %d", x, y.Shape, at)
		}
	}
	return s, s.check()
}

// checkReducer wants one computation of two scalars of type d that gives a third.
func checkReducer(in *Instruction, d DType) error {
	if len(in.Called) != 1 {
		return fmt.Errorf("%s names %d computations", in.Op, len(in.Called))
	}
	scalar := &Instruction{Shape: Of(d)}
	s, err := callShape(in.Called[0], []*Instruction{scalar, scalar})
	if err == nil && !s.Equal(scalar.Shape) {
		err = fmt.Errorf("%s takes a computation of %s, not %s", in.Op, d, s)
	}
	return err
}

func inferReduce(in *Instruction) (Shape, error) {
	x, init := in.Operands[0].Shape, in.Operands[1].Shape
	if !init.Equal(Of(x.DType)) {
		return Shape{}, fmt.Errorf("reduce of %s starts from %s", x, init)
	}
	drop := make([]bool, x.Rank())
	for _, d := range in.Dims {
		if !axis(d, x) || drop[d] {
			return Shape{}, fmt.Errorf("reduce of %s along %v", x, in.Dims)
		}
		drop[d] = true
	}
	return Shape{DType: x.DType, Dims: rest(x, drop)}, checkReducer(in, x.DType)
}

// rest gives the axes that are not dropped.
func rest(s Shape, drop []bool) []int {
	var dims []int
	for i, d := range s.Dims {
		if !drop[i] {
			dims = append(dims, d)
		}
	}
	return dims
}

func inferDot(in *Instruction) (Shape, error) {
	a, b, n := in.Operands[0].Shape, in.Operands[1].Shape, in.Dot
	bad := fmt.Errorf("dot of %s and %s by %+v to %s", a, b, n, in.Shape.DType)
	if a.DType != b.DType || a.DType != F32 && a.DType != BF16 ||
		in.Shape.DType != F32 && in.Shape.DType != a.DType ||
		len(n.LHSBatch) != len(n.RHSBatch) || len(n.LHSContract) != len(n.RHSContract) {
		return Shape{}, bad
	}
	s := Shape{DType: in.Shape.DType}
	dropA, dropB := make([]bool, a.Rank()), make([]bool, b.Rank())
	pair := func(i, j int) bool {
		if !axis(i, a) || !axis(j, b) || dropA[i] || dropB[j] || a.Dims[i] != b.Dims[j] {
			return false
		}
		dropA[i], dropB[j] = true, true
		return true
	}
	for i, d := range n.LHSBatch {
		if !pair(d, n.RHSBatch[i]) {
			return Shape{}, bad
		}
		s.Dims = append(s.Dims, a.Dims[d])
	}
	for i, d := range n.LHSContract {
		if !pair(d, n.RHSContract[i]) {
			return Shape{}, bad
		}
	}
	s.Dims = append(append(s.Dims, rest(a, dropA)...), rest(b, dropB)...)
	return s, s.check()
}

// ascending says whether dims are axes of rank in ascending order.
func ascending(dims []int, rank int) bool {
	for i, d := range dims {
		if d < 0 || d >= rank || i > 0 && d <= dims[i-1] {
			return false
		}
	}
	return true
}

// batchDims are the axes of indices without the one that holds an index.
func batchDims(indices Shape, vector int) []int {
	drop := make([]bool, indices.Rank()+1)
	drop[vector] = true
	return rest(indices, drop)
}

// checkIndices wants an integer array whose axis vector (or an implicit one at the end) has one
// number for each indexed axis of x.
func checkIndices(x, indices Shape, vector int, indexed []int) error {
	ok := indices.DType == S32 && vector >= 0 && vector <= indices.Rank()
	for _, d := range indexed {
		ok = ok && axis(d, x)
	}
	if ok && vector < indices.Rank() {
		ok = indices.Dims[vector] == len(indexed)
	} else if ok {
		ok = len(indexed) == 1
	}
	if !ok {
		return fmt.Errorf("indices %s with vectors along %d cannot index the axes %v of %s",
			indices, vector, indexed, x)
	}
	return nil
}

func inferGather(in *Instruction) (Shape, error) {
	x, indices, n := in.Operands[0].Shape, in.Operands[1].Shape, in.Gather
	if err := checkIndices(x, indices, n.IndexVector, n.StartMap); err != nil {
		return Shape{}, err
	}
	bad := fmt.Errorf("gather from %s at %s by %+v", x, indices, n)
	if len(n.Sizes) != x.Rank() || !ascending(n.Collapsed, x.Rank()) {
		return Shape{}, bad
	}
	var window []int
	for i, size := range n.Sizes {
		collapsed := slices.Contains(n.Collapsed, i)
		if size < 1 || size > x.Dims[i] || collapsed && size != 1 {
			return Shape{}, bad
		}
		if !collapsed {
			window = append(window, size)
		}
	}
	batch := batchDims(indices, n.IndexVector)
	if len(n.Offset) != len(window) || !ascending(n.Offset, len(window)+len(batch)) {
		return Shape{}, bad
	}
	s := Shape{DType: x.DType}
	for i := range len(window) + len(batch) {
		if slices.Contains(n.Offset, i) {
			s.Dims, window = append(s.Dims, window[0]), window[1:]
		} else {
			s.Dims, batch = append(s.Dims, batch[0]), batch[1:]
		}
	}
	return s, s.check()
}

func inferScatter(in *Instruction) (Shape, error) {
	x, indices, u, n := in.Operands[0].Shape, in.Operands[1].Shape, in.Operands[2].Shape, in.Scatter
	if err := checkIndices(x, indices, n.IndexVector, n.ToOperand); err != nil {
		return Shape{}, err
	}
	batch := batchDims(indices, n.IndexVector)
	bad := fmt.Errorf("scatter of %s to %s at %s by %+v", u, x, indices, n)
	if u.DType != x.DType || !ascending(n.UpdateWindow, u.Rank()) ||
		!ascending(n.Inserted, x.Rank()) || len(n.UpdateWindow)+len(n.Inserted) != x.Rank() ||
		len(n.UpdateWindow)+len(batch) != u.Rank() {
		return Shape{}, bad
	}
	window, drop := []int{}, make([]bool, x.Rank())
	for _, d := range n.Inserted {
		drop[d] = true
	}
	window = append(window, rest(x, drop)...)
	for i, d := range u.Dims {
		switch {
		case slices.Contains(n.UpdateWindow, i):
			if d > window[0] {
				return Shape{}, bad
			}
			window = window[1:]
		case d != batch[0]:
			return Shape{}, bad
		default:
			batch = batch[1:]
		}
	}
	return x, checkReducer(in, x.DType)
}

func inferSort(in *Instruction) (Shape, error) {
	if len(in.Operands) == 0 || len(in.Called) != 1 || len(in.Dims) != 1 ||
		!axis(in.Dims[0], in.Operands[0].Shape) {
		return Shape{}, fmt.Errorf("sort of %d arrays along %v", len(in.Operands), in.Dims)
	}
	var scalars []*Instruction
	s := Shape{Tuple: []Shape{}}
	for _, x := range in.Operands {
		if !slices.Equal(x.Shape.Dims, in.Operands[0].Shape.Dims) {
			return Shape{}, fmt.Errorf("sort of %s and %s", in.Operands[0].Shape, x.Shape)
		}
		scalar := &Instruction{Shape: Of(x.Shape.DType)}
		scalars = append(scalars, scalar, scalar)
		s.Tuple = append(s.Tuple, x.Shape)
	}
	order, err := callShape(in.Called[0], scalars)
	if err == nil && !order.Equal(Of(Pred)) {
		err = fmt.Errorf("sort takes a computation of pred, not %s", order)
	}
	if len(s.Tuple) == 1 {
		s = s.Tuple[0]
	}
	return s, err
}
