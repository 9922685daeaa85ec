// Package testsign signs requests as AWS clients do (Signature Version 4), for tests.
//
//	sign.go  Signer: Sign
//
// It shares no code with the verifier in server/identity and was written from the specification
// alone, so that both cannot be wrong in the same way; recorded requests of real clients check
// both. Everything that a client could do wrong on purpose can be set.
package testsign
