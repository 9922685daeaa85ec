package bedrock

import (
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"strings"
	"time"

	"basalt/server/api"
)

// Place is where ARNs say that things are.
type Place struct {
	Partition, Region, Account string
}

func (p Place) arn(account, resource string) string {
	return "arn:" + p.Partition + ":bedrock:" + p.Region + ":" + account + ":" + resource
}

// FoundationARN is the ARN of a model under one of its names.
func (p Place) FoundationARN(id string) string { return p.arn("", "foundation-model/"+id) }

// ProfileARN is the ARN of a model's inference profile.
func (p Place) ProfileARN(id string) string {
	return p.arn(p.Account, "application-inference-profile/"+id)
}

// ImportedARN is the ARN of a model as an imported one.
func (p Place) ImportedARN(id string) string {
	return p.arn(p.Account, "imported-model/"+ImportedID(id))
}

// GuardrailARN is the ARN of a guardrail.
func (p Place) GuardrailARN(id string) string { return p.arn(p.Account, "guardrail/"+id) }

// ImportedID is the id of 12 letters and digits that an imported model has; it depends on the
// model's own id alone.
func ImportedID(id string) string {
	h := fnv.New64a()
	h.Write([]byte(id))
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], h.Sum64())
	return hex.EncodeToString(sum[:])[:12]
}

// Control answers the operations of the control plane about the models that are served.
type Control struct {
	Place  Place
	Models []api.ModelInfo
}

// clip keeps a name within the service's limit.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xC0 == 0x80 {
		limit--
	}
	return s[:limit]
}

// Provider is the vendor in a model's id, such as Meta in meta.llama3-8b.
func Provider(id string) string {
	vendor, _, ok := strings.Cut(id, ".")
	names := map[string]string{
		"meta": "Meta", "mistral": "Mistral AI", "anthropic": "Anthropic", "amazon": "Amazon",
		"cohere": "Cohere", "deepseek": "DeepSeek", "openai": "OpenAI", "qwen": "Qwen",
	}
	if name, known := names[vendor]; ok && known {
		return name
	}
	return "Basalt"
}

// list appends an object whose member is an array of models, and the token of the next part.
func list(dst []byte, name string, models []api.ModelInfo, next string,
	one func([]byte, *api.ModelInfo) []byte,
) []byte {
	dst = append(append(append(dst, `{"`...), name...), `":[`...)
	for i := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, &models[i])
	}
	dst = append(dst, ']')
	if next != "" {
		dst = api.AppendString(append(dst, `,"nextToken":`...), next)
	}
	return append(dst, '}')
}

// FoundationModels is the answer of ListFoundationModels, under each name of the models.
func (c *Control) FoundationModels(rawQuery string) ([]byte, *api.Error) {
	q := ParseQuery(rawQuery, "byProvider", "byCustomizationType", "byOutputModality",
		"byInferenceType")
	provider := q.String("byProvider")
	custom := q.OneOf("byCustomizationType", "FINE_TUNING", "CONTINUED_PRE_TRAINING",
		"DISTILLATION")
	output := q.OneOf("byOutputModality", "TEXT", "IMAGE", "EMBEDDING")
	inference := q.OneOf("byInferenceType", "ON_DEMAND", "PROVISIONED")
	var kept []api.ModelInfo
	none := custom != "" || output != "" && output != "TEXT" || inference == "PROVISIONED"
	for _, m := range c.Models {
		if !none && (provider == "" || strings.EqualFold(provider, Provider(m.ID))) {
			kept = append(kept, m)
		}
	}
	return list(nil, "modelSummaries", kept, "", c.appendFoundation), q.Err()
}

// AppendFoundationModel appends the answer of GetFoundationModel.
func (c *Control) AppendFoundationModel(dst []byte, m *api.ModelInfo) []byte {
	return append(c.appendFoundation(append(dst, `{"modelDetails":`...), m), '}')
}

