"""The text of a checkpoint's golden greedy tokens, from its tokenizer.json (byte-level BPE)."""

import json
import os

# Where the first two logits differ by fewer standard deviations than this, a BF16 model may take
# either: four times the relative error that BF16 is allowed.
THIN = 4 * 2e-2


def compare(folder, name, num_tokens, got):
    """How a greedy answer of num_tokens compares with the reference's: (holds, what was seen)."""
    with open(os.path.join(folder, "golden.json")) as f:
        case = next(c for c in json.load(f)["cases"] if c["name"] == name)
    pieces = token_bytes(os.path.join(folder, "tokenizer.json"))
    path = [pieces[i] for i in case["greedy"][:num_tokens]]
    want = b"".join(path).decode(errors="replace")
    if got == want:
        return True, "to the last token"
    for i, (margin, std) in enumerate(zip(case["margin"], case["std"])):
        # A rune that the next token would have ended is no part of what must agree.
        before = b"".join(path[:i]).decode(errors="ignore")
        if margin < THIN * std and i < num_tokens and got.startswith(before):
            return True, f"up to token {i}, whose margin is thin"
    return False, f"{got!r}, want {want!r}"


def token_bytes(path):
    """The bytes of each token id; a control token has none."""
    with open(path) as f:
        tokenizer = json.load(f)
    byte = {c: b for b, c in enumerate(byte_letters())}
    return {i: bytes(byte[c] for c in s) for s, i in tokenizer["model"]["vocab"].items()} | {
        a["id"]: b"" for a in tokenizer["added_tokens"] if a["special"]}


def byte_letters():
    """The letter that byte-level BPE writes for each byte: itself, or the next from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(0x100, 0x200))
    return [chr(b if b in plain else next(spare)) for b in range(256)]
