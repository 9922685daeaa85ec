package invariant

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	root            = "../.."
	maxColumns      = 100 // a tab counts as 4
	maxFileLines    = 500
	maxFuncLines    = 70
	maxMedianLines  = 12
	maxExportedIfcs = 10
)

// skipped folders hold data, generated files or other languages.
var skipped = map[string]bool{
	".git": true, ".cache": true, "testdata": true, "dist": true,
	"shared": true,
}

// sources lists the product's files below dir with one of the endings, relative to this package.
func sources(t *testing.T, dir string, endings ...string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry,
		err error,
	) error {
		if err != nil {
			return err
		}
		if d.IsDir() && skipped[d.Name()] {
			return filepath.SkipDir
		}
		if slices.Contains(endings, filepath.Ext(path)) && !generated(path) {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func generated(path string) bool {
	data, err := os.ReadFile(path)
	return err == nil && strings.HasPrefix(string(data), "// Code generated ")
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func TestFilesAndLinesAreShort(t *testing.T) {
	for _, path := range sources(t, ".", ".go", ".c", ".h", ".cu", ".cuh") {
		lines := readLines(t, path)
		if len(lines) > maxFileLines {
			t.Errorf("%s has %d lines, the limit is %d", path, len(lines), maxFileLines)
		}
		for i, line := range lines {
			n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
			if n > maxColumns && !strings.HasSuffix(line, "`") { // a struct tag cannot be broken
				t.Errorf("%s:%d has %d columns, the limit is %d", path, i+1, n, maxColumns)
			}
		}
	}
}

// span is one function's place and length.
type span struct {
	path string
	line int
	name string
	size int
}

func goFunctions(t *testing.T, path string) []span {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var spans []span
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			first, last := set.Position(fn.Pos()).Line, set.Position(fn.End()).Line
			spans = append(spans, span{path, first, fn.Name.Name, last - first + 1})
		}
	}
	return spans
}

// cFunctions relies on the layout of the C sources: a function's first line starts in column 0, its
// brace opens at the end of a line and closes alone in column 0.
func cFunctions(t *testing.T, path string) []span {
	var spans []span
	first := -1
	for i, line := range readLines(t, path) {
		switch {
		case line == "}" && first >= 0:
			spans = append(spans, span{path, first + 1, "", i - first + 1})
			first = -1
		case first < 0 && strings.HasSuffix(line, "{") && strings.Contains(line, "(") &&
			!strings.HasPrefix(line, " "):
			first = i
		case line == "" || line == "};" || strings.HasPrefix(line, "} "):
			if line != "" {
				first = -1
			}
		}
	}
	return spans
}

func TestFunctionsAreShort(t *testing.T) {
	check := func(what string, spans []span) {
		t.Helper()
		var sizes []int
		for _, s := range spans {
			sizes = append(sizes, s.size)
			if s.size > maxFuncLines {
				t.Errorf("%s:%d %s has %d lines, the limit is %d", s.path, s.line, s.name, s.size,
					maxFuncLines)
			}
		}
		if len(sizes) == 0 {
			return
		}
		slices.Sort(sizes)
		median := sizes[len(sizes)/2]
		t.Logf("%s: %d functions, median %d lines, longest %d", what, len(sizes), median,
			sizes[len(sizes)-1])
		if median > maxMedianLines {
			t.Errorf("%s: the median function has %d lines, the limit is %d", what, median,
				maxMedianLines)
		}
	}
	var goSpans, cSpans []span
	for _, path := range sources(t, ".", ".go") {
		goSpans = append(goSpans, goFunctions(t, path)...)
	}
	for _, path := range sources(t, ".", ".c", ".h", ".cu", ".cuh") {
		cSpans = append(cSpans, cFunctions(t, path)...)
	}
	check("Go", goSpans)
	check("C", cSpans)
}

func TestFewExportedInterfaces(t *testing.T) {
	var names []string
	for _, path := range sources(t, ".", ".go") {
		names = append(names, exportedInterfaces(t, path)...)
	}
	t.Logf("exported interfaces: %v", names)
	if len(names) > maxExportedIfcs {
		t.Errorf("%d exported interfaces, the limit is %d: %v", len(names), maxExportedIfcs, names)
	}
}

func exportedInterfaces(t *testing.T, path string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
			if _, ok := spec.Type.(*ast.InterfaceType); ok {
				names = append(names, file.Name.Name+"."+spec.Name.Name)
			}
		}
		return true
	})
	return names
}

func TestNoInitFunctions(t *testing.T) {
	for _, path := range sources(t, ".", ".go") {
		for _, s := range goFunctions(t, path) {
			if s.name == "init" {
				t.Errorf("%s:%d: no init functions", path, s.line)
			}
		}
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	for _, p := range listPackages(t) {
		dir := filepath.Join(root, strings.TrimPrefix(p.ImportPath, "basalt/"))
		if _, err := os.Stat(filepath.Join(dir, "doc.go")); err != nil {
			t.Errorf("%s has no doc.go", p.ImportPath)
		}
	}
}

// selectors lists the names that a file takes from the package imported as path.
func selectors(t *testing.T, file, path string) []string {
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	local := ""
	for _, imp := range tree.Imports {
		if strings.Trim(imp.Path.Value, `"`) == path {
			local = filepath.Base(path)
			if imp.Name != nil {
				local = imp.Name.Name
			}
		}
	}
	var names []string
	ast.Inspect(tree, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && local != "" {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == local {
				names = append(names, sel.Sel.Name)
			}
		}
		return true
	})
	return names
}
