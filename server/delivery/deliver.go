package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"basalt/server/audit"
)

// A runner's steps, any of which may be the last of a process:
//
//  1. it reads records behind Done, up to a place To;
//  2. it makes durable that their objects are being written: the plan;
//  3. it writes the objects, of names and contents that follow from Done and To;
//  4. it makes durable that Done is To, and that there is no plan.
//
// Killed before 2, nothing happened. Killed later, the plan is there and step 3 replaces each
// object with itself. So each record is in one object, and in the object of one name alone.

// deliver delivers all records up to end.
func (r *runner) deliver(ctx context.Context, end audit.Position) error {
	for r.state.Plan != nil || r.state.Done.Record < end.Record {
		if err := r.step(ctx, end); err != nil {
			return err
		}
	}
	return nil
}

// step delivers one batch.
func (r *runner) step(ctx context.Context, end audit.Position) error {
	b, at, err := r.gather(ctx, end)
	if err != nil {
		return err
	}
	if r.state.Plan != nil && at.Record < r.state.Plan.To.Record {
		// Records of the plan are gone. Those behind them are still to be delivered by it.
		return r.advance(b, at, r.state.Plan)
	}
	if r.state.Plan == nil && len(b.objects) > 0 {
		conf := r.conf.Load()
		r.state.Plan = &plan{To: at, Owner: conf.Owner, S3: *conf.S3}
		if err := r.save(); err != nil {
			r.state.Plan = nil
			return err
		}
	}
	for _, o := range b.objects {
		if err := r.put(ctx, o); err != nil {
			return r.replan(err)
		}
	}
	if err := r.advance(b, at, nil); err != nil {
		return err
	}
	for _, o := range b.objects {
		r.c.objects.Add(1)
		r.c.records.Add(int64(o.records))
	}
	return nil
}

// advance tells what is lost and remembers that all records up to a place are dealt with.
func (r *runner) advance(b *batch, at audit.Position, p *plan) error {
	if b.missing > 0 {
		r.lost(b.missing, at, "the audit log removed them, by --audit-max-files, before they "+
			"were delivered")
	}
	if b.bad > 0 {
		r.lost(uint64(b.bad), at, "they are malformed; basalt audit verify says more")
	}
	before := r.state
	r.state.Done, r.state.Plan = at, p
	if err := r.save(); err != nil {
		r.state = before // what the file says
		return err
	}
	return nil
}

// gather reads what a plan holds, or, without one, what the next may hold.
func (r *runner) gather(ctx context.Context, end audit.Position) (*batch, audit.Position, error) {
	b, limit := newBatch(r.scope, r.c.cfg.Region), r.c.cfg.MaxBytes
	if r.state.Plan != nil {
		end, limit = r.state.Plan.To, 1<<62
	}
	at, missing, err := r.c.cfg.Log.Read(ctx, r.state.Done, end,
		func(record []byte, at audit.Position) bool {
			b.add(record, at, r.scope)
			return b.size < limit
		})
	if err != nil {
		return nil, at, err
	}
	b.missing = missing
	return b, at, nil
}

// lost tells of records that will not be delivered: in the log, in a metric, in the audit log.
func (r *runner) lost(num uint64, at audit.Position, why string) {
	r.c.lost.Add(int64(num))
	r.log.Error("records of the audit log cannot be delivered", zap.Uint64("records", num),
		zap.String("why", why), zap.Uint64("behind", r.state.Done.Record),
		zap.Uint64("to", at.Record))
	e := audit.Event{
		Timestamp: audit.Time(time.Now()), EventName: "RecordsNotDelivered",
		Detail: map[string]any{
			"scope": r.scope, "behindRecord": r.state.Done.Record, "toRecord": at.Record,
			"count": num, "reason": why,
		},
	}
	r.c.cfg.Log.Post(e.JSON(), false)
}

// put writes an object to the plan's destination, as the table is now.
func (r *runner) put(ctx context.Context, o *object) error {
	p, bad := r.c.place(r.state.Plan.Owner, &r.state.Plan.S3)
	if bad != nil {
		r.c.failedPuts.Add(1)
		return errors.New(bad.Message)
	}
	content, err := o.compressed()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.c.waits.put)
	defer cancel()
	to := p.Join(o.key)
	if err := to.Put(ctx, bytes.NewReader(content), r.c.mark()); err != nil {
		r.c.failedPuts.Add(1)
		return fmt.Errorf("cannot write %s: %w", to.URI, err)
	}
	return nil
}

// replan gives up a plan whose destination has been replaced and cannot be written: its records go
// to the new one.
func (r *runner) replan(err error) error {
	conf, p := r.conf.Load(), r.state.Plan
	if *conf.S3 == p.S3 && conf.Owner == p.Owner {
		return err
	}
	r.log.Warn("a log destination was replaced while it could not be written; its last objects "+
		"may be in both", zap.String("bucket", p.S3.Bucket), zap.Error(err),
		zap.Uint64("from", r.state.Done.Record+1), zap.Uint64("to", p.To.Record))
	r.state.Plan = nil
	return r.save()
}