func (c *Control) appendFoundation(dst []byte, m *api.ModelInfo) []byte {
	const maxName = 20 // of the service model, for names that are shown
	dst = api.AppendString(append(dst, `{"modelArn":`...), c.Place.FoundationARN(m.ID))
	dst = api.AppendString(append(dst, `,"modelId":`...), m.ID)
	dst = api.AppendString(append(dst, `,"modelName":`...), clip(m.ID, maxName))
	dst = api.AppendString(append(dst, `,"providerName":`...), Provider(m.ID))
	return append(dst, `,"inputModalities":["TEXT"],"outputModalities":["TEXT"],`+
		`"responseStreamingSupported":true,"customizationsSupported":[],`+
		`"inferenceTypesSupported":["ON_DEMAND"],"modelLifecycle":{"status":"ACTIVE"}}`...)
}

// Profiles is the answer of ListInferenceProfiles: every name of a model is one.
func (c *Control) Profiles(rawQuery string) ([]byte, *api.Error) {
	q := ParseQuery(rawQuery, "maxResults", "nextToken", "type")
	models := c.Models
	if q.OneOf("type", "SYSTEM_DEFINED", "APPLICATION") == "SYSTEM_DEFINED" {
		models = nil
	}
	part, next := q.Page(models)
	return list(nil, "inferenceProfileSummaries", part, next, c.AppendProfile), q.Err()
}

// AppendProfile appends the answer of GetInferenceProfile.
func (c *Control) AppendProfile(dst []byte, m *api.ModelInfo) []byte {
	const maxName = 64
	created := appendTime(nil, m.Created)
	dst = api.AppendString(append(dst, `{"inferenceProfileName":`...), clip(m.ID, maxName))
	dst = append(append(dst, `,"createdAt":`...), created...)
	dst = append(append(dst, `,"updatedAt":`...), created...)
	dst = api.AppendString(append(dst, `,"inferenceProfileArn":`...), c.Place.ProfileARN(m.ID))
	dst = append(dst, `,"models":[{"modelArn":`...)
	dst = api.AppendString(dst, c.Place.FoundationARN(m.ID))
	dst = api.AppendString(append(dst, `}],"inferenceProfileId":`...), clip(m.ID, maxName))
	return append(dst, `,"status":"ACTIVE","type":"APPLICATION"}`...)
}

// appendTime appends a time as the control plane writes it.
func appendTime(dst []byte, unix int64) []byte {
	return api.AppendString(dst, time.Unix(unix, 0).UTC().Format(time.RFC3339))
}

// ImportedModels is the answer of ListImportedModels.
func (c *Control) ImportedModels(rawQuery string) ([]byte, *api.Error) {
	q := ParseQuery(rawQuery, "creationTimeBefore", "creationTimeAfter", "nameContains",
		"maxResults", "nextToken", "sortBy", "sortOrder")
	part, next := q.Page(q.Created(c.Models))
	return list(nil, "modelSummaries", part, next, c.AppendImportedModel), q.Err()
}

// AppendImportedModel appends the answer of GetImportedModel.
func (c *Control) AppendImportedModel(dst []byte, m *api.ModelInfo) []byte {
	const maxName = 63
	dst = api.AppendString(append(dst, `{"modelArn":`...), c.Place.ImportedARN(m.ID))
	dst = api.AppendString(append(dst, `,"modelName":`...), clip(m.ID, maxName))
	dst = appendTime(append(dst, `,"creationTime":`...), m.Created)
	if m.Architecture != "" {
		dst = api.AppendString(append(dst, `,"modelArchitecture":`...), m.Architecture)
	}
	if m.Instruct {
		return append(dst, `,"instructSupported":true}`...)
	}
	return append(dst, `,"instructSupported":false}`...)
}

// AppendAvailability appends the answer of GetFoundationModelAvailability.
func (c *Control) AppendAvailability(dst []byte, m *api.ModelInfo) []byte {
	dst = api.AppendString(append(dst, `{"modelId":`...), m.ID)
	return append(dst, `,"agreementAvailability":{"status":"AVAILABLE"},`+
		`"authorizationStatus":"AUTHORIZED","entitlementAvailability":"AVAILABLE",`+
		`"regionAvailability":"AVAILABLE"}`...)
}

// None is the answer of a list operation about things that there are none of.
func None(rawQuery, name string, known ...string) ([]byte, *api.Error) {
	q := ParseQuery(rawQuery, append(known, "creationTimeBefore", "creationTimeAfter",
		"nameContains", "maxResults", "nextToken", "sortBy", "sortOrder")...)
	q.Created(nil)
	_, _ = q.Page(nil)
	return list(nil, name, nil, "", nil), q.Err()
}
