package page

import (
	"fmt"
	"html"
	"strings"
)

// svg is a canvas that writes SVG elements; the page's style sheet gives the styles their looks.
type svg struct{ strings.Builder }

func (c *svg) line(x1, y1, x2, y2 float64, s style) {
	fmt.Fprintf(c, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, s, x1, y1, x2, y2)
}

func (c *svg) area(points []point, s style) {
	fmt.Fprintf(c, `<polygon class="%s" points="`, s)
	for i, p := range points {
		if i > 0 {
			c.WriteByte(' ')
		}
		fmt.Fprintf(c, "%.1f,%.1f", p.x, p.y)
	}
	c.WriteString(`"/>`)
}

func (c *svg) dot(at point, tip string, s style) {
	fmt.Fprintf(c, `<circle class="%s" cx="%.1f" cy="%.1f" r="3.5"><title>%s</title></circle>`, s,
		at.x, at.y, html.EscapeString(tip))
}

func (c *svg) text(at point, a anchor, words string, s style) {
	fmt.Fprintf(c, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, s, at.x, at.y,
		a,
		html.EscapeString(words))
}

// chartSVG is a chart as one element.
func chartSVG(of chart) string {
	c := new(svg)
	fmt.Fprintf(c, `<svg viewBox="0 0 %d %.0f" role="img" aria-label="%s">`, chartWidth,
		of.height(), html.EscapeString(of.title()))
	of.draw(c, 0, 0)
	c.WriteString("</svg>\n")
	return c.String()
}
