package bedrock

import (
	"encoding/base64"
	"unicode/utf8"

	"basalt/server/api"
)

// Limits that the service documents, of one message.
const (
	maxDocName   = 200
	maxDocuments = 5
	maxDocBytes  = 4_718_592 // 4.5 MB
	maxImages    = 20
	maxImgBytes  = 3_932_160 // 3.75 MB
)

// appendMedia reads what stands beside text: documents, search results, images.
func appendMedia(blocks []api.Block, name string, v api.Value) []api.Block {
	switch name {
	case "document":
		return append(blocks, readDocument(v))
	case "searchResult":
		return append(blocks, readSearchResult(v))
	case "image":
		return append(blocks, readImage(v))
	case "video", "audio":
		v.Fail("is not supported: the models here read text; leave it out")
	default:
		v.Fail("is not supported; leave it out")
	}
	return blocks
}

// checkMedia checks how many documents and images a message has, and who sends them.
func checkMedia(content api.Value, role string) {
	count := map[string]int{}
	for _, e := range content.Elements() {
		if !e.IsObject() {
			continue
		}
		for name, member := range e.Object().Fields() {
			count[name]++
			media := name == "document" || name == "image"
			if media && role != "user" {
				member.Fail("may only stand in a message of the user")
			}
		}
	}
	switch {
	case count["document"] > maxDocuments:
		content.Fail("has %d documents; at most %d are allowed", count["document"], maxDocuments)
	case count["image"] > maxImages:
		content.Fail("has %d images; at most %d are allowed", count["image"], maxImages)
	case count["document"] > 0 && count["text"] == 0:
		content.Fail("has a document and must also have a text")
	}
}

func readImage(v api.Value) api.Block {
	o := v.Object()
	b := api.Block{Kind: api.BlockImage, Format: o.OneOf("format", "png", "jpeg", "gif", "webp")}
	if !o.Has("format") {
		o.Missing("format")
	}
	if src, ok := o.Need("source"); ok {
		b.Data, b.From = readBytes(union(src), maxImgBytes)
	}
	refuse(o)
	return b
}

// readBytes reads the bytes member of a source, or the location that stands in its place.
func readBytes(o *api.Object, limit int) ([]byte, *api.Location) {
	if v, ok := o.Get("s3Location"); ok {
		return nil, readLocation(v, limit)
	}
	v, ok := o.Get("bytes")
	refuse(o)
	if !ok {
		o.Missing("bytes")
		return nil, nil
	}
	data := decodeBytes(v)
	if v.IsString() && (len(data) == 0 || len(data) > limit) {
		v.Fail("must have 1 to %d bytes, not %d", limit, len(data))
	}
	return data, nil
}

func readLocation(v api.Value, limit int) *api.Location {
	o := v.Object()
	at := &api.Location{
		URI: o.NeedString("uri"), Owner: optMatch(o, "bucketOwner", `[0-9]{12}`, 12),
		Field: v.Path() + ".uri", MaxBytes: limit,
	}
	refuse(o)
	return at
}

func decodeBytes(v api.Value) []byte {
	data, err := base64.StdEncoding.DecodeString(v.Str())
	if err != nil {
		v.Fail("must be base64")
	}
	return data
}

// readDocument reads a document in a text format as text under its name.
func readDocument(v api.Value) api.Block {
	o := v.Object()
	name := o.NeedString("name")
	if n, ok := o.Get("name"); ok && !validDocName(name) {
		n.Fail("must have 1 to %d letters, digits, single spaces, hyphens, parentheses and "+
			"square brackets", maxDocName)
	}
	switch f := o.OneOf("format", "txt", "md", "csv", "html", "pdf", "doc", "docx", "xls",
		"xlsx"); f {
	case "", "txt", "md", "csv", "html":
	default:
		at, _ := o.Get("format")
		at.Fail("is %q, which is not read here; send \"txt\", \"md\", \"csv\" or \"html\"", f)
	}
	text, from := "", (*api.Location)(nil)
	if src, ok := o.Need("source"); ok {
		text, from = readSource(src)
	}
	context := o.String("context").Or("")
	readCitations(o)
	refuse(o)
	if context != "" {
		context += "\n"
	}
	text = "Document " + name + ":\n" + context + text
	if from == nil {
		text += "\n"
	}
	return api.Block{Kind: api.BlockText, Text: text, From: from}
}

func validDocName(s string) bool {
	for i, r := range s {
		space := r == ' ' || r == '\t' || r == '\n'
		switch {
		case space && i > 0 && (s[i-1] == ' ' || s[i-1] == '\t' || s[i-1] == '\n'):
			return false
		case space, r == '-', r == '(', r == ')', r == '[', r == ']':
		case r < utf8.RuneSelf && isAlphanumeric(byte(r)):
		default:
			return false
		}
	}
	return s != "" && len(s) <= maxDocName
}

// readCitations refuses answers with sources, which nothing here writes.
func readCitations(o *api.Object) {
	v, ok := o.Get("citations")
	if !ok {
		return
	}
	c := v.Object()
	if on, ok := c.Need("enabled"); ok && on.Bool() {
		on.Fail("must be false: answers have no citations")
	}
	refuse(c)
}

// readSource reads the text of a document, or where it is.
func readSource(v api.Value) (string, *api.Location) {
	o := union(v)
	if text, ok := o.Get("text"); ok {
		return text.Str(), nil
	}
	if parts, ok := o.Get("content"); ok {
		text := ""
		for _, p := range parts.Elements() {
			part := union(p)
			text += part.String("text").Or("")
			refuse(part)
		}
		return text, nil
	}
	data, from := readBytes(o, maxDocBytes)
	if !utf8.Valid(data) {
		v.Fail("must be UTF-8 text")
	}
	return string(data), from
}

// readSearchResult reads a found text as text under its title and source.
func readSearchResult(v api.Value) api.Block {
	o := v.Object()
	text := "Search result " + o.NeedString("title") + " (" + o.NeedString("source") + "):\n"
	if content, ok := o.Need("content"); ok {
		for _, e := range content.Elements() {
			part := e.Object()
			text += part.NeedString("text") + "\n"
			refuse(part)
		}
	}
	readCitations(o)
	refuse(o)
	return api.Block{Kind: api.BlockText, Text: text}
}
