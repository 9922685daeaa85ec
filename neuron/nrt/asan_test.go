//go:build asan

package nrt

// sanitized builds the fake library for a program of go test -asan.
const sanitized = true
