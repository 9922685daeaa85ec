package peers

import (
	"bytes"
	"fmt"
)

// Marks of the part of a page that Embed replaces.
const (
	PageBegin = "<!-- table of basalt bench cpu -->\n"
	PageEnd   = "<!-- end of the table -->\n"
)

// Embed puts a table into a page, between the marks.
func Embed(page []byte, table string) ([]byte, error) {
	before, rest, begins := bytes.Cut(page, []byte(PageBegin))
	_, after, ends := bytes.Cut(rest, []byte(PageEnd))
	if !begins || !ends {
		return nil, fmt.Errorf("the page lacks the marks %q and %q", PageBegin, PageEnd)
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(PageBegin + "\n" + table + "\n" + PageEnd)
	b.Write(after)
	return b.Bytes(), nil
}
