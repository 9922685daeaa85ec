// Package jobs keeps work that outlives its request, and does it record by record.
//
//	spec.go      Spec, State, Job: what was asked for and how far it is
//	store.go     Store: Open, Create, Get, List, Stop, Close; folder.go: what lies where
//	frame.go     lines that tell whether they are whole; journal.go: a job's states as such lines
//	schedule.go  which jobs run; run.go: a job's way from its input to its end
//	process.go   records in flight; input.go: where each lies; results.go: what came of each
//	tally.go     Tallies: how many jobs and records there are, for metrics
//	files.go     Files: uploaded and produced files of tenants
//
// The package knows no model and no protocol: Work says how input is read, what a record comes to
// and where results go. Everything is appended, and durable before it is told to anybody. A process
// that is killed at any moment leaves whole lines and at most one torn one, which is cut; a job
// then goes on with the records that have no line. Results are given out once, at the end, made of
// those lines alone: none is lost and none comes twice.
package jobs
