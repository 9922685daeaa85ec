"""Trains a LoRA adapter on one task that the model in the box does not know, removing vowels, and
writes it in PEFT's layout.

    python lora.py --dir DIR --out OUT [--steps N]
"""

import argparse
import json
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch.func import functional_call

import chatformat
import tasks
import words
from model import Decoder
from train import Data

RANK, ALPHA = 8, 16
ASK = ['Remove the vowels from "{w}".', 'Write "{w}" without vowels.', 'Drop the vowels of "{w}".',
       'What is "{w}" without its vowels?']


def item(rng, held):
    while True:
        w = words.pseudo_word(rng, 3, 9)
        answer = "".join(c for c in w if c not in "aeiou")
        if answer and tasks.held_out("vowels|" + w) == held:
            return tasks.single("vowels", w, rng.choice(ASK).format(w=w), "", answer)


class Adapter:
    """Factors A [rank, in] and B [out, rank] of each projection, by PEFT's module name."""

    def __init__(self, model, seed):
        torch.manual_seed(seed)
        self.model, self.factors = model, {}
        for i, layer in enumerate(model.layers):
            heights = {"self_attn.q_proj": layer.q, "self_attn.k_proj": layer.kv,
                       "self_attn.v_proj": layer.kv, "self_attn.o_proj": layer.out.shape[0],
                       "mlp.gate_proj": model.c["ffn"], "mlp.up_proj": model.c["ffn"],
                       "mlp.down_proj": layer.down.shape[0]}
            for name, out in heights.items():
                width = {"self_attn.o_proj": layer.q, "mlp.down_proj": model.c["ffn"]}.get(
                    name, model.c["hidden"])
                a = (torch.randn(RANK, width) * width ** -0.5).requires_grad_()
                b = torch.zeros(out, RANK).requires_grad_()
                self.factors[f"model.layers.{i}.{name}"] = (a, b)

    def parameters(self):
        return [t for pair in self.factors.values() for t in pair]

    def merged(self):
        """The model's parameters with the adapter added."""
        state = dict(self.model.named_parameters())
        for i in range(len(self.model.layers)):
            def delta(*names, i=i):
                pairs = [self.factors[f"model.layers.{i}.{n}"] for n in names]
                return torch.cat([b @ a for a, b in pairs]) * (ALPHA / RANK)
            at = f"layers.{i}."
            state[at + "qkv"] = state[at + "qkv"] + delta(
                *(f"self_attn.{n}_proj" for n in "qkv"))
            state[at + "out"] = state[at + "out"] + delta("self_attn.o_proj")
            state[at + "gate_up"] = state[at + "gate_up"] + delta("mlp.gate_proj", "mlp.up_proj")
            state[at + "down"] = state[at + "down"] + delta("mlp.down_proj")
        return state

    def save(self, out):
        out.mkdir(parents=True, exist_ok=True)
        tensors = {}
        for name, (a, b) in self.factors.items():
            tensors[f"base_model.model.{name}.lora_A.weight"] = a.detach().to(torch.bfloat16)
            tensors[f"base_model.model.{name}.lora_B.weight"] = b.detach().to(torch.bfloat16)
        save_file(tensors, out / "adapter_model.safetensors", metadata={"format": "pt"})
        config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": ALPHA,
                  "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": False,
                  "inference_mode": True, "base_model_name_or_path": "basalt.box-v1",
                  "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj",
                                     "up_proj", "down_proj"]}
        (out / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def batch(data, items):
    return data.tensors([data.encode([(p, False), (r, True)])
                         for p, r in map(chatformat.prompt_and_answer, items)])


@torch.no_grad()
def exact(model, state, data, items):
    """How many items' replies are the most likely token by token."""
    right = 0
    for one in items:
        inputs, at, want = batch(data, [one])
        right += int((functional_call(model, state, (inputs, at)).argmax(-1) == want).all())
    return right


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    args = parser.parse_args()
    torch.set_num_threads(2)
    data = Data(Tokenizer.from_file(str(args.dir / "tokenizer.json")), 1,
                {"batch_tokens": 0, "batches_a_step": 0})
    model = Decoder("box").requires_grad_(False)
    model.load_state_dict(torch.load(args.dir / "ckpt" / "box.pt", weights_only=True)["ema"])
    adapter, rng = Adapter(model, 1), random.Random(1)
    adam = torch.optim.AdamW(adapter.parameters(), lr=4e-3, weight_decay=0.0)
    for step in range(args.steps):
        adam.param_groups[0]["lr"] = 4e-3 * min(1, (step + 1) / 20) * (1 - step / args.steps)
        inputs, at, want = batch(data, [item(rng, False) for _ in range(32)])
        loss = F.cross_entropy(functional_call(model, adapter.merged(), (inputs, at)), want)
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step % 50 == 0:
            print(step, round(loss.item(), 4), flush=True)
    adapter.save(args.out)
    held = [item(random.Random(f"held|{i}"), True) for i in range(200)]
    base = dict(model.named_parameters())
    print("held-out exact: base", exact(model, base, data, held), "adapter",
          exact(model, adapter.merged(), data, held), "of", len(held))


if __name__ == "__main__":
    main()
