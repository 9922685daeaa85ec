package bedrock

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"basalt/server/api"
)

// AsyncRequest is the body of StartAsyncInvoke.
type AsyncRequest struct {
	Model, Token, Output, Owner string
	Input                       []byte // the body of InvokeModel
	Tags                        [][2]string
}

// DecodeAsync reads the body of StartAsyncInvoke.
func DecodeAsync(body []byte) (*AsyncRequest, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	o := root.Object()
	req := &AsyncRequest{
		Model: needMatch(o, "modelId", `[a-zA-Z_.\-/0-9:]+`, 256),
		Token: optMatch(o, "clientRequestToken", `[!-~]+`, 256),
	}
	if v, ok := o.Need("modelInput"); ok {
		if !v.IsObject() {
			v.Fail("must be an object")
		}
		req.Input = v.Raw()
	}
	if v, ok := o.Need("outputDataConfig"); ok {
		in := union(v)
		if c, ok := in.Need("s3OutputDataConfig"); ok {
			req.Output, req.Owner = readJobOutput(c, "bucketOwner", "kmsKeyId")
		}
		refuse(in)
	}
	req.Tags = readTags(o)
	refuse(o)
	return req, root.Err()
}

// AsyncInfo is what is told of an asynchronous invocation.
type AsyncInfo struct {
	ID, Model, Token, Status, Failure string
	Output, Owner                     string
	Submitted, Modified, Ended        time.Time
}

// AsyncARN is the ARN of an asynchronous invocation.
func (p Place) AsyncARN(id string) string { return p.arn(p.Account, "async-invoke/"+id) }

// AsyncID is the id in an invocation's ARN.
func AsyncID(arn string) (string, bool) { return idIn(arn, `async-invoke`) }

// AppendStarted appends the answer of StartAsyncInvoke.
func (p Place) AppendStarted(dst []byte, id string) []byte {
	return append(api.AppendString(append(dst, `{"invocationArn":`...), p.AsyncARN(id)), '}')
}

// AppendAsync appends the answer of GetAsyncInvoke, which is also an entry in a list.
func (p Place) AppendAsync(dst []byte, a *AsyncInfo) []byte {
	dst = api.AppendString(append(dst, `{"invocationArn":`...), p.AsyncARN(a.ID))
	dst = appendMember(dst, "modelArn", p.FoundationARN(a.Model))
	dst = appendMember(dst, "clientRequestToken", a.Token)
	dst = appendMember(dst, "status", a.Status)
	dst = appendMember(dst, "failureMessage", clip(a.Failure, 2048))
	dst = appendWhen(dst, "submitTime", a.Submitted)
	dst = appendWhen(dst, "lastModifiedTime", a.Modified)
	dst = appendWhen(dst, "endTime", a.Ended)
	dst = append(dst, `,"outputDataConfig":{"s3OutputDataConfig":{"s3Uri":`...)
	dst = api.AppendString(dst, a.Output)
	return append(appendMember(dst, "bucketOwner", a.Owner), `}}}`...)
}

// AppendAsyncs appends the answer of ListAsyncInvokes.
func (p Place) AppendAsyncs(dst []byte, list []AsyncInfo, next string) []byte {
	dst = append(dst, `{"asyncInvokeSummaries":[`...)
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.AppendAsync(dst, &list[i])
	}
	return append(appendMember(append(dst, ']'), "nextToken", next), '}')
}

// JobFilter says which jobs a list is to have, in which order, and how many at a time.
type JobFilter struct {
	Status, Name string
	Ascending    bool
	Limit        int
	Next         string // the id after which the list goes on
	after        time.Time
	before       time.Time
}

// jobStatuses are those of the service model.
func jobStatuses() []string {
	return []string{
		"Submitted", "InProgress", "Completed", "Failed", "Stopping", "Stopped",
		"PartiallyCompleted", "Expired", "Validating", "Scheduled",
	}
}

// ParseJobFilter reads the query of ListModelInvocationJobs, or of ListAsyncInvokes.
func ParseJobFilter(raw string, async bool) (*JobFilter, *api.Error) {
	known := []string{
		"submitTimeAfter", "submitTimeBefore", "statusEquals", "maxResults", "nextToken",
		"sortBy", "sortOrder",
	}
	statuses, sortBy := []string{"InProgress", "Completed", "Failed"}, "SubmissionTime"
	if !async {
		known, statuses, sortBy = append(known, "nameContains"), jobStatuses(), "CreationTime"
	}
	q := ParseQuery(raw, known...)
	f := &JobFilter{
		Status: q.OneOf("statusEquals", statuses...), Name: q.String("nameContains"),
		Next: q.String("nextToken"), Limit: maxResults,
	}
	f.after, _ = q.time("submitTimeAfter")
	f.before, _ = q.time("submitTimeBefore")
	q.OneOf("sortBy", sortBy)
	f.Ascending = q.OneOf("sortOrder", "Ascending", "Descending") == "Ascending"
	if v := q.String("maxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxResults {
			q.fail("maxResults", "must be between 1 and 1000")
		}
		f.Limit = n
	}
	return f, q.Err()
}

// Keeps reports whether a job belongs into the list.
func (f *JobFilter) Keeps(name, status string, submitted time.Time) bool {
	return (f.Status == "" || f.Status == status) &&
		(f.after.IsZero() || submitted.After(f.after)) &&
		(f.before.IsZero() || submitted.Before(f.before)) &&
		strings.Contains(strings.ToLower(name), strings.ToLower(f.Name))
}

// PageOf is the part of a list that was asked for, and the token of the next part. The list is the
// oldest first.
func PageOf[T any](f *JobFilter, list []T, id func(*T) string) ([]T, string, *api.Error) {
	if !f.Ascending {
		slices.Reverse(list)
	}
	if f.Next != "" {
		at := slices.IndexFunc(list, func(t T) bool { return id(&t) == f.Next })
		if at < 0 {
			return nil, "", api.FieldError("nextToken", "nextToken is not one that this server "+
				"gave for this list")
		}
		list = list[at+1:]
	}
	if len(list) <= f.Limit {
		return list, "", nil
	}
	list = list[:f.Limit]
	return list, id(&list[f.Limit-1]), nil
}
