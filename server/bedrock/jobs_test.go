package bedrock

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"basalt/server/api"
)

const jobJSON = `{"jobName":"a-1","roleArn":"arn:aws:iam::123456789012:role/r","modelId":"m",` +
	`"clientRequestToken":"t","inputDataConfig":{"s3InputDataConfig":{"s3Uri":"s3://in/a",` +
	`"s3InputFormat":"JSONL","s3BucketOwner":"123456789012"}},"outputDataConfig":` +
	`{"s3OutputDataConfig":{"s3Uri":"s3://out/b"}},"timeoutDurationInHours":24,` +
	`"modelInvocationType":"Converse","tags":[{"key":"k","value":""}]}`

func TestEveryFieldOfAJobIsRead(t *testing.T) {
	r, err := DecodeJob([]byte(jobJSON))
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "a-1" || r.Role != "arn:aws:iam::123456789012:role/r" || r.Model != "m" ||
		r.Token != "t" || r.Input != "s3://in/a" || r.InputOwner != "123456789012" ||
		r.Output != "s3://out/b" || r.Hours != 24 || r.Type != "Converse" || len(r.Tags) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestFaultsOfJobs(t *testing.T) {
	f := func(old, new, field string) {
		t.Helper()
		body := strings.Replace(jobJSON, old, new, 1)
		if body == jobJSON {
			t.Fatalf("%s is not there", old)
		}
		if _, err := DecodeJob([]byte(body)); err == nil || err.Field != field {
			t.Errorf("%s: %+v, want %s", new, err, field)
		}
	}
	f(`"a-1"`, `"a b"`, "jobName")
	f(`"a-1"`, `"`+strings.Repeat("a", 64)+`"`, "jobName")
	f(`"jobName":"a-1",`, ``, "jobName")
	f(`:role/r`, `:user/r`, "roleArn")
	f(`"m"`, `""`, "modelId")
	f(`"t"`, `"_"`, "clientRequestToken")
	f(`"JSONL"`, `"CSV"`, "inputDataConfig.s3InputDataConfig.s3InputFormat")
	f(`"s3Uri":"s3://in/a",`, ``, "inputDataConfig.s3InputDataConfig.s3Uri")
	f(`"123456789012"}}`, `"12"}}`, "inputDataConfig.s3InputDataConfig.s3BucketOwner")
	f(`"s3://out/b"}`, `"s3://out/b","s3EncryptionKeyId":"k"}`,
		"outputDataConfig.s3OutputDataConfig.s3EncryptionKeyId")
	f(`:24`, `:23`, "timeoutDurationInHours")
	f(`"Converse"`, `"Chat"`, "modelInvocationType")
	f(`"tags"`, `"vpcConfig":{},"tags"`, "vpcConfig")
	f(`"tags"`, `"color":1,"tags"`, "color")
	f(`"value":""`, `"value":1`, "tags[0].value")
	f(`,"value":""`, ``, "tags[0].value")
}

func TestIDsOfJobs(t *testing.T) {
	p := Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"}
	for _, name := range []string{"abcdefghij12", p.JobARN("abcdefghij12")} {
		if id, ok := JobID(name); !ok || id != "abcdefghij12" {
			t.Errorf("%s is %q, %v", name, id, ok)
		}
	}
	for _, name := range []string{
		"", "abc", "abcdefghij12/", "../abcdefghij1", "ABCDEFGHIJ12", p.AsyncARN("abcdefghij12"),
		"x" + p.JobARN("abcdefghij12"), p.JobARN("abcdefghij12") + "/x",
	} {
		if id, ok := JobID(name); ok {
			t.Errorf("%q is %q", name, id)
		}
	}
}

func TestPagesOfJobs(t *testing.T) {
	f, err := ParseJobFilter("maxResults=2&sortOrder=Ascending", false)
	if err != nil {
		t.Fatal(err)
	}
	same := func(s *string) string { return *s }
	got, next, err := PageOf(f, []string{"a", "b", "c"}, same)
	if err != nil || strings.Join(got, "") != "ab" || next != "b" {
		t.Error(got, next, err)
	}
	f.Next = next
	if got, next, err = PageOf(f, []string{"a", "b", "c"}, same); err != nil ||
		strings.Join(got, "") != "c" || next != "" {
		t.Error(got, next, err)
	}
}

func FuzzDecodeJob(f *testing.F) {
	f.Add([]byte(jobJSON))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := DecodeAsync(body); err != nil && err.Code != api.Invalid {
			t.Error(err)
		}
		r, err := DecodeJob(body)
		if err != nil {
			return
		}
		place := Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"}
		info := &JobInfo{JobRequest: *r, ID: "abcdefghij12", Submitted: time.Unix(1, 0)}
		if text := place.AppendJob(nil, info); !json.Valid(text) {
			t.Errorf("%s", text)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"recordId":"a","modelInput":{"prompt":"x"}}`))
	f.Add([]byte(`{"modelInput":{}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := DecodeRecord(line)
		if err != nil {
			return
		}
		failed := AppendRecordError(nil, api.Errorf(api.Invalid, "x"))
		out := AppendOutput(nil, r.ID, r.Input, failed)
		if !json.Valid(out) {
			t.Errorf("%s", out)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("maxResults=3&nextToken=x&sortOrder=Ascending")
	f.Add("submitTimeAfter=2099-01-01T00%3A00%3A00Z&statusEquals=Completed&nameContains=%zz")
	f.Fuzz(func(t *testing.T, query string) {
		for _, async := range []bool{false, true} {
			if _, err := ParseJobFilter(query, async); err != nil && err.Code != api.Invalid {
				t.Errorf("%q: %v", query, err)
			}
		}
		c := &Control{Models: []api.ModelInfo{{ID: "m"}}}
		for _, list := range []func(string) ([]byte, *api.Error){
			c.FoundationModels, c.Profiles, c.ImportedModels,
		} {
			if body, err := list(query); err == nil && !json.Valid(body) {
				t.Errorf("%q: %s", query, body)
			}
		}
	})
}
