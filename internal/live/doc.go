// Package live keeps values that are read from files, and reads them again when a file changes.
//
//	live.go  Value: Open, Get
//
// There is no watcher and no delay: Get looks at the files' stamps each time, which costs about a
// microsecond a file, so that what somebody took out of a file is gone for the next caller. A file
// that cannot be read or understood changes nothing: the last good value stays, and the error is
// reported once for each change.
package live
