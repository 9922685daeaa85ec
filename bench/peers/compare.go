package peers

import (
	"context"
	"fmt"
	"io"
	"time"

	"basalt/bench/proc"
)

// Exec runs a program to its end, as proc.Run does.
type Exec func(ctx context.Context, argv []string) (stdout, stderr []byte, err error)

// Start runs a server until it is stopped, as proc.Start does.
type Start func(ctx context.Context, args proc.Args) (*proc.Server, error)

// both runs a program that may fail, and joins its two outputs.
func (e Exec) both(ctx context.Context, argv []string) ([]byte, error) {
	stdout, stderr, err := e(ctx, argv)
	return append(stdout, stderr...), err
}

// Config says what Compare measures and with what.
type Config struct {
	Program string // this project's program
	Build   string // its version
	Peer    string // folder of llama.cpp's or ik_llama.cpp's programs; empty: Basalt alone
	Models  string // folder of the GGUF files
	Machine string // class of the machine
	Rows    []Row
	Rounds  int           // times that each side measures each row
	Wait    time.Duration // at most so long, before each process, for others to leave it alone
	Exec    Exec
	Start   Start
	Log     io.Writer          // one line for each sample
	Record  func(Sample) error // takes the samples
}

// side is one of the programs that are compared.
type side struct {
	name, build, system string
	run                 func(context.Context, *job) (figures, error)
}

// Compare measures all rows, the sides in turn. Every sample is a fresh process.
func Compare(ctx context.Context, cfg Config) error {
	sides, err := cfg.sides(ctx)
	if err != nil {
		return err
	}
	all := jobs(cfg.Rows)
	for i := range all {
		for range cfg.Rounds {
			round := time.Now().UnixNano()
			for k := range sides {
				if err := cfg.sample(ctx, &sides[k], &all[i], round); err != nil {
					return fmt.Errorf("cannot measure %s of %s: %w", all[i].rows[0].ID,
						sides[k].name, err)
				}
			}
		}
	}
	return nil
}

func (cfg *Config) sides(ctx context.Context) ([]side, error) {
	b := &basalt{program: cfg.Program, models: cfg.Models, exec: cfg.Exec, start: cfg.Start}
	sides := []side{{name: SideBasalt, build: cfg.Build, run: b.run}}
	if cfg.Peer == "" {
		return sides, nil
	}
	peer, err := cfg.peer(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(cfg.Log, "%s: %s\n%[1]s: %[3]s\n", peer.name, peer.build, peer.system)
	return append(sides, peer), nil
}

func (cfg *Config) peer(ctx context.Context) (s side, err error) {
	l := llama{bin: cfg.Peer, models: cfg.Models, exec: cfg.Exec, start: cfg.Start}
	forked, err := isFork(ctx, cfg.Exec, cfg.Peer)
	if err != nil {
		return s, err
	}
	if forked {
		k := &fork{l}
		s = side{name: SideFork, run: k.run}
		s.build, s.system, err = k.systemLines(ctx)
		return s, err
	}
	s = side{name: SideLlama, run: l.run}
	s.build, s.system, err = l.systemLines(ctx)
	return s, err
}

// sample runs one job on one side and records what it says of each row.
func (cfg *Config) sample(ctx context.Context, s *side, j *job, round int64) error {
	if cfg.Wait > 0 {
		if _, err := waitCalm(ctx, cfg.Wait); err != nil {
			return err
		}
	}
	before, err := readBusy()
	if err != nil {
		return err
	}
	f, err := s.run(ctx, j)
	if err != nil {
		return err
	}
	after, err := readBusy()
	if err != nil {
		return err
	}
	for _, r := range j.rows {
		out := Sample{
			Time: before.at.UTC().Truncate(time.Second), Machine: cfg.Machine, Side: s.name,
			Build: s.build, System: s.system, Row: r.ID, Round: round,
			Others: after.others(before), Figures: f[r.ID],
		}
		if err := cfg.Record(out); err != nil {
			return err
		}
		m := r.metrics()[0]
		fmt.Fprintf(cfg.Log, "%-18s %-10s %s %.1f %s (others %.2f, %.0f s)\n", r.ID, s.name, m.name,
			f[r.ID][m.name], m.unit, out.Others, after.at.Sub(before.at).Seconds())
	}
	return nil
}
