// Package jinja runs the part of Jinja2 that published chat templates use, with the answers of
// Python's ImmutableSandboxedEnvironment (trim_blocks, lstrip_blocks, loop controls) and with hard
// bounds, because a template comes from a model file that nobody vetted.
//
//	lexer.go, parse*.go, ast.go   source -> statements and expressions; names get slots (scope.go)
//	exec.go, eval.go, call.go     the tree walk; interp.go holds the budget of one render
//	value.go, dict.go, attr.go    Python's values: order-keeping dicts, int and float kept apart
//	ops.go, number.go, compare.go operators with Python's meaning
//	repr.go, json.go, format*.go  Python's str, repr, json.dumps, % and str.format
//	filter*.go, test.go, method*.go, global.go   the built-in names
//
// No attribute of a Go value is ever reachable: every name a template can use is listed here.
package jinja
