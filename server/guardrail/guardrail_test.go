package guardrail

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"basalt/server/api"
)

const everything = `
guardrails:
  - id: all
    version: "3"
    blocked-input: No.
    blocked-output: Not said.
    topics:
      - {name: Investment, phrases: ["stock tip"], regexes: ['(?i)\bbuy\s+shares\b']}
    words: [heck, "C++"]
    profanity: [darn]
    personal:
      - {type: EMAIL}
      - {type: PHONE, input: block}
      - {type: CREDIT_DEBIT_CARD_NUMBER, output: none}
    regexes:
      - {name: ticket, pattern: 'TCK-\d{4,6}', input: none, output: mask}
  - {id: all, version: "4", words: [never]}
`

func read(t testing.TB, text string) *Set {
	t.Helper()
	s, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFindsByIDVersionAndARN(t *testing.T) {
	s := read(t, everything)
	f := func(id, version, want string) {
		t.Helper()
		got := ""
		if g := s.Find(id, version); g != nil {
			got = g.Version
		}
		if got != want {
			t.Errorf("%s %s: %q, want %q", id, version, got, want)
		}
	}
	f("all", "3", "3")
	f("all", "4", "4")
	f("all", "DRAFT", "4")
	f("arn:aws:bedrock:us-east-1:123456789012:guardrail/all", "3", "3")
	f("all", "5", "")
	f("other", "DRAFT", "")
	var none *Set
	if none.Find("all", "3") != nil {
		t.Error("no set has a guardrail")
	}
}

func TestReadRefuses(t *testing.T) {
	f := func(text, reason string) {
		t.Helper()
		_, err := Read(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v; want %q", text, err, reason)
		}
	}
	one := func(fields string) string { return "guardrails: [{id: a, " + fields + "}]" }
	f("guardrails: [{id: a}]", "0 rules")
	f("guardrails: [{id: A, words: [x]}]", "lower case")
	f("guardrails: [{words: [x]}]", "no id")
	f(one(`words: [x], version: "0"`), "version")
	f(one(`words: [x], version: DRAFT`), "version")
	f(one(`words: [x], no-such: 1`), "no-such")
	f(one(`words: [" "]`), "no word")
	f(one(`topics: [{name: t}]`), "phrases or regexes")
	f(one(`topics: [{phrases: [a]}]`), "needs a name")
	f(one(`regexes: [{name: r, pattern: "("}]`), `regex "r"`)
	f(one(`regexes: [{name: r, pattern: "a*"}]`), "empty text")
	f(one(`regexes: [{name: r, pattern: "a", input: drop}]`), "no action")
	f(one(`regexes: [{pattern: "a"}]`), "needs a name")
	f(one(`personal: [{type: NAME}]`), "CREDIT_DEBIT_CARD_NUMBER")
	f(one(`words: [x]}, {id: a, words: [y]`), "version 1 twice")
	f(strings.Repeat("#", maxFile+1), "bytes")
}

func TestCheck(t *testing.T) {
	g := read(t, everything).Find("all", "3")
	f := func(text string, d Direction, want string, action api.GuardAction, found ...string) {
		t.Helper()
		a := g.New()
		if got := g.Check(text, d, a); got != want || a.Action() != action {
			t.Errorf("%q: %q, action %d; want %q, %d", text, got, a.Action(), want, action)
		}
		var names []string
		for _, list := range [][]api.Finding{
			a.Topics, a.Words, a.Profanity, a.Personal,
			a.Regexes,
		} {
			for _, x := range list {
				names = append(names, x.Name+x.Type+":"+x.Match)
			}
		}
		if diff := cmp.Diff(found, names); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	f("Hello", Input, "Hello", api.GuardNone)
	f("A stock  TIP please", Input, "A stock  TIP please", api.GuardBlock, "Investment:")
	f("stock tips", Input, "stock tips", api.GuardNone)
	f("Buy\nshares!", Output, "Buy\nshares!", api.GuardBlock, "Investment:")
	f("heck, HECK", Input, "heck, HECK", api.GuardBlock, ":heck", ":HECK")
	f("checked heckle", Input, "checked heckle", api.GuardNone)
	f("use C++.", Input, "use C++.", api.GuardBlock, ":C++")
	f("darn", Input, "darn", api.GuardBlock, ":darn")
	f("to a.b@c.org, a.b@c.org", Input, "to {EMAIL}, {EMAIL}", api.GuardMask, "EMAIL:a.b@c.org")
	f("call 030 1234 5678", Input, "call 030 1234 5678", api.GuardBlock, "PHONE:030 1234 5678")
	f("call +49 30 1234 5678", Output, "call {PHONE}", api.GuardMask,
		"PHONE:+49 30 1234 5678")
	f("TCK-12345", Input, "TCK-12345", api.GuardNone, "ticket:TCK-12345")
	f("TCK-12345", Output, "{ticket}", api.GuardMask, "ticket:TCK-12345")
	f("4111 1111 1111 1111", Input, "{CREDIT_DEBIT_CARD_NUMBER}", api.GuardBlock,
		"PHONE:4111 1111 1111", "CREDIT_DEBIT_CARD_NUMBER:4111 1111 1111 1111")
}

func TestUnitsAreBegunThousands(t *testing.T) {
	g := read(t, everything).Find("all", "4")
	a := g.New()
	g.Check(strings.Repeat("é", 1001), Input, a)
	g.Check("x", Input, a)
	if a.Units != 3 || a.Guarded != 1002 || !a.HasWords || a.HasTopics || a.HasFilter {
		t.Errorf("%+v", a)
	}
}

func TestKindsOfPersonalInformation(t *testing.T) {
	f := func(kind, good string, bad ...string) {
		t.Helper()
		g := read(t, "guardrails: [{id: a, personal: [{type: "+kind+"}]}]").Find("a", "1")
		if got := g.Check("it is "+good+".", Input, g.New()); got != "it is {"+kind+"}." {
			t.Errorf("%s: %s", kind, got)
		}
		for _, text := range bad {
			if got := g.Check("it is "+text+".", Input, g.New()); got != "it is "+text+"." {
				t.Errorf("%s: %s", kind, got)
			}
		}
	}
	f("EMAIL", "zoe+x@mail.example.org", "a@b", "@b.org", "a b.org")
	f("PHONE", "(030) 123-4567", "12 34", "2026-11-23")
	f("URL", "https://example.org/a?b=c", "example.org", "https://")
	f("IP_ADDRESS", "192.168.0.255", "192.168.0.256", "1.2.3")
	f("IP_ADDRESS", "2001:db8:0:0:0:0:0:1", "12:30:45")
	f("MAC_ADDRESS", "00:1b:44:11:3a:b7", "00:1b:44:11:3a")
	f("CREDIT_DEBIT_CARD_NUMBER", "4111-1111-1111-1111", "4111-1111-1111-1112", "0000000000000000")
	f("US_SOCIAL_SECURITY_NUMBER", "078-05-1120", "000-05-1120", "666-05-1120", "078-00-1120")
	f("US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER", "912-70-1234", "912-93-1234", "812-70-1234")
	f("US_BANK_ROUTING_NUMBER", "021000021", "021000022", "000000000")
	f("CA_SOCIAL_INSURANCE_NUMBER", "046 454 286", "046 454 287")
	f("UK_NATIONAL_INSURANCE_NUMBER", "AB 12 34 56 C", "QQ 12 34 56 C")
	f("UK_NATIONAL_HEALTH_SERVICE_NUMBER", "943 476 5919", "943 476 5918")
	f("INTERNATIONAL_BANK_ACCOUNT_NUMBER", "GB82 WEST 1234 5698 7654 32",
		"GB82 WEST 1234 5698 7654 33")
	f("SWIFT_CODE", "DEUTDEFF500", "Deutdeff")
	f("VEHICLE_IDENTIFICATION_NUMBER", "1M8GDM9AXKP042788", "1M8GDM9A1KP042788")
	f("AWS_ACCESS_KEY", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7")
	f("AWS_SECRET_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709")
}

// parts are what texts are made of: matches, beginnings of matches, and others.
func parts() []string {
	return []string{
		"a.b@c.org", "a@", ".org", " ", "TCK-", "12345", "1", "stock", "x", "\n", "é", "😀",
		"word ",
		"call 030 1234 5678 ", "-", strings.Repeat("longer ", 9), strings.Repeat("y", 60),
	}
}

// TestStreamsSayWhatWholeTextsSay holds that a text in pieces is masked as a whole one is.
func TestStreamsSayWhatWholeTextsSay(t *testing.T) {
	s := read(t, `guardrails: [{id: a, personal: [{type: EMAIL}, {type: PHONE}], regexes: [
		{name: ticket, pattern: 'TCK-\d{4,6}'}]}]`)
	g := s.Find("a", "1")
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts()), 0, 60).Draw(t, "text"), "")
		whole, streamed := g.New(), g.New()
		want := g.Check(text, Output, whole)
		stream := g.NewStream(false, streamed)
		got := ""
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, min(len(rest), 90)).Draw(t, "piece")
			got += stream.Feed(rest[:n])
			rest = rest[n:]
		}
		got += stream.Close()
		if got != want {
			t.Fatalf("%q is streamed as %q, want %q", text, got, want)
		}
		if diff := cmp.Diff(whole.Personal, streamed.Personal); diff != "" {
			t.Fatal(diff)
		}
		if whole.Guarded != streamed.Guarded || whole.Units != streamed.Units {
			t.Fatalf("%+v, want %+v", streamed, whole)
		}
	})
}

