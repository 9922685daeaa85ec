package server

import (
	"strings"
	"unicode/utf8"

	"basalt/server/api"
)

// splitTarget gives the raw path and query of a request target, as they were received: nothing is
// decoded and no dot segment removed. An absolute target must name the same host as the Host
// header, so that no two readers can disagree.
func splitTarget(target, host string) (path, query string, _ *api.Error) {
	path = target
	if i := strings.Index(target, "://"); i > 0 && target[0] != '/' {
		authority := target[i+3:]
		slash := strings.IndexAny(authority, "/?")
		if slash < 0 {
			slash = len(authority)
		}
		if !strings.EqualFold(authority[:slash], host) {
			return "", "", api.Errorf(api.Invalid, "the request target and the Host header differ")
		}
		path = authority[slash:]
	}
	path, query, _ = strings.Cut(path, "?")
	if path == "" || path[0] != '/' {
		return "", "", api.Errorf(api.Invalid, "the request target must begin with /")
	}
	return path, query, nil
}

// decodeSegment resolves percent escapes exactly once. A plus is a plus.
func decodeSegment(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, printable(s)
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := hexValue(s[i+1]), hexValue(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		out = append(out, byte(hi<<4|lo))
		i += 2
	}
	return string(out), printable(string(out))
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// printable refuses what no model is named by: control characters and broken UTF-8.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, isControl) < 0
}

// splitModelPath cuts /model/{id}/{operation}. The id may hold slashes, escaped or not.
func splitModelPath(path string) (id, operation string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/model/")
	if !ok {
		return "", "", false
	}
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}

// splitGuardrailPath cuts /guardrail/{id}/version/{version}/apply. An ARN in it may have its slash
// escaped or not.
func splitGuardrailPath(path string) (id, version string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/guardrail/")
	if !ok {
		return "", "", false
	}
	rest, ok = strings.CutSuffix(rest, "/apply")
	if !ok {
		return "", "", false
	}
	i := strings.LastIndex(rest, "/version/")
	if i < 0 {
		return "", "", false
	}
	return rest[:i], rest[i+len("/version/"):], true
}
