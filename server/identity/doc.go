// Package identity proves who sent a request and says what they may do.
//
//	store.go     Store: the files as they are now; Identify, Known
//	sigv4.go     Signature Version 4: what must be signed, and the comparison
//	canonical.go the canonical request; authorization.go: its header taken apart
//	keys.go      the key file; mint.go: new keys; seal.go: secrets at rest
//	policy.go    principals and their grants; quota.go: what they have used
//
// A request is believed when it carries exactly one credential, the credential is known now, and
// nothing that the server acts on could have been changed on the way without its being seen. The
// package knows no sockets and no routes; docs/security.md says what it protects against.
package identity
