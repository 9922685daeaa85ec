package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"basalt/server/delivery"
	"basalt/server/identity"
)

// Server answers HTTP requests. Its methods may be called from any goroutine.
type Server struct {
	cfg     Config
	limits  Limits
	log     *zap.Logger
	models  map[string]*model // by id and alias
	served  []*model
	local   *identity.Principal // everybody without authentication
	meter   *identity.Meter
	backlog *backlog
	working sync.Once         // jobs and deliveries go on since the first Serve
	courier *delivery.Courier // of invocation logs; nil without an audit log
	logging sync.Mutex        // changes of the logging configuration, one at a time
	metrics *metrics
	routes  map[string][]route

	fast     *fasthttp.Server
	second   *http.Server    // HTTP/2
	numH2    atomic.Int64    // HTTP/2 bodies being read
	ctx      context.Context // of all requests
	encoding context.Context // the label, in profiles, of goroutines that write answers
	stop     context.CancelCauseFunc
	draining atomic.Bool
	inFlight atomic.Int64 // generations
	fetched  atomic.Int64 // bytes of objects that requests name
	idPrefix [8]byte
	lastID   atomic.Uint64

	mu        sync.Mutex
	listeners []*listener
}

// New makes a server. It starts nothing.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.DrainTimeout == 0 {
		cfg.DrainTimeout = 30 * time.Second
	}
	s := &Server{
		cfg: cfg, limits: cfg.Limits.withDefaults(), log: cfg.Logger,
		models: make(map[string]*model), routes: routeTable(), local: localPrincipal(),
	}
	if cfg.Profiles {
		maps.Copy(s.routes, profileRoutes())
	}
	for i := range cfg.Models {
		m := newModel(&cfg.Models[i])
		s.served = append(s.served, m)
		for _, id := range append([]string{m.ID}, m.Aliases...) {
			s.models[id] = m
		}
	}
	if _, err := rand.Read(s.idPrefix[:]); err != nil {
		return nil, fmt.Errorf("cannot draw random bytes: %w", err)
	}
	s.meter = identity.NewMeter(nil)
	s.backlog = s.newBacklog()
	s.courier = s.newCourier()
	s.metrics = newMetrics(s)
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	s.encoding = pprof.WithLabels(context.Background(), pprof.Labels("phase", "encode"))
	s.fast, s.second = s.newFast(), s.newSecond()
	return s, nil
}

// Shutdown ends the server without losing what it has begun: from now on /health says 503 and new
// generations are refused; those that run go on for the drain time, or until ctx ends, and are then
// ended with an error in their dialect. It returns when all connections are closed. Models and
// loops belong to the caller.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.stopJobs()
	drain, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	err := s.waitIdle(drain)
	if err != nil {
		s.stop(errDrained)
		last, cancel := context.WithTimeout(context.Background(), s.limits.StallTime)
		defer cancel()
		if s.waitIdle(last) == nil {
			err = nil
		}
	}
	s.stop(errDrained)
	s.closeConns()
	s.auditEvent("ServerStopped", nil)
	s.closeCourier()
	return err
}

// waitIdle waits until no generation runs.
func (s *Server) waitIdle(ctx context.Context) error {
	if !poll(ctx, func() bool { return s.inFlight.Load() == 0 }) {
		return fmt.Errorf("%d requests did not end in time", s.inFlight.Load())
	}
	return nil
}

// poll waits for a condition; false when ctx ends first.
func poll(ctx context.Context, done func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// lastAnswers is how long the last answers may take on their way, when nothing is generated.
const lastAnswers = 2 * time.Second

// closeConns closes the listeners and lets the last answers go out; whoever is still sending a
// request after that is cut off.
func (s *Server) closeConns() {
	s.mu.Lock()
	listeners := slices.Clone(s.listeners)
	s.mu.Unlock()
	for _, l := range listeners {
		// An error means that it is closed already.
		_ = l.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	poll(ctx, func() bool {
		busy := 0
		for _, l := range listeners {
			busy += l.numBusy()
		}
		return busy == 0
	})
	if err := s.second.Shutdown(ctx); err != nil {
		s.log.Debug("connections did not close", zap.Error(err))
	}
	for _, l := range listeners {
		l.closeAll()
	}
	if err := s.fast.ShutdownWithContext(ctx); err != nil {
		s.log.Debug("connections did not close", zap.Error(err))
	}
}

// newID draws a request id in the form of a UUID: random per process, then counted.
func (s *Server) newID() string {
	var b [16]byte
	copy(b[:], s.idPrefix[:])
	binary.BigEndian.PutUint64(b[8:], s.lastID.Add(1))
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[:], b[:4])
	out[8] = '-'
	hex.Encode(out[9:], b[4:6])
	out[13] = '-'
	hex.Encode(out[14:], b[6:8])
	out[18] = '-'
	hex.Encode(out[19:], b[8:10])
	out[23] = '-'
	hex.Encode(out[24:], b[10:])
	return string(out[:])
}
