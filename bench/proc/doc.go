// Package proc runs the programs that are measured: proc.go starts a server and notes when it
// is ready, memory.go reads what it holds, answer.go asks it a first question.
package proc
