package delivery

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"basalt/server/audit"
	"basalt/server/buckets"
)

// site is an audit log, buckets of two tenants, and a courier between them.
type site struct {
	t       *testing.T
	dir     string // of the log
	buckets string // folders that are buckets
	table   *buckets.Table
	store   *bucketStore
	key     ed25519.PrivateKey
	config  audit.Config
	cfg     Config
	log     *audit.Log
	courier *Courier
	seen    *observer.ObservedLogs
	num     int // invocations so far

	patience time.Duration // of an orderly end
}

// Bucket "store" is of an S3-compatible store, the others are folders.
const siteBuckets = `buckets:
  acme-logs: {tenants: [acme], folder: DIR/acme-logs}
  other-logs: {tenants: [other], folder: DIR/other-logs}
  ops-logs: {tenants: [ops], folder: DIR/ops-logs}
  still: {tenants: [acme], folder: DIR/still, read-only: true}
  store: {tenants: [acme], endpoint: URL, access-key: K, secret-key-file: DIR/secret}
`

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{
		t: t, dir: t.TempDir(), buckets: t.TempDir(), store: newBucketStore(t),
		patience: 10 * time.Second,
	}
	for _, name := range []string{"acme-logs", "other-logs", "ops-logs", "still"} {
		if err := os.Mkdir(filepath.Join(s.buckets, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.write("secret", "secret")
	s.write("table", strings.NewReplacer("DIR", s.buckets, "URL", s.store.url).Replace(siteBuckets))
	var err error
	if s.table, err = buckets.Open(filepath.Join(s.buckets, "table"), nil); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := audit.NewKey(key); err != nil {
		t.Fatal(err)
	}
	if s.key, err = audit.ReadKey(key); err != nil {
		t.Fatal(err)
	}
	s.config = audit.Config{Sync: audit.SyncNever}
	s.cfg = Config{Every: time.Millisecond, Region: "eu-site-1"}
	t.Cleanup(func() {
		if s.courier != nil {
			s.close()
		}
	})
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.buckets, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// open starts what a process has.
func (s *site) open() {
	s.t.Helper()
	s.config.Dir, s.config.Key = s.dir, s.key
	var err error
	if s.log, err = audit.Open(s.config); err != nil {
		s.t.Fatal(err)
	}
	core, seen := observer.New(zap.InfoLevel)
	s.cfg.Log, s.cfg.Buckets, s.cfg.Logger, s.seen = s.log, s.table, zap.New(core), seen
	s.courier = New(s.cfg)
	s.courier.waits.tick = min(s.cfg.Every, 2*time.Millisecond)
	s.courier.waits.firstRetry, s.courier.waits.most = time.Millisecond, 20*time.Millisecond
	s.courier.waits.last = s.patience
	s.courier.Start()
}

// close ends it in order.
func (s *site) close() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	s.courier.Close(ctx)
	if err := s.log.Close(context.Background()); err != nil {
		s.t.Error(err)
	}
	s.courier = nil
}

func (s *site) configure(scope, owner, bucket, prefix string) {
	s.t.Helper()
	d := audit.Delivery{S3: &audit.S3{Bucket: bucket, Prefix: prefix}}
	if err := s.log.Configure(scope, owner, &d); err != nil {
		s.t.Fatal(err)
	}
	s.courier.Changed(scope)
}

func (s *site) unconfigure(scope string) {
	s.t.Helper()
	if err := s.log.Unconfigure(scope); err != nil {
		s.t.Fatal(err)
	}
	s.courier.Changed(scope)
}

// begun is when the first record of a test was made.
func begun() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC) }

// invoke appends invocations as the server records them, and an event between each two.
func (s *site) invoke(tenant string, num int) {
	s.t.Helper()
	for range num {
		at := begun().Add(time.Duration(s.num) * time.Second)
		r := audit.Invocation{
			Timestamp: audit.Time(at), AccountID: tenant, Operation: "Converse",
			RequestID: fmt.Sprint(s.num), Input: audit.Input{BodyJSON: json.RawMessage(
				`{"text":"<\"delivery\":\"acme\">","chain":{"log":""}}`)},
		}
		if d, scope := s.log.Ruling(tenant); d.S3 != nil {
			r.Basalt.Delivery = scope
		}
		e := audit.Event{Timestamp: audit.Time(at), EventName: "Refused", AccountID: tenant}
		for _, record := range [][]byte{r.JSON(), e.JSON()} {
			if err := s.log.Append(record); err != nil {
				s.t.Fatal(err)
			}
		}
		s.num++
	}
}

// wait waits until a condition holds.
func (s *site) wait(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("no %s: %+v %v", what, s.courier.Stats(), s.seen.All())
		}
	}
}

// logged reports whether the log has a message with this part.
func (s *site) logged(part string) bool {
	for _, e := range s.seen.All() {
		if strings.Contains(e.Message, part) {
			return true
		}
	}
	return false
}

// objects are all objects of invocation logs, by bucket and key.
func (s *site) objects() map[string][]byte {
	s.t.Helper()
	out := make(map[string][]byte)
	for key, data := range s.store.all() {
		out["store/"+key] = data
	}
	err := filepath.WalkDir(s.buckets, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".gz") {
			return err
		}
		data, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, s.buckets+"/")] = data
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// lines reads an object.
func lines(t *testing.T, object []byte) []string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// delivered gives the objects that each invocation is in.
func delivered(t *testing.T, objects map[string][]byte) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	for name, object := range objects {
		for _, line := range lines(t, object) {
			var r audit.Invocation
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%s: %v: %s", name, err, line)
			}
			out[r.RequestID] = append(out[r.RequestID], name)
		}
	}
	return out
}

// once reports whether the invocations from one to another, and no others, are in one object each.
func (s *site) once(from, to int) bool {
	s.t.Helper()
	got := delivered(s.t, s.objects())
	for i := from; i < to; i++ {
		if len(got[fmt.Sprint(i)]) != 1 {
			return false
		}
	}
	return len(got) == to-from
}

// bucketStore is an S3-compatible store that takes what it is told to.
type bucketStore struct {
	url     string
	mu      sync.Mutex
	objects map[string][]byte
	puts    int
	before  func(w http.ResponseWriter, key string) bool // false: no more is done
	after   func(key string)
}

func newBucketStore(t *testing.T) *bucketStore {
	t.Helper()
	s := &bucketStore{objects: make(map[string][]byte)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *bucketStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPut {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/store/")
	s.mu.Lock()
	before, after := s.before, s.after
	s.puts++
	s.mu.Unlock()
	if before != nil && !before(w, key) {
		return
	}
	s.mu.Lock()
	if strings.HasSuffix(key, ".gz") {
		s.objects[key] = body
	}
	s.mu.Unlock()
	if after != nil {
		after(key)
	}
}

// set changes what the store does.
func (s *bucketStore) set(before func(http.ResponseWriter, string) bool, after func(string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// answers makes the store answer with a status; 0 makes it work.
func (s *bucketStore) answers(status int) {
	if status == 0 {
		s.set(nil, nil)
		return
	}
	s.set(func(w http.ResponseWriter, _ string) bool { w.WriteHeader(status); return false }, nil)
}

func (s *bucketStore) all() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string][]byte, len(s.objects))
	for key, data := range s.objects {
		out[key] = data
	}
	return out
}
