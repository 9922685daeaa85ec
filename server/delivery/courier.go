package delivery

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"basalt/server/api"
	"basalt/server/audit"
	"basalt/server/buckets"
)

// Config is what a Courier depends on.
type Config struct {
	Log     *audit.Log
	Buckets *buckets.Table // nil: there are none
	Region  string         // in names, where records have none
	Every   time.Duration  // how long a record waits for others; 1 min when 0
	// MaxBytes is how much of the log goes into one object, before it is compressed, but for its
	// last record; 16 MiB when 0.
	MaxBytes int
	Logger   *zap.Logger
}

const (
	defaultEvery    = time.Minute
	defaultMaxBytes = 16 << 20
)

// Courier delivers records as the configurations of its log say. Its methods may be called from any
// goroutine.
type Courier struct {
	cfg   Config
	waits waits

	objects, records, failedPuts, lost atomic.Int64

	mu      sync.Mutex
	runners map[string]*runner // by scope
	leaving []*runner          // whose configuration is gone
	closed  bool
}

// waits are how long things may take. Tests have less patience.
type waits struct {
	tick             time.Duration // between looks at the log
	firstRetry, most time.Duration // after a failure, doubled each time
	put              time.Duration // for one object
	last             time.Duration // for all that is left, when a configuration goes
	check            time.Duration // for the object that Check writes
}

func newWaits(every time.Duration) waits {
	return waits{
		tick: min(every, time.Second), firstRetry: time.Second, most: time.Minute,
		put: 2 * time.Minute, last: 30 * time.Second, check: 15 * time.Second,
	}
}

