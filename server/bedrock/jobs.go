package bedrock

import (
	"regexp"
	"strings"
	"time"

	"basalt/server/api"
)

// JobRequest is the body of CreateModelInvocationJob. What it names in S3 is not looked at here.
type JobRequest struct {
	Name, Role, Model, Token string
	Type                     string // InvokeModel or Converse
	Input, Output            string // URIs
	InputOwner, OutputOwner  string // accounts that must own the buckets; may be empty
	Hours                    int    // 0: none was given
	Tags                     [][2]string
}

// InputField and OutputField are where a job names its places.
const (
	InputField  = "inputDataConfig.s3InputDataConfig.s3Uri"
	OutputField = "outputDataConfig.s3OutputDataConfig.s3Uri"
)

// Limits of the service model.
const (
	maxJobTags  = 200
	minJobHours = 24
	maxJobHours = 168
)

// DecodeJob reads the body of CreateModelInvocationJob.
func DecodeJob(body []byte) (*JobRequest, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	o := root.Object()
	req := &JobRequest{
		Name: needMatch(o, "jobName", `[a-zA-Z0-9](-*[a-zA-Z0-9+.\-])*`, 63),
		Role: needMatch(o, "roleArn", `arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+`, 2048),
		Type: o.OneOf("modelInvocationType", "InvokeModel", "Converse"),
	}
	if req.Type == "" {
		req.Type = "InvokeModel"
	}
	req.Model = needMatch(o, "modelId", `.+`, 2048)
	req.Token = optMatch(o, "clientRequestToken", `[a-zA-Z0-9](-*[a-zA-Z0-9])*`, 256)
	req.Hours = o.Int("timeoutDurationInHours", minJobHours, maxJobHours).Value
	if v, ok := o.Need("inputDataConfig"); ok {
		readJobInput(v, req)
	}
	if v, ok := o.Need("outputDataConfig"); ok {
		in := union(v)
		if c, ok := in.Need("s3OutputDataConfig"); ok {
			req.Output, req.OutputOwner = readJobOutput(c, "s3BucketOwner", "s3EncryptionKeyId")
		}
		refuse(in)
	}
	req.Tags = readTags(o)
	if v, ok := o.Get("vpcConfig"); ok {
		v.Fail("is not supported: nothing leaves this server but by its own buckets; leave it out")
	}
	refuse(o)
	return req, root.Err()
}

func readJobInput(v api.Value, req *JobRequest) {
	in := union(v)
	c, ok := in.Need("s3InputDataConfig")
	if ok {
		o := c.Object()
		req.Input = o.NeedString("s3Uri")
		o.OneOf("s3InputFormat", "JSONL")
		req.InputOwner = optMatch(o, "s3BucketOwner", `[0-9]{12}`, 12)
		refuse(o)
	}
	refuse(in)
}

// readJobOutput reads where results go. Keys of AWS's key service encrypt nothing here.
func readJobOutput(v api.Value, ownerField, keyField string) (uri, owner string) {
	o := v.Object()
	uri = o.NeedString("s3Uri")
	owner = optMatch(o, ownerField, `[0-9]{12}`, 12)
	if key, ok := o.Get(keyField); ok {
		key.Fail("is not supported: this server has no key service; leave it out")
	}
	refuse(o)
	return uri, owner
}

func readTags(o *api.Object) (tags [][2]string) {
	v, ok := o.Get("tags")
	if !ok {
		return nil
	}
	if n := v.Len(); n > maxJobTags {
		v.Fail("has %d tags; at most %d are allowed", n, maxJobTags)
		return nil
	}
	for _, e := range v.Elements() {
		tag := e.Object()
		tags = append(tags, [2]string{
			needMatch(tag, "key", `[a-zA-Z0-9\s._:/=+@-]+`, 128),
			needMatch(tag, "value", `[a-zA-Z0-9\s._:/=+@-]*`, 256),
		})
		refuse(tag)
	}
	return tags
}

func needMatch(o *api.Object, name, pattern string, most int) string {
	if !o.Has(name) {
		o.Missing(name)
	}
	return optMatch(o, name, pattern, most)
}

// optMatch reads a string that has at most so many bytes and matches a pattern of the service
// model.
func optMatch(o *api.Object, name, pattern string, most int) string {
	v, ok := o.Get(name)
	if !ok {
		return ""
	}
	s := v.Str()
	whole := regexp.MustCompile(`^(?:` + pattern + `)$`)
	if v.IsString() && (len(s) > most || !whole.MatchString(s)) {
		v.Fail("must have at most %d characters and match %s", most, pattern)
	}
	return s
}

// JobInfo is what is told of a model invocation job. Times are zero until they come.
type JobInfo struct {
	JobRequest
	ID, Status, Message                string
	Submitted, Modified, Ended, Expiry time.Time
	Total, Processed                   int
	Succeeded, Failed                  int
}

// JobARN is the ARN of a model invocation job.
func (p Place) JobARN(id string) string { return p.arn(p.Account, "model-invocation-job/"+id) }

// JobID is the id in the identifier of a job: the id itself or its ARN, whatever its place.
func JobID(identifier string) (string, bool) {
	return idIn(identifier, `model-invocation-job`)
}

