package delivery

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"basalt/server/audit"
)

// BenchmarkDeliver reads records of 2 KiB from a log, puts them into objects and compresses these.
func BenchmarkDeliver(b *testing.B) {
	const num = 2000
	key := b.TempDir() + "/key"
	if err := audit.NewKey(key); err != nil {
		b.Fatal(err)
	}
	private, err := audit.ReadKey(key)
	if err != nil {
		b.Fatal(err)
	}
	log, err := audit.Open(audit.Config{Dir: b.TempDir(), Key: private, Sync: audit.SyncNever})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close(context.Background()) }()
	r := audit.Invocation{AccountID: "acme", Timestamp: "2026-03-04T05:06:07.089Z"}
	r.Basalt.Delivery = "acme"
	r.Input.BodyJSON = json.RawMessage(`{"text":"` + strings.Repeat("Once upon a time ", 90) + `"}`)
	for range num {
		if err := log.Append(r.JSON()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		batch := newBatch("acme", "r")
		_, _, err := log.Read(context.Background(), audit.Position{}, log.End(),
			func(record []byte, at audit.Position) bool {
				batch.add(record, at, "acme")
				return true
			})
		if err != nil || batch.objects[0].records != num {
			b.Fatal(err)
		}
		if _, err := batch.objects[0].compressed(); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(batch.size))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/num, "ns/record")
}
