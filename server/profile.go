package server

import (
	"bytes"
	"io"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"

	"basalt/server/api"
)

// profileRoutes are the profiles of net/http/pprof, for those whom the policy grants Debug, if the
// operator opened them. They show the server's code and memory statistics, never a request's text.
func profileRoutes() map[string][]route {
	t := make(map[string][]route)
	add := func(name string, serve func(s *Server, r *request) reply) {
		t["/debug/pprof/"+name] = reads(route{action: "Debug", serve: serve})
	}
	for _, name := range []string{"goroutine", "heap", "allocs", "threadcreate", "block", "mutex"} {
		add(name, func(s *Server, r *request) reply { return s.serveProfile(r, name) })
	}
	add("profile", func(s *Server, r *request) reply {
		return s.serveSpan(r, pprof.StartCPUProfile, pprof.StopCPUProfile)
	})
	add("trace", func(s *Server, r *request) reply {
		return s.serveSpan(r, trace.Start, trace.Stop)
	})
	return t
}

// number is a number of the request's query, def where there is none.
func (r *request) number(name string, def int) (int, *api.Error) {
	for part := range strings.SplitSeq(r.query, "&") {
		key, value, _ := strings.Cut(part, "=")
		if key != name {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, api.FieldError(name, "%s must be a number", name)
		}
		return n, nil
	}
	return def, nil
}

func (s *Server) serveProfile(r *request, name string) reply {
	level, err := r.number("debug", 0)
	if err != nil {
		return s.refuse(r, openaiDialect(), err)
	}
	var out bytes.Buffer
	if err := pprof.Lookup(name).WriteTo(&out, level); err != nil {
		return s.refuse(r, openaiDialect(), api.Errorf(api.Unavailable, "no profile: %v", err))
	}
	s.auditProfile(r)
	return profileReply(r, &out)
}

// serveSpan profiles for so many seconds, or until the client leaves.
func (s *Server) serveSpan(r *request, start func(io.Writer) error, stop func()) reply {
	const maxSeconds = 60
	seconds, err := r.number("seconds", 5)
	if err == nil && (seconds < 1 || seconds > maxSeconds) {
		err = api.FieldError("seconds", "seconds is %d; it must be 1 to %d", seconds, maxSeconds)
	}
	if err != nil {
		return s.refuse(r, openaiDialect(), err)
	}
	var out bytes.Buffer
	if err := start(&out); err != nil {
		return s.refuse(r, openaiDialect(), api.Errorf(api.Unavailable,
			"another profile is being made"))
	}
	select {
	case <-time.After(time.Duration(seconds) * time.Second):
	case <-r.ctx.Done():
	}
	stop()
	s.auditProfile(r)
	return profileReply(r, &out)
}

func profileReply(r *request, out *bytes.Buffer) reply {
	p := reply{status: 200, contentType: "application/octet-stream", body: out.Bytes()}
	p.set("x-request-id", r.id)
	return p
}

func (s *Server) auditProfile(r *request) {
	if s.cfg.Audit != nil {
		s.cfg.Audit.Post(s.eventRecord(r, "ProfileRead").JSON(), false)
	}
}
