package jinja

import (
	"strconv"
	"strings"
)

// format is str.format with the sandbox's rule that attributes go through the template's lookup.
// safe escapes what is put in.
func (in *interp) format(s string, a args, safe bool) (string, error) {
	f := formatter{in: in, args: a, safe: safe}
	if err := f.run(s, 0); err != nil {
		return "", err
	}
	return f.b.String(), nil
}

type formatter struct {
	in   *interp
	args args
	safe bool
	b    strings.Builder
	auto int // next automatic field number; -1 once fields are numbered by hand
}

func (f *formatter) put(s string) error {
	f.b.WriteString(s)
	return f.in.grow(len(s))
}

func (f *formatter) run(s string, depth int) error {
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			return f.put(s)
		}
		if err := f.put(s[:i]); err != nil {
			return err
		}
		c := s[i]
		if i+1 < len(s) && s[i+1] == c {
			if err := f.put(s[i : i+1]); err != nil {
				return err
			}
			s = s[i+2:]
			continue
		}
		if c == '}' {
			return valueErrorf("Single '}' encountered in format string")
		}
		end := fieldEnd(s, i+1)
		if end < 0 {
			return valueErrorf("expected '}' before end of string")
		}
		text, err := f.field(s[i+1:end], depth)
		if err != nil {
			return err
		}
		if err := f.put(text); err != nil {
			return err
		}
		s = s[end+1:]
	}
	return nil
}

// fieldEnd is the position of the } that closes a field begun before i.
func fieldEnd(s string, i int) int {
	for open := 1; i < len(s); i++ {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// field formats one {name!conversion:spec}.
func (f *formatter) field(field string, depth int) (string, error) {
	name, spec, _ := strings.Cut(field, ":")
	name, conversion, converted := strings.Cut(name, "!")
	if err := f.in.work(2); err != nil {
		return "", err
	}
	v, err := f.lookup(name)
	if err != nil {
		return "", err
	}
	if strings.Contains(spec, "{") {
		if depth > 0 {
			return "", valueErrorf("Max string recursion exceeded")
		}
		inner := formatter{in: f.in, args: f.args, auto: f.auto}
		if err := inner.run(spec, depth+1); err != nil {
			return "", err
		}
		spec, f.auto = inner.b.String(), inner.auto
	}
	if converted {
		switch conversion {
		case "s":
			v, err = f.in.str(v)
		case "r":
			v, err = f.in.repr(v)
		default:
			return "", valueErrorf("Unknown conversion specifier '%s'", conversion)
		}
		if err != nil {
			return "", err
		}
	}
	text, err := f.in.formatValue(v, spec)
	if err != nil || !f.safe {
		return text, err
	}
	if m, ok := v.(Markup); ok && spec == "" {
		return string(m), nil
	}
	out, err := f.in.escaped(text)
	return string(out), err
}

// lookup resolves 0.attr[key] and the like.
func (f *formatter) lookup(name string) (Value, error) {
	first := name
	if i := strings.IndexAny(name, ".["); i >= 0 {
		first = name[:i]
	}
	v, err := f.argument(first)
	rest := name[len(first):]
	for err == nil && rest != "" {
		if err = f.in.work(1); err != nil {
			break
		}
		if rest[0] == '.' {
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			v, err = f.in.attr(v, rest[1:end])
			rest = rest[end:]
			continue
		}
		end := strings.IndexByte(rest, ']')
		if rest[0] != '[' || end < 0 {
			return nil, valueErrorf("Missing ']' in format string")
		}
		var key Value = rest[1:end]
		if n, errInt := strconv.ParseUint(rest[1:end], 10, 31); errInt == nil {
			key = int64(n)
		}
		v, err = f.in.item(v, key)
		rest = rest[end+1:]
	}
	return v, err
}

func (f *formatter) argument(name string) (Value, error) {
	n, err := strconv.ParseUint(name, 10, 31)
	if name != "" && err != nil {
		if v, ok := f.args.keyword(name); ok {
			return v, nil
		}
		return nil, valueErrorf("no argument '%s' for the format string", name)
	}
	if name == "" {
		if f.auto < 0 {
			return nil, valueErrorf("cannot switch from manual to automatic field numbering")
		}
		n = uint64(f.auto)
		f.auto++
	} else {
		if f.auto > 0 {
			return nil, valueErrorf("cannot switch from automatic to manual field numbering")
		}
		f.auto = -1
	}
	if n >= uint64(len(f.args.pos)) {
		return nil, valueErrorf("Replacement index %d out of range for positional args tuple", n)
	}
	return f.args.pos[n], nil
}
