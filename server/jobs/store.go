package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Work is what jobs consist of. Its functions are called by many goroutines. An error of type
// *Failure ends the job; after any other they are called again, until the job's time is over.
type Work struct {
	// Fetch copies a job's input to w and says which parts it has. Each part ends in a newline.
	Fetch func(ctx context.Context, j *Job, w io.Writer) ([]Part, error)
	// Checker makes the function that looks at each record before the first is done. A *Fault of
	// it refuses the job.
	Checker func(j *Job) func(record int, line []byte) error
	// Begin takes room for a record of the job, if there is any now. end gives it back.
	Begin func(j *Job) (end func(), ok bool)
	// Do does a record. attempt counts from 1. It must not panic.
	Do func(ctx context.Context, j *Job, record, attempt int, line []byte) (Result, error)
	// Deliver gives the results out, and names the files that it made. It may be called again with
	// the same results.
	Deliver func(ctx context.Context, j *Job, o *Outcome) ([]string, error)
	// Report is told of errors that nobody else is.
	Report func(j *Job, what string, err error)
}

// Config is what a Store depends on. Zeros take the defaults that the comments name.
type Config struct {
	Folder      string // of the store alone
	Work        Work
	MaxActive   int           // jobs that run at a time, 8
	MaxInFlight int           // records that are done at a time, 16
	MaxPending  int           // jobs of a tenant that have not ended, 100
	MaxRecords  int           // of a job, 100,000
	MaxInput    int64         // bytes of a job's input, 1 GiB
	MaxLine     int           // bytes of a record, 25,000,000
	MaxFiles    int64         // bytes of a tenant's files, 10 GiB
	Keep        time.Duration // how long jobs are remembered after their end, 30 days
	Now         func() time.Time
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func (c *Config) setDefaults() {
	setDefault(&c.MaxActive, 8)
	setDefault(&c.MaxInFlight, 16)
	setDefault(&c.MaxPending, 100)
	setDefault(&c.MaxRecords, 100_000)
	setDefault(&c.MaxInput, 1<<30)
	setDefault(&c.MaxLine, 25_000_000)
	setDefault(&c.MaxFiles, 10<<30)
	setDefault(&c.Keep, 30*24*time.Hour)
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Store keeps jobs and files. Its methods may be called from any goroutine.
type Store struct {
	cfg    Config
	lock   *os.File
	slots  chan struct{} // taken by records in flight
	wake   chan struct{}
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	create sync.Mutex // one job is made at a time

	mu     sync.Mutex
	broken []error // what could not be read
	jobs   map[string]*Job
	files  map[string]*File
	used   map[string]int64    // bytes of files by tenant
	active map[string]int      // running jobs by tenant
	num    int                 // of running jobs
	done   map[string][2]int64 // results by tenant: succeeded, failed
	closed bool
}

// Errors of a store's methods. ErrQuota is wrapped around what says which limit.
var (
	ErrClosed   = errors.New("the job store is closed")
	ErrEnded    = errors.New("the job has ended")
	ErrConflict = errors.New("the request token was used for another request")
	ErrQuota    = errors.New("a limit is reached")
)

var errClosing = errors.New("the server stops")

// Open reads what the folder has, and makes what it lacks. Nothing runs before Start.
func Open(cfg Config) (*Store, error) {
	cfg.setDefaults()
	if err := os.MkdirAll(cfg.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the jobs' folder: %w", err)
	}
	lock, err := lockFolder(cfg.Folder)
	if err != nil {
		return nil, fmt.Errorf("cannot open the jobs' folder: %w", err)
	}
	s := &Store{
		cfg: cfg, lock: lock, slots: make(chan struct{}, cfg.MaxInFlight),
		wake: make(chan struct{}, 1), jobs: map[string]*Job{}, files: map[string]*File{},
		used: map[string]int64{}, active: map[string]int{}, done: map[string][2]int64{},
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if err := errors.Join(s.readJobs(), s.readFiles()); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read the jobs' folder: %w", err), s.Close())
	}
	return s, nil
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.cfg.Folder}, parts...)...)
}

func (s *Store) readJobs() error {
	names, err := finished(s.path(jobsFolder))
	if err != nil {
		return err
	}
	for _, id := range names {
		j, err := openJob(s.path(jobsFolder, id, jobFile))
		if err == nil && (j.ID != id || j.state.Status.Final()) {
			err = j.journal.close()
		}
		if err == nil && j.ID != id {
			err = fmt.Errorf("it is the job %q", j.ID)
		}
		if err != nil {
			s.broken = append(s.broken, fmt.Errorf("cannot read the job %s: %w", id, err))
			continue
		}
		s.jobs[id] = j
	}
	return nil
}

