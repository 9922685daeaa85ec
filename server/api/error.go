package api

import (
	"fmt"
	"time"
)

// Code is the class of an Error.
type Code uint8

// The classes. Dialects map each to a status and a name.
const (
	Invalid          Code = iota // the request is at fault; Field says where
	TooLarge                     // the body is larger than the limit
	HeaderTooLarge               // the header is larger than the limit
	ContextExceeded              // the prompt does not fit the model's context
	Unauthenticated              // no credential, or an unknown API key
	UnknownKey                   // an access key that is not known
	BadSignature                 // a signature that does not prove the request
	Forbidden                    // a known credential that may not
	NotFound                     // no such model or path
	MethodNotAllowed             // the path exists, with another method
	RequestTimeout               // the client was too slow
	Throttled                    // queue or quota full; retry later
	Unavailable                  // draining or not ready; retry later or elsewhere
	DeviceFailed                 // the device failed; the request may be repeated
	ModelFailed                  // the model's own files cannot do this, as a template that breaks
	Internal                     // a fault of the server
	Conflict                     // it contradicts what is there
	QuotaExceeded                // a limit of the tenant's is reached, and waiting does not help
)

// Error is what a client is told. Message is complete: it names the thing, the limit and the way
// out, and never a path, an address or another's data.
type Error struct {
	Code    Code
	Message string
	Field   string        // the request's field, as the dialect spells it, where one is at fault
	Retry   time.Duration // when to come again, where that helps
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Errorf makes an Error of a class.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// FieldError makes an Invalid error about one field.
func FieldError(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Retryable says whether the same request may succeed later.
func (e *Error) Retryable() bool {
	return e.Code == Throttled || e.Code == Unavailable || e.Code == DeviceFailed
}
