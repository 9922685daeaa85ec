package page

import (
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"slices"

	"basalt/bench/track"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// raster is a canvas of pixels.
type raster struct{ image *image.RGBA }

func (s style) look() color.RGBA {
	switch s {
	case styleMuted:
		return color.RGBA{0x8a, 0x90, 0x99, 0xff}
	case styleBand:
		return color.RGBA{0x2a, 0x78, 0xb8, 0x30}
	case styleSeries:
		return color.RGBA{0x1f, 0x6f, 0xb2, 0xff}
	case styleSecond:
		return color.RGBA{0xc4, 0x5d, 0x12, 0xff}
	}
	return color.RGBA{0x1c, 0x1f, 0x24, 0xff}
}

func (c *raster) line(x1, y1, x2, y2 float64, s style) {
	half := 1.0
	if s == styleMuted {
		half = 0.25
	}
	length := math.Hypot(x2-x1, y2-y1)
	if length == 0 {
		return
	}
	dx, dy := (y2-y1)/length*half, (x1-x2)/length*half
	c.area([]point{
		{x1 + dx, y1 + dy}, {x2 + dx, y2 + dy}, {x2 - dx, y2 - dy}, {x1 - dx, y1 - dy},
	}, s)
}

func (c *raster) area(points []point, s style) {
	b := c.image.Bounds()
	z := vector.NewRasterizer(b.Dx(), b.Dy())
	z.MoveTo(float32(points[0].x), float32(points[0].y))
	for _, p := range points[1:] {
		z.LineTo(float32(p.x), float32(p.y))
	}
	z.ClosePath()
	col := s.look()
	// A Uniform image holds colours multiplied by their opacity.
	z.Draw(c.image, b, image.NewUniform(color.NRGBA(col)), image.Point{})
}

func (c *raster) dot(at point, _ string, s style) {
	const corners, radius = 16, 3.5
	points := make([]point, corners)
	for i := range points {
		angle := 2 * math.Pi * float64(i) / corners
		points[i] = point{at.x + radius*math.Cos(angle), at.y + radius*math.Sin(angle)}
	}
	c.area(points, s)
}

func (c *raster) text(at point, a anchor, words string, s style) {
	d := font.Drawer{Dst: c.image, Src: image.NewUniform(s.look()), Face: basicfont.Face7x13}
	x := fixed.I(int(math.Round(at.x)))
	switch a {
	case anchorEnd:
		x -= d.MeasureString(words)
	case anchorMiddle:
		x -= d.MeasureString(words) / 2
	}
	d.Dot = fixed.Point26_6{X: x, Y: fixed.I(int(math.Round(at.y)))}
	d.DrawString(words)
}

// columns of charts in the image.
const columns = 3

// WritePNG draws all charts of the newest entry's machine into one image, each in the column that
// is the shortest.
func WritePNG(w io.Writer, record []track.Entry) error {
	if len(record) == 0 {
		return errors.New("the record is empty: there is nothing to draw")
	}
	var places []point
	var all []chart
	var ends [columns]float64
	for _, g := range groupsOf(ofMachine(record, record[len(record)-1].Machine)) {
		for _, of := range g.charts {
			i := slices.Index(ends[:], slices.Min(ends[:]))
			all, places = append(all, of), append(places, point{float64(i * chartWidth), ends[i]})
			ends[i] += of.height()
		}
	}
	img := image.NewRGBA(image.Rect(0, 0, columns*chartWidth, int(slices.Max(ends[:]))))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for i, of := range all {
		of.draw(&raster{img}, places[i].x, places[i].y)
	}
	return png.Encode(w, img)
}
