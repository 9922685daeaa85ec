package jinja

// scope is the compile-time side of a frame: the names that a block may set, each with its slot.
type scope struct {
	parent *scope
	names  map[string]int
	// closure is set when a macro or call block is defined inside: its frames outlive an iteration.
	closure bool
	macro   *macroDef // the macro whose body this is, if any
	loop    bool      // a for body: break and continue are allowed
}

func newScope(parent *scope) *scope {
	return &scope{parent: parent, names: map[string]int{}}
}

func (s *scope) declare(name string) int {
	slot, ok := s.names[name]
	if !ok {
		slot = len(s.names)
		s.names[name] = slot
	}
	return slot
}

// slotRef finds a variable: up frames out, then the slot.
type slotRef struct{ up, slot int }

// resolve fills in where e's value may live, innermost scope first, once all scopes are complete.
// A scope that sets the name later than e reads it leaves the slot empty until then, and the read
// falls through to the next scope out, as in Jinja2.
func (e *nameExpr) resolve(globals map[string]int) {
	for up, s := 0, e.scope; s != nil; up, s = up+1, s.parent {
		slot, ok := s.names[e.name]
		if !ok && s.macro != nil {
			slot, ok = s.macro.special(e.name)
		}
		if ok {
			e.refs = append(e.refs, slotRef{up, slot})
		}
	}
	global, ok := globals[e.name]
	if !ok {
		global = len(globals)
		globals[e.name] = global
	}
	e.global = global
	e.scope = nil
}

// special gives a macro that mentions caller, varargs or kwargs without declaring it the slot for
// it.
func (m *macroDef) special(name string) (int, bool) {
	var slot *int
	switch name {
	case "caller":
		slot = &m.caller
	case "varargs":
		slot = &m.varargs
	case "kwargs":
		slot = &m.kwargs
	default:
		return 0, false
	}
	*slot = m.scope.declare(name)
	return *slot, true
}
