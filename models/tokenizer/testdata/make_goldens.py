#!/usr/bin/env python3
"""Writes the golden files of this folder from the reference libraries.

    python3 -m venv VENV
    VENV/bin/pip install tokenizers==0.23.3 gguf==0.19.0 sentencepiece==0.2.3 protobuf==7.36.2
    VENV/bin/python make_goldens.py VOCABS [FULL]

VOCABS holds the ggml-vocab-*.gguf files of llama.cpp. Their tokenizer.json is rebuilt with the
sections that the models were published with. Written here, for a cut vocabulary of each family:
FAMILY.gguf.gz, FAMILY.json.gz and FAMILY.ids.gz (the ids of strings.gz); the digests of the whole
vocabularies' ids of the same strings, real.json; features.json.gz, variants of the cut tokenizers;
and tables.json, digests of what the references know of every character. With FULL, that folder
gets the same for the whole vocabularies and 10,000 strings, for BASALT_TOKENIZER_GOLDENS.
"""

import gzip
import hashlib
import json
import os
import pathlib
import random
import sys

import gguf
import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2 as sp_model

import features
import strings_of_seed as strings
import tables

HERE = pathlib.Path(__file__).parent
FAMILIES = ["llama-bpe", "qwen2", "gpt-2", "deepseek-llm", "llama-spm"]
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def byte_level(use_regex=False, add_prefix_space=False):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True,
            "use_regex": use_regex}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = CL100K.replace("{1,3}", "")
DIGIT = {"type": "Digits", "individual_digits": True}
DEEPSEEK_LETTERS = (
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-"
    "\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1"
    "\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd"
    "\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d"
    "\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-"
    "\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d"
    "\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e"
    "\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f"
    "\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943]+")
HAN = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

