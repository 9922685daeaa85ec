package server

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"basalt/server/api"
)

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
	if r.host != "" && !loopbackHost(r.host) && !slices.Contains(s.cfg.Hosts, hostName(r.host)) {
		return api.Errorf(api.Forbidden, "without authentication the Host header must name a "+
			"loopback address, such as localhost, or one given by --allow-host")
	}
	return nil
}

// hostName is a host without its port, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// loopbackHost reports localhost and loopback addresses, with or without a port.
func loopbackHost(host string) bool {
	name := hostName(host)
	if name == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}
