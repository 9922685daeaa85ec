"""The decoder, as Qwen3ForCausalLM computes it, with fused projections for training."""

import torch
import torch.nn.functional as F
from torch import nn

SHAPES = {
    "box": dict(hidden=256, layers=4, ffn=512, heads=4, kv_heads=2, head_dim=64),
    "draft": dict(hidden=128, layers=2, ffn=128, heads=2, kv_heads=1, head_dim=64),
}
VOCAB, CONTEXT, THETA, EPS = 1536, 2048, 10000.0, 1e-6


def norm(x, weight):
    return F.rms_norm(x, (x.shape[-1],), weight, EPS)


def rope_table(head_dim, length):
    inverse = THETA ** (-torch.arange(0, head_dim, 2).float() / head_dim)
    angle = torch.arange(length).float()[:, None] * inverse
    angle = torch.cat((angle, angle), -1)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def fake_quant(w, bits):
    """w as GGUF's Q8_0 or Q4_0 stores it: blocks of 32 along K with an f16 scale. The gradient
    passes through."""
    blocks = w.detach().reshape(-1, 32)
    if bits == 8:
        scale = (blocks.abs().amax(1, keepdim=True) / 127).half().float()
        q = torch.where(scale > 0, blocks / scale.clamp(min=1e-12), blocks).round().clamp(-127, 127)
    else:
        at = blocks.abs().argmax(1, keepdim=True)
        scale = (blocks.gather(1, at) / -8).half().float()
        inverse = torch.where(scale != 0, 1 / scale, torch.zeros_like(scale))
        q = (blocks * inverse + 8.5).floor().clamp(0, 15) - 8
    return w + ((q * scale).reshape(w.shape) - w.detach())


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q = c["heads"] * c["head_dim"]
        self.kv = c["kv_heads"] * c["head_dim"]
        self.qkv = nn.Parameter(torch.empty(self.q + 2 * self.kv, c["hidden"]))
        self.out = nn.Parameter(torch.empty(c["hidden"], self.q))
        self.gate_up = nn.Parameter(torch.empty(2 * c["ffn"], c["hidden"]))
        self.down = nn.Parameter(torch.empty(c["hidden"], c["ffn"]))
        self.norm1 = nn.Parameter(torch.ones(c["hidden"]))
        self.norm2 = nn.Parameter(torch.ones(c["hidden"]))
        self.q_norm = nn.Parameter(torch.ones(c["head_dim"]))
        self.k_norm = nn.Parameter(torch.ones(c["head_dim"]))
        for p in (self.qkv, self.gate_up):
            nn.init.normal_(p, std=c["hidden"] ** -0.5)
        for p in (self.out, self.down):
            nn.init.normal_(p, std=0.5 * (p.shape[1] * 2 * c["layers"]) ** -0.5)

    def forward(self, x, cos, sin, bits=0, rows=None):
        wrap = (lambda w: fake_quant(w, bits)) if bits else (lambda w: w)
        b, t, _ = x.shape
        qkv = F.linear(norm(x, self.norm1), wrap(self.qkv))
        q, k, v = (y.view(b, t, -1, self.c["head_dim"])
                   for y in qkv.split((self.q, self.kv, self.kv), -1))
        q = rotate(norm(q, self.q_norm), cos, sin).transpose(1, 2)
        k = rotate(norm(k, self.k_norm), cos, sin).transpose(1, 2)
        groups = self.c["heads"] // self.c["kv_heads"]
        k = k.repeat_interleave(groups, 1)
        v = v.transpose(1, 2).repeat_interleave(groups, 1)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        a = a.transpose(1, 2).reshape(b * t, -1)
        x = x.reshape(b * t, -1)
        if rows is not None:
            a, x = a[rows], x[rows]
        else:
            a, x = a.view(b, t, -1), x.view(b, t, -1)
        x = x + F.linear(a, wrap(self.out))
        gate, up = F.linear(norm(x, self.norm2), wrap(self.gate_up)).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, wrap(self.down))


class Decoder(nn.Module):
    def __init__(self, shape="box"):
        super().__init__()
        self.c = SHAPES[shape]
        self.embed = nn.Parameter(torch.randn(VOCAB, self.c["hidden"]) * 0.02)
        self.layers = nn.ModuleList(Layer(self.c) for _ in range(self.c["layers"]))
        self.norm = nn.Parameter(torch.ones(self.c["hidden"]))
        cos, sin = rope_table(self.c["head_dim"], CONTEXT)
        self.register_buffer("cos", cos[:, None], persistent=False)
        self.register_buffer("sin", sin[:, None], persistent=False)

    def hidden(self, ids, bits=0, rows=None):
        """Final hidden states of a batch of equally long sequences, [B, T, hidden]; with rows (of
        B * T), those positions' only, [rows, hidden]: the last layer then skips the others."""
        x = F.embedding(ids, fake_quant(self.embed, bits) if bits else self.embed)
        cos, sin = self.cos[:ids.shape[1]], self.sin[:ids.shape[1]]
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, bits, rows if i == len(self.layers) - 1 else None)
        return norm(x, self.norm)

    def logits(self, hidden, bits=0):
        return F.linear(hidden, fake_quant(self.embed, bits) if bits else self.embed)

    def forward(self, ids, rows=None, bits=0):
        return self.logits(self.hidden(ids, bits, rows), bits)

    def matrices(self):
        """Each fused parameter with the heights of the matrices in it, which Muon treats apart."""
        for layer in self.layers:
            yield from ((layer.qkv, (layer.q, layer.kv, layer.kv)),
                        (layer.out, (layer.out.shape[0],)),
                        (layer.gate_up, (self.c["ffn"], self.c["ffn"])),
                        (layer.down, (layer.down.shape[0],)))


def checkpoint_tensors(state, c):
    """The state of a Decoder under Hugging Face's names of Qwen3."""
    q, kv = c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
    out = {"model.embed_tokens.weight": state["embed"], "model.norm.weight": state["norm"]}
    for i in range(c["layers"]):
        s, h = f"layers.{i}.", f"model.layers.{i}."
        parts = state[s + "qkv"].split((q, kv, kv))
        for name, w in zip("qkv", parts):
            out[h + f"self_attn.{name}_proj.weight"] = w
        gate, up = state[s + "gate_up"].chunk(2)
        out |= {h + "mlp.gate_proj.weight": gate, h + "mlp.up_proj.weight": up,
                h + "mlp.down_proj.weight": state[s + "down"],
                h + "self_attn.o_proj.weight": state[s + "out"],
                h + "self_attn.q_norm.weight": state[s + "q_norm"],
                h + "self_attn.k_norm.weight": state[s + "k_norm"],
                h + "input_layernorm.weight": state[s + "norm1"],
                h + "post_attention_layernorm.weight": state[s + "norm2"]}
    return out
