package api

// Opt is a value that a request may leave out.
type Opt[T any] struct {
	Value T
	Set   bool
}

// Some is a value that is there.
func Some[T any](v T) Opt[T] { return Opt[T]{Value: v, Set: true} }

// Or is the value, or def where it was left out.
func (o Opt[T]) Or(def T) T {
	if o.Set {
		return o.Value
	}
	return def
}

// Kind says how a prompt is made.
type Kind uint8

// Chat renders Messages through the model's template; Completion continues Prompts as they are.
const (
	Chat Kind = iota
	Completion
)

// Request is one call for text, whatever the dialect. Codecs fill it; ID and Tenant come from the
// server alone: the tenant from the credential, never from a body.
type Request struct {
	ID        string
	Tenant    string
	Operation string // the dialect's name of the call, for logs and metrics
	Model     string // as the client wrote it
	Kind      Kind

	Messages   []Message // Chat
	Tools      []Tool
	ToolChoice ToolChoice
	// OneTool ends a choice with its first call.
	OneTool bool
	// TemplateArgs are extra variables of the chat template, as JSON.
	TemplateArgs map[string][]byte
	// Prefill says that the last message, the assistant's, begins the answer: it is continued and
	// no turn of its own.
	Prefill bool

	Prompts []Prompt // Completion: each is answered by NumChoices choices

	Sampling   Sampling
	Stop       []string
	NumChoices int // choices for each prompt, at least 1
	Stream     bool
	// Background marks work that gives way to all other of the same principal.
	Background bool
	Guardrail  *Guardrail // nil: none
	// Metadata are the client's own marks of the request, for the records.
	Metadata [][2]string
}

// Prompt is text or, when Tokens is not nil, token ids.
type Prompt struct {
	Text   string
	Tokens []int32
}

// Sampling is what the client asked of the sampler; what it left out takes the model's defaults.
// Codecs have checked the ranges that their dialect documents.
type Sampling struct {
	Temperature       Opt[float64] // 0 and more
	TopP              Opt[float64] // 0 to 1
	TopK              Opt[int]     // 0 and less keep all
	MinP              Opt[float64] // 0 to 1
	RepetitionPenalty Opt[float64] // above 0
	PresencePenalty   Opt[float64]
	FrequencyPenalty  Opt[float64]
	Seed              Opt[uint64]
	MaxTokens         Opt[int] // at least 1
	MaxTokensField    string   // the dialect's name of it, for errors
	IgnoreEOS         bool
	StopIDs           []int32
	LogitBias         []LogitBias
	// Logprobs asks for the sampled token's log-probability and so many alternatives.
	Logprobs Opt[int]
}

// LogitBias is added to the logit of one token.
type LogitBias struct {
	ID   int32
	Bias float32
}

// Message is one turn of a conversation. Roles are "system", "user", "assistant" and "tool".
type Message struct {
	Role    string
	Name    string
	Content []Block
}

// BlockKind says which fields of a Block count.
type BlockKind uint8

// The kinds of content.
const (
	BlockText       BlockKind = iota // Text
	BlockReasoning                   // Text: the model's earlier thinking
	BlockToolUse                     // ToolID, ToolName, Input
	BlockToolResult                  // ToolID, Content, IsError
	BlockImage                       // Format, Data
)

// Block is one piece of a message.
type Block struct {
	Kind     BlockKind
	Text     string
	ToolID   string
	ToolName string
	Input    []byte // JSON object
	Content  []Block
	IsError  bool
	Guard    bool   // the client asks the guardrail to look at this text
	Format   string // "png", "jpeg", "gif", "webp"
	Data     []byte // base64
	// From is what Text or Data goes on with; nil: nothing. The server reads it before anything
	// else is done with the block.
	From *Location
}

// Location names an object outside of a request.
type Location struct {
	URI, Owner string // s3://BUCKET/KEY; the account that must own the bucket, may be empty
	Field      string // where the request says so
	MaxBytes   int
}

// Tool is a function that the model may call.
type Tool struct {
	Name        string
	Description string
	Schema      []byte // JSON Schema of the arguments, nil when none was given
}

// ToolMode says whether the model may, must or must not call tools.
type ToolMode uint8

// The modes. ToolNamed asks for one function.
const (
	ToolAuto ToolMode = iota
	ToolNone
	ToolRequired
	ToolNamed
)

// ToolChoice is a mode and, for ToolNamed, the function's name.
type ToolChoice struct {
	Mode ToolMode
	Name string
}

// Guardrail names the guardrail of a request.
type Guardrail struct {
	ID, Version string
	Trace       TraceMode
	// Async lets a stream run ahead of the checks.
	Async bool
}

// TraceMode says what an answer tells of a guardrail's work.
type TraceMode uint8

// The modes. TraceFull tells also what was looked at and not acted on.
const (
	TraceOff TraceMode = iota
	TraceOn
	TraceFull
)

// ModelInfo is what lists of models tell.
type ModelInfo struct {
	ID         string
	Created    int64 // Unix seconds
	MaxContext int   // tokens
	Alias      bool  // the ID is not the model's own
	// Architecture is the family's name in the model's files, empty where it is not known; Instruct
	// models take conversations.
	Architecture string
	Instruct     bool
}
