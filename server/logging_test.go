package server

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/server/audit"
)

// loggingPolicy: two tenants that may configure the delivery of their own records, and an operator
// of all.
const loggingPolicy = `principals:
  alice:
    tenant: local
    models: ["*"]
    operations: [inference, PutModelInvocationLoggingConfiguration,
      GetModelInvocationLoggingConfiguration, DeleteModelInvocationLoggingConfiguration]
  bob:
    tenant: other
    models: ["*"]
    operations: [inference, PutModelInvocationLoggingConfiguration,
      GetModelInvocationLoggingConfiguration]
  ops: {tenant: ops, models: [], operations: ["*ModelInvocationLoggingConfiguration", Metrics]}
`

const loggingPath = "/logging/modelinvocations"

// newLoggedYard serves with buckets of the tenants local (mine) and other (theirs).
func newLoggedYard(t *testing.T, start starter) (*yard, *people, *auditLog) {
	t.Helper()
	p, a := newPeople(t, loggingPolicy, "alice", "bob", "ops"), newAuditLog(t)
	cfg := p.config()
	cfg.Audit, cfg.Region, cfg.LogEvery = a.log, "eu-site-1", time.Millisecond
	return newYardBy(t, start, setup{cfg: cfg, noEOS: true}), p, a
}

// logged are the records in a bucket's objects, and how many objects there are.
func (y *yard) logged(t *testing.T, bucket string) (all []audit.Invocation, objects int) {
	t.Helper()
	walk := func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !strings.HasSuffix(path, ".json.gz") {
			return err
		}
		objects++
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		r, err := gzip.NewReader(file)
		if err != nil {
			return err
		}
		d := json.NewDecoder(r)
		for {
			var one audit.Invocation
			if err := d.Decode(&one); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			all = append(all, one)
		}
	}
	if err := filepath.WalkDir(filepath.Join(y.dir, bucket), walk); err != nil {
		t.Fatal(err)
	}
	return all, objects
}

// waitLogged waits for records in a bucket.
func (y *yard) waitLogged(t *testing.T, bucket string, num int) []audit.Invocation {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		all, _ := y.logged(t, bucket)
		if len(all) >= num {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d records in %s, want %d", len(all), bucket, num)
		}
	}
}

