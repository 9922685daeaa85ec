"""Seeded weights for tiny models whose logits depend visibly on every layer.

Each tensor draws from its own generator, keyed by the checkpoint's name and the tensor's name, so
neither the order nor the presence of other tensors changes it. Projections keep a unit variance
input at a chosen output deviation (gain / sqrt(fan in)):

    q, k 1.4 (attention scores deviate by about 2, so attention is far from uniform), v 1, o 2,
    gate and up 1.5, down 1.5, router 2, biases 0.5, norm weights 1 + 0.2 N(0, 1),
    QK-norm weights 1.4 (1 + 0.2 N(0, 1)), embedding 1, lm_head 3 (logits deviate by about 3).

The rows of lm_head (and of a tied embedding) are of unequal size, lognormal factors of deviation
0.65 (0.45) in the logarithm, so that the best logit often leads clearly, as in trained models: with
equal rows a fifth of all positions would be ties within the error of 16-bit arithmetic. The router's
rows come in groups of as many experts as a token takes, so that ties between taken and left are
rare, and the experts of a layer share most of their weights, so that a tie that rounding breaks the
other way costs little.

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


SHARED = 0.9  # share of an expert's deviation that all experts of a layer have in common


def row_sizes(seed, name, rows, spread):
    """Factors of mean square one for the rows of the head."""
    factor = np.exp(spread * generator(seed, name, "rows").standard_normal((rows, 1)))
    return (factor / np.sqrt(np.mean(factor**2))).astype(np.float32)


def router(seed, name, noise, taken):
    """Rows in groups of as many experts as are taken, alike within a group: one group leads."""
    groups = -(-noise.shape[0] // taken)
    common = generator(seed, name, "groups").standard_normal((groups, noise.shape[1]))
    common = np.repeat(common.astype(np.float32), taken, axis=0)[: noise.shape[0]]
    return np.float32(0.97) * common + np.float32(0.24) * noise


def draw(seed, name, shape, tied, taken=1):
    noise = generator(seed, name).standard_normal(shape, dtype=np.float32)
    module, kind = name.split(".")[-2:]
    if module == "lm_head" or (module == "embed_tokens" and tied):
        noise = noise * row_sizes(seed, name, shape[0], 0.45 if tied else 0.65)
    if module == "gate":
        noise = router(seed, name, noise, taken)
    if module == "experts":
        base = generator(seed, name, "shared").standard_normal(shape[1:], dtype=np.float32)
        noise = np.float32(SHARED) * base + np.float32(math.sqrt(1 - SHARED**2)) * noise
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
    taken = getattr(model.config, "num_experts_per_tok", 1)
    with torch.no_grad():
        for name, param in model.named_parameters():
            value = draw(seed, name, tuple(param.shape), tied, taken).astype(np.float32)
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
