package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"basalt/bench/page"
	"basalt/bench/track"
)

type benchReportCmd struct {
	History string `default:"bench/history" placeholder:"DIR" help:"Folder of the record."`
	HTML    string `default:"bench-report.html" placeholder:"FILE" help:"Page to write."`
	PNG     string `placeholder:"FILE" help:"Image to write, too."`
}

// Run draws the record.
func (c *benchReportCmd) Run() error {
	record, err := track.ReadFolder(c.History)
	if err != nil {
		return err
	}
	if err := writeReport(c.HTML, record, page.Write); err != nil || c.PNG == "" {
		return err
	}
	return writeReport(c.PNG, record, page.WritePNG)
}

func writeReport(name string, record []track.Entry,
	write func(io.Writer, []track.Entry) error,
) error {
	var b bytes.Buffer
	if err := write(&b, record); err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}
