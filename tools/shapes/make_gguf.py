#!/usr/bin/env python3
"""Writes a GGUF file of a published model's shape with random weights, for benches against peers.

    make_gguf.py SHAPE VOCAB.gguf OUT.gguf [--seed N]

The weights are N(0, 0.02) in BF16, norms are ones; speed does not depend on them. The tokenizer is
copied from VOCAB.gguf, a vocabulary-only file of the same family. Other formats are made from OUT by
llama.cpp's llama-quantize.
"""

import argparse
from dataclasses import dataclass

import gguf
import numpy as np


@dataclass(frozen=True)
class Shape:
    arch: str
    vocab: int
    hidden: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    rope_base: float
    context: int
    tied: bool


SHAPES = {
    "llama-3.2-1b": Shape("llama", 128256, 2048, 8192, 16, 32, 8, 64, 5e5, 131072, True),
    "qwen3-0.6b": Shape("qwen3", 151936, 1024, 3072, 28, 16, 8, 128, 1e6, 40960, True),
    "tinyllama-1.1b": Shape("llama", 32000, 2048, 5632, 22, 32, 4, 64, 1e4, 2048, False),
}


def bf16(x: np.ndarray) -> np.ndarray:
    """Rounds float32 to nearest-even BF16, as raw 16-bit words."""
    u = x.view(np.uint32)
    return ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16)


class Writer:
    def __init__(self, path: str, shape: Shape, seed: int):
        self.w = gguf.GGUFWriter(path, shape.arch)
        self.rng = np.random.default_rng(seed)

    def matrix(self, name: str, rows: int, cols: int) -> None:
        x = self.rng.standard_normal((rows, cols), dtype=np.float32) * np.float32(0.02)
        raw = bf16(x).view(np.uint8).reshape(rows, 2 * cols)
        self.w.add_tensor(name, raw, raw_dtype=gguf.GGMLQuantizationType.BF16)

    def ones(self, name: str, n: int) -> None:
        self.w.add_tensor(name, np.ones(n, dtype=np.float32))


def add_parameters(w: gguf.GGUFWriter, s: Shape) -> None:
    w.add_block_count(s.layers)
    w.add_context_length(s.context)
    w.add_embedding_length(s.hidden)
    w.add_feed_forward_length(s.ffn)
    w.add_head_count(s.heads)
    w.add_head_count_kv(s.kv_heads)
    w.add_key_length(s.head_dim)
    w.add_value_length(s.head_dim)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(s.rope_base)
    w.add_rope_dimension_count(s.head_dim)
    w.add_vocab_size(s.vocab)


def copy_tokenizer(w: gguf.GGUFWriter, vocab: str) -> None:
    for field in gguf.GGUFReader(vocab).fields.values():
        if not field.name.startswith("tokenizer."):
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        w.add_key_value(field.name, field.contents(), kind, sub_type=sub)


def add_layer(w: Writer, s: Shape, i: int) -> None:
    p = f"blk.{i}."
    q, kv = s.heads * s.head_dim, s.kv_heads * s.head_dim
    w.ones(p + "attn_norm.weight", s.hidden)
    w.matrix(p + "attn_q.weight", q, s.hidden)
    w.matrix(p + "attn_k.weight", kv, s.hidden)
    w.matrix(p + "attn_v.weight", kv, s.hidden)
    if s.arch == "qwen3":
        w.ones(p + "attn_q_norm.weight", s.head_dim)
        w.ones(p + "attn_k_norm.weight", s.head_dim)
    w.matrix(p + "attn_output.weight", s.hidden, q)
    w.ones(p + "ffn_norm.weight", s.hidden)
    w.matrix(p + "ffn_gate.weight", s.ffn, s.hidden)
    w.matrix(p + "ffn_up.weight", s.ffn, s.hidden)
    w.matrix(p + "ffn_down.weight", s.hidden, s.ffn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("vocab")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    s = SHAPES[args.shape]
    w = Writer(args.out, s, args.seed)
    add_parameters(w.w, s)
    copy_tokenizer(w.w, args.vocab)
    w.matrix("token_embd.weight", s.vocab, s.hidden)
    for i in range(s.layers):
        add_layer(w, s, i)
    w.ones("output_norm.weight", s.hidden)
    if not s.tied:
        w.matrix("output.weight", s.vocab, s.hidden)
    w.w.write_header_to_file()
    w.w.write_kv_data_to_file()
    w.w.write_tensors_to_file()
    w.w.close()


if __name__ == "__main__":
    main()
