package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"basalt/server/api"
	"basalt/server/audit"
)

// TestRecordsComeToTheirBucket: invocations of one tenant, as the audit log has them, where Bedrock
// would put them.
func TestRecordsComeToTheirBucket(t *testing.T) {
	f := func(bucket, prefix, want string) {
		t.Helper()
		s := newSite(t)
		s.open()
		s.invoke("acme", 2) // before
		s.configure("acme", "acme", bucket, prefix)
		s.invoke("acme", 3)
		s.invoke("other", 1)
		s.invoke("acme", 2)
		s.wait("delivery", func() bool { return s.courier.Stats().Records == 5 })
		s.close()
		name := regexp.MustCompile("^" + bucket + "/" + want + `AWSLogs/acme/` +
			`BedrockModelInvocationLogs/eu-site-1/2026/03/04/05/20260304T0506\d{5}Z_[0-9a-f]{16}` +
			`\.json\.gz$`)
		raw, err := os.ReadFile(filepath.Join(s.dir, "audit-00000001.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for key, object := range s.objects() {
			if !name.MatchString(key) {
				t.Errorf("an object is at %s", key)
			}
			for _, line := range lines(t, object) {
				var r audit.Invocation
				if err := json.Unmarshal([]byte(line), &r); err != nil ||
					r.SchemaType != "ModelInvocationLog" || r.SchemaVersion != "1.0" ||
					!strings.Contains(string(raw), strings.TrimSuffix(line, "}")+`,"chain":`) {
					t.Errorf("%v: %s", err, line)
				}
				ids = append(ids, r.RequestID)
			}
		}
		if got := delivered(t, s.objects()); len(ids) != 5 || len(got) != 5 || got["5"] != nil {
			t.Errorf("%v", got)
		}
	}
	f("acme-logs", "", "")
	f("acme-logs", "some/where/", "some/where/")
	f("store", "", "")
	f("store", "some/where", "some/where/")
}

// TestEveryTenantHasAnAccount: one configuration for all but those who have their own.
func TestEveryTenantHasAnAccount(t *testing.T) {
	s := newSite(t)
	s.open()
	s.configure(audit.EveryTenant, "ops", "ops-logs", "")
	s.configure("other", "other", "other-logs", "p")
	for range 5 {
		s.invoke("acme", 1)
		s.invoke("other", 1)
		s.invoke("..", 1)
	}
	s.unconfigure("other")
	s.invoke("other", 2)
	s.wait("delivery", func() bool { return s.once(0, s.num) })
	for id, in := range delivered(t, s.objects()) {
		want := "ops-logs/AWSLogs/acme/"
		switch n := len(id); {
		case id == "15" || id == "16":
			want = "ops-logs/AWSLogs/other/"
		case n > 0 && (id == "1" || id == "4" || id == "7" || id == "10" || id == "13"):
			want = "other-logs/p/AWSLogs/other/"
		case id == "2" || id == "5" || id == "8" || id == "11" || id == "14":
			want = "ops-logs/AWSLogs/_%2E%2E/"
		}
		if !strings.HasPrefix(in[0], want) {
			t.Errorf("invocation %s is in %s, want %s", id, in[0], want)
		}
	}
}

// TestObjectsAreBounded: much that waits goes into several objects, and little waits for more.
func TestObjectsAreBounded(t *testing.T) {
	s := newSite(t)
	s.cfg.Every, s.cfg.MaxBytes = time.Hour, 4000
	s.open()
	s.configure("acme", "acme", "store", "")
	s.invoke("acme", 2)
	s.wait("look", func() bool { return s.courier.Stats().Lag > 0 })
	if n := s.courier.Stats(); n.Objects != 0 {
		t.Errorf("a little was delivered at once: %+v", n)
	}
	s.invoke("acme", 98)
	s.wait("delivery", func() bool { return s.courier.Stats().Records > 80 })
	s.close() // delivers the rest
	if !s.once(0, 100) {
		t.Errorf("%v", delivered(t, s.objects()))
	}
	for name, o := range s.objects() {
		if n := len(strings.Join(lines(t, o), "\n")); n > 5000 {
			t.Errorf("%s has %d bytes", name, n)
		}
	}
}

// TestAStoreThatIsAway loses nothing and keeps nobody waiting.
func TestAStoreThatIsAway(t *testing.T) {
	s := newSite(t)
	s.open()
	s.configure("acme", "acme", "store", "")
	s.configure("other", "other", "other-logs", "")
	s.invoke("acme", 1)
	s.wait("delivery", func() bool { return s.once(0, 1) })
	s.store.answers(http.StatusServiceUnavailable)
	s.invoke("acme", 5)
	s.wait("failure", func() bool {
		n := s.courier.Stats()
		return n.Failing == 1 && n.FailedPuts > 3 && n.Lag > 0
	})
	s.invoke("acme", 5)
	s.invoke("other", 1) // is not held up
	s.wait("delivery of the other tenant", func() bool { return s.courier.Stats().Records == 2 })
	if !s.logged("cannot deliver invocation logs") {
		t.Error("nobody is told")
	}
	s.close() // while it is away
	s.open()
	s.wait("failure", func() bool { return s.courier.Stats().Failing == 1 })
	s.store.answers(0)
	s.wait("delivery", func() bool { return s.once(0, s.num) })
	s.wait("good news", func() bool { return s.logged("can be delivered again") })
	s.wait("rest", func() bool {
		n := s.courier.Stats()
		return n.Failing == 0 && n.Lag == 0 && n.Lost == 0
	})
}

// TestAHangingStoreBlocksNobody: an object that is never taken.
func TestAHangingStoreBlocksNobody(t *testing.T) {
	s := newSite(t)
	s.patience = 100 * time.Millisecond
	s.open()
	let := make(chan struct{})
	s.store.set(func(http.ResponseWriter, string) bool { <-let; return true }, nil)
	s.configure("acme", "acme", "store", "")
	s.invoke("acme", 5)
	s.wait("attempt", func() bool {
		s.store.mu.Lock()
		defer s.store.mu.Unlock()
		return s.store.puts > 0
	})
	began := time.Now()
	s.invoke("acme", 5)
	s.courier.Stats()
	s.configure("acme", "acme", "store", "p")
	s.close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	close(let)
	s.store.answers(0)
	s.patience = 10 * time.Second
	s.open()
	s.wait("delivery", func() bool {
		got := delivered(t, s.objects())
		return len(got) == 10
	})
}

// TestAnotherDestinationTakesOver what the first could not take.
func TestAnotherDestinationTakesOver(t *testing.T) {
	s := newSite(t)
	s.open()
	s.store.answers(http.StatusForbidden)
	s.configure("acme", "acme", "store", "")
	s.invoke("acme", 5)
	s.wait("failure", func() bool { return s.courier.Stats().FailedPuts > 2 })
	s.configure("acme", "acme", "acme-logs", "")
	s.wait("delivery", func() bool { return s.once(0, 5) })
	if !s.logged("was replaced while it could not be written") {
		t.Error("nobody is told")
	}
	// The operator takes the bucket away, and gives it back.
	table := strings.NewReplacer("DIR", s.buckets, "URL", s.store.url).Replace(siteBuckets)
	s.write("table", strings.Replace(table, "acme-logs: {tenants: [acme]",
		"acme-logs: {tenants: [other]", 1))
	s.invoke("acme", 5)
	s.wait("failure", func() bool { return s.courier.Stats().Failing == 1 })
	s.write("table", table)
	s.wait("delivery", func() bool { return s.once(0, 10) })
}

// TestDeliveryEndsWithItsConfiguration: what waited gets one more attempt, later records none.
func TestDeliveryEndsWithItsConfiguration(t *testing.T) {
	s := newSite(t)
	s.cfg.Every = time.Hour
	s.open()
	s.configure("acme", "acme", "acme-logs", "")
	s.invoke("acme", 3)
	s.unconfigure("acme")
	s.invoke("acme", 3)
	s.configure("acme", "acme", "store", "") // waits for the one before
	s.invoke("acme", 3)
	s.close()
	got := delivered(t, s.objects())
	for i := range 9 {
		in := strings.Join(got[fmt.Sprint(i)], " ")
		want := []string{"acme-logs/", "", "store/"}[i/3]
		if !strings.HasPrefix(in, want) || (want == "") != (in == "") || strings.Contains(in, " ") {
			t.Errorf("invocation %d is in %q, want %q", i, in, want)
		}
	}
	s.open()
	s.store.answers(http.StatusBadGateway)
	s.invoke("acme", 2)
	s.unconfigure("acme")
	s.wait("word of it", func() bool { return s.logged("what waited could not be delivered") })
	s.wait("loss", func() bool { return s.courier.Stats().Lost >= 4 })
	s.close()
	s.store.answers(0)
	s.open()
	s.configure("acme", "acme", "store", "")
	s.invoke("acme", 1)
	s.close()
	got = delivered(t, s.objects())
	if len(got) != 7 || len(got["11"]) != 1 {
		t.Errorf("%v", got)
	}
}

// TestAPlaceThatCannotBeRemembered: what is not durable is not begun, and done again if it was.
func TestAPlaceThatCannotBeRemembered(t *testing.T) {
	s := newSite(t)
	s.open()
	s.configure("acme", "acme", "store", "")
	block := filepath.Join(s.dir, audit.ScopedFile(stateFile, "acme")+".new")
	mkdir := func() {
		if err := os.Mkdir(block, 0o700); err != nil {
			t.Error(err)
		}
	}
	mkdir()
	s.invoke("acme", 3)
	s.wait("failure", func() bool { return s.courier.Stats().Failing == 1 })
	if n := s.courier.Stats(); n.Objects != 0 {
		t.Errorf("an object was begun without a plan: %+v", n)
	}
	var once sync.Once
	s.store.set(nil, func(string) { once.Do(mkdir) }) // behind the first object
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	s.wait("repetition", func() bool {
		s.store.mu.Lock()
		defer s.store.mu.Unlock()
		return s.store.puts > 2
	})
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	s.wait("end of it", func() bool { return s.courier.Stats().Failing == 0 })
	if n := s.courier.Stats(); !s.once(0, 3) || n.Records != 3 {
		t.Errorf("%v %+v", delivered(t, s.objects()), n)
	}
}

// TestRecordsThatTheLogRemoves before they could be delivered are told everywhere.
func TestRecordsThatTheLogRemoves(t *testing.T) {
	s := newSite(t)
	s.config.MaxFile, s.config.MaxFiles = 4000, 3
	s.open()
	s.store.answers(http.StatusServiceUnavailable)
	s.configure("acme", "acme", "store", "")
	s.invoke("acme", 100)
	s.wait("failure", func() bool { return s.courier.Stats().Failing == 1 })
	s.store.answers(0)
	s.wait("delivery", func() bool {
		return s.courier.Stats().Failing == 0 && len(delivered(t, s.objects())["99"]) == 1
	})
	lost := s.courier.Stats().Lost
	if lost < 100 || uint64(lost) > s.log.Len() || !s.logged("cannot be delivered") {
		t.Errorf("%d are lost, %v", lost, s.seen.All())
	}
	got := delivered(t, s.objects())
	if len(got)+int(lost+1)/2 < 100 {
		t.Errorf("%d invocations delivered and %d records lost, of 100 and 200", len(got), lost)
	}
	s.close()
	var log strings.Builder
	files, err := filepath.Glob(filepath.Join(s.dir, "audit-*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		log.Write(data)
	}
	if !strings.Contains(log.String(), `"eventName":"RecordsNotDelivered"`) {
		t.Error("the audit log does not say so")
	}
}

// TestOtherLogs are met by a courier's file: restored, replaced, interrupted.
func TestOtherLogs(t *testing.T) {
	s := newSite(t)
	s.open()
	s.configure("acme", "acme", "store", "")
	s.invoke("acme", 3)
	s.close()
	// The log loses its last records.
	path := filepath.Join(s.dir, "audit-00000001.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change := func(data []byte, message string) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s.open()
		s.wait(message, func() bool { return s.logged(message) })
		before := s.num
		s.invoke("acme", 2)
		s.close()
		got := delivered(t, s.objects())
		for i := before; i < s.num; i++ {
			if len(got[fmt.Sprint(i)]) != 1 {
				t.Errorf("%s: invocation %d is in %v", message, i, got[fmt.Sprint(i)])
			}
		}
	}
	begin := strings.SplitAfter(string(whole), "\n")[:2]
	change([]byte(strings.Join(begin, "")), "has lost records")
	change(nil, "is not the one that was delivered")
	// A process was killed behind Delete.
	if err := os.Remove(filepath.Join(s.dir, "delivery-acme.json")); err != nil {
		t.Fatal(err)
	}
	s.open()
	if !s.logged("ended with its configuration") {
		t.Error("nobody is told")
	}
	if _, err := os.Stat(filepath.Join(s.dir, "courier-acme.json")); !os.IsNotExist(err) {
		t.Error(err)
	}
}

// TestDestinationsAreChecked before anything is read or written.
func TestDestinationsAreChecked(t *testing.T) {
	s := newSite(t)
	s.open()
	f := func(owner, bucket, prefix string, want api.Code, part string) {
		t.Helper()
		to := &audit.S3{Bucket: bucket, Prefix: prefix}
		err := s.courier.Check(context.Background(), owner, to)
		if err == nil || err.Code != want || !strings.Contains(err.Message, part) {
			t.Errorf("%s/%s of %s: %v", bucket, prefix, owner, err)
		}
	}
	f("acme", "other-logs", "", api.Forbidden, `no bucket "other-logs"`)
	f("acme", "absent", "", api.Forbidden, `no bucket "absent"`)
	f("acme", "still", "", api.Forbidden, "read-only")
	f("other", "store", "", api.Forbidden, `no bucket "store"`)
	f("acme", "store/x", "", api.Invalid, "bucketName")
	f("acme", "../other-logs", "", api.Invalid, "bucketName")
	f("acme", "", "", api.Invalid, "bucketName")
	f("acme", "s", "", api.Invalid, "bucketName")
	f("acme", "acme-logs", "../other-logs", api.Invalid, "keyPrefix")
	f("acme", "acme-logs", "/etc", api.Invalid, "keyPrefix")
	f("acme", "acme-logs", "a//b", api.Invalid, "keyPrefix")
	f("acme", "acme-logs", "a\x00b", api.Invalid, "keyPrefix")
	if n := s.store.puts; n != 0 || len(s.objects()) != 0 {
		t.Errorf("%d requests", n)
	}
	s.store.answers(http.StatusForbidden)
	f("acme", "store", "", api.Invalid, "failed to validate permissions")
	s.store.answers(http.StatusServiceUnavailable)
	f("acme", "store", "", api.Invalid, "does not answer")
	s.store.answers(0)
	for _, bucket := range []string{"store", "acme-logs"} {
		to := &audit.S3{Bucket: bucket, Prefix: "p"}
		if err := s.courier.Check(context.Background(), "acme", to); err != nil {
			t.Error(err)
		}
	}
	check := "acme-logs/p/AWSLogs/acme/BedrockModelInvocationLogs/" + checkName
	if _, err := os.Stat(filepath.Join(s.buckets, check)); err != nil {
		t.Error(err)
	}
}
