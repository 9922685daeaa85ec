"""Compares `basalt bench serve` with published load generators on one server of known speed.

    python agree.py --basalt ./basalt --autocannon node_modules/.bin/autocannon [--rounds 3]

The server runs the null device, whose steps take a fixed time. GuideLLM (Python, of the vLLM
project) and autocannon (Node) run unmodified, in turn with ours: the same prompts' length, answers'
length, number of requests, and clients or rate. Prints medians, and fails when one is off by over
3 %.

The time to the first token is compared at a fixed rate of requests alone. In a closed loop it tells
how soon a client sends again: a request that comes at the start of a step waits for all of it, one
that comes some milliseconds later for the rest. The rate is no simple fraction of the steps', so
that requests come at every moment of a step.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request

MODEL, STEP, PROMPT, OUTPUT, EACH = "basalt.box-v1", "20ms", 128, 64, 20
TOKENIZER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models/box/files")
RATE = 13.57  # requests a second
LIMIT = 0.03


def serve(binary):
    server = subprocess.Popen(
        [binary, "serve", "--listen", "127.0.0.1:0", "--device", "null", "--step-time", STEP,
         "--step-tokens", "2048"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in server.stdout:
        if "Listening on " in line:
            return server, line.split("Listening on ")[1].strip()
    sys.exit("the server did not start")


def requests(clients):
    """Their number, by clients; none stand for a fixed rate."""
    return EACH * clients or 120


def ours(args, url, clients, folder):
    out = os.path.join(folder, "ours.json")
    load = ["--max-concurrency", str(clients)]
    if not clients:
        load = ["--request-rate", str(RATE), "--burstiness", "inf"]
    subprocess.run([args.basalt, "bench", "serve", MODEL, "--url", url, "--api", "openai-chat",
                    "--num-prompts", str(requests(clients)), *load, "--input-len", str(PROMPT), "--output-len", str(OUTPUT), "--result", out],
                   check=True, stdout=subprocess.DEVNULL)
    with open(out) as f:
        r = json.load(f)
    return {"requests/s": r["request_throughput"], "output tok/s": r["output_throughput"],
            "TTFT, ms": r["mean_ttft_ms"], "ITL, ms": r["mean_itl_ms"]}


def guidellm(args, url, clients, folder):
    out = os.path.join(folder, "guidellm.json")
    tool = os.path.join(os.path.dirname(sys.executable), "guidellm")
    subprocess.run([tool, "run", "--backend", f"kind=openai_http,target={url},model={MODEL}",
                    "--profile", f"kind=concurrent,streams={clients}" if clients else
                    f"kind=constant,rate={RATE}",
                    "--constraint", f"kind=max_requests,count={requests(clients)}",
                    "--tokenizer", f"kind=hf_auto,model={TOKENIZER}",
                    "--data", f"kind=synthetic_text,prompt_tokens={PROMPT},output_tokens={OUTPUT}",
                    "--output", f"kind=json,path={out}", "--disable-console"],
                   check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    with open(out) as f:
        m = json.load(f)["benchmarks"][0]["metrics"]
    mean = {name: m[name]["successful"]["mean"] for name in (
        "requests_per_second", "output_tokens_per_second", "time_to_first_token_ms",
        "inter_token_latency_ms")}
    return {"requests/s": mean["requests_per_second"],
            "output tok/s": mean["output_tokens_per_second"],
            "TTFT, ms": mean["time_to_first_token_ms"],
            "ITL, ms": mean["inter_token_latency_ms"]}


def autocannon(args, url, clients, folder):
    body = {"model": MODEL, "max_tokens": OUTPUT, "ignore_eos": True, "temperature": 0,
            "messages": [{"role": "user", "content": "the " * (PROMPT - 10)}]}
    before = generated(url)
    out = subprocess.run([args.autocannon, "--json", "-m", "POST", "-c", str(clients),
                          "-a", str(EACH * clients), "--sampleInt", "50",
                          "-H", "content-type: application/json", "-b", json.dumps(body),
                          url + "/v1/chat/completions"],
                         check=True, capture_output=True, text=True).stdout
    r = json.loads(out)
    if r["2xx"] != EACH * clients:
        sys.exit(f"autocannon had {r['2xx']} answers of {EACH * clients}")
    # It rounds its own rates to whole requests a second: the duration has hundredths. A run ends
    # with a sample, so that samples a second apart would make it up to a second too long.
    rate = r["2xx"] / r["duration"]
    return {"requests/s": rate, "output tok/s": rate * (generated(url) - before) / r["2xx"]}


def generated(url):
    """Tokens that the server has generated since its start."""
    with urllib.request.urlopen(url + "/metrics") as response:
        text = response.read().decode()
    line = next(x for x in text.splitlines() if x.startswith("vllm:generation_tokens_total{"))
    return float(line.split()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--basalt", default="./basalt")
    parser.add_argument("--autocannon", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    server, url = serve(args.basalt)
    samples = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for clients in (1, 4, 0):
                for _ in range(args.rounds):
                    for tool in (ours, guidellm, autocannon) if clients else (ours, guidellm):
                        for name, value in tool(args, url, clients, folder).items():
                            samples.setdefault((clients, name, tool.__name__), []).append(value)
    finally:
        server.terminate()
        server.wait()
    sys.exit(report({key: statistics.median(v) for key, v in samples.items()}))


def report(medians):
    print(f"{'load':9s} {'':13s} {'tool':11s} {'theirs':>9s} {'ours':>9s}  off by")
    worst = 0
    for (clients, name, tool), value in medians.items():
        if tool == "ours" or clients and name == "TTFT, ms":
            continue
        mine = medians[clients, name, "ours"]
        worst = max(worst, abs(mine / value - 1))
        load = f"{clients} clients" if clients else f"{RATE}/s"
        print(f"{load:9s} {name:13s} {tool:11s} {value:9.3f} {mine:9.3f} {mine / value - 1:+7.2%}")
    print("all within 3 %" if worst <= LIMIT else f"off by {worst:.1%}: over 3 %")
    return int(worst > LIMIT)


if __name__ == "__main__":
    main()
