package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// cli is the command line. Every flag has an environment variable, BASALT_ and its name, and a line
// in the settings file.
type cli struct {
	serveLine

	Run     runCmd     `cmd:"" help:"Chat with a model in the terminal, or answer one prompt."`
	Bench   benchCmd   `cmd:"" help:"Measure tokens per second."`
	Inspect inspectCmd `cmd:"" help:"Print a model's program, parameters, bytes and FLOPs."`

	Quantize quantizeCmd `cmd:"" help:"Write a model as a GGUF file, its weights in fewer bits."`
	Eval     evalCmd     `cmd:"" help:"Measure perplexity of a text, and divergence from another model."`

	Keys    keysCmd    `cmd:"" help:"Make, list and revoke the keys that callers prove themselves by."`
	Audit   auditCmd   `cmd:"" help:"Verify audit logs, and make the keys that sign them."`
	Certs   certsCmd   `cmd:"" help:"Make TLS certificates for a site without a public authority."`
	Neuron  neuronCmd  `cmd:"" help:"Prepare and check models for Trainium (--device neuron)."`
	Doctor  doctorCmd  `cmd:"" help:"Say what this machine has, what is missing, and what to do."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// serveLine is the part that serve needs: declaring the other commands takes longer than opening a
// small model's file.
type serveLine struct {
	Config kong.ConfigFlag `help:"Settings file (YAML): the flags by name." placeholder:"FILE"`

	Serve serveCmd `cmd:"" help:"Serve models over HTTP: the Bedrock and OpenAI APIs on one port."`
}

// modelFlags say how a model is loaded and run.
type modelFlags struct {
	neuronFlags
	Device        string        `default:"cpu" enum:"cpu,cuda,neuron,reference,null" help:"Where to run: cpu, cuda (an NVIDIA GPU), neuron (Trainium), reference or null."`
	GPU           int           `name:"gpu" placeholder:"N" help:"Number of the GPU that --device cuda takes, among those the driver shows."`
	Ctx           int           `placeholder:"N" help:"Greatest number of tokens in a sequence (default: the model's, as memory allows)."`
	KVDtype       string        `name:"kv-dtype" placeholder:"TYPE" help:"Precision of the KV cache: f32, bf16 or, on the CPU, int8 (default: f32 for F32 models, else bf16)."`
	KVMemory      byteSize      `name:"kv-memory" placeholder:"SIZE" help:"Memory for the KV cache, such as 4GiB (default: what the sequences can use, at most a third of the free memory)."`
	Deterministic bool          `default:"true" negatable:"" help:"Give a request the same bits in every batch; =false lets cuBLASLt multiply (--device cuda)."`
	Threads       int           `placeholder:"N" help:"Worker threads of the CPU device (default: one for each core)."`
	ISA           string        `name:"isa" hidden:"" help:"Instruction set of the CPU device: avx512, avx512-bf16, avx2, neon or portable."`
	StepTime      time.Duration `hidden:"" help:"How long each step of the null device takes."`
	Quantize      string        `placeholder:"TYPE" help:"Quantise the weights at load: q8_0 or q4_0 all matrices, or a type of basalt quantize such as q4_k_m or q4_0_search."`
	phases        *phases       `kong:"-"` // of the start of a server
	Load          string        `default:"auto" enum:"auto,dummy" help:"auto reads files; dummy makes random weights for a named shape, for benches."`
	DummySeed     uint64        `default:"1" hidden:"" help:"Seed of dummy weights."`
	ChatTemplate  string        `type:"existingfile" placeholder:"FILE" help:"Chat template (Jinja) to use instead of the model's own."`
	MaxSeqs       int           `default:"64" placeholder:"N" help:"Sequences that run at the same time."`
	StepTokens    int           `placeholder:"N" help:"Token budget of a step: more is faster prefill, fewer is a steadier stream (default: the device's, 2048 on cuda and 256 elsewhere; at least --max-seqs)."`
	StepTarget    time.Duration `default:"200ms" placeholder:"D" help:"Time of a step in which answers go on: prompts that join it are cut to fit, in larger pieces as more of them wait. Less is a steadier stream and a later first token; 0s sets no limit. A device with fixed buckets keeps those."`
	MaxQueue      int           `default:"1024" placeholder:"N" help:"Requests that may wait; more are refused with a throttling error."`
}

type serveCmd struct {
	modelFlags
	identityFlags
	tlsFlags
	auditFlags
	apiFlags
	jobFlags
	Models       []string      `arg:"" optional:"" name:"model" default:"basalt.box-v1" help:"Model: a directory with safetensors, or a .gguf file (default: the small model in this binary)."`
	Listen       string        `default:"127.0.0.1:8080" help:"Address to listen on."`
	ServedName   []string      `placeholder:"NAME" help:"Id of each model in the API (default: its file's name)."`
	DrainTimeout time.Duration `default:"30s" help:"How long running streams may go on after SIGTERM."`
	LogLevel     string        `enum:"debug,info,warn,error" default:"info" help:"Least level that is logged: debug, info, warn or error."`
}

type runCmd struct {
	modelFlags
	Model       string   `arg:"" optional:"" default:"basalt.box-v1" help:"Model: a directory with safetensors, or a .gguf file (default: the small model in this binary)."`
	Prompt      []string `arg:"" optional:"" help:"Prompt; without one, a conversation starts."`
	System      string   `help:"System message."`
	MaxTokens   int      `default:"512" placeholder:"N" help:"Greatest number of tokens to generate."`
	Temperature float32  `default:"-1" hidden:"" help:"Sampling temperature; 0 is greedy."`
	Seed        uint64   `default:"0" help:"Seed of sampling."`
	Raw         bool     `help:"Continue the prompt as text, without the chat template."`
	Stats       bool     `default:"true" negatable:"" help:"Print tokens per second at the end."`
}

type inspectCmd struct {
	Model string `arg:"" default:"basalt.box-v1" help:"Model: a directory with safetensors, or a .gguf file (default: the small model in this binary)."`
	Load  string `default:"auto" enum:"auto,dummy" help:"dummy takes a named shape instead of files."`
}

type (
	versionCmd struct{}
	doctorCmd  struct{}
)

// parse reads the command line. What serve alone cannot make sense of is told with all commands in
// view.
func parse(args []string) (*kong.Kong, *kong.Context, error) {
	help := func(arg string) bool { return arg == "-h" || strings.HasPrefix(arg, "--help") }
	if len(args) > 0 && args[0] == "serve" && !slices.ContainsFunc(args, help) {
		if parser, err := newParser(&serveLine{}); err == nil {
			if cmd, err := parser.Parse(args); err == nil {
				return parser, cmd, nil
			}
		}
	}
	parser, err := newParser(&cli{})
	if err != nil {
		return nil, nil, fmt.Errorf("BUG: %w", err)
	}
	cmd, err := parser.Parse(args)
	return parser, cmd, err
}

// newParser declares a cli, or a part of one.
func newParser(c any) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("basalt"),
		kong.Description("Basalt serves large language models on your own hardware, through "+
			"the APIs that Bedrock and OpenAI clients already speak."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.DefaultEnvars("BASALT"),
		kong.Configuration(loadYAML),
	)
}
