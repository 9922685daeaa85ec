package chat

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// events feeds the pieces and joins neighbours that only the cutting into pieces set apart.
func events(format Format, pieces ...string) []Event {
	p := NewParser(format)
	var all []Event
	add := func(es []Event) {
		for _, e := range es {
			n := len(all)
			if n > 0 && all[n-1].Kind == e.Kind && e.Kind != EventCallStart &&
				e.Kind != EventCallEnd {
				all[n-1].Text += e.Text
				all[n-1].Raw += e.Raw
				continue
			}
			all = append(all, e)
		}
	}
	for _, piece := range pieces {
		add(p.Feed(piece))
	}
	add(p.Close())
	return all
}

// describe writes events in one line: text as it is, the rest in angle quotes.
func describe(es []Event) string {
	var b strings.Builder
	for _, e := range es {
		switch e.Kind {
		case EventText:
			fmt.Fprintf(&b, "%q ", e.Text)
		case EventReasoning:
			fmt.Fprintf(&b, "think(%q) ", e.Text)
		case EventCallStart:
			fmt.Fprintf(&b, "call(%s", e.Name)
			if e.ID != "" {
				fmt.Fprintf(&b, " #%s", e.ID)
			}
			b.WriteString(") ")
		case EventCallArgs:
			fmt.Fprintf(&b, "%s ", e.Text)
		case EventCallEnd:
			if e.Broken {
				b.WriteString("broken ")
			} else {
				b.WriteString("end ")
			}
		}
	}
	return strings.TrimSpace(b.String())
}

func raw(es []Event) string {
	var b strings.Builder
	for _, e := range es {
		b.WriteString(e.Raw)
	}
	return b.String()
}

// runes cuts text into characters.
func runes(text string) []string { return strings.Split(text, "") }

// expect checks the events of text, fed whole and character by character.
func expect(t *testing.T) func(format Format, text, want string) {
	return func(format Format, text, want string) {
		t.Helper()
		for _, pieces := range [][]string{{text}, runes(text)} {
			es := events(format, pieces...)
			if got := describe(es); got != want {
				t.Errorf("%s, %d pieces, %q:\n got %s\nwant %s", format.Name, len(pieces), text,
					got, want)
			}
			if got := raw(es); got != text {
				t.Errorf("%s: %q becomes %q", format.Name, text, got)
			}
		}
	}
}

func TestParserOfHermes(t *testing.T) {
	f := expect(t)
	h := Hermes()
	f(h, "Hello world", `"Hello world"`)
	f(h, "", "")
	f(h, " \n ", `" \n "`)
	f(h, "a < b <tool b", `"a < b <tool b"`)
	f(h, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": [1, {\"y\": "+
		"\"}\\\"\"}]}}\n</tool_call>",
		`call(f) {"x": [1, {"y": "}\""}]} end`)
	f(h, "Sure.\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>"+
		"{\"name\":\"g\",\"arguments\":{}}</tool_call>\n",
		`"Sure.\n" call(f) {} end call(g) {} end`)
	f(h, `<tool_call>{"name":"f","arguments":{}}</tool_call> Done.`, `call(f) {} end " Done."`)
	f(h, `<tool_call>{"name":"f","arguments":{}}`, `call(f) {} end`)
	f(h, `<tool_call>{"name":"f","arguments":{}} and text`, `call(f) {} end " and text"`)
	f(h, `<tool_call>{"arguments":{"a":1},"name":"f"}</tool_call>`, `call(f) {"a":1} end`)
	f(h, `<tool_call>{"name":"f"}</tool_call>`, `call(f) end`)
	f(h, `<tool_call>{"name":"f","arguments":null}</tool_call>`, `call(f) end`)
	f(h, `<tool_call>{"name":"f","arguments":"{\"a\": 1}"}</tool_call>`, `call(f) {"a": 1} end`)
	f(h, `<tool_call>{"id":"c1","name":"f\u00e9","arguments":{},"x":-1.5e+3}</tool_call>`,
		`call(fé #c1) {} end`)
	f(h, "<think>\nhm\n\n</think>\n\nanswer", `think("hm") "answer"`)
	f(h, "\n<think>a\nb</think><tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>",
		`think("a\nb") call(f) {} end`)
	f(h, "<think>\n\n</think>\n\nanswer", `"answer"`)
	f(h, "<think>never closed\n", `think("never closed\n")`)
	f(h, "I say <think>this</think>", `"I say <think>this</think>"`)
	f(h.ForPrompt("assistant\n<think>\n"), "hm\n</think>\n\nanswer", `think("hm") "answer"`)
	f(h.ForPrompt("assistant\n<think>\n\n</think>\n\n"), "answer", `"answer"`)
}

