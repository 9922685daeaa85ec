package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// ExportGGUF describes a tokenizer.json, and the tokenizer_config.json beside it where config is
// not nil, as a GGUF file does, for a model of size ids. Ids without a token become unused padding.
// What a GGUF file cannot say is an error: the exported tokenizer is held against the original on
// text of many kinds.
//
// A SentencePiece vocabulary gets scores that rank its pieces as the merges do. Its GGUF tokenizer
// begins every text with one more space, also a text that begins with a space or follows a control
// token; a tokenizer.json with Metaspace does not there, as is known of all such conversions. And
// where a pre-tokenizer's name stands for text in composed form, that is said although the original
// leaves text as it is.
func ExportGGUF(data, config []byte, size int) (GGUFVocab, error) {
	t, err := FromJSON(data)
	if err == nil && config != nil {
		t, err = t.WithConfig(config)
	}
	if err != nil {
		return GGUFVocab{}, err
	}
	v, err := exportGGUF(t, data, size)
	if err != nil {
		return v, fmt.Errorf("cannot write the tokenizer as GGUF: %w", err)
	}
	return v, nil
}

func exportGGUF(t *Tokenizer, data []byte, size int) (GGUFVocab, error) {
	f := &jsonFile{r: jsonReader{s: string(data)}, sections: map[string]string{}}
	if err := f.read(); err != nil {
		return GGUFVocab{}, err
	}
	adds, ends := t.AddsBOS(), len(t.suffix) > 0
	v := GGUFVocab{
		BOS: t.bos, EOS: t.eos, UNK: t.model.unk, AddBOS: &adds, AddEOS: &ends,
	}
	if len(t.prefix) > 1 || len(t.prefix) == 1 && !adds || len(t.suffix) > 1 ||
		ends && t.suffix[0] != t.eos {
		return v, errors.New("it puts other tokens around a text than BOS and EOS")
	}
	if err := v.exportTokens(t, size); err != nil {
		return v, err
	}
	err := v.exportModel(t, f)
	if err == nil {
		err = v.compare(t)
	}
	return v, err
}

// exportTokens lists the tokens and their types.
func (v *GGUFVocab) exportTokens(t *Tokenizer, size int) error {
	if size > maxVocab {
		return fmt.Errorf("%d ids, more than %d", size, maxVocab)
	}
	if n := t.Vocab(); n > size {
		return fmt.Errorf("it has %d ids, the model %d", n, size)
	}
	v.Tokens, v.Types = make([]string, size), make([]int32, size)
	for id := range v.Tokens {
		if !t.vocab.has(int32(id)) {
			v.Tokens[id], v.Types[id] = fmt.Sprintf("[PAD%d]", id), typeUnused
			continue
		}
		v.Tokens[id] = t.vocab.pieces[id]
		switch fl := t.vocab.flags[id]; {
		case fl&flagSpecial != 0:
			v.Types[id] = typeControl
		case fl&flagAdded != 0:
			v.Types[id] = typeUserDefined
		default:
			v.Types[id] = typeNormal
		}
	}
	return nil
}

// exportModel finds which of GGUF's models the file is.
func (v *GGUFVocab) exportModel(t *Tokenizer, f *jsonFile) error {
	steps, err := components(f.sections["pre_tokenizer"], 0, pretokenizersOf)
	if err != nil {
		return err
	}
	norms, err := components(f.sections["normalizer"], 0, normalizersOf)
	if err != nil {
		return err
	}
	isBytes := func(c component) bool { return c.Type == "ByteLevel" }
	if slices.ContainsFunc(steps, isBytes) {
		return v.exportByteLevel(t, f, norms, steps)
	}
	if t.model.byteFallback {
		return v.exportSentencePiece(t, f, norms, steps)
	}
	return fmt.Errorf("it is neither of %s", knownModels)
}

func (v *GGUFVocab) exportByteLevel(t *Tokenizer, f *jsonFile, norms, steps []component) error {
	v.Model = "gpt2"
	want := spellComponents(norms, steps)
	for _, spelling := range []string{want, "NFC, " + want} {
		for _, p := range presets() {
			norms, steps, err := p.components()
			if err != nil {
				return err
			}
			if v.Pre == "" && spellComponents(norms, steps) == spelling &&
				p.ignoreMerges == t.model.ignoreMerges {
				v.Pre = p.names[0]
			}
		}
	}
	if v.Pre == "" {
		return fmt.Errorf("no pre-tokenizer that GGUF has a name for cuts words as it does: %s",
			want)
	}
	for i := range f.merges.len() {
		left, right, err := f.merges.at(i)
		if err != nil {
			return err
		}
		if strings.Contains(left+right, " ") {
			return fmt.Errorf("the merge of %q and %q has a space", left, right)
		}
		v.Merges = append(v.Merges, left+" "+right)
	}
	return nil
}

// components takes the preset's sections apart.
func (p preset) components() (norms, steps []component, err error) {
	if norms, err = components(p.normalizer, 0, normalizersOf); err != nil {
		return nil, nil, err
	}
	raw := `{"type":"Sequence","pretokenizers":[` + strings.Join(p.steps, ",") + `]}`
	steps, err = components(raw, 0, pretokenizersOf)
	return norms, steps, err
}

// spellComponents writes what matters of normalizers and pre-tokenizers, so that equal spellings
// mean the same words.
func spellComponents(norms, steps []component) string {
	var parts []string
	for i := range norms {
		parts = append(parts, norms[i].Type+norms[i].Content+norms[i].Prepend)
	}
	for i := range steps {
		parts = append(parts, steps[i].spell())
	}
	return strings.Join(parts, ", ")
}