// New makes a courier. It starts nothing.
func New(cfg Config) *Courier {
	if cfg.Every == 0 {
		cfg.Every = defaultEvery
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	return &Courier{cfg: cfg, waits: newWaits(cfg.Every), runners: make(map[string]*runner)}
}

// Start goes on with what an earlier process left.
func (c *Courier) Start() {
	for _, scope := range c.cfg.Log.Scopes() {
		c.Changed(scope)
	}
	c.forget()
}

// forget tells of runners' files whose configuration is gone: a process was killed after that.
func (c *Courier) forget() {
	entries, err := os.ReadDir(c.cfg.Log.Dir())
	if err != nil {
		c.cfg.Logger.Error("cannot look for interrupted log deliveries", zap.Error(err))
		return
	}
	for _, e := range entries {
		scope, ok := audit.ScopeOf(stateFile, e.Name())
		if !ok || c.has(scope) {
			continue
		}
		path := filepath.Join(c.cfg.Log.Dir(), e.Name())
		var left state
		if err := audit.ReadState(path, &left); err == nil {
			c.cfg.Logger.Warn("a log delivery ended with its configuration, when the server was "+
				"stopped; invocations behind this record of the audit log may not be delivered",
				zap.String("scope", scope), zap.Uint64("record", left.Done.Record))
		}
		if err := audit.RemoveState(path); err != nil {
			c.cfg.Logger.Error("cannot end a log delivery", zap.Error(err))
		}
	}
}

func (c *Courier) has(scope string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runners[scope] != nil
}

// Changed must be called after the log's configuration of a scope has changed. Where it is gone,
// what was waiting gets one more attempt.
func (c *Courier) Changed(scope string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	conf, ok := c.cfg.Log.Configuration(scope)
	ok = ok && conf.S3 != nil
	r := c.runners[scope]
	if r != nil && ok && r.conf.Load().Since == conf.Since {
		r.change(&conf)
		return
	}
	if r != nil {
		until := c.cfg.Log.Written()
		if ok {
			until = conf.Since
		}
		delete(c.runners, scope)
		c.leaving = append(c.leaving, r)
		r.leave(until)
	}
	if ok {
		c.runners[scope] = c.newRunner(scope, &conf, c.before(scope))
		go c.runners[scope].run()
	}
}

// before is the newest runner of a scope that has not ended. Those that have are forgotten.
func (c *Courier) before(scope string) *runner {
	c.leaving = slices.DeleteFunc(c.leaving, func(r *runner) bool {
		select {
		case <-r.done:
			return true
		default:
			return false
		}
	})
	for _, r := range slices.Backward(c.leaving) {
		if r.scope == scope {
			return r
		}
	}
	return nil
}

// Close delivers what waits, as long as ctx allows, and stops. What is left is delivered by the
// next process.
func (c *Courier) Close(ctx context.Context) {
	c.mu.Lock()
	all := slices.Clone(c.leaving)
	if !c.closed {
		c.closed = true
		for _, r := range c.runners {
			r.close(ctx)
		}
	}
	for _, r := range c.runners {
		all = append(all, r)
	}
	c.mu.Unlock()
	for _, r := range all {
		select {
		case <-r.done:
		case <-ctx.Done():
			c.cfg.Logger.Warn("a log delivery did not end in time; the next start goes on",
				zap.String("scope", r.scope))
		}
	}
}

// Stats is what a courier has done since it was made.
type Stats struct {
	Objects, Records, FailedPuts int64
	Lost                         int64         // records that were gone before they were looked at
	Failing                      int           // destinations that cannot be written now
	Lag                          time.Duration // since records wait, 0: none do
}

// Stats gives them, of all destinations together.
func (c *Courier) Stats() Stats {
	s := Stats{
		Objects: c.objects.Load(), Records: c.records.Load(), FailedPuts: c.failedPuts.Load(),
		Lost: c.lost.Load(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.runners {
		if r.failing.Load() {
			s.Failing++
		}
		if since := r.waiting.Load(); since != 0 {
			s.Lag = max(s.Lag, time.Since(time.Unix(0, since)))
		}
	}
	return s
}

// place finds a tenant's destination in the table as it is now.
func (c *Courier) place(owner string, to *audit.S3) (*buckets.Place, *api.Error) {
	const field = "loggingConfig.s3Config"
	if strings.Contains(to.Bucket, "/") {
		return nil, api.FieldError(field+".bucketName", "%s.bucketName is %q, which is no "+
			"bucket's name", field, to.Bucket)
	}
	if _, err := buckets.ParseURI(field+".bucketName", "s3://"+to.Bucket); err != nil {
		return nil, err
	}
	u, err := buckets.ParseURI(field+".keyPrefix", "s3://"+to.Bucket+"/"+to.Prefix)
	if err != nil {
		return nil, err
	}
	p, err := c.cfg.Buckets.Find(owner, u)
	if err != nil {
		return nil, err
	}
	return p, p.Writable()
}

// checkName is an object that Bedrock writes too when a destination is configured.
const checkName = "amazon-bedrock-logs-permission-check"

// Check refuses a destination that is not the tenant's, before it reads or writes anything, and one
// where no object can be written.
func (c *Courier) Check(ctx context.Context, owner string, to *audit.S3) *api.Error {
	p, bad := c.place(owner, to)
	if bad != nil {
		return bad
	}
	ctx, cancel := context.WithTimeout(ctx, c.waits.check)
	defer cancel()
	at := p.Join(accountFolder(owner) + checkName)
	err := at.Put(ctx, strings.NewReader("ok\n"), c.mark())
	if err == nil {
		return nil
	}
	c.cfg.Logger.Warn("a log destination cannot be written", zap.Stringer("uri", at.URI),
		zap.Error(err))
	why := "no object can be written there; the server's log says why"
	if buckets.Transient(err) || errors.Is(err, context.DeadlineExceeded) {
		why = "its store does not answer; try again later"
	}
	const field = "loggingConfig.s3Config.bucketName"
	return api.FieldError(field, "%s: failed to validate permissions for bucket %q: %s", field,
		to.Bucket, why)
}

// mark tells apart servers that write into one bucket.
func (c *Courier) mark() string { return c.cfg.Log.Written().Log }
