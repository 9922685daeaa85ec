package chat

import (
	"encoding/json"
	"testing"
)

func benchInput() Input {
	in := longInput(2, 0, "What is the weather like in Zürich today?")
	in.Tools = []Tool{{
		"get_weather", "Get the weather of a city",
		json.RawMessage(`{"type": "object", "properties": ` +
			`{"location": {"type": "string", "description": "City, as Zürich"}, "unit": {"type": ` +
			`"string", "enum": ` +
			`["celsius", "fahrenheit"]}, "days": {"type": "integer", "minimum": 1}}, "required": ` +
			`["location"]}`),
	}}
	return in
}

func benchmarkTemplate(b *testing.B, name string) {
	corpus(b)
	tmpl := corpusTemplate(b, name)
	in := benchInput()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tmpl.Render(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRenderLlama31Tools(b *testing.B) {
	benchmarkTemplate(b, "meta-llama-Llama-3.1-8B-Instruct.jinja")
}

func BenchmarkRenderQwen3Tools(b *testing.B) { benchmarkTemplate(b, "Qwen-Qwen3-0.6B.jinja") }

func BenchmarkRenderGptOss(b *testing.B) { benchmarkTemplate(b, "openai-gpt-oss-120b.jinja") }