// TestStreamsNeverSayWhatIsBlocked holds that no part of a blocked match goes out.
func TestStreamsNeverSayWhatIsBlocked(t *testing.T) {
	g := read(t, everything).Find("all", "3")
	rapid.Check(t, func(t *rapid.T) {
		before := strings.Repeat("word ", rapid.IntRange(0, 900).Draw(t, "before"))
		text := before + "stock tip" + strings.Repeat(" more", rapid.IntRange(0, 300).Draw(t,
			"after"))
		stream := g.NewStream(false, g.New())
		got := ""
		for rest := text; rest != "" && !stream.Blocked(); {
			n := rapid.IntRange(1, min(len(rest), 400)).Draw(t, "piece")
			got += stream.Feed(rest[:n])
			rest = rest[n:]
		}
		if !stream.Blocked() {
			got += stream.Close()
		}
		if !stream.Blocked() || !strings.HasPrefix(before, got) {
			t.Fatalf("blocked %v, %d bytes of %d went out", stream.Blocked(), len(got), len(before))
		}
		later := g.NewStream(true, g.New())
		if later.Feed(text) != text {
			t.Fatal("a stream that runs ahead was held back")
		}
		if later.Close(); !later.Blocked() {
			t.Fatal("a stream that runs ahead was not blocked")
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("guardrails: [{id: a, regexes: [{name: r, pattern: '(a|b)+'}]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Read(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		for id, list := range s.byID {
			g := list[0]
			if g != s.Find(id, g.Version) {
				t.Fatal(id)
			}
			g.Check("some a@b.org text", Input, g.New())
		}
	})
}
