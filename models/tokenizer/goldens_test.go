package tokenizer

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The goldens are written by testdata/make_goldens.py from the reference libraries.

var families = []string{"llama-bpe", "qwen2", "gpt-2", "deepseek-llm", "llama-spm"}

// TestGoldens encodes and decodes with the cut vocabularies, from both kinds of file.
func TestGoldens(t *testing.T) {
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			g := readGoldens(t, "testdata", family)
			g.compare(t, smallJSON(t, family), "special", "plain")
			fromGGUF := smallGGUF(t, family)
			g.compare(t, fromGGUF, g.ggufModes()...)
			g.compareDecoded(t, fromGGUF)
		})
	}
}

// TestFullGoldens does the same with whole vocabularies and 10,000 strings per family, from the
// folder that make_goldens.py has written them to.
func TestFullGoldens(t *testing.T) {
	dir := goldensDir()
	if dir == "testdata" {
		t.Skip("BASALT_TOKENIZER_GOLDENS does not name a folder of goldens")
	}
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			g := readGoldens(t, dir, family)
			fromJSON := mustJSON(t, readGzip(t, dir, family+".json.gz"))
			t.Logf("%d strings, tokenizer.json: %d differ", len(g.texts),
				g.compare(t, fromJSON, "special", "plain"))
			fromGGUF, err := FromGGUF(readGGUFVocab(t, sharedFile(t, "ggml-vocab-"+family+".gguf")))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d strings, GGUF: %d differ", len(g.texts),
				g.compare(t, fromGGUF, g.ggufModes()...))
			t.Logf("%d decodings: %d differ", len(g.decoded),
				g.compareDecoded(t, fromGGUF)+g.compareDecoded(t, fromJSON))
		})
	}
}

// TestRealVocabularies compares digests of the ids of testdata's strings.
func TestRealVocabularies(t *testing.T) {
	var texts []string
	unmarshalFile(t, readGzip(t, "testdata", "strings.gz"), &texts)
	var real map[string]map[string][]string
	unmarshalFile(t, []byte(readText(t, filepath.Join("testdata", "real.json"))), &real)
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			tok, err := FromGGUF(readGGUFVocab(t, sharedFile(t, "ggml-vocab-"+family+".gguf")))
			if err != nil {
				t.Fatal(err)
			}
			modes := goldens{family: family}.ggufModes()
			for _, mode := range modes {
				want := real[family][mode]
				if len(want) != len(texts)/100 {
					t.Fatalf("%d digests for %d texts", len(want), len(texts))
				}
				for i, digest := range want {
					if got := digestIDs(tok, texts[100*i:100*i+100], mode); got != digest {
						t.Errorf("%s: strings %d to %d have other ids", mode, 100*i, 100*i+99)
					}
				}
			}
		})
	}
}

// goldensDir is the folder of the goldens with whole vocabularies, or testdata.
func goldensDir() string {
	if dir := os.Getenv("BASALT_TOKENIZER_GOLDENS"); dir != "" {
		return dir
	}
	return "testdata"
}

