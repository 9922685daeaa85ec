// Package server answers HTTP requests of all dialects from the batcher's loops.
//
//	server.go    Server: New, Serve, Shutdown; config.go: what it depends on
//	fast.go      HTTP/1.1 by fasthttp: its settings, and plain requests and replies out of it
//	listener.go  accepted connections, bounded and watched (watch_*.go); conn.go: one of them
//	guard.go     what the parser lets pass and two readers may read differently
//	target.go, routes.go   raw request targets, and who answers them
//	auth.go, origin.go     tenants by key; which web pages may call
//	generate.go  a request's way: prompt.go (template, tokens), params.go, submit, events
//	locations.go  objects in buckets that a request names
//	sequence.go  one choice: ids to text to events; stop.go: stop strings over token borders
//	stream.go, collect.go  where events go: into a stream or into one body
//	jobs_store.go, jobs_run.go  work that nobody waits for, behind all that somebody does
//	audit.go, logging.go, courier.go  records of invocations: what they say, where they go
//	health.go, metrics.go, log.go  what operators see
//
// The dialects are codecs in the folders below; api is the vocabulary between. A request lives in
// one goroutine, from its parsing to its last byte; only several choices are gathered by more.
package server