# Normalizer and pre_tokenizer as published.
SECTIONS = {
    "llama-bpe": (None, sequence(split(CL100K), byte_level())),
    "qwen2": ({"type": "NFC"}, sequence(split(QWEN2), byte_level())),
    "gpt-2": (None, byte_level(use_regex=True)),
    "deepseek-llm": ({"type": "Sequence", "normalizers": []}, sequence(
        split("[\r\n]"), split(DEEPSEEK_LETTERS),
        split("\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"),
        split(r"\s+$"), split(HAN), DIGIT, byte_level())),
    "llama-spm": ({"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}, None),
}
SPM_DECODER = {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
    {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}


class Vocab:
    """The tokenizer metadata of a GGUF file."""

    def __init__(self, path):
        fields = gguf.GGUFReader(path).fields

        def get(key, default=None):
            field = fields.get("tokenizer.ggml." + key)
            return default if field is None else field.contents()

        self.model, self.pre = get("model"), get("pre")
        self.tokens, self.types = get("tokens"), get("token_type")
        self.scores, self.merges = get("scores"), get("merges")
        self.ids = {k: get(k + "_token_id") for k in ("bos", "eos", "unknown")}
        self.add = {k: get(f"add_{k}_token") for k in ("bos", "eos")}

    def is_padding(self, i):
        return self.tokens[i] == f"[PAD{i}]"

    def cut(self, keep, merges):
        """Keeps the tokens of a set of ids, numbered anew."""
        keep = sorted(keep)
        anew = {old: new for new, old in enumerate(keep)}
        self.tokens = [self.tokens[i] for i in keep]
        self.types = [self.types[i] for i in keep]
        if self.scores:
            self.scores = [self.scores[i] for i in keep]
        self.merges = merges
        self.ids = {k: None if i is None else anew[i] for k, i in self.ids.items()}

    def write(self, path):
        w = gguf.GGUFWriter(path, "llama")
        w.add_tokenizer_model(self.model)
        w.add_tokenizer_pre(self.pre)
        w.add_token_list(self.tokens)
        w.add_token_types(self.types)
        if self.scores:
            w.add_token_scores(self.scores)
        if self.merges:
            w.add_token_merges(self.merges)
        for k, i in self.ids.items():
            if i is not None:
                w.add_uint32(f"tokenizer.ggml.{k}_token_id", i)
        for k, v in self.add.items():
            if v is not None:
                w.add_bool(f"tokenizer.ggml.add_{k}_token", v)
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.close()

    def spm_merges(self):
        """The merges that the published tokenizer.json lists: all pairs, by the result's score."""
        ids = {t: i for i, t in enumerate(self.tokens)}
        pairs = []
        for i, token in enumerate(self.tokens):
            if self.types[i] != NORMAL:
                continue
            local = [(token[:k], token[k:]) for k in range(1, len(token))
                     if token[:k] in ids and token[k:] in ids]
            local.sort(key=lambda p: (ids[p[0]], ids[p[1]]))
            pairs += [(self.scores[i], p) for p in local]
        pairs.sort(key=lambda p: -p[0])
        return [list(p) for _, p in pairs]

    def tokenizer_json(self, family):
        normalizer, pre_tokenizer = SECTIONS[family]
        spm = self.model == "llama"
        vocab, added = {}, []
        for i, token in enumerate(self.tokens):
            if self.is_padding(i):
                continue
            if self.types[i] in (CONTROL, UNKNOWN, USER):
                added.append({"id": i, "content": token, "single_word": False, "lstrip": False,
                              "rstrip": False, "normalized": self.types[i] == USER,
                              "special": self.types[i] != USER})
            if spm or self.types[i] not in (CONTROL, USER):
                vocab[token] = i
        prefix = [] if self.ids["bos"] is None or not (self.add["bos"] or family == "llama-bpe") \
            else [self.tokens[self.ids["bos"]]]
        post = None
        if prefix:
            bos = {"id": prefix[0], "type_id": 0}
            post = {"type": "TemplateProcessing",
                    "single": [{"SpecialToken": bos}, {"Sequence": {"id": "A", "type_id": 0}}],
                    "pair": [{"SpecialToken": bos}, {"Sequence": {"id": "A", "type_id": 0}},
                             {"SpecialToken": bos}, {"Sequence": {"id": "B", "type_id": 1}}],
                    "special_tokens": {prefix[0]: {"id": prefix[0], "ids": [self.ids["bos"]],
                                                   "tokens": prefix}}}
        return {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post,
            "decoder": SPM_DECODER if spm else byte_level(),
            "model": {
                "type": "BPE", "dropout": None, "unk_token": "<unk>" if spm else None,
                "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": spm,
                "byte_fallback": spm, "ignore_merges": family == "llama-bpe", "vocab": vocab,
                # Older files join the two parts, newer ones list them.
                "merges": self.spm_merges() if spm
                else self.merges if family in ("qwen2", "gpt-2")
                else [m.split(" ") for m in self.merges],
            },
        }

    def sentencepiece(self):
        m = sp_model.ModelProto()
        types = sp_model.ModelProto.SentencePiece
        for token, score, typ in zip(self.tokens, self.scores, self.types):
            p = m.pieces.add()
            p.piece, p.score = token, score
            p.type = {NORMAL: types.NORMAL, UNKNOWN: types.UNKNOWN, CONTROL: types.CONTROL,
                      BYTE: types.BYTE}[typ]
        m.trainer_spec.model_type = sp_model.TrainerSpec.BPE
        m.trainer_spec.byte_fallback = True
        m.trainer_spec.unk_id, m.trainer_spec.bos_id, m.trainer_spec.eos_id = 0, 1, 2
        m.trainer_spec.pad_id = -1
        m.normalizer_spec.name = "identity"
        m.normalizer_spec.add_dummy_prefix = True
        m.normalizer_spec.remove_extra_whitespaces = False
        m.normalizer_spec.escape_whitespaces = True
        return sentencepiece.SentencePieceProcessor(model_proto=m.SerializeToString())


def cut_byte_level(v, num_merges):
    ids = {t: i for i, t in enumerate(v.tokens)}
    merges, keep = [], set()
    for i, token in enumerate(v.tokens):
        if len(token) == 1:
            keep.add(i)
        if v.types[i] in (CONTROL, USER) and not v.is_padding(i) and "reserved" not in token:
            keep.add(i)
    for m in v.merges[:num_merges]:
        left, right = m.split(" ")
        if ids[left] in keep and ids[right] in keep:
            keep.add(ids[left + right])
            merges.append(m)
    v.cut(keep, merges)


def cut_spm(v, num_pieces, texts):
    seen = set("".join(texts[:400]))
    keep = {i for i in range(259 + num_pieces)}
    keep |= {i for i, t in enumerate(v.tokens) if len(t) == 1 and t in seen}
    v.cut(keep, None)


def encode_all(tok, texts, parse_special):
    tok.encode_special_tokens = not parse_special
    return [e.ids for e in tok.encode_batch(texts, add_special_tokens=False)]


def reference(j):
    return tokenizers.Tokenizer.from_str(json.dumps(j))


def delta(ids):
    """One line: the first id, then differences."""
    return " ".join(str(b - a) for a, b in zip([0] + ids, ids))


def write_gz(path, data):
    if isinstance(data, str):
        data = data.encode()
    with open(path, "wb") as f, gzip.GzipFile(filename="", mode="wb", fileobj=f, mtime=0) as z:
        z.write(data)


def decodings(tok, ids_of, count, seed, allowed):
    """Random sequences of ids, as a model that knows no text might produce, and their texts."""
    r, out = random.Random(seed), []
    for _ in range(count):
        ids = [r.choice(allowed) for _ in range(r.randrange(1, 12))]
        if r.random() < 0.5:
            ids = list(r.choice(ids_of)) + ids
        skip = r.random() < 0.5
        out.append({"ids": ids, "skip": skip, "text": tok(ids, skip)})
    return out


def spm_decoder(v):
    sp = v.sentencepiece()
    special = {i for i, t in enumerate(v.types) if t in (CONTROL, UNKNOWN)}

    def decode(ids, skip):
        # sentencepiece always leaves control tokens out; skip is taken as true.
        return sp.decode([i for i in ids if i not in special])
    return decode


def write_family(out, family, v, texts, with_vocab):
    j = v.tokenizer_json(family)
    tok = reference(j)
    plain, special = encode_all(tok, texts, False), encode_all(tok, texts, True)
    lines = {"plain": plain, "special": special}
    if family == "llama-spm":
        sp = v.sentencepiece()
        lines["sentencepiece"] = [sp.encode(t) for t in texts]
        decode = spm_decoder(v)
    else:
        def decode(ids, skip):
            return tok.decode(ids, skip_special_tokens=skip)
    # The byte alphabet's letters among the added tokens decode to broken bytes in the reference.
    allowed = [i for i, t in enumerate(v.types) if t != USER and not v.is_padding(i)]
    decoded = decodings(decode, [[i for i in p if i in set(allowed)] for p in plain[:200]],
                        len(texts) // 5, 7, allowed)
    if family == "llama-spm":
        for d in decoded:
            d["skip"] = True
    write_gz(out / f"{family}.ids.gz", "".join(
        name + "\n" + "".join(("=" if name != "plain" and i == p else delta(i)) + "\n"
                              for i, p in zip(ids, plain)) for name, ids in lines.items()))
    write_gz(out / f"{family}.decoded.gz", json.dumps(decoded, ensure_ascii=False))
    if with_vocab:
        path = out / f"{family}.gguf"
        v.write(path)
        write_gz(str(path) + ".gz", path.read_bytes())
        path.unlink()
    write_gz(out / f"{family}.json.gz", json.dumps(j, ensure_ascii=False))
    return tok, lines, j


def digests(ids):
    """sha256 of the ids of every 100 strings."""
    return [hashlib.sha256("\n".join(" ".join(map(str, i)) for i in ids[k:k + 100]).encode())
            .hexdigest() for k in range(0, len(ids), 100)]


def main():
    vocabs, full = pathlib.Path(sys.argv[1]), sys.argv[2:]
    texts = strings.texts(1000, 1)
    write_gz(HERE / "strings.gz", json.dumps(texts))
    bases, real = {}, {}
    for family in FAMILIES:
        v = Vocab(vocabs / f"ggml-vocab-{family}.gguf")
        tok = reference(v.tokenizer_json(family))
        real[family] = {"plain": digests(encode_all(tok, texts, False)),
                        "special": digests(encode_all(tok, texts, True))}
        if family == "llama-spm":
            sp = v.sentencepiece()
            real[family]["sentencepiece"] = digests([sp.encode(t) for t in texts])
        if full:
            out = pathlib.Path(full[0])
            os.makedirs(out, exist_ok=True)
            many = strings.texts(10000, 2)
            write_gz(out / "strings.gz", json.dumps(many))
            write_family(out, family, v, many, False)
        if family == "llama-spm":
            cut_spm(v, 1000, texts)
        else:
            cut_byte_level(v, 1200)
        _, _, bases[family] = write_family(HERE, family, v, texts, True)
    (HERE / "real.json").write_text(json.dumps(real, indent=1) + "\n")
    (HERE / "tables.json").write_text(json.dumps(tables.make(), indent=1) + "\n")
    short = [t[:70] for t in strings.texts(200, 3)] + features.MARKED
    write_gz(HERE / "features.json.gz", json.dumps(
        {"texts": short, "variants": features.make(bases, short, reference, delta)}))


if __name__ == "__main__":
    main()
