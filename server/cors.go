package server

import (
	"slices"
	"strings"
)

// allowOrigin lets pages of a configured origin read the reply. There is no wildcard.
func (s *Server) allowOrigin(r *request, p *reply) {
	if r.origin == "" || !slices.Contains(s.cfg.Origins, r.origin) {
		return
	}
	p.set("Access-Control-Allow-Origin", r.origin)
	p.set("Access-Control-Expose-Headers", "x-request-id, x-amzn-RequestId, x-amzn-ErrorType")
	p.set("Vary", "Origin")
}

// preflight answers a browser's question whether it may send a request.
func (s *Server) preflight(r *request, routes []route) reply {
	p := reply{status: 204}
	s.allowOrigin(r, &p)
	if len(p.headers) > 0 {
		methods := make([]string, len(routes))
		for i := range routes {
			methods[i] = routes[i].method
		}
		p.set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
		p.set("Access-Control-Allow-Headers", "authorization, content-type, x-api-key")
		p.set("Access-Control-Max-Age", "600")
	}
	return p
}
