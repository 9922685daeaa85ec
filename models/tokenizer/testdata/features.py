"""Variants of the cut tokenizers, one component changed at a time, with the reference's ids."""

import copy

UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
FIRST = r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+"
NEXT = r"[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER + "*"
SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK3 = (
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"
    "[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

# Patterns of published models, and the corners of the syntax.
PATTERNS = {
    "o200k": [FIRST + SUFFIX + "|" + NEXT + SUFFIX + r"|\p{N}{1,3}" + REST],
    "tekken": [FIRST + "|" + NEXT + r"|\p{N}" + REST],
    "qwen35": [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
        r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ],
    "gpt2": [GPT2],
    "deepseek-v3": [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK3],
    "deepseek-coder": [
        "[\r\n]",
        r"\s?\p{L}+",
        r"\s?\p{P}+",
        "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
    ],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "possessive": [
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ],
    "bloom": [" ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"],
    "groups-of-three": [r"\d{1,3}(?=(?:\d{3})*\b)", r"[^\r\n\p{L}\p{N}]?\p{L}+| ?[^\s\p{L}]+"],
    "olmo": [r"\p{N}{1,3}", CL100K.replace("{1,3}", "+")],
    "line-ends": [r"\s+$"],
    "line-starts": [r"^\s*\S"],
    "cased": [r"(?i)[a-m]+|k|\u00b5".replace(r"|\u00b5", "")],
    "no-case": [r"(?i:[k-s]+)"],
    "word": [r"\w+|[^\w\s]+"],
    "boundary": [r"\b\p{Lu}\B.", r"\B'\b"],
    "behind": [r"(?<=[a-z])(?=[A-Z])|(?<!\d)\d{2}(?!\d)"],
    "lazy": [r"<.*?>|a+?b|(?:ab){2,3}?x"],
    "atomic": [r"(?>\p{L}+)'|\p{L}+"],
    "nested": [r"[a-c[x-z]\d]+|[\p{L}&&[^aeiou]]+|[^\p{L}\s]+"],
    "hex": [r"\h+|\x{1F600}|\u00e9|\x41|\t"],
    "scripts": [r"\p{Han}+|\p{Hiragana}|\P{L}+|\p{^N}"],
    "counted": [r"(?:\p{L}\d){2}|(?:a|b){0,2}c|x{,3}y|\p{L}{3,}"],
    "dot": [r".\S"],
}


def byte_level(**kw):
    return dict(
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        **kw,
    )


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def added(base, *tokens):
    """The base's added tokens and more, with new ids."""
    next_id = (
        max(list(base["model"]["vocab"].values()) + [a["id"] for a in base["added_tokens"]]) + 1
    )
    out = copy.deepcopy(base["added_tokens"])
    for content, flags in tokens:
        out.append(
            {
                "id": base["model"]["vocab"].get(content, next_id),
                "content": content,
                "single_word": "w" in flags,
                "lstrip": "l" in flags,
                "rstrip": "r" in flags,
                "normalized": "n" in flags,
                "special": "s" in flags,
            }
        )
        next_id += out[-1]["id"] == next_id
    return out


# Long runs of marks; characters whose composition or order has changed since Unicode 9.
MARKED = [
    "a" + "\u0301\u0316" * 40 + "b",
    "\u0316" * 35,
    "q\u0344\u0301" * 20 + "\u0344" * 20,
    "e" + "\u0316" * 33 + "\u0301",
    "\u1100" + "\u1161\u11a8" + "\u0301" * 32,
    "\U00011935\U00011930 \U00011938",
    "e\u08d1\u0316\u0301",
    "a\u1dfa\u0301",
    "\u00e9" * 3 + "\u0327" * 31 + "\u0301",
    "\u0f71\u0f74\u0f73" * 12,
    "\ufb1d" * 3 + "\u05b4" * 32,
    "\u2126\u212b\u1e9b\u0323\ufb01" + "\u0323" * 9,
]

BEHAVIORS = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def patches(bases):
    """Yields name, base, {section: value}."""
    for name, patterns in PATTERNS.items():
        yield "pattern " + name, "llama-bpe", {
            "pre_tokenizer": sequence(*map(split, patterns), byte_level())
        }
    for b in BEHAVIORS:
        for invert in (False, True):
            yield f"split {b} {invert}", "gpt-2", {
                "pre_tokenizer": sequence(split(r"[\s\p{P}]", b, invert), byte_level())
            }
            yield f"split string {b} {invert}", "gpt-2", {
                "pre_tokenizer": sequence(split(" ", b, invert, "String"), byte_level())
            }
        yield f"punctuation {b}", "gpt-2", {
            "pre_tokenizer": sequence({"type": "Punctuation", "behavior": b}, byte_level())
        }
    yield "inverted scanner", "gpt-2", {
        "pre_tokenizer": sequence(split(GPT2, "Removed", True), byte_level())
    }
    for individual in (False, True):
        yield f"digits {individual}", "gpt-2", {
            "pre_tokenizer": sequence(
                {"type": "Digits", "individual_digits": individual}, byte_level(use_regex=True)
            )
        }
    yield "whitespace split", "gpt-2", {
        "pre_tokenizer": sequence({"type": "WhitespaceSplit"}, byte_level())
    }
    yield "falcon", "gpt-2", {
        "pre_tokenizer": sequence(
            {"type": "Punctuation", "behavior": "Contiguous"},
            byte_level(use_regex=True),
            {"type": "Digits", "individual_digits": False},
            split("[0-9][0-9][0-9]"),
        )
    }
    yield "bytes first", "llama-bpe", {"pre_tokenizer": sequence(byte_level(), split("\u0120"))}
    yield "prefix space", "gpt-2", {
        "pre_tokenizer": byte_level(add_prefix_space=True, use_regex=True)
    }
    yield "prefix space behind split", "gpt-2", {
        "pre_tokenizer": sequence(split(","), byte_level(add_prefix_space=True, use_regex=False))
    }
    yield "no regex", "gpt-2", {"pre_tokenizer": byte_level()}

    replace = {"type": "Replace", "pattern": {"String": "e"}, "content": "<tok>"}
    for n in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase"):
        yield "normalizer " + n, "qwen2", {"normalizer": {"type": n}}
    for left in (False, True):
        yield f"strip {left}", "qwen2", {
            "normalizer": {"type": "Strip", "strip_left": left, "strip_right": True}
        }
    yield "replace string", "qwen2", {"normalizer": replace}
    yield "replace pattern", "qwen2", {
        "normalizer": {
            "type": "Replace",
            "pattern": {"Regex": r" {2,}|\d+(?=\.)"},
            "content": "\u2581x",
        }
    }
    yield "normalizers", "qwen2", {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFKC"},
                {"type": "Lowercase"},
                {"type": "Prepend", "prepend": "_"},
                {"type": "Sequence", "normalizers": [replace]},
            ],
        }
    }

    def more(base, *tokens):
        return {"added_tokens": added(bases[base], *tokens)}

    yield "added flags", "gpt-2", more(
        "gpt-2",
        ("<tok>", ""),
        ("<left>", "ls"),
        ("<right>", "rs"),
        ("word", "w"),
        ("<|eot_id|>", "lrs"),
        ("<|eot_id", ""),
        ("the", "wlr"),
        ("\u4e16\u754c", "w"),
    )
    yield "added normalized", "qwen2", dict(
        more(
            "qwen2",
            ("<tok>", "n"),
            ("<LEFT>", "n"),
            ("caf\u00e9", "n"),
            ("Hello", "ns"),
            ("iPhone", ""),
        ),
        normalizer={"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]},
    )
    yield "added after prepend", "llama-spm", more(
        "llama-spm", ("<tok>", "n"), ("word", "nw"), ("the", "nl"), ("<right>", "nr"), ("def", "s")
    )
    yield "added overlapping", "gpt-2", more(
        "gpt-2",
        ("aa", ""),
        ("a", ""),
        ("the ", ""),
        (" t", ""),
        ("\n\n", "s"),
        ("  ", ""),
        ("\U0001f600", "r"),
        ("'s", "l"),
    )

    for scheme in ("always", "first", "never"):
        for cut in (False, True):
            yield f"metaspace {scheme} {cut}", "llama-spm", dict(
                more("llama-spm", ("<tok>", ""), ("<tok2>", "n")),
                normalizer=None,
                pre_tokenizer={
                    "type": "Metaspace",
                    "replacement": "\u2581",
                    "prepend_scheme": scheme,
                    "split": cut,
                },
                decoder={
                    "type": "Sequence",
                    "decoders": [
                        {
                            "type": "Metaspace",
                            "replacement": "\u2581",
                            "prepend_scheme": scheme,
                            "split": cut,
                        },
                        {"type": "ByteFallback"},
                        {"type": "Fuse"},
                    ],
                },
            )
    yield "metaspace behind split", "llama-spm", {
        "normalizer": None,
        "pre_tokenizer": sequence(
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first"},
        ),
    }
    gemma = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    yield "gemma", "llama-spm", {
        "normalizer": gemma,
        "pre_tokenizer": split(" ", "MergedWithPrevious", False, "String"),
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
    }
    yield "whole words", "llama-spm", {
        "model.ignore_merges": True,
        "normalizer": gemma,
        "pre_tokenizer": split("\u2581", "MergedWithNext", False, "String"),
    }

    vocab = bases["llama-spm"]["model"]["vocab"]
    merges = bases["llama-spm"]["model"]["merges"]
    gone = {f"<0x{b:02X}>" for b in range(256)}
    some = gone - {"<0x0A>", "<0xE4>", "<0xC3>", "<0xA9>", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"}
    for name, missing in (("no bytes", gone), ("some bytes", some)):
        for fuse in (False, True):
            yield f"{name} fuse {fuse}", "llama-spm", {
                "model.vocab": {t: i for t, i in vocab.items() if t not in missing},
                "model.fuse_unk": fuse,
            }
    yield "no unk", "llama-spm", {
        "model.vocab": {t: i for t, i in vocab.items() if t not in gone},
        "model.unk_token": None,
    }
    yield "no fallback", "llama-spm", {"model.byte_fallback": False}

    base = bases["gpt-2"]["model"]
    letters = {"q", "Q", "\u0120", "\u00c3", "z"}
    kept = {t: i for t, i in base["vocab"].items() if not letters & set(t)}
    fallback = {f"<0x{b:02X}>": 5000 + b for b in range(256)}
    partial = {
        "added_tokens": [],
        "model.vocab": dict(kept, **fallback),
        "model.byte_fallback": True,
        "model.merges": [m for m in base["merges"] if not letters & set("".join(m))],
    }
    yield "partial alphabet", "gpt-2", partial
    yield "partial alphabet unk", "gpt-2", dict(
        partial,
        **{
            "model.vocab": dict(kept, **{"<u>": 5000}),
            "model.byte_fallback": False,
            "model.unk_token": "<u>",
        },
    )
    yield "merges twice", "gpt-2", {"model.merges": base["merges"] + base["merges"][100:300:7]}


def make(bases, texts, reference, delta):
    out = []
    for name, base, patch in patches(bases):
        j = copy.deepcopy(bases[base])
        for section, value in patch.items():
            if section.startswith("model."):
                j["model"][section[6:]] = value
            else:
                j[section] = value
        tok = reference(j)
        entry = {"name": name, "base": base, "patch": patch}
        for mode in ("special", "plain")[: 2 if name.startswith("added") else 1]:
            tok.encode_special_tokens = mode == "plain"
            ids = [e.ids for e in tok.encode_batch(texts, add_special_tokens=False)]
            entry[mode] = "\n".join(map(delta, ids))
        if "decoder" in patch:
            entry["decoded"] = [tok.decode(i, skip_special_tokens=False) for i in ids]
        out.append(entry)
    return out
