package chat

import "testing"

// BenchmarkParserText feeds plain text token by token: the steady state of most requests.
func BenchmarkParserText(b *testing.B) {
	p := NewParser(Hermes())
	pieces := []string{"The", " quick", " brown", " fox", " <b>", " jumps", ".\n"}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		p.Feed(pieces[i%len(pieces)])
		i++
	}
}

// BenchmarkParserCall feeds a whole call in pieces of four bytes.
func BenchmarkParserCall(b *testing.B) {
	text := "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"location\": \"Bern\", " +
		"\"days\": 3}}\n</tool_call>"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		p := NewParser(Hermes())
		for i := 0; i < len(text); i += 4 {
			p.Feed(text[i:min(i+4, len(text))])
		}
		p.Close()
	}
}
