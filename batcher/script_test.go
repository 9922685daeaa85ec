package batcher

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"basalt/runtime"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts of testdata print back into them")

// script drives a scheduler by text. A block of testdata/*.txt is a command, "----", what it
// prints, and an empty line; lines that begin with # narrate.
type script struct {
	s      *Scheduler
	seqs   map[string]*sequence
	names  map[*sequence]string
	events []string
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sc, out := &script{}, strings.Builder{}
	for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		var comments, commands []string
		head, want, _ := strings.Cut(block, "----")
		for line := range strings.Lines(head) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "#") {
				comments = append(comments, line)
			} else if line != "" {
				commands = append(commands, line)
			}
		}
		got := ""
		for _, command := range commands {
			got += sc.run(strings.Fields(command))
		}
		if strings.TrimSpace(got) != strings.TrimSpace(want) && !*rewrite {
			t.Errorf("%s prints\n%s\nwant\n%s", commands, got, want)
		}
		writeBlock(&out, comments, commands, got)
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func writeBlock(out *strings.Builder, comments, commands []string, got string) {
	for _, line := range append(comments, commands...) {
		fmt.Fprintln(out, line)
	}
	if len(commands) > 0 {
		fmt.Fprintf(out, "----\n%s", got)
	}
	fmt.Fprintln(out)
}

// run executes one command and gives what it prints.
func (sc *script) run(f []string) string {
	args := map[string]int{}
	for _, a := range f[1:] {
		if k, v, ok := strings.Cut(a, "="); ok {
			args[k], _ = strconv.Atoi(v)
		}
	}
	var out string
	switch f[0] {
	case "config":
		sc.configure(args)
	case "submit":
		out = sc.submit(f[1], args)
	case "abort":
		sc.s.abort(sc.seqs[f[1]])
	case "schedule":
		out = sc.schedule()
	case "commit":
		sc.commit(args)
	case "fail":
		sc.s.Fail(ErrDevice)
	case "state":
		out = sc.state()
	default:
		return "unknown command " + f[0] + "\n"
	}
	if err := sc.s.check(); err != nil {
		out += "BALANCE: " + err.Error() + "\n"
	}
	out += strings.Join(sc.events, "")
	sc.events = nil
	return out
}

func (sc *script) configure(args map[string]int) {
	sc.seqs, sc.names = map[string]*sequence{}, map[*sequence]string{}
	sc.s = newScheduler(Config{
		MaxTokens: args["tokens"], MaxSeqs: args["seqs"], MaxContext: args["context"],
		BlockSize: args["block"], NumBlocks: args["blocks"], MaxWaiting: 100,
	}, func(q *sequence, e Event) {
		text := fmt.Sprintf("event %s:", sc.names[q])
		if e.Token >= 0 {
			text += fmt.Sprintf(" token %d", e.Token)
		}
		if e.Finish != FinishNone {
			text += " " + e.Finish.String()
		}
		sc.events = append(sc.events, text+"\n")
	})
}

func (sc *script) submit(name string, args map[string]int) string {
	p := runtime.DefaultSampling()
	p.MaxTokens = args["max"]
	if stop, ok := args["stop"]; ok {
		p.StopIDs = []int32{int32(stop)}
	}
	if args["penalty"] > 0 {
		p.PresencePenalty = 1
	}
	prompt := make([]int32, args["prompt"])
	for i := range prompt {
		prompt[i] = int32(i + 1)
	}
	q, err := sc.s.add(&Request{Prompt: prompt, Params: p, Priority: args["priority"]}, nil)
	if err != nil {
		return err.Error() + "\n"
	}
	sc.seqs[name], sc.names[q] = q, name
	return ""
}

func (sc *script) schedule() string {
	var b runtime.Batch
	if !sc.s.Schedule(&b) {
		return "idle\n"
	}
	c := sc.s.cfg
	err := b.Check(runtime.Limits{
		NumBlocks: c.NumBlocks, BlockSize: c.BlockSize, Vocab: 1000, MaxTokens: c.MaxTokens,
		MaxSeqs: c.MaxSeqs, MaxSlots: c.MaxSeqs,
	})
	if err != nil {
		return "INCONSISTENT: " + err.Error() + "\n"
	}
	var out strings.Builder
	for i, q := range sc.s.stepSeqs {
		n := int(b.QueryStart[i+1] - b.QueryStart[i])
		fmt.Fprintf(&out, "%s: [%d,%d) slot %d blocks %v", sc.names[q], int(b.SeqLens[i])-n,
			b.SeqLens[i], q.slot, q.table)
		if q.sampled {
			out.WriteString(" sample")
		}
		out.WriteString("\n")
	}
	if len(b.ResetCounts) > 0 {
		fmt.Fprintf(&out, "reset %v, count %v in %v\n", b.ResetCounts, b.CountIDs, b.CountSlots)
	}
	return out.String()
}

// commit gives each sampled sequence the id that the command names, else 9.
func (sc *script) commit(args map[string]int) {
	out := &runtime.Output{TopStart: []int32{0}}
	for _, q := range sc.s.stepSeqs {
		if !q.sampled {
			continue
		}
		id, ok := args[sc.names[q]]
		if !ok {
			id = 9
		}
		out.IDs = append(out.IDs, int32(id))
		out.Logprobs = append(out.Logprobs, 0)
		out.TopStart = append(out.TopStart, 0)
	}
	sc.s.Commit(out)
}

func (sc *script) state() string {
	list := func(queue []*sequence) string {
		var names []string
		for _, q := range queue {
			names = append(names, fmt.Sprintf("%s(%d/%d)", sc.names[q], q.done, len(q.tokens)))
		}
		return strings.Join(names, " ")
	}
	free := slices.Sorted(slices.Values(sc.s.pool.free))
	return fmt.Sprintf("running: %s\nwaiting: %s\nfree blocks: %v\n", list(sc.s.running),
		list(sc.s.waiting), free)
}
