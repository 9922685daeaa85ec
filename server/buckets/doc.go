// Package buckets is the operator's table of buckets: what an s3:// URI means, for each tenant.
//
//	table.go   Table: the YAML file, read again when it changes; Find
//	check.go   what the table may not say: undeclared sharing, places inside each other
//	uri.go     s3:// URIs taken apart
//	place.go   Place: one object or prefix of a bucket; Open, List, Put
//	folder.go  buckets that are folders, opened as roots that nothing can leave
//	s3.go      buckets of an S3-compatible store; s3list.go: its lists
//
// A URI that names no bucket of the tenant is refused before any input or output. No redirect is
// followed, no proxy is taken from the environment, and no bucket is two tenants' unless the table
// says that it is shared.
package buckets
