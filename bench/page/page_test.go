package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/bench/track"
)

// made is a record of two machines, several commits and a name that must be escaped.
func made() []track.Entry {
	var record []track.Entry
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 5 {
		for _, machine := range []string{"1 x old", `2 x <script>"&`} {
			record = append(record, track.Entry{
				Commit: fmt.Sprintf("c%d", i), Date: day.AddDate(0, 0, i), Machine: machine,
				Workload: "offline/<b>", Command: "basalt bench offline",
				Figures: map[string]track.Value{
					"decode 1": {Unit: "tok/s", Median: 20 + float64(i), Min: 18, Max: 27, N: 3},
					"ready": {
						Unit: "ms", Lower: true, Median: 50 - float64(i), Min: 40,
						Max: 52, N: 3,
					},
				},
			})
		}
	}
	return record
}

func pageOf(t *testing.T, record []track.Entry) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, record); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageIsWholeAndLoadsNothing(t *testing.T) {
	text := pageOf(t, made())
	for what, n := range map[string]int{
		"<svg ": 4, "<section>": 2, "<circle ": 20, "<tr>": 6, "less is better": 2,
		"c4, 2026-01-05: 24 tok/s [18 - 27]": 2, "no difference": 4, "basalt bench offline": 4,
	} {
		if got := strings.Count(text, what); got != n {
			t.Errorf("%q stands %d times, want %d", what, got, n)
		}
	}
	for _, bad := range []string{"<script", "src=", "href=", "url(", "@import", "http:", "<b>"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if err := Write(io.Discard, nil); err == nil {
		t.Error("an empty record is drawn")
	}
}

func TestChartsAreXML(t *testing.T) {
	for _, s := range seriesOf(made()) {
		d := xml.NewDecoder(strings.NewReader(chartSVG(&s)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, chartSVG(&s))
			}
		}
	}
}

func TestTicksReachAboveTheGreatestValue(t *testing.T) {
	f := func(greatest, want float64) {
		t.Helper()
		s := series{values: []track.Value{{Max: greatest}}}
		if got := s.ticks(); len(got) != 3 || got[0] != 0 || got[2] != want {
			t.Errorf("%g: ticks %v", greatest, got)
		}
	}
	f(0, 1)
	f(1, 1)
	f(27, 30)
	f(99, 100)
	f(115, 120)
	f(0.013, 0.015)
}

// pixels counts those near a colour.
func pixels(img image.Image, want color.RGBA) int {
	n, b := 0, img.Bounds()
	near := func(a uint32, b uint8) bool { d := int(a>>8) - int(b); return d > -24 && d < 24 }
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := img.At(x, y).RGBA()
			if near(r, want.R) && near(g, want.G) && near(bl, want.B) {
				n++
			}
		}
	}
	return n
}

func TestImageShowsEveryChart(t *testing.T) {
	var b bytes.Buffer
	if err := WritePNG(&b, made()); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	whole, ok := img.(*image.RGBA)
	if !ok || whole.Bounds().Dx() != columns*chartWidth || whole.Bounds().Dy() != chartHeight {
		t.Fatalf("an image of %T %v", img, img.Bounds())
	}
	for i := range 3 {
		part := whole.SubImage(image.Rect(i*chartWidth, 0, (i+1)*chartWidth, chartHeight))
		line, ink := pixels(part, styleSeries.look()), pixels(part, styleInk.look())
		if drawn := i < 2; (line > 200) != drawn || (ink > 100) != drawn {
			t.Errorf("place %d has %d pixels of a line and %d of text", i, line, ink)
		}
	}
	if err := WritePNG(io.Discard, nil); err == nil {
		t.Error("an empty record is drawn")
	}
}

// The page in a browser, wide and narrow. CHROMIUM names the program; make test-report sets it.
func TestInChromium(t *testing.T) {
	program := os.Getenv("CHROMIUM")
	if program == "" {
		t.Skip("CHROMIUM is not set: make test-report runs this test (Debian: apt-get install " +
			"chromium)")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "report.html")
	if err := os.WriteFile(file, []byte(pageOf(t, made())), 0o644); err != nil {
		t.Fatal(err)
	}
	series := color.RGBA{0x1f, 0x6f, 0xb2, 0xff}
	for _, size := range []image.Point{{1400, 1200}, {500, 1600}} {
		shot := filepath.Join(dir, "shot.png")
		cmd := exec.CommandContext(t.Context(), program, "--headless", "--no-sandbox",
			"--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
			"--user-data-dir="+filepath.Join(dir, "profile"), "--screenshot="+shot,
			fmt.Sprintf("--window-size=%d,%d", size.X, size.Y), "file://"+file)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		f, err := os.Open(shot)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		// Four charts, each with a line of some 300 pixels' length that is 2 wide, and 5 dots.
		if n := pixels(img, series); n < 4*300 {
			t.Errorf("%v: %d pixels of lines", size, n)
		}
		if n := pixels(img, color.RGBA{0x1c, 0x1f, 0x24, 0xff}); n < 3000 {
			t.Errorf("%v: %d pixels of text", size, n)
		}
		if keep := os.Getenv("KEEP"); keep != "" {
			if err := os.Rename(shot, filepath.Join(keep, fmt.Sprintf("report-%d.png",
				size.X))); err != nil {
				t.Error(err)
			}
		}
	}
}
