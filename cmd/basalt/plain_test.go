//go:build !cuda

package main

// buildTags are those of the binary under test: the tests' own.
const buildTags = ""
