"""Tokenizers cut from public vocabularies, wrapped the way transformers saves them.

Ids are kept: a byte-level vocabulary is the 256 bytes followed by its first merges, so the cut is a
prefix, and the special tokens follow it.
"""

from pathlib import Path

from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
STORIES = ROOT / "testdata" / "stories260K" / "stories260K-f32.gguf"

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
LLAMA3_SPECIALS = (
    "<|begin_of_text|> <|end_of_text|> <|start_header_id|> <|end_header_id|> "
    "<|eom_id|> <|eot_id|> <|python_tag|>"
).split()
QWEN_SPECIALS = "<|endoftext|> <|im_start|> <|im_end|>".split()
QWEN_ADDED = "<tool_call> </tool_call> <tool_response> </tool_response> <think> </think>".split()


def read_fields(path, *names):
    if not path.exists():
        raise SystemExit(f"cannot find {path}: the vocabularies come from ../shared/data")
    fields = GGUFReader(path).fields
    return [fields[f"tokenizer.ggml.{name}"].contents() for name in names]


def sentencepiece_parts():
    """Vocabulary and merges (best score first) of the 512 piece TinyStories vocabulary."""
    tokens, scores, kinds = read_fields(STORIES, "tokens", "scores", "token_type")
    ids = {token: i for i, token in enumerate(tokens)}
    merges = []
    for token, score, kind in zip(tokens, scores, kinds):
        for cut in range(1, len(token) if kind == 1 else 0):
            left, right = token[:cut], token[cut:]
            if left in ids and right in ids:
                merges.append((-score, ids[left], ids[right], left, right))
    return ids, [(left, right) for *_, left, right in sorted(merges)]


def sentencepiece():
    """Llama 2 as transformers 5 builds it: Metaspace pre-tokenizer, byte fallback."""
    ids, merges = sentencepiece_parts()
    return LlamaTokenizer(vocab=ids, merges=merges, add_bos_token=True, legacy=False)


def sentencepiece_normalized():
    """The same vocabulary in the older layout of Mistral's files: a Prepend/Replace normalizer."""
    ids, merges = sentencepiece_parts()
    bpe = BPE(vocab=ids, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tok = Tokenizer(bpe)
    prepend, replace = normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")
    tok.normalizer = normalizers.Sequence([prepend, replace])
    spaces, strip = decoders.Replace("▁", " "), decoders.Strip(" ", 1, 0)
    tok.decoder = decoders.Sequence([spaces, decoders.ByteFallback(), decoders.Fuse(), strip])
    tok.add_special_tokens([special(t) for t in ("<unk>", "<s>", "</s>")])
    tok.post_processor = starts_with(tok, "<s>")
    return wrap(tok, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def byte_level(name, merged, pattern, specials, added=(), ignore_merges=False):
    tokens, lines = read_fields(DATA / "tokenizers" / f"ggml-vocab-{name}.gguf", "tokens", "merges")
    ids = {token: i for i, token in enumerate(tokens[:256 + merged])}
    pairs = [tuple(line.split(" ")) for line in lines]
    kept = [pair for pair in pairs if all(part in ids for part in (*pair, "".join(pair)))]
    tok = Tokenizer(BPE(vocab=ids, merges=kept, ignore_merges=ignore_merges))
    split = pre_tokenizers.Split(Regex(pattern), "isolated", invert=False)
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False)
    tok.pre_tokenizer = pre_tokenizers.Sequence([split, last])
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([special(t) for t in specials])
    tok.add_tokens([AddedToken(t, normalized=False) for t in added])
    return tok


def llama3(merged, template=None):
    tok = byte_level("llama-bpe", merged, LLAMA3_PATTERN, LLAMA3_SPECIALS, ignore_merges=True)
    bos = starts_with(tok, "<|begin_of_text|>")
    tok.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), bos])
    eos = "<|eot_id|>" if template else "<|end_of_text|>"
    fast = wrap(tok, bos_token="<|begin_of_text|>", eos_token=eos)
    if template:
        fast.chat_template = (DATA / "templates" / template).read_text()
    return fast


def qwen(merged, template=None):
    tok = byte_level("qwen2", merged, QWEN2_PATTERN, QWEN_SPECIALS, QWEN_ADDED)
    tok.normalizer = normalizers.NFC()
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    fast = wrap(tok, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    if template:
        fast.chat_template = (DATA / "templates" / template).read_text()
    return fast


def special(token):
    return AddedToken(token, special=True, normalized=False)


def starts_with(tok, bos):
    return processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1",
        special_tokens=[(bos, tok.token_to_id(bos))])


def wrap(tok, **tokens):
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tok, model_input_names=names, clean_up_tokenization_spaces=False, **tokens)
