"""Checks an exported directory against transformers computing in float32: the template's text is
what was trained on, the tokens are the same, and greedy tokens equal the trainer's own model.

    python check_transformers.py OUT [--shape box|draft] [--items N]
"""

import argparse
import random

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import assist
import chatformat
import mixture
from model import Decoder


def schema(name):
    description, properties = assist.TOOLS[name]
    return {"type": "function", "function": {
        "name": name, "description": description, "parameters": {
            "type": "object", "properties": {k: {"type": t} for k, t in properties.items()},
            "required": list(properties)}}}


def messages(item):
    out = [{"role": "system", "content": item.system}] if item.system else []
    return out + [{"role": "user", "content": item.turns[0][0]}]


def own_model(hf, shape):
    """The trainer's model with the exported weights."""
    ours, theirs = Decoder(shape), hf.state_dict()
    ours.embed.data = theirs["model.embed_tokens.weight"].clone()
    ours.norm.data = theirs["model.norm.weight"].clone()
    for i, layer in enumerate(ours.layers):
        def w(name, i=i):
            return theirs[f"model.layers.{i}.{name}.weight"].clone()
        layer.qkv.data = torch.cat([w(f"self_attn.{n}_proj") for n in "qkv"])
        layer.gate_up.data = torch.cat([w("mlp.gate_proj"), w("mlp.up_proj")])
        layer.out.data, layer.down.data = w("self_attn.o_proj"), w("mlp.down_proj")
        layer.q_norm.data, layer.k_norm.data = w("self_attn.q_norm"), w("self_attn.k_norm")
        layer.norm1.data, layer.norm2.data = w("input_layernorm"), w("post_attention_layernorm")
    return ours


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--shape", default="box")
    parser.add_argument("--items", type=int, default=4)
    args = parser.parse_args()
    tok = AutoTokenizer.from_pretrained(args.out)
    hf = AutoModelForCausalLM.from_pretrained(args.out, dtype=torch.float32)
    ours, rng, worst = own_model(hf, args.shape), random.Random(1), 0.0
    for family in mixture.FAMILIES:
        for item in mixture.scored(family, args.items, mixture.Level()):
            prompt, reply = chatformat.prompt_and_answer(item)
            shown = tok.apply_chat_template(messages(item), tokenize=False,
                                            tools=[schema(t) for t in item.tools] or None,
                                            add_generation_prompt=True)
            assert shown == prompt, (shown, prompt)
            ids = tok(prompt, return_tensors="pt", add_special_tokens=False).input_ids
            a, b = hf(ids).logits[0], ours.logits(ours.hidden(ids))[0]
            worst = max(worst, ((a - b).norm() / b.norm()).item())
            if rng.random() < 0.3:
                got = hf.generate(ids, max_new_tokens=120, do_sample=False)[0, ids.shape[1]:]
                print(family, "|", item.turns[0][0][-60:], "|", tok.decode(got), "| want", reply)
    print("greatest relative difference of logits:", worst)
    assert worst < 1e-4


if __name__ == "__main__":
    main()
