"""Scores a running server on held-out items through OpenAI's chat/completions, greedily.

    python3 evaluate.py [--url http://127.0.0.1:8080] [--model ID] [--items N] [--json FILE]

Needs only Python's standard library. Exits with 1 where a family falls below its goal.
"""

import argparse
import json
import re
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import assist
import mixture

# Family: share that must be right. Long tables are of 600 tokens and more.
GOALS = {"add": 0.95, "sub": 0.95, "compare": 0.95, "sort": 0.95, "reverse": 0.95, "count": 0.95,
         "case": 0.95, "copy": 0.95, "table": 0.95, "long table": 0.95, "fact": 0.98,
         "tool": 0.98, "json": 0.95, "json parses": 0.98, "refuse": 0.95}
SHORT, LONG = mixture.Level(rows=(4, 40)), mixture.Level(rows=(68, 72))


def schema(name):
    description, properties = assist.TOOLS[name]
    return {"type": "function", "function": {
        "name": name, "description": description, "parameters": {
            "type": "object", "properties": {k: {"type": t} for k, t in properties.items()},
            "required": list(properties)}}}


def items_of(family, n, seed=20):
    if family == "long table":
        return mixture.scored("table", n, LONG, seed + 1)
    return mixture.scored(family.split()[0], n, SHORT, seed)


def request_body(item, model):
    body = {"model": model, "temperature": 0, "max_tokens": 200,
            "messages": [{"role": "user", "content": item.turns[0][0]}]}
    if item.tools:
        body["tools"] = [schema(t) for t in item.tools]
    return body


def ask(url, body, timeout=300):
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json",
                                      "Authorization": "Bearer any"})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.load(response)["choices"][0]["message"]


def said(message):
    """The visible answer: without reasoning, where the server leaves it in the text."""
    return (message.get("content") or "").split("</think>")[-1].strip()


def right_tool(message, want):
    calls = message.get("tool_calls") or []
    if len(calls) != 1:
        return False
    try:
        arguments = json.loads(calls[0]["function"]["arguments"])
    except ValueError:
        return False
    return {"name": calls[0]["function"]["name"], "arguments": arguments} == json.loads(want)


def right_json(text, want=None):
    """Whether text is JSON, and of the wanted value where one is given."""
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return want is None or value == json.loads(want)


def right(family, item, message):
    """Whether the reply has what the item wants."""
    want = item.want[0]
    if family == "tool":
        return right_tool(message, want)
    text = said(message)
    if family == "json":
        return right_json(text, want)
    if family == "json parses":
        return right_json(text)
    if family in ("table", "long table"):
        return re.search(rf"(?<![\w-]){re.escape(want)}(?!\w)", text) is not None
    if family == "fact":
        return want.rstrip(".") in text
    if family == "refuse":
        return text.startswith(want)
    return text == want


def score(url, model, family, n, seed, pool):
    """Share of right replies, and the wrong ones."""
    items = items_of(family, n, seed)
    replies = list(pool.map(lambda i: ask(url, request_body(i, model)), items))
    marks = [right(family, i, r) for i, r in zip(items, replies)]
    wrong = [{"family": family, "asked": i.turns[0][0][-200:], "want": i.want[0],
              "said": r.get("content"), "tool_calls": r.get("tool_calls")}
             for i, r, ok in zip(items, replies, marks) if not ok]
    return sum(marks) / len(marks), wrong


def first_model(url):
    request = urllib.request.Request(url + "/v1/models", headers={"Authorization": "Bearer any"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["data"][0]["id"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--model", default="")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--families", default=",".join(GOALS))
    parser.add_argument("--json", default="", help="write scores and wrong replies here")
    args = parser.parse_args()
    model = args.model or first_model(args.url)
    result, failed = {}, False
    print(f"{model}: held-out items, greedy\n")
    print(f"{'family':12} {'items':>6} {'right':>8} {'goal':>7}")
    with ThreadPoolExecutor(args.parallel) as pool:
        for family in args.families.split(","):
            share, wrong = score(args.url, model, family, args.items, args.seed, pool)
            low = share < GOALS[family]
            failed |= low
            result[family] = {"right": share, "wrong": wrong}
            print(f"{family:12} {args.items:6} {100 * share:7.1f}% {100 * GOALS[family]:6.0f}%"
                  + ("  below" if low else ""), flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)
    sys.exit(failed)


if __name__ == "__main__":
    main()
