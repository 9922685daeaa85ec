package hlo

import (
	"errors"
	"fmt"
	"strings"
)

// MaxTensor is the size below which every tensor that goes in or comes out must be: allocations of
// 4 GiB and more are undefined in the runtime's documentation.
const MaxTensor = 1 << 32

// maxName bounds a tensor's name: the runtime keeps 256 bytes with the final zero.
const maxName = 255

// Verify proves a module consistent: operands come before users, every shape is the one that
// follows from its operands, ids and names are unique, every input and output has a name and fits
// the runtime's limits, aliases join parameters and outputs of one shape and matching names.
func Verify(m *Module) error {
	v := verifier{
		ids: map[int]bool{}, names: map[string]bool{}, done: map[*Computation]bool{},
	}
	for _, c := range m.Computations {
		if err := v.computation(c); err != nil {
			return fmt.Errorf("computation %q: %w", c.Name, err)
		}
	}
	if n := len(m.Computations); n == 0 || m.Entry != m.Computations[n-1] {
		return errors.New("the entry is not the last computation")
	}
	if err := checkRoot(m); err != nil {
		return err
	}
	if err := checkPorts(m); err != nil {
		return err
	}
	return checkAliasNames(m)
}

type verifier struct {
	ids   map[int]bool
	names map[string]bool
	done  map[*Computation]bool
}

func (v *verifier) computation(c *Computation) error {
	if c.Name == "" || v.names[c.Name] {
		return errors.New("its name is empty or taken")
	}
	v.names[c.Name] = true
	seen := map[*Instruction]bool{}
	params := 0
	for _, in := range c.Instrs {
		if err := v.instruction(in, seen); err != nil {
			return fmt.Errorf("instruction %q (%s): %w", in.Name, in.Op, err)
		}
		if in.Op == OpParameter {
			if in.Param != params {
				return fmt.Errorf("parameter %d comes after %d others", in.Param, params)
			}
			params++
		}
		seen[in] = true
	}
	if !seen[c.Root] {
		return errors.New("its root is not one of its instructions")
	}
	v.done[c] = true
	return nil
}

func (v *verifier) instruction(in *Instruction, seen map[*Instruction]bool) error {
	if v.ids[in.ID] || v.names[in.Name] || in.Name == "" {
		return fmt.Errorf("its id %d or name is taken", in.ID)
	}
	v.ids[in.ID], v.names[in.Name] = true, true
	for i, x := range in.Operands {
		if !seen[x] {
			return fmt.Errorf("operand %d does not come before it", i)
		}
	}
	for _, c := range in.Called {
		if !v.done[c] {
			return fmt.Errorf("computation %q does not come before it", c.Name)
		}
	}
	want, err := infer(in)
	if err != nil {
		return err
	}
	if !want.Equal(in.Shape) {
		return fmt.Errorf("its shape is %s and must be %s", in.Shape, want)
	}
	return nil
}

// checkRoot looks at the results and at what aliases count.
func checkRoot(m *Module) error {
	root, ins := m.Entry.Root, len(m.Entry.Params())
	outs := len(root.Operands)
	switch {
	case root.Op != OpTuple && root.Op != OpCopy:
		return fmt.Errorf("the root is a %s; it must be a tuple or a copy", root.Op)
	case root.Op == OpTuple && outs < 2:
		return errors.New("a single result must come from a copy, not a tuple")
	case len(root.OutputNames) != outs:
		return fmt.Errorf("%d outputs have %d names", outs, len(root.OutputNames))
	}
	for _, x := range root.Operands {
		if root.Op == OpTuple && x.Op == OpParameter {
			return fmt.Errorf("parameter %q is a result itself; it must be copied", x.InputName)
		}
	}
	usedOut, usedIn := make([]bool, outs), make([]bool, ins)
	for _, a := range m.Aliases {
		if a.Param < 0 || a.Param >= ins || a.Output < 0 || a.Output >= outs ||
			usedOut[a.Output] || usedIn[a.Param] {
			return fmt.Errorf("alias %+v of %d inputs and %d outputs", a, ins, outs)
		}
		usedOut[a.Output], usedIn[a.Param] = true, true
	}
	return nil
}

func checkPorts(m *Module) error {
	for _, ports := range [][]Port{m.Inputs(), m.Outputs()} {
		names := map[string]bool{}
		for i, p := range ports {
			switch {
			case p.Name == "" || len(p.Name) > maxName || strings.ContainsAny(p.Name, ",\x00"):
				return fmt.Errorf("tensor %d has the name %q; names have 1 to %d bytes and no "+
					"comma", i, p.Name, maxName)
			case names[p.Name]:
				return fmt.Errorf("two tensors are called %q", p.Name)
			case p.Shape.Bytes() >= MaxTensor:
				return fmt.Errorf("tensor %q (%s) has %d bytes; the runtime takes less than %d",
					p.Name, p.Shape, p.Shape.Bytes(), int64(MaxTensor))
			}
			names[p.Name] = true
		}
	}
	return nil
}

// checkAliasNames wants the input NAME.must_alias_input and the output NAME to be of one shape and
// in one alias, and no other alias.
func checkAliasNames(m *Module) error {
	ins, waiting := map[string]Shape{}, 0
	for _, in := range m.Inputs() {
		ins[in.Name] = in.Shape
		if strings.HasSuffix(in.Name, MustAlias) {
			waiting++
		}
	}
	for _, p := range m.Outputs() {
		shape, named := ins[p.Name+MustAlias]
		switch {
		case named != (p.Alias != "") || named && p.Alias != p.Name+MustAlias:
			return fmt.Errorf("output %q aliases %q; names and aliases must agree", p.Name, p.Alias)
		case named && !shape.Equal(p.Shape):
			return fmt.Errorf("output %q is %s and its input %s", p.Name, p.Shape, shape)
		case named:
			waiting--
		}
	}
	if waiting != 0 {
		return fmt.Errorf("%d inputs called NAME%s have no output", waiting, MustAlias)
	}
	return nil
}
