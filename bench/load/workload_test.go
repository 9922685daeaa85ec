package load

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func sessionsOf(t *testing.T, w Workload) []Session {
	t.Helper()
	s, err := w.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Sessions()
	if err != nil || !reflect.DeepEqual(s, again) {
		t.Fatalf("a workload differs from itself (%v)", err)
	}
	return s
}

func TestRandomWorkload(t *testing.T) {
	w := Workload{Kind: "random", Num: 200, Input: 50, Output: 20, Range: 0.5, Vocab: 1000, Seed: 3}
	least, most := 99, 0
	for _, s := range sessionsOf(t, w) {
		r := s.Requests[0]
		least, most = min(least, r.InputLen), max(most, r.InputLen)
		if len(s.Requests) != 1 || s.At != -1 || len(r.Tokens) != r.InputLen || r.OutputLen < 10 ||
			r.OutputLen > 30 || r.Text != "" {
			t.Fatalf("session %+v", s)
		}
		if slices.Max(r.Tokens) >= 1000 || slices.Min(r.Tokens) < 0 {
			t.Fatalf("ids %v", r.Tokens)
		}
	}
	if least > 29 || least < 25 || most < 71 || most > 75 {
		t.Errorf("lengths from %d to %d", least, most)
	}
	w.Seed++
	if reflect.DeepEqual(sessionsOf(t, w)[0], sessionsOf(t, Workload{
		Kind: "random", Num: 200,
		Input: 50, Output: 20, Range: 0.5, Vocab: 1000, Seed: 3,
	})[0]) {
		t.Error("the seed changes nothing")
	}
}

func TestPrefixesAreShared(t *testing.T) {
	f := func(kind string, vocab int, want ...int) {
		t.Helper()
		w := Workload{Kind: kind, Num: 6, Input: 4, Output: 1, Prefix: 9, Fan: 3, Vocab: vocab}
		var got []int // sessions that begin as each one does
		sessions := sessionsOf(t, w)
		begin := func(i int) string {
			r := sessions[i].Requests[0]
			if r.InputLen != 13 {
				t.Errorf("%d tokens", r.InputLen)
			}
			if vocab > 0 {
				return strings.Join(strings.Fields(strings.Trim(
					sentenceOf(r.Tokens[:9]), "[]")), " ")
			}
			return strings.Join(strings.Fields(r.Text)[:9], " ")
		}
		for i := range sessions {
			n := 0
			for k := range sessions {
				if begin(i) == begin(k) {
					n++
				}
			}
			got = append(got, n)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", kind, got)
		}
	}
	f("prefix", 1<<20, 6, 6, 6, 6, 6, 6)
	f("fanout", 1<<20, 3, 3, 3, 3, 3, 3)
	f("fanout", 0, 3, 3, 3, 3, 3, 3)
}

func sentenceOf(ids []int32) string {
	var words []string
	for _, id := range ids {
		words = append(words, strings.Repeat("x", int(id%7))+string('a'+id%26))
	}
	return sentence(words)
}

func TestConversationsAndTools(t *testing.T) {
	s := sessionsOf(t, Workload{
		Kind: "conversation", Num: 2, Input: 5, Output: 3, Turns: 3, Prefix: 4,
	})
	if len(s) != 2 || len(s[0].Requests) != 3 {
		t.Fatalf("sessions %+v", s)
	}
	first, second := s[0].Requests[0].Messages[0], s[0].Requests[1].Messages[0]
	if len(strings.Fields(first.Content)) != 9 || len(strings.Fields(second.Content)) != 5 ||
		first.Role != "user" {
		t.Errorf("messages %+v, %+v", first, second)
	}
	past := []Message{first, {Role: "assistant", Content: "answer"}}
	if got := s[0].Requests[1].conversation(past); len(got) != 3 || got[1].Content != "answer" ||
		got[2] != second {
		t.Errorf("conversation %+v", got)
	}
	if tools := sessionsOf(t, Workload{Kind: "tools", Num: 1, Input: 5, Output: 3})[0].
		Requests[0].Tools; len(tools) != 2 || tools[0].Name != "get_weather" {
		t.Errorf("tools %+v", tools)
	}
}

