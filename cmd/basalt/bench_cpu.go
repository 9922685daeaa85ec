package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"basalt/bench/peers"
	"basalt/bench/proc"
	"basalt/bench/track"
	"basalt/cpu"
)

type benchCPUCmd struct {
	Models string        `type:"existingdir" required:"" placeholder:"DIR" help:"Folder of 1b-*.gguf and 06b-*.gguf (tools/shapes/make_gguf.py, llama-quantize)."`
	Peer   string        `placeholder:"DIR" help:"Folder of the programs of llama.cpp or ik_llama.cpp, to measure in turn."`
	Rows   string        `placeholder:"LIST" help:"Rows to measure, such as decode-*/Q4_0,serve-8/* (default: all but context-32k)."`
	Rounds int           `default:"5" help:"Times that each side measures each row."`
	Wait   time.Duration `default:"0s" help:"Wait so long, before each measurement, for others to leave the machine alone."`
	Record string        `placeholder:"FILE" help:"Append the samples to this file, and print the table of all that it holds of this build."`
	Table  bool          `help:"Measure nothing; print the table of --record."`
	Page   string        `type:"existingfile" placeholder:"FILE" help:"Put the table into this Markdown file, between its marks."`
	Keep   string        `placeholder:"DIR" help:"Put the sums of --record into this folder of the record (bench/history)."`
	Any    bool          `help:"In the table, take samples of every build."`
	Others float64       `default:"0" help:"In the table, leave out rounds in which others used more processors than this."`
}

// Run measures, in turn with the peer where one is named, and prints the table.
func (c *benchCPUCmd) Run(ctx context.Context) error {
	rows, err := peers.Select(c.Rows)
	if err != nil {
		return err
	}
	var samples []peers.Sample
	if c.Record != "" {
		if samples, err = readSamples(c.Record); err != nil {
			return err
		}
	}
	if !c.Table {
		err = c.measure(ctx, rows, &samples)
	}
	if err = errors.Join(err, c.print(os.Stdout, samples)); err != nil {
		return err
	}
	if c.Keep != "" {
		if err := track.Put(c.Keep, peers.Entries(samples)); err != nil {
			return err
		}
	}
	if c.Page == "" {
		return nil
	}
	var text strings.Builder
	if err := c.print(&text, samples); err != nil {
		return err
	}
	page, err := os.ReadFile(c.Page)
	if err != nil {
		return err
	}
	if page, err = peers.Embed(page, text.String()); err != nil {
		return fmt.Errorf("%s: %w", c.Page, err)
	}
	return os.WriteFile(c.Page, page, 0o644)
}

func (c *benchCPUCmd) measure(ctx context.Context, rows []peers.Row,
	samples *[]peers.Sample,
) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	machine, err := machineClass()
	if err != nil {
		return err
	}
	out := io.WriteCloser(nopCloser{io.Discard})
	if c.Record != "" {
		if out, err = os.OpenFile(c.Record, os.O_APPEND|os.O_CREATE|os.O_WRONLY,
			0o644); err != nil {
			return err
		}
	}
	err = peers.Compare(ctx, peers.Config{
		Program: program, Build: version, Peer: c.Peer, Models: c.Models, Machine: machine,
		Rows: rows, Rounds: c.Rounds, Wait: c.Wait, Exec: proc.Run, Start: proc.Start,
		Log: os.Stderr, Record: func(s peers.Sample) error {
			*samples = append(*samples, s)
			return s.Write(out)
		},
	})
	return errors.Join(err, out.Close())
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func readSamples(path string) ([]peers.Sample, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	samples, err := peers.ReadSamples(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read --record %s: %w", path, err)
	}
	return samples, nil
}

// print writes, for each peer, what the figures rest on, then the table.
func (c *benchCPUCmd) print(w io.Writer, samples []peers.Sample) error {
	for i, peer := range peers.Peers(samples) {
		filter := peers.Filter{Build: version, Peer: peer, Others: c.Others}
		if c.Any {
			filter.Build = ""
		}
		lines := peers.Lines(samples, filter)
		if i > 0 && len(lines) == 0 {
			continue
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		for _, line := range peers.Heads(samples, filter) {
			fmt.Fprintln(w, "- "+line)
		}
		fmt.Fprintln(w)
		if err := peers.WriteTable(w, peer, lines); err != nil {
			return err
		}
	}
	return nil
}

// machineClass names what figures may be compared between: processors, their model and instruction
// set; no host name.
func machineClass() (string, error) {
	dev, err := cpu.New(cpu.Config{})
	if err != nil {
		return "", err
	}
	info := dev.Info()
	class := fmt.Sprintf("%d x %s%s, %s", info.Threads, info.Name, family(),
		strings.Join(info.Features, " "))
	return class, dev.Close()
}

// family tells processors of one name apart, where the system says.
func family() string {
	data, err := os.ReadFile(filepath.FromSlash("/proc/cpuinfo"))
	if err != nil {
		return ""
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, value, found := strings.Cut(line, ":")
		if key = strings.TrimSpace(key); found && fields[key] == "" {
			fields[key] = strings.TrimSpace(value)
		}
	}
	if fields["cpu family"] == "" {
		return ""
	}
	return fmt.Sprintf(" (family %s model %s)", fields["cpu family"], fields["model"])
}
