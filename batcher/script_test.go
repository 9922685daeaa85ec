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

// script drives a scheduler by text. A block of testdata/*.txt is a few commands, "----", what they
// print, and an empty line; lines that begin with # narrate.
type script struct {
	batch runtime.Batch
	s     *Scheduler
	seqs  map[string]*Sequence
	names map[*Sequence]string
	rows  int // sample rows of the newest step
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
		head, want, _ := strings.Cut(block, "\n----")
		var got strings.Builder
		for line := range strings.Lines(head) {
			line = strings.TrimSpace(line)
			fmt.Fprintln(&out, line)
			if line != "" && !strings.HasPrefix(line, "#") {
				got.WriteString(sc.run(strings.Fields(line)))
			}
		}
		if strings.TrimSpace(got.String()) != strings.TrimSpace(want) && !*rewrite {
			t.Errorf("%s\nprints\n%s\nwant\n%s", head, got.String(), want)
		}
		fmt.Fprintf(&out, "----\n%s\n", got.String())
	}
	if *rewrite {
		text := strings.TrimSpace(out.String()) + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
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
		out = sc.events(sc.s.Abort(sc.seqs[f[1]]))
	case "schedule":
		out = sc.schedule()
	case "commit":
		out = sc.events(sc.s.Commit(sc.output(args)))
	case "fail":
		out = sc.events(sc.s.Fail(ErrDevice))
	case "failall":
		out = sc.events(sc.s.FailAll(ErrDraining))
	case "state":
		out = sc.state()
	default:
		return "unknown command " + f[0] + "\n"
	}
	if err := sc.s.Check(); err != nil {
		out += "CHECK: " + err.Error() + "\n"
	}
	return out
}

func (sc *script) configure(args map[string]int) {
	sc.seqs, sc.names, sc.rows = map[string]*Sequence{}, map[*Sequence]string{}, 0
	shape := runtime.StepShape{NoMixedBatch: args["turns"] == 1, MaxPrefills: args["prefills"]}
	for _, name := range []string{"small", "large"} {
		if n := args[name]; n > 0 {
			shape.PrefillBuckets = append(shape.PrefillBuckets, n)
		}
	}
	sc.s = NewScheduler(Config{
		MaxTokens: args["tokens"], MaxSeqs: args["seqs"], MaxContext: args["context"],
		BlockSize: args["block"], NumBlocks: args["blocks"], MaxWaiting: 100, Vocab: 1000,
		Steps: shape,
	})
}

func (sc *script) events(updates []Update) string {
	var out strings.Builder
	for _, u := range updates {
		fmt.Fprintf(&out, "event %s:", sc.names[u.Seq])
		if e := u.Event; e.Token >= 0 {
			fmt.Fprintf(&out, " token %d", e.Token)
		}
		if e := u.Event; e.Finish != FinishNone {
			out.WriteString(" " + e.Finish.String())
		}
		out.WriteString("\n")
	}
	return out.String()
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
	q, err := sc.s.Add(&Request{Prompt: prompt, Params: p, Priority: args["priority"]})
	if err != nil {
		return err.Error() + "\n"
	}
	sc.seqs[name], sc.names[q] = q, name
	return ""
}

func (sc *script) schedule() string {
	b := &sc.batch
	if !sc.s.Schedule(b) {
		if sc.s.numSteps > 0 {
			return "commit first\n"
		}
		return "idle\n"
	}
	c := sc.s.cfg
	err := b.Check(runtime.Limits{
		NumBlocks: c.NumBlocks, BlockSize: c.BlockSize, Vocab: c.Vocab, MaxTokens: c.MaxTokens,
		MaxSeqs: c.MaxSeqs, MaxSlots: c.MaxSeqs, PrevRows: sc.rows,
	})
	if err != nil {
		return "INCONSISTENT: " + err.Error() + "\n"
	}
	sc.rows = len(b.SampleRows)
	var out strings.Builder
	for i, p := range sc.s.steps[sc.s.numSteps-1].parts {
		ids := b.TokenIDs[b.QueryStart[i]:b.QueryStart[i+1]]
		fmt.Fprintf(&out, "%s: [%d,%d) slot %d blocks %v", sc.names[p.seq],
			int(b.SeqLens[i])-len(ids), b.SeqLens[i], p.seq.slot, p.seq.table)
		if ids[0] < 0 {
			fmt.Fprintf(&out, " after row %d", -1-ids[0])
		}
		if p.sampled {
			fmt.Fprintf(&out, " sample row %d at %d", p.seq.row, b.Sampling[p.seq.row].Position)
		}
		row := b.BlockTables[i*b.MaxBlocks:][:b.MaxBlocks]
		for _, id := range row[sc.s.blocksFor(int(b.SeqLens[i])):] {
			if id != 0 {
				fmt.Fprintf(&out, " PADDED WITH %d", id)
			}
		}
		out.WriteString("\n")
	}
	if len(b.ResetCounts) > 0 {
		fmt.Fprintf(&out, "reset %v, count %v in %v\n", b.ResetCounts, b.CountIDs, b.CountSlots)
	}
	return out.String()
}

// output gives each sampled sequence of the oldest step the id that the command names, else 9.
func (sc *script) output(args map[string]int) *runtime.Output {
	out := &runtime.Output{TopStart: []int32{0}}
	for _, p := range sc.s.steps[0].parts {
		if !p.sampled {
			continue
		}
		id, ok := args[sc.names[p.seq]]
		if !ok {
			id = 9
		}
		out.IDs = append(out.IDs, int32(id))
		out.Logprobs = append(out.Logprobs, 0)
		out.TopStart = append(out.TopStart, 0)
	}
	return out
}

func (sc *script) state() string {
	list := func(queue []*Sequence) string {
		var out strings.Builder
		for _, q := range queue {
			fmt.Fprintf(&out, " %s(%d/%d)", sc.names[q], q.done, q.length())
		}
		return out.String()
	}
	free := slices.Sorted(slices.Values(sc.s.pool.free))
	return fmt.Sprintf("running:%s\nwaiting:%s\nfree blocks: %v\n", list(sc.s.running),
		list(sc.s.waiting), free)
}