func digestIDs(tok *Tokenizer, texts []string, mode string) string {
	var lines []string
	for _, text := range texts {
		var ids []string
		for _, id := range tok.Encode(nil, text, EncodeOptions{ParseSpecial: mode == "special"}) {
			ids = append(ids, strconv.Itoa(int(id)))
		}
		lines = append(lines, strings.Join(ids, " "))
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

type goldens struct {
	family  string
	texts   []string
	ids     map[string][]string // by mode: one line per text, differences or "="
	decoded []struct {
		IDs  []int32
		Skip bool
		Text string
	}
}

// ggufModes are the references for FromGGUF: the GGUF file of a SentencePiece model has scores, so
// it is held against sentencepiece and not against a list of merges.
func (g goldens) ggufModes() []string {
	if g.family == "llama-spm" {
		return []string{"sentencepiece"}
	}
	return []string{"special", "plain"}
}

func readGoldens(t *testing.T, dir, family string) goldens {
	t.Helper()
	g := goldens{family: family, ids: map[string][]string{}}
	unmarshalFile(t, readGzip(t, dir, "strings.gz"), &g.texts)
	unmarshalFile(t, readGzip(t, dir, family+".decoded.gz"), &g.decoded)
	lines := strings.Split(string(readGzip(t, dir, family+".ids.gz")), "\n")
	for n := len(g.texts) + 1; len(lines) > n; lines = lines[n:] {
		g.ids[lines[0]] = lines[1:n]
	}
	if len(g.ids) < 2 || len(g.decoded) == 0 {
		t.Fatalf("goldens of %s: %d modes, %d decodings", family, len(g.ids), len(g.decoded))
	}
	return g
}

func (g goldens) compare(t *testing.T, tok *Tokenizer, modes ...string) int {
	t.Helper()
	wrong := 0
	for _, mode := range modes {
		if len(g.ids[mode]) != len(g.texts) {
			t.Fatalf("%s: %d lines for %d texts", mode, len(g.ids[mode]), len(g.texts))
		}
		for i, text := range g.texts {
			line := g.ids[mode][i]
			if line == "=" {
				line = g.ids["plain"][i]
			}
			got := tok.Encode(nil, text, EncodeOptions{ParseSpecial: mode == "special"})
			if want := undelta(t, line); !slices.Equal(got, want) {
				if wrong++; wrong <= 3 {
					t.Errorf("%s: Encode(%q)\n got %s\nwant %s", mode, text, spell(tok, got),
						spell(tok, want))
				}
			}
		}
	}
	return wrong
}

func (g goldens) compareDecoded(t *testing.T, tok *Tokenizer) int {
	t.Helper()
	wrong := 0
	for _, d := range g.decoded {
		if got := tok.Decode(d.IDs, d.Skip); got != d.Text {
			if wrong++; wrong <= 3 {
				t.Errorf("Decode(%s, %v)\n got %q\nwant %q", spell(tok, d.IDs), d.Skip, got, d.Text)
			}
		}
	}
	return wrong
}

// TestFeatures changes one component of a cut tokenizer at a time.
func TestFeatures(t *testing.T) {
	var all struct {
		Texts    []string
		Variants []struct {
			Name, Base     string
			Patch          map[string]json.RawMessage
			Special, Plain string
			Decoded        []string
		}
	}
	unmarshalFile(t, readGzip(t, "testdata", "features.json.gz"), &all)
	if len(all.Variants) < 90 {
		t.Fatalf("%d variants", len(all.Variants))
	}
	bases := map[string][]byte{}
	for _, family := range families {
		bases[family] = readGzip(t, "testdata", family+".json.gz")
	}
	for _, v := range all.Variants {
		t.Run(v.Name, func(t *testing.T) {
			tok := mustJSON(t, patchJSON(t, bases[v.Base], v.Patch))
			g := goldens{texts: all.Texts, ids: map[string][]string{}}
			g.ids["special"] = strings.Split(v.Special, "\n")
			modes := []string{"special"}
			if v.Plain != "" {
				g.ids["plain"] = strings.Split(v.Plain, "\n")
				modes = append(modes, "plain")
			}
			g.compare(t, tok, modes...)
			for i, want := range v.Decoded {
				ids := undelta(t, g.ids["special"][i])
				if got := tok.Decode(ids, false); got != want {
					t.Fatalf("Decode(%s)\n got %q\nwant %q", spell(tok, ids), got, want)
				}
			}
		})
	}
}

// patchJSON replaces sections of a tokenizer.json; "model.x" is the field x of the model.
func patchJSON(t testing.TB, data []byte, patch map[string]json.RawMessage) []byte {
	t.Helper()
	var file, model map[string]json.RawMessage
	unmarshalFile(t, data, &file)
	unmarshalFile(t, file["model"], &model)
	for name, value := range patch {
		if field, ok := strings.CutPrefix(name, "model."); ok {
			model[field] = value
		} else {
			file[name] = value
		}
	}
	file["model"] = mustMarshal(t, model)
	return mustMarshal(t, file)
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unmarshalFile(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func mustJSON(t testing.TB, data []byte) *Tokenizer {
	t.Helper()
	tok, err := FromJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func readGzip(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return data
}

// undelta reads the first id and the differences.
func undelta(t testing.TB, line string) []int32 {
	t.Helper()
	ids := parseIDs(t, line)
	for i := 1; i < len(ids); i++ {
		ids[i] += ids[i-1]
	}
	return ids
}

func spell(tok *Tokenizer, ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, "%d %q ", id, tok.Token(id))
	}
	return b.String()
}
