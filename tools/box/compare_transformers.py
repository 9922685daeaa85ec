"""Checks that a server's greedy replies are those of transformers computing in float32.

    python compare_transformers.py OUT [--url http://127.0.0.1:8080] [--items 2000]

The server continues rendered prompts. A reply equals transformers' greedy one exactly where each of
its tokens, and the end after them, is the most likely one after those before it.
"""

import argparse
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import chatformat
import evaluate

MOST = 200  # tokens of a reply


def complete(url, model, prompt):
    body = {"model": model, "prompt": prompt, "max_tokens": MOST, "temperature": 0}
    request = urllib.request.Request(url + "/v1/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json",
                                      "Authorization": "Bearer any"})
    with urllib.request.urlopen(request, timeout=300) as response:
        choice = json.load(response)["choices"][0]
    return choice["text"], choice["finish_reason"]


@torch.no_grad()
def agrees(hf, tok, prompt, reply, finish):
    head = tok(prompt, add_special_tokens=False).input_ids
    tail = tok(reply, add_special_tokens=False).input_ids
    if finish == "stop":
        tail.append(hf.config.eos_token_id)
    best = hf(torch.tensor([head + tail])).logits[0].argmax(-1).tolist()
    return best[len(head) - 1:-1] == tail


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--model", default="")
    parser.add_argument("--items", type=int, default=2000)
    args = parser.parse_args()
    tok = AutoTokenizer.from_pretrained(args.out)
    hf = AutoModelForCausalLM.from_pretrained(args.out, dtype=torch.float32)
    model = args.model or evaluate.first_model(args.url)
    families = list(evaluate.GOALS)
    each = -(-args.items // len(families))
    equal = total = 0
    with ThreadPoolExecutor(8) as pool:
        for family in families:
            prompts = [chatformat.prompt_and_answer(i)[0] for i in evaluate.items_of(family, each)]
            replies = pool.map(lambda p: complete(args.url, model, p), prompts)
            same = [agrees(hf, tok, p, *r) for p, r in zip(prompts, replies)]
            print(f"{family:12} {sum(same):5} of {len(same)} equal", flush=True)
            equal, total = equal + sum(same), total + len(same)
    print(f"{equal} of {total} replies equal: {100 * equal / total:.2f}%")
    assert equal >= 0.99 * total


if __name__ == "__main__":
    main()
