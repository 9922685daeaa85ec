package peers

import (
	"fmt"
	"path"
	"strings"
)

// kind is how a row is measured.
type kind string

const (
	kindGenerate kind = "generate" // decoding of one sequence
	kindBatch    kind = "batch"    // decoding of several sequences
	kindPrompt   kind = "prompt"   // prefill
	kindLong     kind = "long"     // prefill of a long context, then decoding behind it
	kindServe    kind = "serve"    // streams over HTTP
	kindStart    kind = "start"    // exec to ready, memory at rest, size of the program
)

// Row is one line of work.
type Row struct {
	ID      string // such as "decode-8/Q4_0": what --rows selects by
	Model   string // name of the file, without .gguf
	Threads int
	kind    kind
	n       int // sequences, tokens of prompt or context, or clients
}

// Context and steps of the decoding rows, in tokens. The contexts of many sequences are short:
// filling them must not take longer than what is measured.
const (
	decodeContext = 128
	decodeSteps   = 64
	batchContext  = 32
	batchSteps    = 16
	longSteps     = 16
	servePrompt   = 128
	serveOutput   = 64
)

// AllRows is the whole table, in its order.
func AllRows() []Row {
	const big, small = "1b-", "06b-"
	var rows []Row
	add := func(k kind, id, model string, n, threads int) {
		rows = append(rows, Row{ID: id, Model: model, Threads: threads, kind: k, n: n})
	}
	for _, q := range []string{"Q4_0", "Q4_K_M", "Q8_0", "BF16"} {
		add(kindGenerate, "decode-1/"+q, big+q, 1, 2)
	}
	add(kindGenerate, "decode-1-1t/Q4_0", big+"Q4_0", 1, 1)
	for _, n := range []int{4, 8, 16, 32} {
		add(kindBatch, fmt.Sprintf("decode-%d/Q4_0", n), big+"Q4_0", n, 2)
	}
	for _, q := range []string{"Q8_0", "BF16"} {
		for _, n := range []int{8, 32} {
			add(kindBatch, fmt.Sprintf("decode-%d/%s", n, q), big+q, n, 2)
		}
	}
	for _, q := range []string{"Q4_0", "Q4_K_M", "Q8_0", "BF16"} {
		add(kindPrompt, "prefill-512/"+q, big+q, 512, 2)
	}
	add(kindLong, "context-8k/Q4_0", big+"Q4_0", 8192, 2)
	add(kindLong, "context-32k/Q4_0", big+"Q4_0", 32768, 2)
	for _, n := range []int{1, 8, 32} {
		add(kindServe, fmt.Sprintf("serve-%d/Q4_0", n), big+"Q4_0", n, 2)
	}
	for _, q := range []string{"Q8_0", "Q4_0"} {
		add(kindStart, "start/06b-"+q, small+q, 0, 2)
	}
	return rows
}

// Select gives the rows whose ids match one of the comma-separated patterns (path.Match, where *
// stands for any text without a slash); an empty list selects all but the 32k context, which takes
// most of an hour.
func Select(patterns string) ([]Row, error) {
	var rows []Row
	for _, r := range AllRows() {
		if patterns == "" && r.n != 32768 {
			rows = append(rows, r)
		}
	}
	if patterns == "" {
		return rows, nil
	}
	for _, r := range AllRows() {
		for _, p := range strings.Split(patterns, ",") {
			ok, err := path.Match(strings.TrimSpace(p), r.ID)
			if err != nil {
				return nil, fmt.Errorf("pattern %q of rows: %w", p, err)
			}
			if ok {
				rows = append(rows, r)
				break
			}
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no row matches %q; rows are called as %s", patterns,
			"decode-1/Q4_0, decode-32/BF16, prefill-512/*, context-8k/*, serve-8/*, start/*")
	}
	return rows, nil
}

// metric is one number of a row.
type metric struct {
	name, unit string
	lower      bool // less is better
}

// metrics of a row, in the order in which they are printed.
func (r *Row) metrics() []metric {
	switch r.kind {
	case kindLong:
		return []metric{{"prefill", "tok/s", false}, {"decode", "tok/s", false}}
	case kindServe:
		return []metric{
			{"output", "tok/s", false},
			{"TTFT p50", "ms", true},
			{"TTFT p99", "ms", true},
			{"TPOT p50", "ms", true},
			{"gap p99", "ms", true},
			{"gap max", "ms", true},
			{"failed", "requests", true},
		}
	case kindStart:
		return []metric{
			{"ready", "ms", true},
			{"resident", "MB", true},
			{"anonymous", "MB", true},
			{"first answer", "ms", true},
			{"size", "MB", true},
		}
	}
	return []metric{{"rate", "tok/s", false}}
}
