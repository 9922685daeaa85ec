package fields

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// CheckDocs holds that a manual has the table between <!-- fields of NAME --> and the next
// <!-- end of fields -->; update writes it there.
func CheckDocs(tb testing.TB, file, name string, rows []Row, update bool) {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	begin, end := "<!-- fields of "+name+" -->\n", "<!-- end of fields -->\n"
	head, rest, ok := strings.Cut(string(data), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		tb.Fatalf("%s has no marks of the table of %s", file, name)
	}
	var table strings.Builder
	table.WriteString("| field | type and limits | |\n|---|---|---|\n")
	for i := range rows {
		r := &rows[i]
		note := r.Does
		if r.Note != "" {
			note += ": " + r.Note
		}
		table.WriteString("| `" + r.Path + "` | " + r.Kind + " | " + note + " |\n")
	}
	want := head + begin + table.String() + end + tail
	if update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			tb.Fatal(err)
		}
	} else if diff := cmp.Diff(want, string(data)); diff != "" {
		tb.Errorf("the table of %s in %s is not the tested one (go test -update): %s", name, file,
			diff)
	}
}
