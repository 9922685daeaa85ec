package bedrock

import (
	"encoding/json"
	"strings"
	"testing"

	"basalt/server/api"
)

func testControl() *Control {
	return &Control{
		Place: Place{Partition: "aws", Region: "eu-central-1", Account: "123456789012"},
		Models: []api.ModelInfo{
			{ID: "tiny", Created: 1700000000, Instruct: true},
			{ID: "meta.tiny-v1:0", Created: 1700000100},
			{ID: "mistral.other", Created: 1700000050},
		},
	}
}

func ids(t *testing.T, body []byte, list, id string) string {
	t.Helper()
	var v map[string]json.RawMessage
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	var all []map[string]any
	if err := json.Unmarshal(v[list], &all); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	var names []string
	for _, m := range all {
		names = append(names, m[id].(string))
	}
	return strings.Join(names, " ") + strings.Trim(string(v["nextToken"]), `"`)
}

func TestListsAreFiltered(t *testing.T) {
	c := testControl()
	f := func(of func(string) ([]byte, *api.Error), query, list, id, want string) {
		t.Helper()
		body, err := of(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
		} else if got := ids(t, body, list, id); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	models := func(query, want string) {
		t.Helper()
		f(c.FoundationModels, query, "modelSummaries", "modelId", want)
	}
	models("", "tiny meta.tiny-v1:0 mistral.other")
	models("byProvider=meta", "meta.tiny-v1:0")
	models("byProvider=Mistral%20AI", "mistral.other")
	models("byOutputModality=TEXT&byInferenceType=ON_DEMAND", "tiny meta.tiny-v1:0 mistral.other")
	models("byOutputModality=IMAGE", "")
	models("byInferenceType=PROVISIONED", "")
	models("byCustomizationType=FINE_TUNING", "")
	profiles := func(query, want string) {
		t.Helper()
		f(c.Profiles, query, "inferenceProfileSummaries", "inferenceProfileId", want)
	}
	profiles("", "tiny meta.tiny-v1:0 mistral.other")
	profiles("maxResults=2", "tiny meta.tiny-v1:02")
	profiles("maxResults=2&nextToken=2", "mistral.other")
	profiles("type=SYSTEM_DEFINED", "")
	imported := func(query, want string) {
		t.Helper()
		f(c.ImportedModels, query, "modelSummaries", "modelName", want)
	}
	imported("", "meta.tiny-v1:0 mistral.other tiny")
	imported("sortOrder=Ascending&sortBy=CreationTime", "tiny mistral.other meta.tiny-v1:0")
	imported("nameContains=TINY", "meta.tiny-v1:0 tiny")
	imported("creationTimeAfter=2023-11-14T22:14:15Z", "meta.tiny-v1:0")
	imported("creationTimeBefore=2023-11-14T22:13:21Z", "tiny")
}

func TestListsRefuse(t *testing.T) {
	c := testControl()
	f := func(of func(string) ([]byte, *api.Error), query, field string) {
		t.Helper()
		if _, err := of(query); err == nil || err.Field != field || err.Code != api.Invalid {
			t.Errorf("%s: %v, want %s", query, err, field)
		}
	}
	f(c.FoundationModels, "byOutputModality=SOUND", "byOutputModality")
	f(c.FoundationModels, "byInferenceType=x", "byInferenceType")
	f(c.FoundationModels, "no=1", "no")
	f(c.FoundationModels, "a=%zz", "query")
	f(c.Profiles, "maxResults=0", "maxResults")
	f(c.Profiles, "maxResults=1001", "maxResults")
	f(c.Profiles, "nextToken=x", "nextToken")
	f(c.Profiles, "nextToken=4", "nextToken")
	f(c.Profiles, "type=x", "type")
	f(c.ImportedModels, "creationTimeAfter=yesterday", "creationTimeAfter")
	f(c.ImportedModels, "sortOrder=x", "sortOrder")
	none := func(query string) ([]byte, *api.Error) {
		return None(query, "modelSummaries",
			"isOwned")
	}
	f(none, "isOwned2=1", "isOwned2")
	if body, err := none("isOwned=true"); err != nil || string(body) != `{"modelSummaries":[]}` {
		t.Errorf("%s %v", body, err)
	}
}

func TestARNsAndIDsFitTheService(t *testing.T) {
	c := testControl()
	m := &c.Models[1]
	is := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	const account = "arn:aws:bedrock:eu-central-1:123456789012:"
	is(c.Place.FoundationARN(m.ID), "arn:aws:bedrock:eu-central-1::foundation-model/meta.tiny-v1:0")
	is(c.Place.ProfileARN(m.ID), account+"application-inference-profile/meta.tiny-v1:0")
	is(c.Place.GuardrailARN("g"), account+"guardrail/g")
	is(c.Place.ImportedARN(m.ID), account+"imported-model/"+ImportedID(m.ID))
	if id := ImportedID(m.ID); len(id) != 12 || id == ImportedID("tiny") || id != ImportedID(m.ID) {
		t.Error(id)
	}
	long := api.ModelInfo{ID: strings.Repeat("é", 200)}
	for _, body := range [][]byte{
		c.AppendFoundationModel(nil, &long), c.AppendProfile(nil, &long),
		c.AppendImportedModel(nil, &long), c.AppendAvailability(nil, m),
	} {
		if !json.Valid(body) {
			t.Errorf("%s", body)
		}
	}
}

func TestRerankIsChecked(t *testing.T) {
	const query = `"queries":[{"type":"TEXT","textQuery":{"text":"q"}}]`
	const source = `{"type":"INLINE","inlineDocumentSource":{"type":"TEXT",
		"textDocument":{"text":"d"}}}`
	const config = `"rerankingConfiguration":{"type":"BEDROCK_RERANKING_MODEL",
		"bedrockRerankingConfiguration":{"numberOfResults":1,
		"modelConfiguration":{"modelArn":"m"}}}`
	good := `{` + query + `,"sources":[` + source + `],` + config + `}`
	if model, err := DecodeRerank([]byte(good)); err != nil || model != "m" {
		t.Error(model, err)
	}
	f := func(old, with, field string) {
		t.Helper()
		body := strings.Replace(good, old, with, 1)
		if _, err := DecodeRerank([]byte(body)); err == nil || err.Field != field {
			t.Errorf("%s: %v, want %s", body, err, field)
		}
	}
	f(`"text":"q"`, `"text":""`, "queries[0].textQuery.text")
	f(query, `"queries":[]`, "queries")
	f(source, "", "sources")
	f(`"type":"INLINE"`, `"type":"S3"`, "sources[0].type")
	f(`"textDocument":{"text":"d"}`, `"more":1`, "sources[0].inlineDocumentSource.textDocument")
	f(`"modelArn":"m"`, `"x":"m"`,
		"rerankingConfiguration.bedrockRerankingConfiguration.modelConfiguration.modelArn")
	f(`"numberOfResults":1`, `"numberOfResults":1001`,
		"rerankingConfiguration.bedrockRerankingConfiguration.numberOfResults")
	f(query, query+`,"nextToken":"x"`, "nextToken")
}

func FuzzDecodeRerank(f *testing.F) {
	f.Add([]byte(`{"queries":[{"type":"TEXT","textQuery":{"text":"q"}}],"sources":[{"type":"INLINE",
		"inlineDocumentSource":{"type":"JSON","jsonDocument":{"a":1}}}],"rerankingConfiguration":{
		"type":"BEDROCK_RERANKING_MODEL","bedrockRerankingConfiguration":{"modelConfiguration":{
		"modelArn":"m"}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if model, err := DecodeRerank(body); err == nil && model == "" {
			t.Fatal("accepted no model")
		}
	})
}
