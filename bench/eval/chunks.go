package eval

import (
	"context"
	"fmt"

	"basalt/runtime"
)

// Config says what Evaluate does.
type Config struct {
	Vocab      int
	BlockSize  int   // positions in a cache block
	StepTokens int   // greatest number of tokens in a step
	Context    int   // ids in a chunk
	Chunks     int   // chunks to evaluate; 0 takes all that are complete
	BOS        int32 // replaces the first id of each chunk; below zero nothing does
	// Progress, when set, is told the chunks that are done and the perplexity so far.
	Progress func(done, total int, perplexity float64)
}

// Evaluate scores the ids of a text by an executable that nobody else uses, and compares it with
// against where that is not nil. Both need cache for one chunk.
func Evaluate(ctx context.Context, model, against runtime.Executable, ids []int32, cfg Config,
) (Result, error) {
	total := len(ids) / max(cfg.Context, 1)
	if cfg.Context < 4 || total == 0 {
		return Result{}, fmt.Errorf("the text has %d tokens, too few for a chunk of %d: give a "+
			"longer text or a smaller --ctx", len(ids), cfg.Context)
	}
	if cfg.Chunks > 0 {
		total = min(total, cfg.Chunks)
	}
	e := &evaluation{cfg: cfg, model: model, against: against, compared: against != nil}
	for i := range total {
		if err := ctx.Err(); err != nil {
			return e.result(), err
		}
		if err := e.chunk(ids[i*cfg.Context : (i+1)*cfg.Context]); err != nil {
			return e.result(), fmt.Errorf("cannot evaluate chunk %d: %w", i+1, err)
		}
		if e.chunks++; cfg.Progress != nil {
			cfg.Progress(e.chunks, total, e.sums.nll.exp().Value)
		}
	}
	return e.result(), nil
}

// evaluation is a run under way.
type evaluation struct {
	cfg            Config
	model, against runtime.Executable
	compared       bool
	batch          runtime.Batch
	tokens         []int32
	rows           []row
	sums           sums
	chunks         int
}

// chunk feeds one chunk in steps.
func (e *evaluation) chunk(ids []int32) error {
	e.tokens = append(e.tokens[:0], ids...)
	if e.cfg.BOS >= 0 {
		e.tokens[0] = e.cfg.BOS
	}
	for past := 0; past < len(ids); {
		n := min(len(ids)-past, e.cfg.StepTokens)
		e.fill(past, n)
		if err := e.step(past, n); err != nil {
			return err
		}
		past += n
	}
	return nil
}

// counts says whether the logits at a position are scored.
func (e *evaluation) counts(position int) bool {
	return position >= e.cfg.Context/2 && position < e.cfg.Context-1
}

// fill makes the batch of the tokens [past, past+n), whose cache blocks follow one another.
func (e *evaluation) fill(past, n int) {
	b := &e.batch
	b.Reset()
	b.WantLogits = true
	greedy := runtime.DefaultSampling()
	greedy.Temperature = 0
	for i, position := 0, past; i < n; i, position = i+1, position+1 {
		b.TokenIDs = append(b.TokenIDs, e.tokens[position])
		b.Positions = append(b.Positions, int32(position))
		b.SlotMapping = append(b.SlotMapping, int32(position))
		if e.counts(position) {
			b.SampleRows = append(b.SampleRows, int32(i))
			b.Sampling = append(b.Sampling, greedy.Row(position+1))
		}
	}
	b.QueryStart = append(b.QueryStart, int32(n))
	b.SeqLens = append(b.SeqLens, int32(past+n))
	b.MaxBlocks = (e.cfg.Context + e.cfg.BlockSize - 1) / e.cfg.BlockSize
	for i := range b.MaxBlocks {
		b.BlockTables = append(b.BlockTables, int32(i))
	}
}

// step runs the batch on one or both and scores the logits.
func (e *evaluation) step(past, n int) error {
	logits, err := run(e.model, &e.batch)
	var other []float32
	if err == nil && e.compared {
		other, err = run(e.against, &e.batch)
	}
	if err != nil {
		return err
	}
	e.rows = e.rows[:0]
	for position := past; position < past+n; position++ {
		if !e.counts(position) {
			continue
		}
		r := row{next: e.tokens[position+1]}
		at := len(e.rows) * e.cfg.Vocab
		r.logits = logits[at : at+e.cfg.Vocab]
		if e.compared {
			r.other = other[at : at+e.cfg.Vocab]
		}
		e.rows = append(e.rows, r)
	}
	e.sums.add(e.rows)
	return nil
}

func run(x runtime.Executable, b *runtime.Batch) ([]float32, error) {
	p, err := x.Step(b)
	if err != nil {
		return nil, err
	}
	out, err := p.Wait()
	if err != nil {
		return nil, err
	}
	return out.Logits, nil
}

func (e *evaluation) result() Result { return e.sums.result(e.chunks, e.compared) }
