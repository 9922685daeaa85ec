package anthropic

import (
	"time"

	"basalt/server/api"
)

// AppendModels appends the body of the list of models, which is always whole.
func AppendModels(dst []byte, models []api.ModelInfo) []byte {
	dst = append(dst, `{"data":[`...)
	for i := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendModel(dst, &models[i])
	}
	dst = append(dst, `],"has_more":false,"first_id":`...)
	if len(models) == 0 {
		return append(dst, `null,"last_id":null}`...)
	}
	dst = api.AppendString(dst, models[0].ID)
	return append(api.AppendString(append(dst, `,"last_id":`...), models[len(models)-1].ID), '}')
}

// AppendModel appends the description of one model.
func AppendModel(dst []byte, m *api.ModelInfo) []byte {
	dst = api.AppendString(append(dst, `{"type":"model","id":`...), m.ID)
	dst = api.AppendString(append(dst, `,"display_name":`...), m.ID)
	created := time.Unix(m.Created, 0).UTC().Format(time.RFC3339)
	dst = api.AppendString(append(dst, `,"created_at":`...), created)
	dst = api.AppendInt(append(dst, `,"max_input_tokens":`...), m.MaxContext)
	return append(dst, '}')
}