func TestWorkloadRefuses(t *testing.T) {
	f := func(w Workload, want string) {
		t.Helper()
		if _, err := w.Sessions(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	ok := Workload{Kind: "random", Num: 1, Input: 1, Output: 1}
	change := func(edit func(*Workload)) Workload { w := ok; edit(&w); return w }
	f(change(func(w *Workload) { w.Kind = "sonnet" }), `unknown workload "sonnet"`)
	f(change(func(w *Workload) { w.Num = 0 }), "0 requests")
	f(change(func(w *Workload) { w.Num = 1 << 30 }), "requests")
	f(change(func(w *Workload) { w.Input = 0 }), "0 tokens in")
	f(change(func(w *Workload) { w.Output = 1 << 30 }), "tokens in")
	f(change(func(w *Workload) { w.Range = 1 }), "range ratio 1")
	f(change(func(w *Workload) { w.Kind = "prefix" }), "needs a prefix")
	f(change(func(w *Workload) { w.Kind, w.Prefix = "fanout", 1 }), "fan-out of 0")
	f(change(func(w *Workload) { w.Kind = "conversation" }), "0 turns")
	f(change(func(w *Workload) { w.Kind, w.Turns, w.Vocab = "conversation", 1, 9 }), "of words")
	f(change(func(w *Workload) { w.Vocab = -1 }), "vocabulary")
}

func TestReadTrace(t *testing.T) {
	const text = `{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [7, 8]}

{"timestamp": 1500.5, "input_length": 700, "output_length": 6, "hash_ids": [7, 9]}
{"prompt": "Hello", "max_tokens": 4}
{"messages": [{"role": "user", "content": "Hi"}], "output_length": 3}
`
	s, err := ReadTrace(strings.NewReader(text), 1<<20, 1)
	if err != nil || len(s) != 4 {
		t.Fatalf("%d sessions, %v", len(s), err)
	}
	a, b := s[0].Requests[0], s[1].Requests[0]
	if len(a.Tokens) != 600 || len(b.Tokens) != 700 || !slices.Equal(a.Tokens[:512],
		b.Tokens[:512]) ||
		slices.Equal(a.Tokens[512:600], b.Tokens[512:600]) {
		t.Error("blocks do not follow their hash ids")
	}
	if s[0].At != 0 || s[1].At != 1500500*time.Microsecond || s[2].At != -1 {
		t.Errorf("times %v %v %v", s[0].At, s[1].At, s[2].At)
	}
	if s[2].Requests[0].Text != "Hello" || s[2].Requests[0].OutputLen != 4 ||
		s[3].Requests[0].Messages[0].Content != "Hi" {
		t.Errorf("requests %+v", s[2:])
	}
}

func TestReadTraceRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := ReadTrace(strings.NewReader(text), 0, 1); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f("", "empty")
	f("{", "line 1")
	f(`{"input_length": 5}`, "output_length 0")
	f(`{"output_length": 5}`, "input_length 0")
	f(`{"output_length": 5, "input_length": 1000000000}`, "input_length 1000000000")
	f(`{"prompt": "x", "output_length": 5, "timestamp": -1}`, "timestamp -1")
}

func FuzzReadTrace(f *testing.F) {
	f.Add(`{"timestamp": 1, "input_length": 3, "output_length": 5, "hash_ids": [7]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "00000") {
			t.Skip("long prompts are slow to make")
		}
		s, err := ReadTrace(strings.NewReader(text), 0, 1)
		if (err == nil) != (len(s) > 0) {
			t.Errorf("%d sessions, %v", len(s), err)
		}
	})
}
