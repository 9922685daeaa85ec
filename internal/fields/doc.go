// Package fields holds tables of the fields of request bodies against their decoders, for tests: no
// field may be dropped silently. A table is a text file with a field a line:
//
//	path | type and limits | what is done | an example | examples that must be refused
//
// The path names array elements by [] and a map's values by {}. What is done begins with "acted"
// (the field changes the request), "accepted" (it asks for nothing that is not done anyway) or
// "refused"; a colon and a remark may follow. An example is a place, which Table.Places turns into
// a body, and JSON, with @1 behind it where the path goes through the second of a list.
//
//	table.go  Read, and bodies of examples; check.go: what is held; docs.go: the manual's table
package fields
