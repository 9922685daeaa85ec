"""boto3: what Converse, ConverseStream, InvokeModel and its stream answer."""

import concurrent.futures
import uuid

from boto3_client import (
    attempts, chat_body, chunks, client, conversation, events, invoke, llama_body, text_of,
    text_of_events,
)
from suite import CHAT, ENDPOINT, SHARED, STORY, Suite, cut_at, equal, includes, true

suite = Suite("boto3")
c = client()
METRICS = "amazon-bedrock-invocationMetrics"


@suite.case("Converse", "fields of the answer")
def _():
    a = c.converse(**conversation())
    equal(a["ResponseMetadata"]["HTTPStatusCode"], 200, "status")
    uuid.UUID(a["ResponseMetadata"]["RequestId"])
    equal(a["output"]["message"]["role"], "assistant", "role")
    equal(a["stopReason"], "max_tokens", "stopReason")
    u = a["usage"]
    equal(u["inputTokens"], SHARED["chat_prompt_tokens"], "inputTokens")
    equal(u["outputTokens"], SHARED["chat_tokens"], "outputTokens")
    equal(u["totalTokens"], u["inputTokens"] + u["outputTokens"], "totalTokens")
    true(a["metrics"]["latencyMs"] >= 0, "latencyMs is negative")
    suite.fact("Converse", "chat text", text_of(a))
    suite.fact("Converse", "chat usage", [u["inputTokens"], u["outputTokens"]])


@suite.case("Converse", "a stop sequence ends and is left out")
def _():
    stop, want = cut_at(text_of(c.converse(**conversation())))
    a = c.converse(**conversation(stopSequences=["never said", stop]))
    equal(a["stopReason"], "stop_sequence", "stopReason")
    equal(text_of(a), want, "text")
    true(a["usage"]["outputTokens"] < SHARED["chat_tokens"], "usage counts tokens after the stop")
    suite.fact("Converse", "stopped usage", a["usage"]["outputTokens"])


@suite.case("Converse", "maxTokens 1")
def _():
    a = c.converse(**conversation(maxTokens=1))
    equal(a["usage"]["outputTokens"], 1, "outputTokens")
    equal(a["stopReason"], "max_tokens", "stopReason")


@suite.case("Converse", "several turns")
def _():
    q = conversation()
    q["messages"] += [
        {"role": "assistant", "content": [{"text": "Monday."}]},
        {"role": "user", "content": [{"text": "And"}, {"text": " then?"}]},
    ]
    a = c.converse(**q)
    true(a["usage"]["inputTokens"] > SHARED["chat_prompt_tokens"], "turns are not in the prompt")


@suite.case("Converse", "a seed repeats a sampled answer, another gives another")
def _():
    def say(seed):
        q = conversation(temperature=1, topP=1)
        q["additionalModelRequestFields"] = {"seed": seed}
        return text_of(c.converse(**q))

    equal(say(7), say(7), "the second answer with one seed")
    true(say(7) != say(8), "two seeds give one answer")


@suite.case("Converse", "echoes performanceConfig and serviceTier, takes requestMetadata")
def _():
    q = conversation()
    q.update(performanceConfig={"latency": "optimized"}, serviceTier={"type": "flex"},
             requestMetadata={"team": "a"}, additionalModelResponseFieldPaths=["/stop_sequence"])
    a = c.converse(**q)
    equal(a["performanceConfig"], {"latency": "optimized"}, "performanceConfig")
    equal(a["serviceTier"], {"type": "flex"}, "serviceTier")


@suite.case("ConverseStream", "events in order, same text and usage")
def _():
    stream = events(c, conversation())
    names = [name for name, _ in stream]
    deltas = names[1:-3]
    equal(names[:1] + names[-3:],
          ["messageStart", "contentBlockStop", "messageStop", "metadata"], "events")
    equal(set(deltas), {"contentBlockDelta"}, "events between")
    true(len(deltas) > 1, "the text came in one piece")
    equal(stream[0][1], {"role": "assistant"}, "messageStart")
    equal({e["contentBlockIndex"] for _, e in stream[1:-2]}, {0}, "contentBlockIndex")
    equal(stream[-2][1]["stopReason"], "max_tokens", "stopReason")
    u = stream[-1][1]["usage"]
    equal(u["totalTokens"], u["inputTokens"] + u["outputTokens"], "totalTokens")
    true(stream[-1][1]["metrics"]["latencyMs"] >= 0, "latencyMs is negative")
    suite.fact("ConverseStream", "chat text", text_of_events(stream))
    suite.fact("ConverseStream", "chat usage", [u["inputTokens"], u["outputTokens"]])


@suite.case("ConverseStream", "a stop sequence ends and is left out")
def _():
    stop, want = cut_at(text_of(c.converse(**conversation())))
    stream = events(c, conversation(stopSequences=[stop]))
    equal(text_of_events(stream), want, "text")
    equal(stream[-2][1]["stopReason"], "stop_sequence", "stopReason")
    suite.fact("ConverseStream", "stopped usage", stream[-1][1]["usage"]["outputTokens"])


