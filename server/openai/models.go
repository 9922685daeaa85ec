package openai

import "basalt/server/api"

// AppendModels appends the body of the list of models.
func AppendModels(dst []byte, models []api.ModelInfo) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendModel(dst, &models[i])
	}
	return append(dst, `]}`...)
}

// AppendModel appends the description of one model. max_model_len is vLLM's addition.
func AppendModel(dst []byte, m *api.ModelInfo) []byte {
	dst = append(dst, `{"id":`...)
	dst = api.AppendString(dst, m.ID)
	dst = append(dst, `,"object":"model","created":`...)
	dst = api.AppendInt(dst, int(m.Created))
	dst = append(dst, `,"owned_by":"basalt","max_model_len":`...)
	dst = api.AppendInt(dst, m.MaxContext)
	return append(dst, '}')
}
