package bedrock

import (
	"strconv"
	"strings"

	"basalt/server/api"
)

// native is what additionalModelResponseFieldPaths can ask for: a model's own answer beyond what
// Converse tells. Its members are stop_reason, stop_sequence and seed.
type native struct {
	reason api.FinishReason
	stop   string
	seed   uint64
}

// member is the JSON of a top level member, nil where there is none.
func (n *native) member(name string) []byte {
	switch name {
	case "stop_reason":
		return api.AppendString(nil, stopReason(n.reason))
	case "stop_sequence":
		if n.reason == api.FinishStopString {
			return api.AppendString(nil, n.stop)
		}
	case "seed":
		return strconv.AppendInt(nil, int64(n.seed), 10)
	}
	return nil
}

// appendFields appends what the paths ask for and exists, after a comma.
func (c *Converse) appendFields(dst []byte, n *native) []byte {
	start := len(dst)
	for i, p := range c.paths {
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(p[1:])
		value := n.member(name)
		if value == nil || repeats(c.paths[:i], p) {
			continue
		}
		if len(dst) == start {
			dst = append(dst, `,"additionalModelResponseFields":{`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(append(api.AppendString(dst, name), ':'), value...)
	}
	if len(dst) > start {
		dst = append(dst, '}')
	}
	return dst
}

func repeats(list []string, s string) bool {
	for _, other := range list {
		if other == s {
			return true
		}
	}
	return false
}
