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
	"math"
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
	for _, g := range groupsOf(measured()) {
		for _, of := range g.charts {
			text := chartSVG(of)
			d := xml.NewDecoder(strings.NewReader(text))
			for {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%v in %s", err, text)
				}
			}
			if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
				t.Errorf("a chart without numbers: %s", text)
			}
		}
	}
}

// measured is a machine's record with every kind of chart.
func measured() []track.Entry {
	value := func(x float64, unit string) track.Value {
		return track.Value{Unit: unit, Median: x, Min: 0.9 * x, Max: 1.2 * x, N: 5}
	}
	entry := func(workload string, figures map[string]track.Value) track.Entry {
		return track.Entry{
			Commit: "c9", Date: time.Date(2026, 1, 9, 0, 0, 0, 0, time.UTC), Machine: "m",
			Workload: workload, Command: "basalt bench", Figures: figures,
		}
	}
	served := map[string]track.Value{}
	for _, n := range []float64{1, 4, 16} {
		name := fmt.Sprintf("clients %g", n)
		served[name] = value(20+5*n, "tok/s")
		served[name+": TPOT p50"], served[name+": TPOT p99"] = value(30*n, "ms"), value(50*n, "ms")
		served[name+": TTFT p50"], served[name+": TTFT p99"] = value(99*n, "ms"), value(200*n, "ms")
	}
	return []track.Entry{
		entry("peers/decode-8/<Q>", map[string]track.Value{
			"rate": value(90, "tok/s"), "rate, llama.cpp": value(30, "tok/s"),
			"rate, times better": value(3, "x"), "rate, ik_llama.cpp": value(100, "tok/s"),
			"rate, times better than ik_llama.cpp": value(0.9, "x"),
		}),
		entry("peers/start/<Q>", map[string]track.Value{
			"ready": value(300, "ms"), "ready, llama.cpp": value(1900, "ms"),
			"ready, times better": value(6.3, "x"),
		}),
		entry("serve/<Q>", served),
		entry("kernels/<Q>", map[string]track.Value{
			"Q4_0, 1 rows": value(25, "GB/s"), "Q4_0, 1 rows: ceiling": value(80, "%"),
			"Q4_0, 1 rows: intensity": value(3.6, "op/B"), "Q4_0, 8 rows": value(150, "GOP/s"),
			"Q4_0, 8 rows: ceiling": value(50, "%"), "Q4_0, 8 rows: intensity": value(28, "op/B"),
		}),
	}
}

func TestEveryKindOfChartSaysItsNumbers(t *testing.T) {
	text := pageOf(t, measured())
	for _, want := range []string{
		"<h3>Beside its peers</h3>", "times better than llama.cpp",
		"times better than ik_llama.cpp", "start/&lt;Q&gt; ready",
		"decode-8/&lt;Q&gt; at c9: 3 times [2.70 - 3.60], Basalt 90, llama.cpp 30 tok/s",
		"decode-8/&lt;Q&gt; at c9: 0.90 times [0.81 - 1.08], Basalt 90, ik_llama.cpp 100 tok/s",
		"<h3>Throughput and latency</h3>", "serve/&lt;Q&gt;: TPOT against throughput",
		"16 clients: 100 tok/s, TTFT p50 1584 ms, p99 3200 ms",
		"<h3>Below the roofline</h3>", "Q4_0, 1 rows: 90 of 112 GOP/s, 80 %",
		"Q4_0, 8 rows: 150 of 300 GOP/s, 50 %",
		"<h3>Over commits</h3>", "serve/&lt;Q&gt;: clients 4",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"<Q>", "NaN", "p50</text></svg>"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	var b bytes.Buffer
	if err := WritePNG(&b, measured()); err != nil {
		t.Error(err)
	}
}

func TestScales(t *testing.T) {
	f := func(s scale, v, want float64) {
		t.Helper()
		if got := s.at(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("%g lies at %g of %+v, want %g", v, got, s, want)
		}
	}
	f(linear(27), 15, 0.5)
	f(decades(3, 200), 1, 0)
	f(decades(3, 200), 1000, 1)
	f(decades(3, 200), 10, 1/3.0)
	f(decades(10, 10), 10, 0)
}

func TestTicksReachAboveTheGreatestValue(t *testing.T) {
	f := func(greatest, want float64) {
		t.Helper()
		if got := ticks(greatest); len(got) != 3 || got[0] != 0 || got[2] != want {
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
