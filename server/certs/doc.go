// Package certs makes the keys and certificates that a site without a public authority needs: its
// own authority, certificates of servers and of clients.
//
//	certs.go  NewAuthority, LoadAuthority, Authority.Issue
//
// Keys are ECDSA on P-256, which every client takes. Files of private keys are readable by their
// owner alone; nothing is overwritten.
package certs
