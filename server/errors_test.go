package server

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"basalt/server/api"
)

// faults are all classes of errors, by the model at which clients meet them.
func faults() map[string]*api.Error {
	wait := 50 * time.Millisecond
	return map[string]*api.Error{
		"Invalid":          api.FieldError("messages", "a fault"),
		"TooLarge":         api.Errorf(api.TooLarge, "a fault"),
		"HeaderTooLarge":   api.Errorf(api.HeaderTooLarge, "a fault"),
		"ContextExceeded":  api.Errorf(api.ContextExceeded, "a fault"),
		"Unauthenticated":  api.Errorf(api.Unauthenticated, "a fault"),
		"UnknownKey":       api.Errorf(api.UnknownKey, "a fault"),
		"BadSignature":     api.Errorf(api.BadSignature, "a fault"),
		"Forbidden":        api.Errorf(api.Forbidden, "a fault"),
		"NotFound":         {Code: api.NotFound, Field: "modelId", Message: "a fault"},
		"NoSuchPath":       api.Errorf(api.NotFound, "a fault"),
		"MethodNotAllowed": api.Errorf(api.MethodNotAllowed, "a fault"),
		"RequestTimeout":   api.Errorf(api.RequestTimeout, "a fault"),
		"Throttled":        {Code: api.Throttled, Message: "a fault", Retry: wait},
		"Unavailable":      {Code: api.Unavailable, Message: "a fault", Retry: wait},
		"DeviceFailed":     {Code: api.DeviceFailed, Message: "a fault", Retry: wait},
		"ModelFailed":      api.Errorf(api.ModelFailed, "a fault"),
		"Internal":         api.Errorf(api.Internal, "a fault"),
		"Conflict":         api.Errorf(api.Conflict, "a fault"),
		"QuotaExceeded":    api.Errorf(api.QuotaExceeded, "a fault"),
	}
}

// TestServeFaults serves every class of errors through the real handlers until it is told to end,
// for boto3_faults.py of tools/conformance, which drives it with boto3.
func TestServeFaults(t *testing.T) {
	if os.Getenv("BASALT_SERVE_FAULTS") == "" {
		t.Skip("BASALT_SERVE_FAULTS is not set; make conformance sets it")
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	f := start(t, setup{})
	for name, err := range faults() {
		for op, make := range modelOperations() {
			o := make(name)
			path := "/model/" + name + "/" + op
			f.srv.routes[path] = []route{{
				method: "POST", action: o.action, inference: true,
				serve: func(s *Server, r *request) reply {
					return s.refuse(r, bedrockDialect(), err)
				},
			}}
		}
	}
	fmt.Println("Listening on " + f.url)
	<-ended
}
