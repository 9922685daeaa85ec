package server

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"basalt/batcher"
	"basalt/models/chat"
	"basalt/models/tokenizer"
	"basalt/runtime"
	"basalt/server/audit"
	"basalt/server/bedrock"
	"basalt/server/buckets"
	"basalt/server/guardrail"
	"basalt/server/identity"
	"basalt/server/jobs"
)

// Config is all that a Server depends on.
type Config struct {
	Models []Model
	Auth   AuthMode
	// Identity knows the keys and the policy, for AuthKeys.
	Identity *identity.Store
	// Origins are the web origins whose pages may call without authentication, such as
	// "http://localhost:3000". None by default.
	Origins []string
	// Hosts are what requests without authentication may name as their Host beside loopback
	// addresses, without a port.
	Hosts []string
	// TLS, when set, is spoken on all listeners.
	TLS    *TLS
	Limits Limits
	// Audit gets a record of each invocation and refusal; nil: none are kept. It belongs to the
	// caller.
	Audit  *audit.Log
	Region string // in records
	// LogEvery is how long records wait for others of their object, where invocation logs are
	// delivered to a bucket; 1 min when 0.
	LogEvery time.Duration
	// Profiles opens /debug/pprof/ to those whom the policy grants Debug.
	Profiles bool
	// Devices add what they measure of themselves to /metrics. One with a method
	// Health() (state, why string) is in /health too, unless it is "good": "degraded", or "dead".
	Devices []DeviceMetrics
	// Jobs keeps jobs and files; nil: there are none. The server starts it, and closes it when it
	// shuts down.
	Jobs *jobs.Store
	// Buckets says what s3:// URIs mean; nil: nothing.
	Buckets *buckets.Table
	// Guardrails are those that requests may name; nil: none.
	Guardrails *guardrail.Set
	// Place is where ARNs say that the server is: by default in us-east-1, of account 000000000000.
	Place bedrock.Place
	// DrainTimeout is how long streams may go on after Shutdown, 30 s when 0.
	DrainTimeout time.Duration
	Logger       *zap.Logger // nil: no log
	Version      string
}

// Model is one served model and the loop that runs it.
type Model struct {
	ID        string
	Aliases   []string
	Tokenizer *tokenizer.Tokenizer
	Template  *chat.Template // nil: no chat
	Loop      *batcher.Loop
	Steps     *Steps  // what Loop reports its steps to; may be nil
	EOS       []int32 // ids that end an answer
	// Defaults is what requests take for what they leave out, from generation_config.json.
	Defaults   Defaults
	MaxContext int // tokens of prompt and answer together
	// CacheType is the data type of the KV cache in lower case, for /metrics; may be empty.
	CacheType string
	// Architecture is the family's name in the model's files, as "LlamaForCausalLM"; may be empty.
	Architecture string
	Device       runtime.DeviceInfo
	Created      time.Time
	// Digest and TokenizerDigest tell in records which files answered.
	Digest, TokenizerDigest string
}

// Defaults are a model's own sampling parameters. The zero value of a field leaves the sampler's.
type Defaults struct {
	Temperature       *float32
	TopP              *float32
	TopK              int
	MinP              float32
	RepetitionPenalty float32
}

// Limits bound what clients may take. A zero takes the default that the comment names.
type Limits struct {
	MaxConns    int           // open connections, 4096
	MaxInFlight int           // requests being answered at once, 2048
	MaxBody     int           // bytes, 25,000,000: the contract of bedrock-runtime
	MaxHeader   int           // bytes, 32 KiB: session tokens alone may have 8
	MaxBuffered int           // bytes of all large bodies that are being read or answered, 1 GiB
	ReadTime    time.Duration // to send a request, more for large bodies; 10 s
	IdleTime    time.Duration // between requests of a connection, 75 s
	StallTime   time.Duration // for a client to take what was written, 10 s
}

// requestSlack is what a request may have beside its header and MaxBody bytes: chunk sizes, and the
// base64 and quotes that JSON puts around a body of that size.
const requestSlack = 1 << 20

func (l Limits) withDefaults() Limits {
	set := func(p *int, def int) {
		if *p == 0 {
			*p = def
		}
	}
	wait := func(p *time.Duration, def time.Duration) {
		if *p == 0 {
			*p = def
		}
	}
	set(&l.MaxConns, 4096)
	set(&l.MaxInFlight, 2048)
	set(&l.MaxBody, 25_000_000)
	set(&l.MaxHeader, 32<<10)
	set(&l.MaxBuffered, 1<<30)
	wait(&l.ReadTime, 10*time.Second)
	wait(&l.IdleTime, 75*time.Second)
	wait(&l.StallTime, 10*time.Second)
	return l
}

func (c *Config) check() error {
	if c.Auth == AuthKeys && c.Identity == nil {
		return errors.New("BUG: authentication without a store of identities")
	}
	seen := map[string]bool{}
	for i := range c.Models {
		m := &c.Models[i]
		if m.Tokenizer == nil || m.Loop == nil || m.MaxContext < 1 || m.ID == "" {
			return fmt.Errorf("model %q needs an id, a tokenizer, a loop and a context length",
				m.ID)
		}
		for _, id := range append([]string{m.ID}, m.Aliases...) {
			if seen[id] {
				return fmt.Errorf("two models are served as %q; give one another name", id)
			}
			seen[id] = true
		}
	}
	return nil
}
