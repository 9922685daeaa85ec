package jobs

import (
	"sync"
	"time"
)

// Kind is the API that a job belongs to.
type Kind string

// The kinds.
const (
	ModelInvocation Kind = "model-invocation-job"
	AsyncInvoke     Kind = "async-invoke"
	Batch           Kind = "batch"
)

// Spec is what was asked for. It does not change.
type Spec struct {
	ID        string    `json:"id"`
	Kind      Kind      `json:"kind"`
	Tenant    string    `json:"tenant"`
	Principal string    `json:"principal"`
	Submitted time.Time `json:"submitted"`
	Expires   time.Time `json:"expires"`

	// Token makes asking twice the same as asking once; Digest tells two requests apart.
	Token  string `json:"token,omitempty"`
	Digest string `json:"digest,omitempty"`

	Name      string `json:"name,omitempty"`
	Model     string `json:"model,omitempty"`     // as the client wrote it
	Operation string `json:"operation,omitempty"` // what is done with each record
	Input     string `json:"input,omitempty"`
	Output    string `json:"output,omitempty"`
	// The accounts that the client said own the places.
	InputOwner  string `json:"inputOwner,omitempty"`
	OutputOwner string `json:"outputOwner,omitempty"`

	Role     string            `json:"role,omitempty"`
	Hours    int               `json:"hours,omitempty"` // the client's timeout, 0: none was given
	Tags     [][2]string       `json:"tags,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// KeepOutput is how many seconds produced files stay, 0: for ever.
	KeepOutput int `json:"keepOutput,omitempty"`
}

// Status is where a job is.
type Status string

// The statuses. Those from Completed on are final.
const (
	Submitted  Status = "Submitted"
	Validating Status = "Validating"
	InProgress Status = "InProgress"
	Stopping   Status = "Stopping"
	Finalizing Status = "Finalizing"
	Completed  Status = "Completed"
	Failed     Status = "Failed"
	Stopped    Status = "Stopped"
	Expired    Status = "Expired"
	Partial    Status = "PartiallyCompleted"
)

// Final reports that nothing happens to the job any more.
func (s Status) Final() bool {
	switch s {
	case Completed, Failed, Stopped, Expired, Partial:
		return true
	default:
		return false
	}
}

// State is how far a job is. Times are zero until they come.
type State struct {
	Status   Status    `json:"status"`
	Message  string    `json:"message,omitempty"`
	Faults   []Fault   `json:"faults,omitempty"` // of the input, when it was refused
	Parts    []Part    `json:"parts,omitempty"`  // nil: the input was not read yet
	Valid    bool      `json:"valid,omitempty"`  // the input was looked through
	Counts   Counts    `json:"counts"`
	Modified time.Time `json:"modified,omitzero"`
	Begun    time.Time `json:"begun,omitzero"`
	Stop     time.Time `json:"stop,omitzero"` // somebody asked for the end
	Written  time.Time `json:"written,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	// Outputs name the files that were produced, in Work's own order; "" stands for none.
	Outputs []string `json:"outputs,omitempty"`
}

// Part is one file of the input. Parts follow each other without a gap.
type Part struct {
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`
	Records int    `json:"records"`
}

// Counts are of records, and of tokens as far as records succeeded.
type Counts struct {
	Total        int   `json:"total"`
	Succeeded    int   `json:"succeeded"`
	Failed       int   `json:"failed"`
	InputTokens  int64 `json:"inputTokens"`
	OutputTokens int64 `json:"outputTokens"`
}

// Processed is the number of records that have a result.
func (c Counts) Processed() int { return c.Succeeded + c.Failed }

// Fault is what is wrong with a line of the input.
type Fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
	Line    int    `json:"line,omitempty"` // from 1; 0: none
}

// Error implements error.
func (f *Fault) Error() string { return f.Message }

// Job is one of a store's. Its methods may be called from any goroutine.
type Job struct {
	Spec

	mu      sync.Mutex
	state   State
	journal *journal

	// Of the store, under its lock.
	running *run      // nil: it waits or has ended
	after   time.Time // it does not run again before
}

// State is a copy.
func (j *Job) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state
}

// change makes a new state durable and then known. After an error the old one holds.
func (j *Job) change(at time.Time, edit func(*State)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	next := j.state
	edit(&next)
	next.Modified = at
	if err := j.journal.append(next); err != nil {
		return err
	}
	j.state = next
	return nil
}

// count tells numbers that the results' log has already.
func (j *Job) count(c Counts) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Counts = c
}
