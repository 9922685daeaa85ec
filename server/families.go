package server

import (
	"slices"
	"strings"

	"basalt/server/anthropic"
	"basalt/server/api"
	"basalt/server/bedrock"
	"basalt/server/openai"
)

// families are the native bodies of InvokeModel for a model, the likeliest first. Those of the
// vendor that the model's names tell come before those that every model answers.
func (s *Server) families(r *request, id string) []bedrock.Family {
	hinted := familiesOf(vendor(id))
	if m := s.modelOf(id); m != nil && len(hinted) == 0 {
		hinted = familiesOf(m.vendor())
	}
	list := make([]bedrock.Family, 0, len(hinted)+len(commonFamilies()))
	for _, name := range append(hinted, commonFamilies()...) {
		if !slices.ContainsFunc(list, func(f bedrock.Family) bool { return f.Name == name }) {
			list = append(list, r.family(name))
		}
	}
	return list
}

// vendor is the first part of a model's id, such as meta in us.meta.llama3-1-8b-instruct-v1:0.
func vendor(id string) string {
	id = resource(id)
	for _, place := range geographies() {
		if rest, ok := strings.CutPrefix(id, place); ok {
			id = rest
			break
		}
	}
	name, _, ok := strings.Cut(id, ".")
	if !ok {
		return ""
	}
	return name
}

// vendor is the only vendor that a model's names tell, empty where there are several.
func (m *model) vendor() string {
	only := ""
	for _, name := range append([]string{m.ID}, m.Aliases...) {
		v := vendor(name)
		if len(familiesOf(v)) == 0 || v == only {
			continue
		}
		if only != "" {
			return ""
		}
		only = v
	}
	return only
}

func familiesOf(vendor string) []string {
	switch vendor {
	case "meta":
		return []string{"llama"}
	case "mistral":
		return []string{"mistral-chat", "mistral-text"}
	case "anthropic":
		return []string{"anthropic"}
	case "amazon":
		return []string{"nova", "titan-text"}
	case "cohere":
		return []string{"cohere-command-r", "cohere-command"}
	case "deepseek":
		return []string{"openai-chat", "deepseek"}
	case "openai", "qwen":
		return []string{"openai-chat", "openai-completion"}
	}
	return nil
}

// commonFamilies can be told apart by their bodies. The last three are those of imported models.
func commonFamilies() []string {
	return []string{
		"anthropic", "nova", "titan-text", "cohere-command-r", "openai-chat", "openai-completion",
		"llama",
	}
}

func (r *request) family(name string) bedrock.Family {
	switch name {
	case "anthropic":
		return bedrock.Family{
			Name: name, Title: "Anthropic Messages", MetricsLast: true,
			Keys: []string{"anthropic_version", "messages"}, Decode: r.decodeAnthropic,
		}
	case "openai-chat":
		return bedrock.Family{
			Name: name, Title: "OpenAI chat", Keys: []string{"messages"}, Decode: r.decodeChat,
		}
	case "openai-completion":
		return bedrock.Family{
			Name: name, Title: "OpenAI completion", Keys: []string{"prompt", "max_tokens"},
			Decode: r.decodeCompletion,
		}
	case "mistral-chat":
		return bedrock.Family{
			Name: name, Title: "Mistral AI chat", Keys: []string{"messages"},
			Decode: r.decodeMistral,
		}
	}
	for _, f := range []bedrock.Family{
		bedrock.Nova(), bedrock.TitanText(), bedrock.CohereCommandR(), bedrock.CohereCommand(),
		bedrock.MistralText(), bedrock.DeepSeek(), bedrock.Llama(),
	} {
		if f.Name == name {
			return f
		}
	}
	panic("BUG: there is no family " + name)
}

func (r *request) decodeAnthropic(body []byte, c bedrock.Call) (*api.Request, api.Codec,
	*api.Error,
) {
	call := anthropic.Call{ID: "bdrk_" + r.id, Model: c.Model}
	req, codec, err := anthropic.DecodeMessages(body, call)
	if err != nil {
		return nil, nil, err
	}
	return req, codec.Bare(), nil
}

func (r *request) decodeChat(body []byte, c bedrock.Call) (*api.Request, api.Codec, *api.Error) {
	call := openaiCall(r)
	call.Model, call.Known = c.Model, bedrock.GuardrailKey
	req, codec, err := openai.DecodeChat(body, call)
	if err != nil {
		return nil, nil, err
	}
	return req, codec.Bare(), nil
}

func (r *request) decodeCompletion(body []byte, c bedrock.Call) (*api.Request, api.Codec,
	*api.Error,
) {
	call := openaiCall(r)
	call.Model, call.Known = c.Model, bedrock.GuardrailKey
	req, codec, err := openai.DecodeCompletion(body, call)
	if err != nil {
		return nil, nil, err
	}
	return req, codec.Bare(), nil
}

// decodeMistral reads a body of Mistral's, which is OpenAI's in other respects than its answer.
func (r *request) decodeMistral(body []byte, c bedrock.Call) (*api.Request, api.Codec,
	*api.Error,
) {
	req, _, err := r.decodeChat(body, c)
	if err != nil {
		return nil, nil, err
	}
	return req, &bedrock.MistralChat{}, nil
}
