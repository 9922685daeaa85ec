"""Digests of what the reference libraries know of every character."""

import hashlib

from tokenizers import Regex, normalizers, pre_tokenizers

CHARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
BATCH = 4096


def members(step, wrap):
    """The characters that a step splits off from between two letters."""
    found = []
    for i in range(0, len(CHARS), BATCH):
        text = "".join(wrap + c + wrap for c in CHARS[i:i + BATCH])
        found += [w for w, _ in step.pre_tokenize_str(text) if len(w) == 1 and w != wrap]
    return found


def matched(pattern):
    step = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return [c for i in range(0, len(CHARS), BATCH)
            for w, _ in step.pre_tokenize_str("".join(CHARS[i:i + BATCH])) for c in w]


def digest(strings):
    return hashlib.sha256("\n".join(strings).encode()).hexdigest()


def make():
    out = {}
    for name in ("L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "Nd", "P", "S", "Han", "Hiragana"):
        out[name] = digest(matched(r"\p{%s}" % name))
    out["space"], out["word"] = digest(matched(r"\s")), digest(matched(r"\w"))
    out["numeric"] = digest(members(pre_tokenizers.Digits(individual_digits=True), "a"))
    out["punctuation"] = digest(members(pre_tokenizers.Punctuation("isolated"), "a"))
    for name in ("NFC", "NFD", "NFKC", "NFKD"):
        form = getattr(normalizers, name)()
        out[name] = digest(form.normalize_str(s) for c in CHARS
                           for s in (c, "a" + c + "\u0334", "a\u0323" + c))
    out["Lowercase"] = digest(normalizers.Lowercase().normalize_str(c) for c in CHARS)
    return out
