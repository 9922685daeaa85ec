package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"basalt/bench/proc"
	"basalt/bench/track"
)

type benchRunCmd struct {
	Workloads string `placeholder:"LIST" help:"Workloads, such as offline/*,http/* (default: all)."`
	Rounds    int    `default:"3" help:"Times that each workload is measured."`
	History   string `default:"bench/history" placeholder:"DIR" help:"Folder of the record."`
	Record    bool   `help:"Add the run to the record."`
}

type benchRegressCmd struct {
	Base      string `type:"existingfile" required:"" placeholder:"FILE" help:"The older program."`
	Workloads string `placeholder:"LIST" help:"Workloads, such as offline/*,http/* (default: all)."`
	Rounds    int    `default:"7" help:"Pairs of measurements; fewer than 6 cannot give a verdict."`
}

// Run measures the workloads and prints them beside the last recorded run.
func (c *benchRunCmd) Run(ctx context.Context) error {
	workloads, err := track.Pick(c.Workloads)
	if err != nil {
		return err
	}
	record, err := track.ReadFolder(c.History)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	run, failed := track.Run(ctx, runOnce, program, workloads, c.Rounds, os.Stderr)
	if err := track.WriteComparison(os.Stdout, run, record); err != nil {
		return errors.Join(failed, err)
	}
	if c.Record {
		return errors.Join(failed, track.Put(c.History, run))
	}
	return failed
}

// Run measures two programs in turn and fails where the newer one is worse.
func (c *benchRegressCmd) Run(ctx context.Context) error {
	workloads, err := track.Pick(c.Workloads)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	all, err := track.Regress(ctx, runOnce, c.Base, program, workloads, c.Rounds, os.Stderr)
	if err != nil {
		return err
	}
	worse, err := track.WriteJudged(os.Stdout, all)
	if err == nil && worse > 0 {
		err = fmt.Errorf("%d figures are worse than those of %s", worse, c.Base)
	}
	return err
}

func runOnce(ctx context.Context, argv []string) ([]byte, error) {
	out, _, err := proc.Run(ctx, argv)
	return out, err
}
