package delivery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"basalt/server/audit"
)

// batch is what a runner delivers together: an object for each account and region.
type batch struct {
	scope   []byte // as records of the scope have it
	region  string // of records that name none
	objects []*object
	byGroup map[[2]string]*object
	size    int    // bytes of all lines
	bad     int    // records that cannot be read
	missing uint64 // records that the log had removed, behind those of the batch
}

// object is lines of JSON, in the order of the log.
type object struct {
	key     string // below the destination's prefix
	lines   []byte
	records int
}

func newBatch(scope, region string) *batch {
	return &batch{
		scope: []byte(`"delivery":` + strconv.Quote(scope)), region: region,
		byGroup: make(map[[2]string]*object),
	}
}

// head is what is needed of a record.
type head struct {
	SchemaType string `json:"schemaType"`
	Timestamp  string `json:"timestamp"`
	AccountID  string `json:"accountId"`
	Region     string `json:"region"`
	Basalt     struct {
		Delivery string `json:"delivery"`
	} `json:"basalt"`
}

// add takes a record if it is an invocation that the scope's configuration delivers. Refusals and
// acts of administrators stay in the audit log: Bedrock's log has invocations alone.
func (b *batch) add(record []byte, at audit.Position, scope string) {
	const invocation = `{"schemaType":"ModelInvocationLog"`
	if !bytes.HasPrefix(record, []byte(invocation)) || !bytes.Contains(record, b.scope) {
		return
	}
	var h head
	if err := json.Unmarshal(record, &h); err != nil {
		b.bad++
		return
	}
	if h.Basalt.Delivery != scope {
		return
	}
	if h.Region == "" {
		h.Region = b.region
	}
	group := [2]string{h.AccountID, h.Region}
	o := b.byGroup[group]
	if o == nil {
		o = &object{key: objectKey(&h, at)}
		b.byGroup[group], b.objects = o, append(b.objects, o)
	}
	o.lines = append(append(o.lines, record...), '\n')
	o.records++
	b.size += len(record) + 1
}

// objectKey is where Bedrock has the object: by account, region and the hour of its first record,
// which its name tells apart from all other records of all logs.
func objectKey(h *head, at audit.Position) string {
	when, err := time.Parse(time.RFC3339, h.Timestamp)
	if when = when.UTC(); err != nil || when.Year() < 0 || when.Year() > 9999 {
		when = time.Unix(0, 0).UTC()
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%s/%d", at.Log, at.Record))
	return accountFolder(h.AccountID) + segment(h.Region) + when.Format("/2006/01/02/15/") +
		strings.Replace(when.Format("20060102T150405.000Z"), ".", "", 1) + "_" +
		hex.EncodeToString(id[:8]) + ".json.gz"
}

func accountFolder(account string) string {
	return "AWSLogs/" + segment(account) + "/BedrockModelInvocationLogs/"
}

// segment is one part of a key, whatever the text.
func segment(text string) string {
	if strings.Trim(text, ".") == "" {
		return "_" + strings.ReplaceAll(text, ".", "%2E")
	}
	return url.PathEscape(text)
}

// compressed is the object's content. The same lines give the same bytes.
func (o *object) compressed() ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(o.lines); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
