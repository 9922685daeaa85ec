package page

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"basalt/bench/track"
)

// The page in a browser, as wide as a desk's screen and as a telephone's. CHROMIUM names the
// program; make test-report sets it. The page of the repository's record is looked at too, where
// SHOTS names a folder for its pictures.
func TestInChromium(t *testing.T) {
	program := os.Getenv("CHROMIUM")
	if program == "" {
		t.Skip("CHROMIUM is not set: make test-report runs this test")
	}
	b := &browser{t: t, program: program, dir: t.TempDir()}
	record, err := track.ReadFolder("../history")
	if err != nil {
		t.Fatal(err)
	}
	for name, entries := range map[string][]track.Entry{
		"made": append(made(), measured()...), "record": record,
	} {
		file := b.write(name+".html", pageOf(t, entries))
		for _, width := range []int{1280, 390} {
			b.inspect(file, width)
			b.look(b.shot(file, width))
		}
	}
}

// browser runs Chromium without a screen.
type browser struct {
	t       *testing.T
	program string
	dir     string
}

func (b *browser) write(name, text string) string {
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return file
}

// run gives what the browser prints, and what pages write into its log.
func (b *browser) run(args ...string) (out, log string) {
	cmd := exec.CommandContext(b.t.Context(), b.program, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--disable-background-networking", "--allow-file-access-from-files",
		"--enable-logging=stderr", "--user-data-dir=" + filepath.Join(b.dir, "profile"),
	}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%v: %s", err, &errs)
	}
	return string(text), errs.String()
}

// frame is a page of its own that holds the file in a frame of a width, since a window cannot be as
// narrow as a telephone. It writes down what it finds in there.
const frame = `<!DOCTYPE html><body style="margin:0">
<iframe id="f" src="%s" style="border:0;width:%dpx;height:%dpx"></iframe><pre id="found"></pre>
<script>
onload = () => {
  const w = document.getElementById("f").contentWindow, d = w.document;
  let least = 1e9;
  for (const t of d.querySelectorAll("svg text")) {
    const s = t.ownerSVGElement, scale = s.getBoundingClientRect().width / s.viewBox.baseVal.width;
    least = Math.min(least, parseFloat(w.getComputedStyle(t).fontSize) * scale);
  }
  for (const e of d.querySelectorAll("p, td, th, h1, h2, h3"))
    least = Math.min(least, parseFloat(w.getComputedStyle(e).fontSize));
  let outside = 0;
  for (const t of d.querySelectorAll("svg text")) {
    const r = t.getBoundingClientRect(), s = t.ownerSVGElement.getBoundingClientRect();
    if (r.left < s.left - 1 || r.right > s.right + 1) outside++;
  }
  document.getElementById("found").textContent = "wide " + d.documentElement.scrollWidth +
    " least " + least.toFixed(1) + " outside " + outside + " requests " +
    w.performance.getEntriesByType("resource").length + " charts " +
    d.querySelectorAll("svg").length + ".";
};
</script>`

// inspect holds that the page is no wider than the screen, that no letter is smaller than 10 pixels
// or leaves its chart, that nothing is loaded and nothing complains.
func (b *browser) inspect(file string, width int) {
	host := b.write("host.html", fmt.Sprintf(frame, filepath.Base(file), width, 4000))
	out, log := b.run("--dump-dom", "--virtual-time-budget=5000", "file://"+host)
	m := regexp.MustCompile(`wide (\d+) least ([\d.]+) outside (\d+) requests (\d+) charts (\d+)`).
		FindStringSubmatch(out)
	if m == nil {
		b.t.Fatalf("the page cannot be inspected: %.2000s", out)
	}
	var wide, outside, requests, charts int
	var least float64
	_, err := fmt.Sscan(strings.Join(m[1:], " "), &wide, &least, &outside, &requests, &charts)
	if err != nil || wide > width || least < 10 || outside > 0 || requests > 0 || charts < 1 {
		b.t.Errorf("%s in %d pixels: %s", filepath.Base(file), width, m[0])
	}
	if strings.Contains(log, "CONSOLE") {
		b.t.Errorf("%s complains: %s", filepath.Base(file), log)
	}
}

// shotHeight shows bars, curves and rooflines of one machine.
const shotHeight = 2000

// shot is a picture of the page's beginning. Where SHOTS names a folder, the record's is put there.
func (b *browser) shot(file string, width int) image.Image {
	page := fmt.Sprintf(frame, filepath.Base(file), width, shotHeight)
	host := b.write("host.html", page)
	shot := filepath.Join(b.dir, "shot.png")
	size := fmt.Sprintf("--window-size=%d,%d", width, shotHeight)
	b.run("--screenshot="+shot, size, "file://"+host)
	data, err := os.ReadFile(shot)
	if err != nil {
		b.t.Fatal(err)
	}
	img, err := png.Decode(strings.NewReader(string(data)))
	if err != nil {
		b.t.Fatal(err)
	}
	if dir := os.Getenv("SHOTS"); dir != "" && filepath.Base(file) == "record.html" {
		b.keep(filepath.Join(dir, fmt.Sprintf("bench-report-%d.png", width)), img, width)
	}
	return img
}

// keep writes the part of a picture that the frame fills.
func (b *browser) keep(name string, img image.Image, width int) {
	part, ok := img.(interface {
		SubImage(image.Rectangle) image.Image
	})
	if !ok {
		b.t.Fatalf("a picture of %T", img)
	}
	f, err := os.Create(name)
	if err != nil {
		b.t.Fatal(err)
	}
	err = png.Encode(f, part.SubImage(image.Rect(0, 0, width, img.Bounds().Dy())))
	if err = errors.Join(err, f.Close()); err != nil {
		b.t.Fatal(err)
	}
}

// look holds that there are lines and letters.
func (b *browser) look(img image.Image) {
	if n := pixels(img, color.RGBA{0x1f, 0x6f, 0xb2, 0xff}); n < 500 {
		b.t.Errorf("%v: %d pixels of lines", img.Bounds(), n)
	}
	if n := pixels(img, color.RGBA{0x1c, 0x1f, 0x24, 0xff}); n < 2000 {
		b.t.Errorf("%v: %d pixels of text", img.Bounds(), n)
	}
}
