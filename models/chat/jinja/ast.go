package jinja

// expr is an expression node. eval is called through interp.eval, which keeps the budget.
type expr interface {
	eval(in *interp) (Value, error)
}

type (
	constExpr struct{ v Value }
	// nameExpr reads a variable; see scope.go.
	nameExpr struct {
		name   string
		scope  *scope // until resolved
		refs   []slotRef
		global int
	}
	attrExpr struct {
		obj  expr
		name string
	}
	itemExpr  struct{ obj, key expr }
	sliceExpr struct{ obj, start, stop, step expr } // bounds may be nil
	callExpr  struct {
		fn   expr
		args callArgs
	}
	filterExpr struct {
		operand expr
		name    string
		fn      filterFunc // nil: unknown, an error when reached
		args    callArgs
	}
	testExpr struct {
		operand expr
		name    string
		fn      testFunc // nil: unknown, an error when reached
		args    callArgs
	}
	unaryExpr  struct{ neg, operand expr } // neg is operand for -x, nil for +x
	binaryExpr struct {
		op   arithOp
		l, r expr
	}
	concatExpr  struct{ parts []expr }
	compareExpr struct {
		first expr
		rest  []comparison
	}
	andExpr  struct{ l, r expr }
	orExpr   struct{ l, r expr }
	notExpr  struct{ operand expr }
	condExpr struct {
		cond, then, other expr // other may be nil
		line              int
	}
	listExpr struct {
		items []expr
		tuple bool
	}
	dictExpr struct{ keys, vals []expr }
	// capturedExpr is the text of the enclosing filter or set block.
	capturedExpr struct{}
)

type comparison struct {
	op      compareOp
	operand expr
}

// callArgs are the arguments as written: f(pos, name=value, *star, **starstar).
type callArgs struct {
	pos            []expr
	names          []string
	vals           []expr
	star, starstar expr
}

// signal is how a statement ended.
type signal uint8

const (
	goOn signal = iota
	doBreak
	doContinue
)

// stmt is a statement node.
type stmt interface {
	exec(in *interp) (signal, error)
}

type (
	dataStmt  struct{ text string }
	printStmt struct {
		value expr
		line  int
	}
	ifStmt struct {
		branches []branch
		other    []stmt
	}
	forStmt struct {
		target       target
		iter, filter expr // filter may be nil
		scope        *scope
		loopSlot     int
		body         []stmt
		elseScope    *scope
		other        []stmt
		line         int
	}
	setStmt struct {
		target target
		value  expr
		line   int
	}
	setBlockStmt struct {
		target target
		scope  *scope
		body   []stmt
		filter expr // over capturedExpr; nil without filters
		line   int
	}
	filterStmt struct {
		scope  *scope
		body   []stmt
		filter expr
		line   int
	}
	withStmt struct {
		scope   *scope
		targets []target
		values  []expr
		body    []stmt
		line    int
	}
	macroStmt struct {
		def  *macroDef
		slot int
	}
	callStmt struct {
		def  *macroDef // the block, as the macro "caller"
		call *callExpr // nil: call the block itself
		line int
	}
	jumpStmt struct{ sig signal }
)

type branch struct {
	cond expr
	body []stmt
	line int
}

// macroDef is a macro as written. Slots of special variables are -1 when the body does not use
// them.
type macroDef struct {
	name                    string
	params                  []string
	slots                   []int
	defaults                []expr // of the last len(defaults) params
	scope                   *scope
	body                    []stmt
	caller, varargs, kwargs int
	line                    int
}

// target is what an assignment writes to: a slot of the current frame, an attribute of a namespace,
// or a tuple of targets.
type target struct {
	slot  int
	ns    *nameExpr // with attr: ns.attr
	attr  string
	parts []target // not nil: unpack
}
