package server

import (
	"encoding/json"
	"net/http"
	"slices"
)

// health is the body of /health.
type health struct {
	Status string        `json:"status"` // "ok", "draining" or "failed"
	Models []modelHealth `json:"models,omitempty"`
	Audit  string        `json:"audit,omitempty"`
	// Devices lists those that want an operator; one that is dead fails the server.
	Devices []deviceHealth `json:"devices,omitempty"`
}

type deviceHealth struct {
	State  string `json:"state"` // "degraded" or "dead"
	Reason string `json:"reason"`
}

type modelHealth struct {
	ID     string `json:"id"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// serveHealth says 200 when every model can produce a token now, else 503. Which model cannot is
// told to those who may know; everybody else gets the one word.
func (s *Server) serveHealth(r *request) reply {
	h := s.health()
	if s.permit(r, &route{action: "Health"}) != nil {
		h.Models, h.Audit, h.Devices = nil, "", nil
	}
	return jsonReply(statusOf(h.Status), h)
}

func (s *Server) health() health {
	h := health{Status: "ok"}
	for _, m := range s.served {
		mh := modelHealth{ID: m.ID, Ready: true}
		if err := m.Loop.Health(); err != nil {
			h.Status = "failed"
			mh.Ready, mh.Reason = false, "the device has failed; the log says more"
		}
		h.Models = append(h.Models, mh)
	}
	h.Devices = s.ailing()
	dead := func(d deviceHealth) bool { return d.State == "dead" }
	if len(s.served) == 0 || slices.ContainsFunc(h.Devices, dead) {
		h.Status = "failed"
	}
	if s.auditable() != nil {
		h.Status, h.Audit = "failed", "the audit log cannot be written; the log says more"
	}
	if s.draining.Load() {
		h.Status = "draining"
	}
	return h
}

// ailing asks the devices that know of their health.
func (s *Server) ailing() []deviceHealth {
	var list []deviceHealth
	for _, d := range s.cfg.Devices {
		if of, ok := d.(interface{ Health() (state, why string) }); ok {
			if state, why := of.Health(); state != "good" {
				list = append(list, deviceHealth{state, why})
			}
		}
	}
	return list
}

func statusOf(status string) int {
	if status == "ok" {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// servePing is SageMaker's and load balancers' bare form of /health.
func (s *Server) servePing(r *request) reply {
	return reply{status: statusOf(s.health().Status)}
}

func jsonReply(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil {
		panic("BUG: cannot encode a reply")
	}
	return reply{status: status, contentType: "application/json", body: body}
}
