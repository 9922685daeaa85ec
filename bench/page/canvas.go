package page

// style says what a mark means; each canvas has its own look for it.
type style string

const (
	styleInk    style = "ink"    // titles, values
	styleMuted  style = "muted"  // axes and their labels
	styleBand   style = "band"   // from the least to the greatest
	styleSeries style = "series" // medians
	styleSecond style = "second" // a second series
)

// anchor is the side of a text that its position names.
type anchor string

const (
	anchorStart  anchor = "start"
	anchorMiddle anchor = "middle"
	anchorEnd    anchor = "end"
)

// canvas is what a chart is drawn on. Positions are in pixels from the upper left corner; a text's
// is its base line.
type canvas interface {
	line(x1, y1, x2, y2 float64, s style)
	area(points []point, s style)
	dot(at point, tip string, s style)
	text(at point, a anchor, words string, s style)
}

type point struct{ x, y float64 }

// box is a rectangle's corners.
func box(left, top, right, bottom float64) []point {
	return []point{{left, top}, {right, top}, {right, bottom}, {left, bottom}}
}