// Start begins to run jobs with w. What could not be read is reported: one job must not keep the
// others from going on.
func (s *Store) Start(w Work) {
	s.cfg.Work = w
	for _, err := range s.broken {
		w.Report(nil, "a job is lost", err)
	}
	s.wg.Go(s.schedule)
}

// Close stops what runs, without its results, and waits for it. The jobs go on when the folder is
// opened again.
func (s *Store) Close() error {
	s.create.Lock()
	defer s.create.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel(errClosing)
	s.wg.Wait()
	var errs []error
	for _, j := range s.jobs {
		if !j.State().Status.Final() {
			errs = append(errs, j.journal.close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// Create keeps a new job; it is durable when Create returns. fill, when it is set, writes the input
// and says which parts it has; else Work.Fetch does later. The same token gives the job that it
// gave before, and known.
func (s *Store) Create(spec Spec, fill func(io.Writer) ([]Part, error)) (j *Job, known bool,
	err error,
) {
	s.create.Lock()
	defer s.create.Unlock()
	if j, err := s.admit(&spec); err != nil || j != nil {
		return j, j != nil, err
	}
	j = &Job{Spec: spec, state: State{Status: Submitted, Modified: spec.Submitted}}
	err = makeFolder(s.path(jobsFolder), spec.ID, func(dir string) error {
		return s.fill(dir, j, fill)
	})
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("cannot keep the job: %w", err),
			j.journal.close())
	}
	s.mu.Lock()
	s.jobs[spec.ID] = j
	s.mu.Unlock()
	s.ring()
	return j, false, nil
}

// admit gives the job that was made by the same token, or nil where a new one may be made.
func (s *Store) admit(spec *Spec) (*Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if j := s.byToken(spec); j != nil {
		if j.Digest != spec.Digest {
			return nil, ErrConflict
		}
		return j, nil
	}
	if n := s.pending(spec.Tenant); n >= s.cfg.MaxPending {
		return nil, fmt.Errorf("%w: %d jobs have not ended; at most %d may wait or run", ErrQuota,
			n, s.cfg.MaxPending)
	}
	return nil, nil
}

func (s *Store) fill(dir string, j *Job, fill func(io.Writer) ([]Part, error)) error {
	if fill != nil {
		err := writeDurably(filepath.Join(dir, inputFile), func(f *os.File) (err error) {
			j.state.Parts, err = fill(f)
			return err
		})
		if err != nil {
			return err
		}
	}
	var err error
	j.journal, err = openJournal(filepath.Join(dir, jobFile), maxState,
		func(int64, []byte) error { return errors.New("BUG: a new journal has lines") })
	if err != nil {
		return err
	}
	if err := j.journal.append(j.Spec); err != nil {
		return err
	}
	return j.journal.append(j.state)
}

func (s *Store) byToken(spec *Spec) *Job {
	for _, j := range s.jobs {
		if spec.Token != "" && j.Token == spec.Token && j.Kind == spec.Kind &&
			j.Tenant == spec.Tenant && j.Principal == spec.Principal {
			return j
		}
	}
	return nil
}

// pending is the number of a tenant's jobs that have not ended.
func (s *Store) pending(tenant string) int {
	n := 0
	for _, j := range s.jobs {
		if j.Tenant == tenant && !j.State().Status.Final() {
			n++
		}
	}
	return n
}

// Get finds a tenant's job, nil where there is none.
func (s *Store) Get(tenant string, kind Kind, id string) *Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	if j == nil || j.Tenant != tenant || j.Kind != kind {
		return nil
	}
	return j
}

// List gives a tenant's jobs, the oldest first.
func (s *Store) List(tenant string, kind Kind) []*Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Job
	for _, j := range s.jobs {
		if j.Tenant == tenant && j.Kind == kind {
			list = append(list, j)
		}
	}
	slices.SortFunc(list, byAge)
	return list
}

func byAge(a, b *Job) int {
	if c := a.Submitted.Compare(b.Submitted); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// Stop asks for a job's end. What it has done until then is given out.
func (s *Store) Stop(j *Job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if st := j.State(); st.Status.Final() {
		return ErrEnded
	} else if !st.Stop.IsZero() {
		return nil
	}
	err := j.change(s.cfg.Now(), func(st *State) {
		st.Status, st.Stop = Stopping, s.cfg.Now()
	})
	if err != nil {
		return fmt.Errorf("cannot keep the end of job %s: %w", j.ID, err)
	}
	if j.running != nil {
		j.running.cancel(errStopped)
	}
	s.ring()
	return nil
}
