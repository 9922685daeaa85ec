//go:build !asan

package neuron

// underASan builds the fake library for a program of go test -asan.
const underASan = false
