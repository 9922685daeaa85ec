package main

import (
	"errors"

	"go.uber.org/zap"

	"basalt/server"
	"basalt/server/buckets"
	"basalt/server/jobs"
)

// jobFlags say where jobs are kept, and what they may read and write.
type jobFlags struct {
	Jobs       string `placeholder:"FOLDER" help:"Folder of batch jobs, asynchronous invocations and uploaded files; without it there are none."`
	Buckets    string `placeholder:"FILE" help:"Bucket table (YAML): what s3:// URIs of requests and jobs mean for each tenant, a folder or an S3-compatible store. Any other is refused. See docs/jobs.md."`
	JobRecords int    `default:"16" placeholder:"N" help:"Records of jobs that are worked on at the same time, while nobody else needs the room."`
}

// openJobs opens the store of jobs and the table of buckets.
func (c *serveCmd) openJobs(cfg *server.Config, log *zap.Logger) (err error) {
	if c.JobRecords < 1 {
		return errors.New("--job-records must be at least 1")
	}
	if c.Buckets != "" {
		cfg.Buckets, err = buckets.Open(c.Buckets, reporter(log, cfg.Audit, "buckets"))
		if err != nil {
			return err
		}
	}
	if c.Jobs == "" {
		return nil
	}
	cfg.Jobs, err = jobs.Open(jobs.Config{Folder: c.Jobs, MaxInFlight: c.JobRecords})
	return err
}
