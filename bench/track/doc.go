// Package track keeps what was measured, over commits, and tells a change from noise.
//
// entry.go is a line of the record in bench/history: what one commit did on one class of machine in
// one workload. workloads.go are the workloads of make bench, each one command of this program;
// run.go runs them and sums the rounds up; compare.go holds a run against the record, with figures
// in the order of names.go. regress.go runs two programs in turn and gives a verdict for each
// figure, which verdict.go works out.
package track
