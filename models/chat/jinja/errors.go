package jinja

import "fmt"

// ErrorKind says what went wrong, in the classes that Jinja2 and Python tell apart.
type ErrorKind uint8

// The kinds of Error.
const (
	SyntaxError    ErrorKind = iota // the template does not compile
	UndefinedError                  // an operation on a value that is not defined
	TypeError                       // an operation that the types do not have
	ValueError                      // an impossible value, overflow, division by zero
	SecurityError                   // something the sandbox forbids
	RaisedError                     // the template called raise_exception
	LimitError                      // a bound on steps, bytes or depth was reached
)

func (k ErrorKind) String() string {
	switch k {
	case SyntaxError:
		return "syntax error"
	case UndefinedError:
		return "undefined value"
	case TypeError:
		return "type error"
	case ValueError:
		return "value error"
	case SecurityError:
		return "forbidden by the sandbox"
	case RaisedError:
		return "raised by the template"
	}
	return "limit reached"
}

// Error is every error of this package. Line counts from 1; 0 means unknown.
type Error struct {
	Kind ErrorKind
	Line int
	Msg  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("template line %d: %s: %s", e.Line, e.Kind, e.Msg)
}

func errorf(kind ErrorKind, format string, a ...any) error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, a...)}
}

func typeErrorf(format string, a ...any) error { return errorf(TypeError, format, a...) }

func valueErrorf(format string, a ...any) error { return errorf(ValueError, format, a...) }
