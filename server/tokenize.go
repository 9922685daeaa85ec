package server

import (
	"basalt/models/tokenizer"
	"basalt/server/api"
	"basalt/server/openai"
)

// tokenRoutes are vLLM's routes about tokens.
func tokenRoutes() map[string][]route {
	post := func(action string, serve func(*Server, *request) reply) []route {
		return []route{{method: "POST", action: action, inference: true, serve: serve}}
	}
	return map[string][]route{
		"/tokenize":   post("Tokenize", (*Server).serveTokenize),
		"/detokenize": post("Detokenize", (*Server).serveDetokenize),
	}
}

// embeddingRoutes are OpenAI's, which refuse: no model here makes embeddings.
func embeddingRoutes() map[string][]route {
	t := []route{{
		method: "POST", action: "Embeddings", inference: true, serve: (*Server).serveEmbeddings,
	}}
	return map[string][]route{"/v1/embeddings": t, "/openai/v1/embeddings": t}
}

func (s *Server) serveEmbeddings(r *request) reply {
	name, err := openai.DecodeEmbeddings(r.body)
	if err != nil {
		return s.refuse(r, openaiDialect(), err)
	}
	r.record.operation = "Embeddings"
	m, err := s.chosen(r, name)
	if err == nil {
		err = api.FieldError("model", "the model %q generates text and makes no embeddings; "+
			"no model served here does", m.ID)
	}
	return s.refuse(r, openaiDialect(), err)
}

// chosen is the model of a call that may leave it out where there is only one.
func (s *Server) chosen(r *request, name string) (*model, *api.Error) {
	m := s.modelOf(name)
	if name == "" && len(s.served) == 1 {
		m = s.served[0]
	}
	switch {
	case name == "" && m == nil:
		return nil, api.FieldError("model", "model is required: several models are served")
	case m == nil:
		return nil, unknownModel(name, "model")
	}
	r.record.model = m.ID
	return m, r.permitModel(m)
}

func (s *Server) serveTokenize(r *request) reply {
	body, err := s.tokenize(r)
	return s.openaiReply(r, body, err)
}

func (s *Server) openaiReply(r *request, body []byte, err *api.Error) reply {
	if err != nil {
		return s.refuse(r, openaiDialect(), err)
	}
	p := reply{status: 200, contentType: "application/json", body: body}
	p.set(openaiDialect().idHeader, r.id)
	return p
}

func (s *Server) tokenize(r *request) ([]byte, *api.Error) {
	req, options, err := openai.DecodeTokenize(r.body)
	if err != nil {
		return nil, err
	}
	r.record.operation = req.Operation
	m, err := s.chosen(r, req.Model)
	if err != nil {
		return nil, err
	}
	if err := s.admit(); err != nil {
		return nil, err
	}
	defer s.inFlight.Add(-1)
	ids, err := s.promptIDs(r, req, m, options.Special)
	if err != nil {
		return nil, err
	}
	var texts []string
	if options.Strings {
		texts = make([]string, len(ids))
		for i, id := range ids {
			texts[i] = m.Tokenizer.Token(id)
		}
	}
	return openai.AppendTokens(nil, ids, texts, m.MaxContext), nil
}

// promptIDs encodes a conversation, or a text with or without the tokenizer's own beginning.
func (s *Server) promptIDs(r *request, req *api.Request, m *model, special bool) ([]int32,
	*api.Error,
) {
	if req.Kind == api.Chat {
		g := &generation{s: s, r: r, req: req, model: m}
		return g.chatPrompt()
	}
	text := req.Prompts[0].Text
	if err := m.checkText(len(text)); err != nil {
		return nil, err
	}
	o := tokenizer.EncodeOptions{AddSpecial: special, ParseSpecial: true}
	return m.Tokenizer.Encode(nil, text, o), nil
}

func (s *Server) serveDetokenize(r *request) reply {
	body, err := s.detokenize(r)
	return s.openaiReply(r, body, err)
}

func (s *Server) detokenize(r *request) ([]byte, *api.Error) {
	name, ids, err := openai.DecodeDetokenize(r.body)
	if err != nil {
		return nil, err
	}
	r.record.operation = "Detokenize"
	m, err := s.chosen(r, name)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if id >= m.vocab {
			return nil, api.FieldError("tokens", "tokens[%d] is %d; the vocabulary has %d", i, id,
				m.vocab)
		}
	}
	return openai.AppendText(nil, toValid([]byte(m.Tokenizer.Decode(ids, false)))), nil
}
