//go:build asan

package nrt

// underASan builds the fake library for a program of go test -asan.
const underASan = true
