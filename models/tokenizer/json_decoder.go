package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// decoder compiles the decoder section: what each id stands for is worked out once.
func (b *builder) decoder(raw string) error {
	list, err := components(raw, 0, func(c *component) []json.RawMessage { return c.Decoders })
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("there is none; text could not be put together")
	}
	if list[0].Type == "ByteLevel" {
		if len(list) > 1 {
			return fmt.Errorf("type %q behind ByteLevel is not supported", list[1].Type)
		}
		return b.setTexts(b.byteLevelText)
	}
	p := &pieceDecoder{v: &b.t.vocab}
	for i := range list {
		if err := p.add(&list[i], &b.t.decoding); err != nil {
			return err
		}
	}
	if err := checkGrowth(p.rewrites); err != nil {
		return err
	}
	b.t.decoding.perByte = true
	return b.setTexts(p.text)
}

// setTexts fills the decoding's table.
func (b *builder) setTexts(text func(dst []byte, id int32) []byte) error {
	d := &b.t.decoding
	total := 0
	for _, piece := range b.t.vocab.pieces {
		total += len(piece) // texts are seldom longer
	}
	block, ends := make([]byte, 0, total), make([]uint32, len(b.t.vocab.pieces))
	d.whole = make([]bool, len(ends))
	for id := range ends {
		start := len(block)
		if b.t.vocab.has(int32(id)) {
			block = text(block, int32(id))
		}
		if len(block) > maxJSONSize {
			return fmt.Errorf("the tokens stand for more than %d bytes", maxJSONSize)
		}
		d.whole[id], ends[id] = utf8.Valid(block[start:]), uint32(len(block))
	}
	d.bytes = byteTable{block, ends}
	return nil
}

// pieceDecoder is a chain of decoders that work on one token at a time.
type pieceDecoder struct {
	v        *vocab
	rewrites []normalizer
	bytes    bool // <0xNN> stand for bytes
	fused    bool // what follows sees the whole text
}

func (p *pieceDecoder) add(c *component, d *decoding) error {
	if p.fused && c.Type != "Strip" {
		return fmt.Errorf("type %q behind Fuse is not supported; Strip is", c.Type)
	}
	switch c.Type {
	case "Replace":
		r, err := compileReplace(c)
		p.rewrites = append(p.rewrites, r)
		return err
	case "ByteFallback":
		p.bytes = true
	case "Fuse":
		p.fused = true
	case "Strip":
		return p.addStrip(c, d)
	case "Metaspace":
		return p.addMetaspace(c, d)
	default:
		return fmt.Errorf("type %q is not supported; ByteLevel, Replace, ByteFallback, Fuse, "+
			"Strip, Metaspace and Sequence are", c.Type)
	}
	return nil
}

func (p *pieceDecoder) addStrip(c *component, d *decoding) error {
	if !p.fused || c.Stop != 0 || c.Start < 0 || len(c.Content) != 1 {
		return errors.New("decoder Strip is supported behind Fuse, of one ASCII character, " +
			"at the start")
	}
	d.strip, d.stripByte = c.Start, c.Content[0]
	return nil
}

func (p *pieceDecoder) addMetaspace(c *component, d *decoding) error {
	how, err := prependOf(c)
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(c.Replacement) != 1 || len(p.rewrites) > 0 || d.dropped != "" {
		return fmt.Errorf("decoder Metaspace of %q is supported as first decoder, of one character",
			c.Replacement)
	}
	if how != prependNever {
		d.dropped = c.Replacement
	}
	p.rewrites = append(p.rewrites, replaceText{c.Replacement, " "})
	return nil
}

func (p *pieceDecoder) text(dst []byte, id int32) []byte {
	s := p.v.pieces[id]
	for _, r := range p.rewrites {
		s, _ = r.apply(nil, s)
	}
	if c, ok := fallbackByte(s); ok && p.bytes {
		p.v.flags[id] |= flagByte
		return append(dst, c)
	}
	return append(dst, s...)
}
