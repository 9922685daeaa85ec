package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"basalt/server"
	"basalt/server/audit"
)

// auditFlags say what is recorded, and where.
type auditFlags struct {
	Audit         string   `placeholder:"DIR" help:"Folder of the audit log: one signed record for each invocation, refusal and administrative act."`
	AuditKey      string   `placeholder:"FILE" help:"Key that signs the records, made by: basalt audit keygen."`
	AuditAnchors  string   `placeholder:"TO" help:"Where the log's head is told at intervals: a file on another machine, syslog, or syslog:udp:HOST:PORT. Without it nobody misses records that are cut off."`
	AuditSync     string   `enum:"always,often,never" default:"always" help:"When records are made durable: always, before the answer ends; often, every second; never, as the system does."`
	AuditFileSize byteSize `default:"64MiB" help:"Size after which the log begins another file."`
	AuditMaxFiles int      `placeholder:"N" help:"Files of the log to keep; older ones are removed, and a record says so (default: all)."`
	AuditContent  string   `enum:"never,allowed,always" default:"never" help:"Prompts and answers in the records: never; allowed, if PutModelInvocationLoggingConfiguration asks for them; always, from the start until somebody asks for none."`
	AuditRegion   string   `placeholder:"NAME" help:"Region to name in records."`

	AuditDeliverEvery time.Duration `default:"1m" placeholder:"TIME" help:"How long records wait for others, where PutModelInvocationLoggingConfiguration has them delivered to a bucket of --buckets."`
}

// openAudit opens the log, if there is to be one.
func (c *serveCmd) openAudit(cfg *server.Config, log *zap.Logger) error {
	if c.Audit == "" {
		if c.AuditKey != "" || c.AuditAnchors != "" || c.AuditContent != "never" {
			return errors.New("--audit-key, --audit-anchors and --audit-content need --audit DIR")
		}
		return nil
	}
	if c.AuditDeliverEvery <= 0 {
		return errors.New("--audit-deliver-every must be more than 0")
	}
	if c.AuditKey == "" {
		return errors.New("--audit needs --audit-key FILE, made by: basalt audit keygen FILE")
	}
	key, err := audit.ReadKey(c.AuditKey)
	if err != nil {
		return fmt.Errorf("--audit-key: %w", err)
	}
	ac := audit.Config{
		Dir: c.Audit, Key: key, MaxFile: int64(c.AuditFileSize), MaxFiles: c.AuditMaxFiles,
		Report: auditReporter(log), Content: c.AuditContent != "never",
		Sync: map[string]audit.Sync{
			"always": audit.SyncAlways, "often": audit.SyncOften, "never": audit.SyncNever,
		}[c.AuditSync],
	}
	if c.AuditAnchors != "" {
		if ac.Anchors, err = audit.OpenAnchors(c.AuditAnchors); err != nil {
			return fmt.Errorf("--audit-anchors: %w", err)
		}
	}
	if cfg.Audit, err = audit.Open(ac); err != nil {
		return err
	}
	cfg.Region = c.AuditRegion
	cfg.LogEvery = c.AuditDeliverEvery
	if c.AuditContent == "always" {
		before, _ := cfg.Audit.Configuration(audit.EveryTenant)
		all := audit.Delivery{
			Text: true, Image: true, Embedding: true, Video: true, Audio: true, S3: before.S3,
		}
		return cfg.Audit.Configure(audit.EveryTenant, before.Owner, &all)
	}
	return nil
}

func auditReporter(log *zap.Logger) func(error) {
	return func(err error) {
		if err != nil {
			log.Error("audit", zap.Error(err))
			return
		}
		log.Info("the audit log can be written again")
	}
}

// recordReading records that files of identity or TLS were read again.
func recordReading(trail *audit.Log, of string, err error) {
	if trail == nil {
		return
	}
	e := audit.Event{
		Timestamp: audit.Time(time.Now()), EventName: "FilesRead",
		Detail: map[string]any{"of": of, "used": err == nil},
	}
	trail.Post(e.JSON(), false)
}

// closeAudit writes what is on its way.
func closeAudit(trail *audit.Log) error {
	if trail == nil {
		return nil
	}
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return trail.Close(ctx)
}

// auditCmd works on audit logs, also while a server writes them.
type auditCmd struct {
	Keygen auditKeygenCmd `cmd:"" help:"Make the key that signs records."`
	Verify auditVerifyCmd `cmd:"" help:"Prove that nobody changed an audit log."`
}

type auditKeygenCmd struct {
	File string `arg:"" help:"File of the private key; the public one goes to FILE.pub. Keep the private one apart from the log."`
}

// Run makes a key.
func (c *auditKeygenCmd) Run() error {
	if err := audit.NewKey(c.File); err != nil {
		return fmt.Errorf("cannot make the key: %w", err)
	}
	fmt.Printf("Serve with:  --audit DIR --audit-key %s\nVerify with: basalt audit verify DIR "+
		"--key %s.pub\n", c.File, c.File)
	return nil
}

type auditVerifyCmd struct {
	Dir     string `arg:"" help:"Folder of the audit log."`
	Key     string `required:"" placeholder:"FILE" help:"Public key of the log."`
	Anchors string `placeholder:"FILE" help:"Anchors of the log, such as syslog keeps them."`
}

// Run verifies a log and says what is proven.
func (c *auditVerifyCmd) Run() error {
	key, err := audit.ReadPublicKey(c.Key)
	if err != nil {
		return fmt.Errorf("--key: %w", err)
	}
	var r *audit.Report
	if c.Anchors == "" {
		r, err = audit.Verify(c.Dir, key, nil)
	} else {
		r, err = c.verifyAnchored()
	}
	if err != nil {
		if audit.IsFault(err) {
			return fmt.Errorf("the log was changed: %w", err)
		}
		return err
	}
	c.print(r)
	return nil
}

func (c *auditVerifyCmd) verifyAnchored() (*audit.Report, error) {
	key, err := audit.ReadPublicKey(c.Key)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(c.Anchors)
	if err != nil {
		return nil, fmt.Errorf("--anchors: %w", err)
	}
	defer func() { _ = f.Close() }()
	return audit.Verify(c.Dir, key, f)
}

func (c *auditVerifyCmd) print(r *audit.Report) {
	fmt.Printf("Log %s: records %d to %d are as they were written.\n", r.Log, r.First, r.Last)
	if r.Removed > 0 {
		fmt.Printf("Records 1 to %d were removed by the log itself, as its record says.\n",
			r.Removed)
	}
	if r.Torn > 0 {
		fmt.Printf("%d bytes behind the last record belong to one that is being written or was "+
			"cut by a crash.\n", r.Torn)
	}
	switch {
	case c.Anchors == "":
		fmt.Printf("Without --anchors, nothing tells whether records behind %d were cut off.\n",
			r.Last)
	case r.Anchors == 0:
		fmt.Printf("The file has no anchor of this log, so that nothing tells whether records "+
			"behind %d were cut off.\n", r.Last)
	default:
		fmt.Printf("%d anchors agree; the newest, of %s, covers record %d.\n", r.Anchors,
			r.LastAnchorAt, r.LastAnchor)
		fmt.Printf("Unprotected tail: %d records, and any that were written and cut off after "+
			"that time.\n", r.Unprotected())
	}
	if r.OtherAnchors > 0 {
		fmt.Printf("%d anchors of other logs were passed over.\n", r.OtherAnchors)
	}
}