func (c *component) spell() string {
	switch c.Type {
	case "ByteLevel":
		return fmt.Sprintf("ByteLevel(space %v, words %v)", isTrue(c.AddPrefixSpace, true),
			isTrue(c.UseRegex, true))
	case "Digits":
		return fmt.Sprintf("Digits(each %v)", c.IndividualDigits)
	case "Punctuation":
		return "Punctuation(" + c.Behavior + ")"
	case "Split":
		expr := "none"
		if c.Pattern.Regex != nil {
			expr = spellPattern(*c.Pattern.Regex)
		}
		if how, err := behaviourOf(c.Behavior); err == nil && keepsAll(how, c.Invert) {
			return "Split(" + expr + ")"
		}
		return fmt.Sprintf("Split(%s, %s, inverted %v)", expr, c.Behavior, c.Invert)
	}
	return c.Type
}

// spellPattern writes characters that may be escaped in one way.
func spellPattern(expr string) string {
	expr = strings.NewReplacer("\r", "\\r", "\n", "\\n").Replace(expr)
	for {
		at := strings.Index(expr, `\u`)
		if at < 0 || at+6 > len(expr) {
			return expr
		}
		code, err := strconv.ParseUint(expr[at+2:at+6], 16, 32)
		if err != nil {
			return expr
		}
		expr = expr[:at] + string(rune(code)) + expr[at+6:]
	}
}

// exportSentencePiece gives the pieces scores by the first merge that makes them.
func (v *GGUFVocab) exportSentencePiece(t *Tokenizer, f *jsonFile, norms, steps []component) error {
	v.Model, v.Pre = "llama", "default"
	space := false
	for _, c := range slices.Concat(norms, steps) {
		switch {
		case c.Type == "Prepend" && c.Prepend == "▁":
			space = true
		case c.Type == "Replace" && c.Pattern.String != nil && *c.Pattern.String == " " &&
			c.Content == "▁":
		case c.Type == "Metaspace":
			how, err := prependOf(&c)
			if err != nil {
				return err
			}
			space = space || how != prependNever
		default:
			return fmt.Errorf("a SentencePiece tokenizer with %q cannot be written", c.Type)
		}
	}
	v.AddSpacePrefix = &space
	for id, piece := range v.Tokens {
		if _, ok := fallbackByte(piece); ok && v.Types[id] == typeNormal {
			v.Types[id] = typeByte
		}
	}
	if v.UNK >= 0 {
		v.Types[v.UNK] = typeUnknown
	}
	return v.exportScores(t, f.merges)
}

// exportScores counts down from -1 along the merges, each piece once; pieces that nothing merges
// into, such as single characters, come last.
func (v *GGUFVocab) exportScores(t *Tokenizer, merges mergeList) error {
	v.Scores = make([]float32, len(v.Tokens))
	ranked := 0
	for i := range merges.len() {
		left, right, err := merges.at(i)
		if err != nil {
			return err
		}
		if id, ok := t.vocab.model(left + right); ok && v.Scores[id] == 0 {
			ranked++
			v.Scores[id] = float32(-ranked)
		}
	}
	for id, score := range v.Scores {
		if score == 0 && v.Types[id] == typeNormal {
			v.Scores[id] = float32(-ranked - 1)
		}
	}
	return nil
}

// sampleText has what tokenizers differ in: cases, digits, spaces, punctuation, contractions,
// scripts, combining marks in either order, emoji and rare characters.
const sampleText = "Hello world, HELLO World!  3 33 333 3333 33333 1,234.50 \t\ttabs \n\n\n " +
	"lines\r\n" +
	" I'm you'RE they'll he'D we'Ve it's    spaces   \n  Größe Äpfel naïve café e\u0301a\u0301 " +
	"ﬁ Ⅷ ½ 東京は日本 你好,世界。 안녕하세요 Привет мир Ελλάδα שלום عربي नमस्ते ไทย 🙂👩‍🚀🇩🇪 " +
	"a_b snake_case camelCase " +
	"x=y+1; if(a&&b){c[0]<-d}; \"quotes\" 'single' ``code`` ------ ===== ... !!! ?!? #$%^&*()@ " +
	"http://example.com/a?b=c&d=e \u00a0nbsp\u200bzero\u2028line \u0000 end  "

// compare proves that the exported tokenizer gives the original's ids.
func (v *GGUFVocab) compare(t *Tokenizer) error {
	exported, err := FromGGUF(*v)
	if err != nil {
		return err
	}
	texts := []string{norm.NFC.String(sampleText)}
	if len(t.norm) > 0 {
		texts = append(texts, sampleText)
	}
	if v.Model == "gpt2" {
		texts = append(texts, " "+texts[0])
	}
	for id, piece := range v.Tokens {
		if v.Types[id] == typeNormal && len(texts) < 2000 {
			text := "z" + string(t.TokenBytes(int32(id))) + "x" + piece
			texts = append(texts, norm.NFC.String(text))
		}
		if v.Model == "gpt2" && (v.Types[id] == typeControl || v.Types[id] == typeUserDefined) {
			texts = append(texts, "a "+piece+" b"+piece+piece+"c")
		}
	}
	for _, text := range texts {
		for _, o := range []EncodeOptions{{AddSpecial: true}, {ParseSpecial: v.Model == "gpt2"}} {
			want, got := t.Encode(nil, text, o), exported.Encode(nil, text, o)
			if !slices.Equal(got, want) {
				return fmt.Errorf("%.60q would be encoded otherwise: as %v instead of %v", text,
					firstIDs(got), firstIDs(want))
			}
		}
	}
	return nil
}

func firstIDs(ids []int32) []int32 { return ids[:min(len(ids), 16)] }

func normalizersOf(c *component) []json.RawMessage   { return c.Normalizers }
func pretokenizersOf(c *component) []json.RawMessage { return c.Pretokenizers }