// idIn takes the id out of an ARN of Bedrock, or out of itself.
func idIn(identifier, resource string) (string, bool) {
	const arn = `^arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:`
	m := regexp.MustCompile(`(?:` + arn + resource + `/|^)([a-z0-9]{12})$`).
		FindStringSubmatch(identifier)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// AppendCreatedJob appends the answer of CreateModelInvocationJob.
func (p Place) AppendCreatedJob(dst []byte, id string) []byte {
	return append(api.AppendString(append(dst, `{"jobArn":`...), p.JobARN(id)), '}')
}

// AppendJob appends the answer of GetModelInvocationJob, which is also a job's entry in a list.
func (p Place) AppendJob(dst []byte, j *JobInfo) []byte {
	dst = api.AppendString(append(dst, `{"jobArn":`...), p.JobARN(j.ID))
	dst = appendMember(dst, "jobName", j.Name)
	dst = appendMember(dst, "modelId", j.Model)
	dst = appendMember(dst, "clientRequestToken", j.Token)
	dst = appendMember(dst, "roleArn", j.Role)
	dst = appendMember(dst, "status", j.Status)
	dst = appendMember(dst, "message", clip(j.Message, 2048))
	dst = appendWhen(dst, "submitTime", j.Submitted)
	dst = appendWhen(dst, "lastModifiedTime", j.Modified)
	dst = appendWhen(dst, "endTime", j.Ended)
	dst = appendWhen(dst, "jobExpirationTime", j.Expiry)
	dst = append(dst, `,"inputDataConfig":{"s3InputDataConfig":{"s3InputFormat":"JSONL"`...)
	dst = appendMember(dst, "s3Uri", j.Input)
	dst = appendMember(dst, "s3BucketOwner", j.InputOwner)
	dst = append(dst, `}},"outputDataConfig":{"s3OutputDataConfig":{"s3Uri":`...)
	dst = api.AppendString(dst, j.Output)
	dst = appendMember(dst, "s3BucketOwner", j.OutputOwner)
	dst = append(dst, `}}`...)
	dst = appendMember(dst, "modelInvocationType", j.Type)
	if j.Hours > 0 {
		dst = api.AppendInt(append(dst, `,"timeoutDurationInHours":`...), j.Hours)
	}
	if j.Total > 0 {
		dst = api.AppendInt(append(dst, `,"totalRecordCount":`...), j.Total)
		dst = api.AppendInt(append(dst, `,"processedRecordCount":`...), j.Processed)
		dst = api.AppendInt(append(dst, `,"successRecordCount":`...), j.Succeeded)
		dst = api.AppendInt(append(dst, `,"errorRecordCount":`...), j.Failed)
	}
	return append(dst, '}')
}

// appendMember appends a member after a comma, unless its value is empty.
func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return api.AppendString(dst, value)
}

func appendWhen(dst []byte, name string, at time.Time) []byte {
	if at.IsZero() {
		return dst
	}
	return appendMember(dst, name, at.UTC().Format("2006-01-02T15:04:05.000Z"))
}

// AppendJobs appends the answer of ListModelInvocationJobs.
func (p Place) AppendJobs(dst []byte, jobs []JobInfo, next string) []byte {
	dst = append(dst, `{"invocationJobSummaries":[`...)
	for i := range jobs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.AppendJob(dst, &jobs[i])
	}
	return append(appendMember(append(dst, ']'), "nextToken", next), '}')
}

// Manifest is the text of manifest.json.out, which sums up a job that has ended.
func Manifest(j *JobInfo, inputTokens, outputTokens int64) []byte {
	dst := api.AppendInt([]byte(`{"totalRecordCount":`), j.Total)
	dst = api.AppendInt(append(dst, `,"processedRecordCount":`...), j.Processed)
	dst = api.AppendInt(append(dst, `,"successRecordCount":`...), j.Succeeded)
	dst = api.AppendInt(append(dst, `,"errorRecordCount":`...), j.Failed)
	dst = api.AppendInt(append(dst, `,"inputTokenCount":`...), int(inputTokens))
	dst = api.AppendInt(append(dst, `,"outputTokenCount":`...), int(outputTokens))
	return append(dst, '}')
}

// AppendOutput appends a record's line of the output: the input's id and body, and what came of it.
// outcome is a member: modelOutput or error.
func AppendOutput(dst []byte, id string, input, outcome []byte) []byte {
	dst = api.AppendString(append(dst, `{"recordId":`...), id)
	dst = append(append(dst, `,"modelInput":`...), input...)
	return append(append(append(dst, ','), outcome...), "}\n"...)
}

// AppendRecordError appends the member that stands for an answer.
func AppendRecordError(dst []byte, err *api.Error) []byte {
	_, status := Exception(err)
	dst = api.AppendInt(append(dst, `"error":{"errorCode":`...), status)
	return append(api.AppendString(append(dst, `,"errorMessage":`...), message(err)), '}')
}

// Record is a line of a job's input.
type Record struct {
	ID    string // empty: the client gave none
	Input []byte // JSON
}

// DecodeRecord reads a line of a job's input.
func DecodeRecord(line []byte) (Record, *api.Error) {
	root, err := api.ParseJSON(line)
	if err != nil {
		err.Message = strings.Replace(err.Message, "the body", "the line", 1)
		return Record{}, err
	}
	const maxID = 512
	o := root.Object()
	var r Record
	if v, ok := o.Get("recordId"); ok {
		if r.ID = v.Str(); v.IsString() && (r.ID == "" || len(r.ID) > maxID) {
			v.Fail("must have 1 to %d bytes", maxID)
		}
	}
	if v, ok := o.Need("modelInput"); ok {
		if !v.IsObject() {
			v.Fail("must be an object")
		}
		r.Input = v.Raw()
	}
	refuse(o)
	return r, root.Err()
}
