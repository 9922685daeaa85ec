"""Goldens of the trained TinyStories checkpoint, from its GGUF's weights."""

import json

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ggufs import load_weights
from reference import greedy_at_once, rounded
from vocab import ROOT, sentencepiece

FOLDER = ROOT / "testdata" / "stories260K"
PROMPTS = [
    "",
    "Tom and Ben were friends.",
    "The big dog ran to the lake because",
    "\"Look, Mom! A red bird!\" said Lily.\n",
    "Zo\u00eb saw 3 caf\u00e9s \u2014 \u732b and \U0001f431!",
    "One day, a little boy named Tim went to the park with his mom. They saw a big tree. Tim "
    "wanted to climb the tree, but his mom said no. Tim was sad. Then he saw a cat in the tree. "
    "The cat was scared. \"Mom, can we help the cat?\" asked Tim. His mom smiled and said,",
]


def build():
    config = LlamaConfig(
        vocab_size=512, hidden_size=64, intermediate_size=172, num_hidden_layers=5,
        num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=512,
        rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True, attn_implementation="eager")
    model = LlamaForCausalLM(config).eval()
    load_weights(model, FOLDER / "stories260K-f32.gguf")
    return model


@torch.no_grad()
def prove(model, tok):
    """The conversion must give the ids that llama.cpp generated from the same file."""
    for case in json.loads((FOLDER / "greedy.json").read_text()):
        if tok.encode(case["prompt"]) != case["prompt_tokens"]:
            raise SystemExit(f"stories260K: {case['prompt']!r} gives other ids")
        greedy, _ = greedy_at_once(model, case["prompt_tokens"], len(case["tokens"]))
        if greedy != case["tokens"]:
            raise SystemExit(f"stories260K: {case['prompt']!r} differs from greedy.json")


@torch.no_grad()
def make():
    model, tok, cases = build(), sentencepiece(), []
    prove(model, tok)
    for prompt in PROMPTS:
        ids = tok.encode(prompt)
        greedy, logits = greedy_at_once(model, ids, 180)
        top = logits.topk(2, dim=-1).values
        cases.append({
            "prompt": prompt, "prompt_tokens": ids, "tokens": greedy,
            "text": tok.decode(ids + greedy, skip_special_tokens=True),
            "margin": rounded(top[:, 0] - top[:, 1]),
            "std": rounded(logits.std(-1, correction=0))})
    lines = [",\n  ".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}"
                          for k, v in case.items()) for case in cases]
    body = ",\n".join(" {" + line + "}" for line in lines)
    (FOLDER / "more_greedy.json").write_text("[\n" + body + "\n]\n")
    for case in cases:
        print(f"stories260K {min(case['margin']):.4f} {case['text'][:90]!r}")