@suite.case("ConverseStream", "a stream left half read does no harm")
def _():
    for _ in range(8):
        answer = c.converse_stream(**conversation(maxTokens=400))
        next(iter(answer["stream"]))
        answer["stream"].close()
    suite.fact("Converse after it", "chat text", text_of(c.converse(**conversation())))


def invoke_llama(model, key):
    answer = c.invoke_model(**llama_body(model))
    equal(answer["contentType"], "application/json", "contentType")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    a = invoke(c, llama_body(model))
    equal(set(a), {"generation", "prompt_token_count", "generation_token_count", "stop_reason"},
          "fields")
    equal(a["stop_reason"], "length", "stop_reason")
    equal(headers["x-amzn-bedrock-input-token-count"], str(a["prompt_token_count"]), "header")
    equal(headers["x-amzn-bedrock-output-token-count"], str(a["generation_token_count"]), "header")
    suite.fact("InvokeModel, Llama body", key + " text", a["generation"])
    suite.fact("InvokeModel, Llama body", key + " usage",
               [a["prompt_token_count"], a["generation_token_count"]])


def stream_llama(model, key):
    got = chunks(c, llama_body(model))
    true(len(got) > 2, "the text came in one piece")
    equal(got[0]["prompt_token_count"] is None, False, "the first prompt_token_count is null")
    equal({g["prompt_token_count"] for g in got[1:]}, {None}, "later prompt_token_count")
    equal({g["stop_reason"] for g in got[:-1]}, {None}, "stop_reason before the last")
    equal(got[-1]["stop_reason"], "length", "stop_reason")
    equal([METRICS in g for g in got], [False] * (len(got) - 1) + [True], "chunks with metrics")
    usage = [got[0]["prompt_token_count"], got[-1]["generation_token_count"]]
    m = got[-1][METRICS]
    equal([m["inputTokenCount"], m["outputTokenCount"]], usage, "metrics")
    suite.fact("InvokeModel stream, Llama body", key + " text",
               "".join(g["generation"] for g in got))
    suite.fact("InvokeModel stream, Llama body", key + " usage", usage)


LLAMA = [("Llama body on " + CHAT, CHAT, "chat"), ("Llama body on " + STORY, STORY, "story")]
suite.each("InvokeModel", LLAMA, invoke_llama)
suite.each("InvokeModelWithResponseStream", LLAMA, stream_llama)


@suite.case("InvokeModel", "Llama body without optional fields")
def _():
    a = invoke(c, {"modelId": STORY, "body": '{"prompt":"Once upon a time"}'})
    includes(("stop", "length"), a["stop_reason"], "stop_reason")


@suite.case("InvokeModel", "OpenAI chat body")
def _():
    a = invoke(c, chat_body())
    choice = a["choices"][0]
    equal(choice["finish_reason"], "length", "finish_reason")
    equal(choice["message"]["role"], "assistant", "role")
    suite.fact("InvokeModel, OpenAI body", "chat text", choice["message"]["content"])
    suite.fact("InvokeModel, OpenAI body", "chat usage",
               [a["usage"]["prompt_tokens"], a["usage"]["completion_tokens"]])


@suite.case("InvokeModelWithResponseStream", "OpenAI chat body")
def _():
    got = chunks(c, chat_body())
    deltas = [g["choices"][0]["delta"].get("content") or "" for g in got if g["choices"]]
    ends = [g for g in got if g["choices"] and g["choices"][0].get("finish_reason")]
    equal([g["choices"][0]["finish_reason"] for g in ends], ["length"], "finish_reason")
    m = ends[0][METRICS]
    suite.fact("InvokeModel stream, OpenAI body", "chat text", "".join(deltas))
    suite.fact("InvokeModel stream, OpenAI body", "chat usage",
               [m["inputTokenCount"], m["outputTokenCount"]])


@suite.case("all four operations", "16 threads, one client, the answers given alone")
def _():
    alone = {"chat": text_of(c.converse(**conversation())),
             "story": invoke(c, llama_body(STORY))["generation"]}
    ways = [
        ("chat", lambda: text_of(c.converse(**conversation()))),
        ("chat", lambda: text_of_events(events(c, conversation()))),
        ("story", lambda: invoke(c, llama_body(STORY))["generation"]),
        ("story", lambda: "".join(g["generation"] for g in chunks(c, llama_body(STORY)))),
    ]
    sent = attempts(c)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        jobs = [(ways[i % 4][0], pool.submit(ways[i % 4][1])) for i in range(96)]
        for key, job in jobs:
            equal(job.result(), alone[key], key + " text in company")
    equal(len(sent), 96, "requests sent")


if __name__ == "__main__":
    true(ENDPOINT, "BASALT_ENDPOINT names the server")
    suite.run()
