"""Trains the tokenizer: byte-level BPE with Qwen2's pre-tokeniser.

Merges only grow from the start of a pre-token that begins with anything but a lower-case letter
(mostly a space), so each frequent word is one token, while a word in quotes, which begins with a
lower-case letter, stays in single letters: a small model can spell what it can see.
"""

import collections
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

import chatformat
import mixture
import words

VOCAB = 1536
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def pre_tokenizer():
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])


def counted_words(n=30000, seed=5):
    """How often each pre-token occurs in n conversations."""
    rng, counts = random.Random(seed), collections.Counter()
    weights = {f: 1.0 for f in mixture.FAMILIES}
    weights |= {"fact": 4.0, "refuse": 2.0, "table": 0.3}
    pre = pre_tokenizer()
    for _ in range(n):
        system, items = mixture.conversation(rng, weights, mixture.Level(rows=(4, 12)))
        text = "".join(t for t, _ in chatformat.pieces(system, items))
        for mark in chatformat.SPECIAL + chatformat.MARKERS:
            text = text.replace(mark, "\n\n")
        for word, _ in pre.pre_tokenize_str(text):
            counts[word] += 1
    return counts


def may_merge(word):
    """Not words that begin with a small letter, and no capitals: those stay letters."""
    plain = word.lstrip("Ġ")
    capitals = len(plain) > 1 and plain.isupper()
    return len(word) > 1 and not word[0].islower() and not capitals


def chosen_merges(counts, room):
    """Chains of merges, the most useful words first, until room is used."""
    must = ["Ġ" + w for w in words.NOUNS + words.COLOURS]
    gain = {w: n * (len(w) - 1) for w, n in counts.items() if may_merge(w)}
    ranked = must + sorted((w for w in gain if w not in must), key=lambda w: (-gain[w], w))
    seen, merges = set(), []
    for word in ranked:
        chain = [(word[:i], word[i]) for i in range(1, len(word)) if word[:i + 1] not in seen]
        if len(chain) > room - len(merges):
            continue
        merges += chain
        seen.update(a + b for a, b in chain)
    return merges


def build():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    room = VOCAB - len(alphabet) - len(chatformat.SPECIAL) - len(chatformat.MARKERS)
    merges = chosen_merges(counted_words(), room)
    # Shorter prefixes first, so that every chain finds its beginning merged.
    merges.sort(key=lambda m: len(m[0]))
    tokens = alphabet + [a + b for a, b in merges]
    model = models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges,
                       fuse_unk=False, byte_fallback=False)
    tok = Tokenizer(model)
    tok.pre_tokenizer = pre_tokenizer()
    tok.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False)
                            for t in chatformat.SPECIAL])
    tok.add_tokens([AddedToken(t, special=False, normalized=False) for t in chatformat.MARKERS])
    return tok


def main():
    tok = build()
    tok.save(sys.argv[1])
    print(tok.get_vocab_size(), "tokens")
    for text in ["What is 34 + 517?", 'Reverse "planet".', "What does --listen do?",
                 "| lamp | 347 | B7 |\n", '{"name": "clock", "arguments": {"city": "Oslo"}}']:
        print(tok.encode(text).tokens)


if __name__ == "__main__":
    main()
