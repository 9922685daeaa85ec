// Package delivery takes records of invocations from the audit log to buckets, as Bedrock's model
// invocation logging does.
//
//	courier.go  Courier: New, Check, Changed, Stats, Close: one runner for each configuration
//	runner.go   runner: when it delivers, and what it does when it cannot
//	deliver.go  how records come into objects, exactly once, whenever the process is killed
//	batch.go    objects and their names; state.go: how far a runner has come
//
// The audit log is the queue: it is durable before an answer ends, and a runner remembers beside it
// how far it has read. No request waits for a bucket. Before objects are written, the range of
// records that they hold is durable; a range that was begun is written again in the same objects.
package delivery
