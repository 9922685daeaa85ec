package server

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"basalt/server/api"
)

func isLoopback(a net.Addr) bool {
	if _, ok := a.(*net.UnixAddr); ok {
		return true
	}
	ap, err := netip.ParseAddrPort(a.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// checkOrigin keeps web pages out where there is no authentication: any page in a browser on this
// machine can send requests to a loopback address, by itself or by letting its own name resolve to
// it (DNS rebinding). The first carry an Origin, the second a foreign Host.
func (s *Server) checkOrigin(r *request) *api.Error {
	if s.cfg.Auth != AuthNone {
		return nil
	}
	if r.origin != "" && !slices.Contains(s.cfg.Origins, r.origin) {
		return api.Errorf(api.Forbidden, "web pages of this origin may not call this server; "+
			"allow it with --allow-origin, or use API keys")
	}
	if s.loopback.Load() && !s.cfg.TrustHost && r.host != "" && !loopbackHost(r.host) {
		return api.Errorf(api.Forbidden, "without authentication the Host header must name a "+
			"loopback address, such as localhost")
	}
	return nil
}

// loopbackHost reports localhost and loopback addresses, with or without a port.
func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.Trim(name, "[]"), ".")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}