// waitMetric waits for a line of /metrics.
func (y *yard) waitMetric(t *testing.T, want string, headers ...string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(y.do("GET", "/metrics", "", headers...).body, want) {
		if time.Now().After(deadline) {
			t.Fatalf("/metrics never has %q", want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestInvocationsComeToTheTenantsBucket over both protocols.
func TestInvocationsComeToTheTenantsBucket(t *testing.T) {
	both(t, testInvocationsComeToTheTenantsBucket)
}

func testInvocationsComeToTheTenantsBucket(t *testing.T, start starter) {
	y, p, _ := newLoggedYard(t, start)
	do := func(method, body, who, want string) {
		t.Helper()
		got := y.do(method, loggingPath, body, "x-api-key", p.bearer[who])
		if got.status != 200 || got.body != want {
			t.Errorf("%s of %s: %d %s, want %s", method, who, got.status, got.body, want)
		}
	}
	ask := func(who string) answer {
		t.Helper()
		return y.post(conversePath, converseHi, "x-api-key", p.bearer[who])
	}
	const flags = `"textDataDeliveryEnabled":true,"imageDataDeliveryEnabled":false,` +
		`"embeddingDataDeliveryEnabled":false,"videoDataDeliveryEnabled":false,` +
		`"audioDataDeliveryEnabled":false,`
	mine := `{"loggingConfig":{` + flags + `"s3Config":{"bucketName":"mine","keyPrefix":"a/b"}}}`
	do("PUT", mine, "alice", "{}")
	do("GET", "", "alice", mine)
	do("GET", "", "bob", "{}")
	answered := ask("alice")
	ask("bob")
	y.post("/model/tony/converse", converseHi, "x-api-key", p.bearer["alice"])
	all := y.waitLogged(t, "mine/a/b/AWSLogs/local/BedrockModelInvocationLogs/eu-site-1", 2)
	if r := all[0]; r.AccountID != "local" || r.SchemaType != "ModelInvocationLog" ||
		r.Operation != "Converse" || string(r.Input.BodyJSON) != converseHi ||
		string(r.Output.BodyJSON) != answered.body || r.Status != 200 || r.ModelID != "tiny" ||
		r.Identity.ARN != "arn:aws:iam::local:user/alice" || r.Output.TokenCount != 3 {
		t.Errorf("%+v", r)
	}
	if r := all[1]; r.ErrorCode != "ResourceNotFoundException" || r.Input.BodyJSON != nil {
		t.Errorf("%+v", r)
	}
	do("PUT", `{"loggingConfig":{"s3Config":{"bucketName":"theirs"}}}`, "bob", "{}")
	ask("bob")
	if r := y.waitLogged(t, "theirs", 1)[0]; r.AccountID != "other" || r.Input.BodyJSON != nil {
		t.Errorf("%+v", r)
	}
	do("DELETE", "", "alice", "{}")
	ask("alice")
	ask("bob")
	y.waitLogged(t, "theirs", 2)
	if all, _ := y.logged(t, "mine"); len(all) != 2 {
		t.Errorf("%d records behind Delete", len(all)-2)
	}
	for _, want := range []string{
		"basalt_log_delivery_records_total 4\n", "basalt_log_delivery_lag_seconds 0\n",
		"basalt_log_delivery_failing 0\n", "basalt_log_delivery_lost_records_total 0\n",
	} {
		y.waitMetric(t, want, "x-api-key", p.bearer["ops"])
	}
}

// TestDestinationsOfOthersAreRefused, and what is no destination, before anything is written.
func TestDestinationsOfOthersAreRefused(t *testing.T) {
	both(t, testDestinationsOfOthersAreRefused)
}

func testDestinationsOfOthersAreRefused(t *testing.T, start starter) {
	y, p, a := newLoggedYard(t, start)
	f := func(who, config, want, part string) {
		t.Helper()
		body := `{"loggingConfig":{` + config + `}}`
		got := y.do("PUT", loggingPath, body, "x-api-key", p.bearer[who])
		if m, name := awsError(t, got); name != want || !strings.Contains(m, part) ||
			strings.Contains(got.body, y.dir) {
			t.Errorf("%s: %d %s, want %s %q", config, got.status, got.body, want, part)
		}
	}
	denied, invalid := "AccessDeniedException", "ValidationException"
	f("alice", `"s3Config":{"bucketName":"theirs"}`, denied, `no bucket "theirs"`)
	f("bob", `"s3Config":{"bucketName":"mine"}`, denied, `no bucket "mine"`)
	f("ops", `"s3Config":{"bucketName":"mine"}`, denied, `no bucket "mine"`)
	f("alice", `"s3Config":{"bucketName":"absent"}`, denied, `no bucket "absent"`)
	f("alice", `"s3Config":{"bucketName":"still"}`, denied, "read-only")
	f("alice", `"s3Config":{}`, invalid, "loggingConfig.s3Config.bucketName is required")
	f("alice", `"s3Config":"mine"`, invalid, "loggingConfig.s3Config")
	f("alice", `"s3Config":{"bucketName":7}`, invalid, "loggingConfig.s3Config.bucketName")
	f("alice", `"s3Config":{"bucketName":"mine/x"}`, invalid, "loggingConfig.s3Config.bucketName")
	f("alice", `"s3Config":{"bucketName":"mine","region":"x"}`, invalid, "s3Config.region")
	f("alice", `"s3Config":{"bucketName":"mine","keyPrefix":"../theirs"}`, invalid,
		"loggingConfig.s3Config.keyPrefix")
	f("alice", `"s3Config":{"bucketName":"mine","keyPrefix":"`+strings.Repeat("a", 701)+`"}`,
		invalid, "701 bytes; it may have at most 700")
	f("alice", `"cloudWatchConfig":{"logGroupName":"g","roleArn":"arn:aws:iam::1:role/r"}`,
		invalid, "loggingConfig.cloudWatchConfig: there are no CloudWatch log groups here")
	if err := a.log.Sync(); err != nil {
		t.Error(err)
	}
	for _, r := range a.read(a.log.Len()) {
		if r.EventName != "ServerStarted" && r.EventName != "Refused" {
			t.Errorf("a refused change is in the audit log: %s", r.raw)
		}
	}
	for _, name := range []string{"mine", "theirs", "still"} {
		if entries, err := os.ReadDir(filepath.Join(y.dir, name)); err != nil || len(entries) > 0 {
			t.Errorf("%s has %v, %v", name, entries, err)
		}
	}
}

// TestTheOperatorsBucketGetsTheRest: records of tenants that configured nothing themselves.
func TestTheOperatorsBucketGetsTheRest(t *testing.T) {
	y, p, _ := newLoggedYard(t, start)
	y.write(t, "buckets.yaml", strings.ReplaceAll(yardBuckets, "DIR", y.dir)+
		"  all: {tenants: [ops], folder: "+y.dir+"/all}\n")
	if err := os.Mkdir(filepath.Join(y.dir, "all"), 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(who, bucket string) {
		t.Helper()
		got := y.do("PUT", loggingPath, `{"loggingConfig":{"s3Config":{"bucketName":"`+bucket+
			`"}}}`, "x-api-key", p.bearer[who])
		if got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	put("ops", "all")
	put("alice", "mine")
	for range 2 {
		y.post(conversePath, converseHi, "x-api-key", p.bearer["alice"])
		y.post(conversePath, converseHi, "x-api-key", p.bearer["bob"])
	}
	for _, bucket := range []string{"mine/AWSLogs/local", "all/AWSLogs/other"} {
		for _, r := range y.waitLogged(t, bucket, 2) {
			if !strings.HasSuffix(bucket, r.AccountID) {
				t.Errorf("%s has %+v", bucket, r)
			}
		}
	}
	if all, _ := y.logged(t, "all"); len(all) != 2 {
		t.Errorf("%d records", len(all))
	}
}

// TestShutdownDeliversWhatWaits, although it would wait for an hour.
func TestShutdownDeliversWhatWaits(t *testing.T) {
	a := newAuditLog(t)
	y := newYard(t, setup{cfg: Config{Audit: a.log, LogEvery: time.Hour}, noEOS: true})
	got := y.do("PUT", loggingPath, `{"loggingConfig":{"s3Config":{"bucketName":"mine"}}}`)
	if got.status != 200 {
		t.Fatal(got)
	}
	for range 3 {
		y.post(conversePath, converseHi)
	}
	if all, _ := y.logged(t, "mine"); len(all) != 0 {
		t.Errorf("%d records already", len(all))
	}
	if err := y.srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, objects := y.logged(t, "mine"); len(all) != 3 || objects != 1 {
		t.Errorf("%d records in %d objects", len(all), objects)
	}
}