func TestParserOfLlama(t *testing.T) {
	f := expect(t)
	l := Llama3()
	f(l, `{"name": "f", "parameters": {"a": "b"}}`, `call(f) {"a": "b"} end`)
	f(l, ` {"type": "function", "name": "f", "parameters": {}}; {"name": "g", "parameters": {}}`,
		`call(f) {} end call(g) {} end`)
	f(l, `<|python_tag|>{"name": "f", "parameters": {"a": "b"}}`, `call(f) {"a": "b"} end`)
	f(l, `<|python_tag|>print(1)`, `"<|python_tag|>print(1)"`)
	f(l, `{"name": "Bob", "age": 3}`, `"{\"name\": \"Bob\", \"age\": 3}"`)
	f(l, `{"name": "Bob"} and {}`, `"{\"name\": \"Bob\"} and {}"`)
	f(l, `Use {"name": "f", "parameters": {}}`, `"Use {\"name\": \"f\", \"parameters\": {}}"`)
}

func TestParserOfMistral(t *testing.T) {
	f := expect(t)
	m := Mistral()
	f(m, `[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}, "id": "abc"}, {"name": "g", `+
		`"arguments": {}}]`,
		`call(f) {"a": 1} end call(g) {} end`)
	f(m, `[TOOL_CALLS] [{"name": "f", "arguments": {}}] bye`, `call(f) {} end " bye"`)
	f(m, `ok[TOOL_CALLS]f[CALL_ID]x1[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{}`,
		`"ok" call(f #x1) {"a": 1} end call(g) {} end`)
	f(m, `[THINK]hm[/THINK]yes`, `think("hm") "yes"`)
	f(m, `[TOOL_CALLS]not a call`, `"[TOOL_CALLS]not a call"`)
	f(m, `[TOOL_CALLS]`+strings.Repeat("a", 600), `"[TOOL_CALLS]`+strings.Repeat("a", 600)+`"`)
	f(m, `[TOOL_CALLS][]`, `"[TOOL_CALLS][]"`)
}

