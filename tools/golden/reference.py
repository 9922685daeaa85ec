"""Greedy paths and logits by transformers, written as golden.json and logits.f32."""

import json
from importlib.metadata import version

import numpy as np
import torch

from weights import silence

STEPS = 200
MIN_ROUTER_GAP = 3e-4
ROWS = [0, 1, 5, 17, 49, 99, 150, 199]


def greedy_at_once(model, prompt, steps=STEPS):
    """Greedy path with the KV cache, then the logits of one pass over the whole sequence."""
    ids, cache, feed = list(prompt), None, list(prompt)
    for _ in range(steps):
        out = model(torch.tensor([feed]), past_key_values=cache, use_cache=True)
        cache, feed = out.past_key_values, [int(out.logits[0, -1].argmax())]
        ids += feed
    logits = model(torch.tensor([ids[:-1]]), use_cache=False).logits[0, len(prompt) - 1:]
    return ids[len(prompt):], logits


def greedy_stepwise(model, prompt, steps=STEPS):
    """The same, feeding the prompt too one token at a time (dynamic RoPE depends on it)."""
    cache, rows, ids = None, [], list(prompt)
    for position in range(len(prompt) + steps - 1):
        out = model(torch.tensor([[ids[position]]]), past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        if position >= len(prompt) - 1:
            rows.append(out.logits[0, -1])
            ids.append(int(rows[-1].argmax()))
    return ids[len(prompt):], torch.stack(rows)


def follow(model, prompt, greedy, stepwise):
    """Logits of a given path, teacher forced."""
    ids = list(prompt) + list(greedy[:-1])
    if not stepwise:
        return model(torch.tensor([ids]), use_cache=False).logits[0, len(prompt) - 1:]
    cache, rows = None, []
    for token in ids:
        out = model(torch.tensor([[token]]), past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        rows.append(out.logits[0, -1])
    return torch.stack(rows[len(prompt) - 1:])


def router_gaps(model, prompt, greedy):
    """Per position, the smallest gap over layers from the last expert taken to the first left."""
    ids = torch.tensor([list(prompt) + list(greedy[:-1])])
    out = model(ids, use_cache=False, output_router_logits=True)
    k = model.config.num_experts_per_tok
    gaps = []
    for logits in out.router_logits:
        top = logits.sort(-1, descending=True).values
        gaps.append(top[:, k - 1] - top[:, k])
    return torch.stack(gaps).amin(0).tolist()


def layer_weight(model, prompt, greedy):
    """Change of the logits, in their standard deviations, without each layer's attention or MLP."""
    whole = follow(model, prompt, greedy, False)
    changes = []
    for layer in range(model.config.num_hidden_layers):
        for part in ("self_attn", "mlp"):
            restore = silence(model, layer, part)
            without = follow(model, prompt, greedy, False)
            restore()
            changes.append(float((without - whole).pow(2).mean().sqrt() / whole.std()))
    return changes


@torch.no_grad()
def make_case(model, check, name, prompt, text, stepwise):
    greedy, logits = (greedy_stepwise if stepwise else greedy_at_once)(model, prompt)
    order = torch.argsort(logits, dim=-1, descending=True)
    if order[:, 0].tolist() != greedy:
        raise SystemExit(f"{name}: the cached path and the whole pass disagree; change the seed")
    top = logits.gather(1, order[:, :2])
    other = follow(check, prompt, greedy, stepwise)
    case = {"name": name}
    if text is not None:
        case["text"] = text
    case |= {
        "prompt": list(prompt),
        "greedy": greedy,
        "second": order[:, 1].tolist(),
        "margin": rounded(top[:, 0] - top[:, 1]),
        "std": rounded(logits.std(-1, correction=0)),
        "rows": ROWS,
        "float32_float64_max_diff": float(f"{(other - logits).abs().max().item():.3g}"),
        "layer_weight": [float(f"{w:.3g}") for w in layer_weight(model, prompt, greedy)],
    }
    if hasattr(model.config, "num_experts_per_tok"):
        case["router_gap"] = rounded(router_gaps(model, prompt, greedy))
    return case, logits[ROWS].to(torch.float32).numpy()


def rounded(values):
    return [float(np.float32(f"{float(v):.7g}")) for v in values]


def write(folder, model, prompts, stepwise=False, weights="as stored"):
    """Runs every (name, ids, text) of prompts on the model; the other precision gives the noise."""
    exact = next(model.parameters()).dtype == torch.float64
    check = copy_as(model, torch.float32 if exact else torch.float64)
    cases, rows = [], []
    for name, ids, text in prompts:
        case, logits = make_case(model, check, name, ids, text, stepwise)
        case["first_row"] = sum(len(r) for r in rows)
        cases.append(case)
        rows.append(logits)
    complain(folder.name, cases, 0 if exact else MIN_ROUTER_GAP)
    head = {
        "reference": f"transformers {version('transformers')}, torch {torch.__version__}, eager",
        "computed_in": "float64" if exact else "float32",
        "weights": weights,
        "stepwise": stepwise,
        "vocab_size": model.config.vocab_size,
        "eos_ignored": True,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "golden.json").write_text(dump(head | {"cases": cases}))
    np.concatenate(rows).astype("<f4").tofile(folder / "logits.f32")
    return cases


def copy_as(model, dtype):
    twin = type(model)(model.config)
    twin.load_state_dict(model.state_dict())
    return twin.to(dtype).eval()


def complain(name, cases, min_router_gap):
    for case in cases:
        if min(case["std"]) < 2:
            raise SystemExit(f"{name}: logits deviate by {min(case['std'])}, less than 2")
        if min(case["layer_weight"]) < 0.2:
            raise SystemExit(f"{name}: a part hardly matters: {case['layer_weight']}")
        if min(case.get("router_gap", [1])) < min_router_gap:
            raise SystemExit(f"{name}: the router all but ties: {min(case['router_gap'])}")


def dump(value):
    """JSON with one line for each key and each array."""
    cases = []
    for case in value.pop("cases"):
        cases.append("  {\n" + ",\n".join(pairs(case, "   ")) + "\n  }")
    head, body = ",\n".join(pairs(value, " ")), ",\n".join(cases)
    return "{\n" + head + ',\n "cases": [\n' + body + "\n ]\n}\n"


def pairs(value, indent):
    return [f"{indent}{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}"
            for k, v in value.items()]


def summary(name, cases):
    for c in cases:
        tight = sum(m < 0.01 for m in c["margin"])
        print(f"{name:24} {c['name']:9} prompt {len(c['prompt']):3} distinct "
              f"{len(set(c['greedy'])):3} std {min(c['std']):.2f}..{max(c['std']):.2f} margin "
              f"min {min(c['margin']):.4f} (<0.01: {tight}) f32-f64 "
              f"{c['float32_float64_max_diff']:.1e} layers {c['layer_weight']}", flush=True)
