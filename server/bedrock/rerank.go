package bedrock

import "basalt/server/api"

// Limits of the service model.
const (
	maxSources    = 1000
	maxRerankText = 32_000
)

// DecodeRerank checks the body of Rerank and gives the model that it names. Nothing here ranks.
func DecodeRerank(body []byte) (model string, err *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return "", err
	}
	o := root.Object()
	readQueries(o)
	readSources(o)
	if v, ok := o.Need("rerankingConfiguration"); ok {
		model = readRerankModel(v.Object())
	}
	if v, ok := o.Get("nextToken"); ok {
		v.Fail("is not one that this server gave")
	}
	refuse(o)
	return model, root.Err()
}

func needOneOf(o *api.Object, name string, choices ...string) string {
	if !o.Has(name) {
		o.Missing(name)
	}
	return o.OneOf(name, choices...)
}

func readQueries(o *api.Object) {
	v, ok := o.Need("queries")
	if !ok {
		return
	}
	if n := v.Len(); n != 1 {
		v.Fail("must have 1 query, not %d", n)
	}
	for _, e := range v.Elements() {
		q := e.Object()
		needOneOf(q, "type", "TEXT")
		if text, ok := q.Need("textQuery"); ok {
			readRerankText(text)
		}
		refuse(q)
	}
}

func readRerankText(v api.Value) {
	o := v.Object()
	if text, ok := o.Need("text"); ok {
		if n := len([]rune(text.Str())); n < 1 || n > maxRerankText {
			text.Fail("must have 1 to %d characters, not %d", maxRerankText, n)
		}
	}
	refuse(o)
}

func readSources(o *api.Object) {
	v, ok := o.Need("sources")
	if !ok {
		return
	}
	if n := v.Len(); n < 1 || n > maxSources {
		v.Fail("must have 1 to %d sources, not %d", maxSources, n)
		return
	}
	for _, e := range v.Elements() {
		s := e.Object()
		needOneOf(s, "type", "INLINE")
		if in, ok := s.Need("inlineDocumentSource"); ok {
			d := in.Object()
			kind := needOneOf(d, "type", "TEXT", "JSON")
			if text, ok := d.Get("textDocument"); ok {
				readRerankText(text)
			} else if doc, ok := d.Get("jsonDocument"); ok {
				doc.Object()
			} else if kind == "TEXT" {
				d.Missing("textDocument")
			} else {
				d.Missing("jsonDocument")
			}
			refuse(d)
		}
		refuse(s)
	}
}

func readRerankModel(o *api.Object) string {
	model := ""
	needOneOf(o, "type", "BEDROCK_RERANKING_MODEL")
	if v, ok := o.Need("bedrockRerankingConfiguration"); ok {
		c := v.Object()
		c.Int("numberOfResults", 1, maxSources)
		if m, ok := c.Need("modelConfiguration"); ok {
			mc := m.Object()
			model = mc.NeedString("modelArn")
			if extra, ok := mc.Get("additionalModelRequestFields"); ok {
				extra.Object()
			}
			refuse(mc)
		}
		refuse(c)
	}
	refuse(o)
	return model
}
