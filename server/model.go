package server

import (
	"basalt/models/chat"
	"basalt/server/api"
)

// model is a served model with what is derived from it once.
type model struct {
	Model
	vocab  int32
	format chat.Format // how it writes tool calls and reasoning
	// markers are the control tokens that the output parser must see; all others are left out of
	// the text.
	markers map[int32]bool
	// toolless models have a template that knows no tools.
	toolless bool
	// controls finds the control tokens that a text spells.
	controls *stopper
}

func newModel(m *Model) *model {
	out := &model{Model: *m, vocab: int32(m.Tokenizer.Vocab())}
	if m.Template != nil {
		out.format = chat.DetectFormat(m.Template.Source())
		if out.toolless = !knowsTools(m.Template); out.toolless {
			out.format.Calls = chat.Hermes().Calls
		}
	}
	out.markers = make(map[int32]bool)
	for _, marker := range formatMarkers(&out.format) {
		if id, ok := m.Tokenizer.ID(marker); ok && m.Tokenizer.IsSpecial(id) {
			out.markers[id] = true
		}
	}
	out.controls = newStopper(controlTexts(out))
	return out
}

func controlTexts(m *model) []string {
	var texts []string
	for id := range m.vocab {
		if text := m.Tokenizer.Token(id); text != "" && m.Tokenizer.IsSpecial(id) {
			texts = append(texts, text)
		}
	}
	return texts
}

func formatMarkers(f *chat.Format) []string {
	markers := append([]string{f.Think, f.EndThink}, f.Ignore...)
	for _, c := range f.Calls {
		markers = append(markers, c.Open, c.Close, c.BeforeArgs, c.BeforeID)
	}
	return markers
}

// hidden reports a token that stands for no text of an answer.
func (m *model) hidden(id int32) bool { return m.Tokenizer.IsSpecial(id) && !m.markers[id] }

func (m *model) info(id string) *api.ModelInfo {
	return &api.ModelInfo{
		ID: id, Alias: id != m.ID, Created: m.Created.Unix(), MaxContext: m.MaxContext,
		Architecture: m.Architecture, Instruct: m.Template != nil,
	}
}
