// Package audit keeps a log that shows every change made to it afterwards.
//
//	log.go     Log: Open, Append, Err, Close; writer.go: the goroutine that writes
//	chain.go   how a line is chained and signed; key.go: the signing key
//	files.go   the files of a log, their rotation, and its end found again
//	anchor.go  anchors: the head of the chain, told to somebody else
//	verify.go  Verify: what was done to a log
//	reader.go  Read: the records of a log while it is written
//	record.go  what records say; strangers.go: how many are written of those nobody knows
//	delivery.go  whether they hold prompts and answers, and where they are delivered;
//	           configurations.go: the files that remember it
//
// Each record is one line of JSON that holds the hash of the line before it and an Ed25519
// signature. Without the key, no line can be changed, added, moved or taken out of the middle.
// Lines cut off at the end are missed by nobody who looks at the log alone; anchors, kept
// elsewhere, tell how long it has been. docs/security.md says what remains.
package audit
