// Package invariant holds the rules of the repository that a compiler cannot check, as tests: which
// package may import which (imports_test.go), and how long lines, functions and files may be
// (style_test.go). It has no code of its own.
package invariant
