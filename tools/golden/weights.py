"""Seeded weights for tiny models whose logits depend visibly on every layer.

Each tensor draws from its own generator, keyed by the checkpoint's name and the tensor's name, so
neither the order nor the presence of other tensors changes it. Projections keep a unit variance
input at a chosen output deviation (gain / sqrt(fan in)):

    q, k 1.4 (attention scores deviate by about 2, so attention is far from uniform), v 1, o 2,
    gate and up 1.5, down 1.5, router 2, biases 0.5, norm weights 1 + 0.2 N(0, 1),
    QK-norm weights 1.4 (1 + 0.2 N(0, 1)), embedding 1, lm_head 3 (logits deviate by about 3).

A tied embedding has deviation 4 / sqrt(hidden): it gives such logits too, and is small beside what
the layers add, so the model does not simply repeat its input.
"""

import hashlib
import math

import numpy as np
import torch

GAINS = {"q_proj": 1.4, "k_proj": 1.4, "v_proj": 1.0, "o_proj": 2.0, "gate_proj": 1.5,
         "up_proj": 1.5, "gate_up_proj": 1.5, "down_proj": 1.5, "gate": 2.0, "lm_head": 3.0}


def generator(*key):
    digest = hashlib.sha256("/".join(key).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def draw(seed, name, shape, tied):
    noise = generator(seed, name).standard_normal(shape, dtype=np.float32)
    module, kind = name.split(".")[-2:]
    if module in ("q_norm", "k_norm"):
        return 1.4 * (1 + 0.2 * noise)
    if "norm" in module:
        return 1 + 0.2 * noise
    if kind == "bias":
        return 0.5 * noise
    if module == "embed_tokens":
        return noise * (4 / math.sqrt(shape[-1]) if tied else 1)
    gain = GAINS[kind if module == "experts" else module]
    return noise * (gain / math.sqrt(shape[-1]))


def fill(model, seed):
    """Overwrites every parameter of a model on the CPU in float32."""
    tied = model.config.tie_word_embeddings
    with torch.no_grad():
        for name, param in model.named_parameters():
            value = draw(seed, name, tuple(param.shape), tied).astype(np.float32)
            param.copy_(torch.from_numpy(value))
    model.tie_weights()


def silence(model, layer, part):
    """Makes a layer's part (self_attn or mlp) add nothing; returns a function that restores it."""
    saved = []
    for name, param in model.named_parameters():
        last = "o_proj" in name or "down_proj" in name
        if last and f".layers.{layer}.{part}." in name:
            saved.append((param, param.detach().clone()))
            param.data.zero_()
    if not saved:
        raise SystemExit(f"cannot find {part} of layer {layer}")

    def restore():
        for param, value in saved:
            param.data.copy_(value)
    return restore
