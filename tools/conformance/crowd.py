"""boto3: 64 streams of mixed lengths at once, each with the text it has alone."""

import concurrent.futures
import json
import urllib.request

from boto3_client import chunks, client, conversation, events, text_of_events
from suite import CHAT, ENDPOINT, SHARED, STORY, Suite, equal, true

suite = Suite("boto3")
STREAMS = 64


def converse(c, i):
    q = conversation(maxTokens=5 + 3 * i, temperature=1, topP=0.95)
    q["messages"][0]["content"][0]["text"] = SHARED["user"] + " And then?" * (i % 9)
    q["additionalModelRequestFields"] = {"seed": i}
    return text_of_events(events(c, q))


def llama(c, i):
    story = "Once upon a time, there was a little girl named Lily. She loved to play outside."
    prompt = story[: 4 + i]
    body = {"prompt": prompt, "temperature": 0, "max_gen_len": 5 + 5 * i}
    got = chunks(c, {"modelId": STORY, "body": json.dumps(body)})
    return "".join(g["generation"] for g in got)


def same_as_alone(ask):
    c = client(max_pool_connections=STREAMS, retries={"total_max_attempts": 1})
    alone = [ask(c, i) for i in range(STREAMS)]
    true(len(set(alone)) > STREAMS // 2, "the texts are too much alike to tell apart")
    with concurrent.futures.ThreadPoolExecutor(STREAMS) as pool:
        together = list(pool.map(lambda i: ask(c, i), range(STREAMS)))
    for i, (a, b) in enumerate(zip(alone, together)):
        equal(b, a, f"text {i} in company")


suite.each("64 streams of mixed lengths", [
    ("ConverseStream on " + CHAT + ", sampled with seeds", converse),
    ("InvokeModelWithResponseStream on " + STORY + ", greedy", llama),
], same_as_alone)


@suite.case("64 streams of mixed lengths", "a KV cache too small for all preempts")
def _():
    with urllib.request.urlopen(ENDPOINT + "/metrics", timeout=10) as r:
        lines = r.read().decode().splitlines()
    caches = [x for x in lines if x.startswith("vllm:cache_config_info") and STORY in x]
    blocks = int(caches[0].split('num_gpu_blocks="')[1].split('"')[0])
    preempted = sum(float(x.split()[-1]) for x in lines
                    if x.startswith("vllm:num_preemptions_total") and STORY in x)
    if blocks < STREAMS:
        true(preempted > 0, f"{blocks} blocks held {STREAMS} streams without preemption")


if __name__ == "__main__":
    suite.run()
