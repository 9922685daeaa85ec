package server

// stopper finds the first of several strings in a text that comes in pieces (Aho and Corasick
// 1975). It also says how much of the text's end may be the beginning of a stop string and must be
// held back. nil finds nothing.
type stopper struct {
	nodes []stopNode
	state int32
}

// stopNode is a beginning of a stop string. Children are a list linked by sibling.
type stopNode struct {
	child, sibling int32 // 0: none
	fail           int32 // the longest proper end of this text that begins a stop string
	depth          int32
	match          int32 // length of the longest stop string that ends here, 0: none
	char           byte
}

func newStopper(stops []string) *stopper {
	if len(stops) == 0 {
		return nil
	}
	s := &stopper{nodes: make([]stopNode, 1, 1+len(stops[0]))}
	for _, stop := range stops {
		at := int32(0)
		for i := range len(stop) {
			at = s.grow(at, stop[i])
		}
		s.nodes[at].match = s.nodes[at].depth
	}
	s.link()
	return s
}

func (s *stopper) find(at int32, c byte) int32 {
	for n := s.nodes[at].child; n != 0; n = s.nodes[n].sibling {
		if s.nodes[n].char == c {
			return n
		}
	}
	return 0
}

func (s *stopper) grow(at int32, c byte) int32 {
	if n := s.find(at, c); n != 0 {
		return n
	}
	n := int32(len(s.nodes))
	s.nodes = append(s.nodes, stopNode{
		char: c, depth: s.nodes[at].depth + 1,
		sibling: s.nodes[at].child,
	})
	s.nodes[at].child = n
	return n
}

// link fills fail and match in order of depth.
func (s *stopper) link() {
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for n := s.nodes[at].child; n != 0; n = s.nodes[n].sibling {
			if at != 0 {
				s.nodes[n].fail = s.next(s.nodes[at].fail, s.nodes[n].char)
			}
			if s.nodes[n].match == 0 {
				s.nodes[n].match = s.nodes[s.nodes[n].fail].match
			}
			queue = append(queue, n)
		}
	}
}

func (s *stopper) next(at int32, c byte) int32 {
	for {
		if n := s.find(at, c); n != 0 {
			return n
		}
		if at == 0 {
			return 0
		}
		at = s.nodes[at].fail
	}
}

// feed reads more text. At the first byte that ends a stop string it returns the number of bytes
// read and the length of the longest stop string that ends there; without one, len(text) and 0.
func (s *stopper) feed(text []byte) (read, match int) { return feed(s, text) }

// feedString is feed for a string.
func (s *stopper) feedString(text string) (read, match int) { return feed(s, text) }

func feed[T string | []byte](s *stopper, text T) (read, match int) {
	if s == nil {
		return len(text), 0
	}
	for i := range len(text) {
		s.state = s.next(s.state, text[i])
		if m := s.nodes[s.state].match; m > 0 {
			return i + 1, int(m)
		}
	}
	return len(text), 0
}

// held is the number of bytes at the end of the text that may begin a stop string.
func (s *stopper) held() int {
	if s == nil {
		return 0
	}
	return int(s.nodes[s.state].depth)
}
