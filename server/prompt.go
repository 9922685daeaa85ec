package server

import (
	"encoding/json"
	"errors"

	"basalt/models/chat"
	"basalt/models/tokenizer"
	"basalt/server/api"
)

// prompts gives the token ids of every prompt of a request.
func (g *generation) prompts() ([][]int32, *api.Error) {
	if g.req.Kind == api.Chat {
		ids, err := g.chatPrompt()
		if err != nil {
			return nil, err
		}
		return [][]int32{ids}, nil
	}
	prompts := make([][]int32, len(g.req.Prompts))
	for i := range g.req.Prompts {
		ids, err := g.model.textPrompt(&g.req.Prompts[i])
		if err != nil {
			return nil, err
		}
		prompts[i] = ids
	}
	return prompts, nil
}

// textPrompt encodes a raw prompt. Control tokens that it spells count as such: raw prompts are how
// clients write a template themselves.
func (m *model) textPrompt(p *api.Prompt) ([]int32, *api.Error) {
	if p.Tokens == nil {
		if err := m.checkText(len(p.Text)); err != nil {
			return nil, err
		}
		o := tokenizer.EncodeOptions{AddSpecial: true, ParseSpecial: true}
		ids := m.Tokenizer.Encode(nil, p.Text, o)
		if len(ids) == 0 {
			return nil, api.FieldError("prompt", "prompt is empty")
		}
		return ids, nil
	}
	for _, id := range p.Tokens {
		if id >= m.vocab {
			return nil, api.FieldError("prompt", "prompt has token %d; the vocabulary has %d", id,
				m.vocab)
		}
	}
	return p.Tokens, nil
}

// checkText refuses a text that cannot fit whatever its tokens are, before time goes into encoding
// it. No token of a real vocabulary stands for more bytes.
func (m *model) checkText(numBytes int) *api.Error {
	const maxTokenBytes = 256
	if numBytes/maxTokenBytes < m.MaxContext {
		return nil
	}
	return api.Errorf(api.ContextExceeded,
		"Input is too long for requested model. The prompt has %d "+
			"bytes; this model's context length is %d tokens.", numBytes, m.MaxContext)
}

// chatPrompt renders a conversation through the model's template and encodes it.
func (g *generation) chatPrompt() ([]int32, *api.Error) {
	m, req := g.model, g.req
	if m.Template == nil {
		return nil, api.FieldError("messages",
			"the model %q has no chat template, so it cannot be asked to chat: give it one with "+
				"--chat-template FILE, or send a raw prompt (OpenAI: /v1/completions; "+
				"Bedrock: InvokeModel with \"prompt\")", m.ID)
	}
	messages, err := m.messages(req.Messages)
	if err != nil {
		return nil, err
	}
	messages, last, err := g.prefill(messages)
	if err != nil {
		return nil, err
	}
	in := chat.Input{Messages: messages, AddGenerationPrompt: true}
	if req.ToolChoice.Mode != api.ToolNone {
		in.Tools = m.chatTools(req)
	}
	if m.toolless {
		in.Messages, in.Tools = describeTools(in.Messages, in.Tools), nil
	}
	if len(req.TemplateArgs) > 0 {
		in.Kwargs = make(map[string]json.RawMessage, len(req.TemplateArgs))
		for name, arg := range req.TemplateArgs {
			in.Kwargs[name] = m.plainJSON(arg)
		}
	}
	text, rerr := m.Template.Render(in)
	if rerr != nil {
		return nil, templateError(m, rerr)
	}
	if last != nil {
		text += begun(m.format, text, last)
	}
	if text, err = g.force(text); err != nil {
		return nil, err
	}
	if err := m.checkText(len(text)); err != nil {
		return nil, err
	}
	ids := m.encodeRendered(text)
	if len(ids) == 0 {
		return nil, api.FieldError("messages", "the conversation is empty")
	}
	return ids, nil
}

// templateError tells a template's own refusal, which is the client's to mend, from its failure.
func templateError(m *model, err error) *api.Error {
	var raised *chat.RaisedError
	if errors.As(err, &raised) {
		return api.FieldError("messages", "the chat template of %q refuses the conversation: %s",
			m.ID,
			raised.Message)
	}
	return api.Errorf(api.ModelFailed, "the chat template of %q failed: %v", m.ID, err)
}

// messages turns neutral messages into the template's. A tool's result becomes a message of its
// own, as templates know no other place for it.
func (m *model) messages(in []api.Message) ([]chat.Message, *api.Error) {
	out := make([]chat.Message, 0, len(in))
	for i := range in {
		msg := chat.Message{Role: in[i].Role, Name: m.plain(in[i].Name)}
		results := 0
		for j := range in[i].Content {
			b := &in[i].Content[j]
			switch b.Kind {
			case api.BlockText:
				msg.Content += m.plain(b.Text)
			case api.BlockReasoning:
				msg.Reasoning += m.plain(b.Text)
			case api.BlockToolUse:
				msg.ToolCalls = append(msg.ToolCalls, chat.ToolCall{
					ID: m.plain(b.ToolID), Name: m.plain(b.ToolName),
					Arguments: m.plainJSON(b.Input),
				})
			case api.BlockToolResult:
				text, err := m.resultText(b)
				if err != nil {
					return nil, err
				}
				out = append(out, chat.Message{
					Role: "tool", ToolCallID: m.plain(b.ToolID),
					Content: text,
				})
				results++
			default:
				return nil, m.noImages()
			}
		}
		if results == 0 || msg.Content != "" {
			out = append(out, msg)
		}
	}
	return out, nil
}

func (m *model) resultText(b *api.Block) (string, *api.Error) {
	text := ""
	for i := range b.Content {
		if b.Content[i].Kind != api.BlockText {
			return "", m.noImages()
		}
		text += m.plain(b.Content[i].Text)
	}
	return text, nil
}

func (m *model) noImages() *api.Error {
	return api.FieldError("messages", "the model %q takes no images", m.ID)
}

func (m *model) chatTools(req *api.Request) []chat.Tool {
	var tools []chat.Tool
	for i := range req.Tools {
		t := &req.Tools[i]
		if req.ToolChoice.Mode == api.ToolNamed && t.Name != req.ToolChoice.Name {
			continue
		}
		tools = append(tools, chat.Tool{
			Name: m.plain(t.Name), Description: m.plain(t.Description),
			Parameters: m.plainJSON(t.Schema),
		})
	}
	return tools
}