func TestParserOfOthers(t *testing.T) {
	f := expect(t)
	f(Nemotron(), `<TOOLCALL>[{"name": "f", "arguments": {}}]</TOOLCALL>`, `call(f) {} end`)
	f(CommandR(), `<|START_THINKING|>hm<|END_THINKING|><|START_ACTION|>[`+"\n"+
		`    {"tool_call_id": "0", "tool_name": "f", "parameters": {"a": 1}}`+"\n]<|END_ACTION|>",
		`think("hm") call(f #0) {"a": 1} end`)
	f(CommandR(), `<|START_RESPONSE|>hi<|END_RESPONSE|>`, `"hi"`)
	f(DeepSeekV31(),
		`x<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a": 1}<｜tool▁call▁end｜>`+
			`<｜tool▁call▁begin｜>g<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
		`"x" call(f) {"a": 1} end call(g) {} end`)
	f(Format{}, `{"name": "f", "parameters": {}} <tool_call>`,
		`"{\"name\": \"f\", \"parameters\": {}} <tool_call>"`)
}

func TestParserBrokenCalls(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		expect(t)(Hermes(), text, want)
	}
	// Not a call: all text.
	for _, text := range []string{
		"<tool_call>", "<tool_call>\n", "<tool_call>{",
		`<tool_call>{"name": "f"`, `<tool_call>[1]`,
		`<tool_call>{"name": 5, "arguments": {}}</tool_call>`,
		`<tool_call>{"name": "f", "arguments": [1]}`,
		`<tool_call>{}</tool_call>`, `<tool_call>{'name': 'f'}</tool_call>`,
		`<tool_call>{"name": ""}`,
		`<tool_call>{"name": "f", "arguments": "x`, `<tool_call>{"a":` + strings.Repeat("[", 65),
		"</tool_call>",
		`<tool_call>{"a" 1}`, `<tool_call>{"a":01}`, `<tool_call>{"a":1.}`, `<tool_call>{"a":tru}`,
		`<tool_call>{"a":"\x"}`,
		"<tool_call>{\"a\":\"\n\"}", `<tool_call>{"a":1,}`, `<tool_call>{,}`,
		`<tool_call>{"a":[1}`, `<tool_call>{"a":-}`,
	} {
		f(text, fmt.Sprintf("%q", text))
	}
	// A second marker after a broken call still counts.
	f(`<tool_call>oh <tool_call>{"name":"f","arguments":{}}</tool_call>`,
		`"<tool_call>oh " call(f) {} end`)
	// Broken once the arguments have begun: they went out already.
	f(`<tool_call>{"name":"f","arguments":{"a": tru`, `call(f) {"a": tru broken`)
	f(`<tool_call>{"name":"f","arguments":{"a": trux}}</tool_call>`,
		`call(f) {"a": tru broken "x}}</tool_call>"`)
	f(`<tool_call>{"name":"f","arguments":{}`, `call(f) {} broken`)
	f(`<tool_call>{"name":"f","arguments":{}]`, `call(f) {} broken "]"`)
}

// TestParserStreams checks that nothing waits that need not.
func TestParserStreams(t *testing.T) {
	p := NewParser(Hermes())
	f := func(piece, want string) {
		t.Helper()
		if got := describe(p.Feed(piece)); got != want {
			t.Errorf("after %q: got %s, want %s", piece, got, want)
		}
	}
	f("<thi", "")
	f("nk>\n", "")
	f("a thought", `think("a thought")`)
	f("\n", "")
	f("more</", `think("\nmore")`)
	f("think>\n\n", "")
	f("Hi <", `"Hi "`)
	f("b> <tool", `"<b> "`)
	f("_call>", "")
	f("\n{\"name\": \"get\", ", "")
	f("\"arguments\": {\"ci", `call(get) {"ci`)
	f("ty\": \"Bern\"", `ty": "Bern"`)
	f("}", "}")
	f("}", "end")
	f("\n</tool_call>", "")
	f("bye", `"bye"`)
	if got := p.Close(); len(got) != 0 {
		t.Errorf("Close gives %v", got)
	}
}

func formats() []Format {
	thinking := Hermes()
	thinking.Thinking = true
	return []Format{
		Hermes(), Llama3(), Mistral(), Nemotron(), CommandR(), DeepSeekV31(), thinking,
		{},
	}
}

// checkParser feeds text whole and in pieces: the events must be the same, their Raws must be the
// text, and calls must start and end in turn.
func checkParser(t *testing.T, text string, seed uint64) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for _, format := range formats() {
		whole := events(format, text)
		var pieces []string
		for rest := text; rest != ""; {
			n := 1 + rnd.IntN(min(len(rest), 7))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		cut := events(format, pieces...)
		if fmt.Sprint(whole) != fmt.Sprint(cut) {
			t.Fatalf("%s: %q\nwhole  %s\npieces %s", format.Name, text, describe(whole),
				describe(cut))
		}
		if raw(whole) != text {
			t.Fatalf("%s: %q becomes %q", format.Name, text, raw(whole))
		}
		checkNesting(t, whole)
	}
}

func checkNesting(t *testing.T, es []Event) {
	t.Helper()
	open, calls := false, false
	for _, e := range es {
		start, end := e.Kind == EventCallStart, e.Kind == EventCallEnd
		if start == open && start || (end || e.Kind == EventCallArgs) && !open || open &&
			e.Kind == EventText {
			t.Fatalf("events out of order: %s", describe(es))
		}
		if start && e.Name == "" {
			t.Fatalf("a call without a name: %s", describe(es))
		}
		open = (open || start) && !end
		calls = calls || start
	}
	if open {
		t.Fatalf("a call that does not end: %s", describe(es))
	}
	// Without a call and without markers that were understood, everything is text.
	if calls {
		return
	}
	for _, e := range es {
		if e.Kind == EventText && e.Text != e.Raw {
			t.Fatalf("text %q of %q", e.Text, e.Raw)
		}
	}
}

// TestParserProperties feeds random mixtures of the fragments that matter.
func TestParserProperties(t *testing.T) {
	fragments := []string{
		"<tool_call>", "</tool_call>", "<think>", "</think>", "[TOOL_CALLS]",
		"[ARGS]", "[CALL_ID]", "[",
		"]", "<|python_tag|>", "{", "}", `"name"`, `"arguments"`, `"parameters"`, `"f"`, ":", ",",
		`{"name": "f", "arguments": `,
		`{"name":"f","parameters":{}}`, `{"a": [1, "}"]}`, "null", "1.5", "\\", `"`, " ", "\n",
		"text", "é🚀", ";", "<", "<TOOLCALL>[",
		"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "<|START_ACTION|>", "true",
		"x[ARGS]{", "[/THINK]", "[THINK]",
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for seed := range uint64(3000) {
		var b strings.Builder
		for range rnd.IntN(14) {
			b.WriteString(fragments[rnd.IntN(len(fragments))])
		}
		checkParser(t, b.String(), seed)
	}
}

func FuzzParser(f *testing.F) {
	f.Add("<think>\nhm\n</think>\n\nHi <tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": "+
		"1}}\n</tool_call>", uint64(1))
	f.Add(`{"name": "f", "parameters": {}}; {"name": "g"}`, uint64(2))
	f.Add(`[TOOL_CALLS][{"name": "f", "arguments": "{}", "id": "x"}] `+
		`[TOOL_CALLS]f[CALL_ID]1[ARGS]{}`, uint64(3))
	f.Add(`<|START_ACTION|>[{"tool_name": "f", "parameters": null}]<|END_ACTION|>`, uint64(4))
	f.Fuzz(func(t *testing.T, text string, seed uint64) { checkParser(t, text, seed) })
}

func TestDetectFormat(t *testing.T) {
	f := func(template, want string, thinks bool) {
		t.Helper()
		got := DetectFormat(template)
		if got.Name != want || (got.Think != "") != thinks {
			t.Errorf("DetectFormat(%.40q) = %s, reasoning %q; want %s, %v", template, got.Name,
				got.Think, want, thinks)
		}
	}
	f("", "plain", false)
	f("<tool_call>\n{\"name\": <function-name>, \"arguments\": <args>}", "hermes", false)
	f("<tool_call> arguments </think>", "hermes", true)
	f("<tool_call><function=x> arguments </think>", "plain", true)
	f("<|python_tag|>", "llama3", false)
	f("[TOOL_CALLS]", "mistral", false)
	f("[TOOL_CALLS] [/THINK]", "mistral", true)
}

func TestDetectFormatOfPublishedTemplates(t *testing.T) {
	corpus(t)
	f := func(name, want string, thinks bool) {
		t.Helper()
		got := DetectFormat(corpusTemplate(t, name+".jinja").Source())
		if got.Name != want || (got.Think != "") != thinks {
			t.Errorf("%s: %s, reasoning %q; want %s, %v", name, got.Name, got.Think, want, thinks)
		}
	}
	f("meta-llama-Llama-3.1-8B-Instruct", "llama3", false)
	f("meta-llama-Llama-3.2-3B-Instruct", "llama3", false)
	f("Qwen-Qwen2.5-7B-Instruct", "hermes", false)
	f("Qwen-Qwen3-0.6B", "hermes", true)
	f("Qwen-QwQ-32B", "hermes", true)
	f("NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes", false)
	f("Qwen3-Coder", "plain", false)
	f("Qwen3.5-4B", "plain", true)
	f("GLM-4.6", "plain", true)
	f("mistralai-Mistral-Nemo-Instruct-2407", "mistral", false)
	f("Mistral-Small-3.2-24B-Instruct-2506", "mistral", false)
	f("NVIDIA-Nemotron-Nano-v2", "nemotron", true)
	f("CohereForAI-c4ai-command-r7b-12-2024-tool_use", "command-r", true)
	f("deepseek-ai-DeepSeek-V3.1", "deepseek-v3.1", true)
	f("deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "plain", true)
	f("google-gemma-2-2b-it", "plain", false)
	f("microsoft-Phi-3.5-mini-instruct", "plain", false)
}
