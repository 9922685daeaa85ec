"""boto3: the native bodies of InvokeModel, whole and streamed, by the vendor in a model's name."""

import json

from boto3_client import chunks, client, invoke
from suite import SHARED, Suite, equal, true

suite = Suite("boto3")
c = client()
METRICS = "amazon-bedrock-invocationMetrics"
PROMPT = SHARED["story_prompt"]
TOKENS = SHARED["story_tokens"]
GREEDY = {"temperature": 0}
TALK = [{"role": "user", "content": SHARED["user"]}]


def path(v, *keys):
    for k in keys:
        v = v[k]
    return v


# Of each family: model, body, and where an answer and a chunk have text and reason to stop.
TEXT = [
    ("Mistral AI text", "mistral.story", {"prompt": PROMPT, "max_tokens": TOKENS, **GREEDY},
     ("outputs", 0, "text"), ("outputs", 0, "stop_reason"), ("outputs", 0, "text"), "length"),
    ("DeepSeek", "deepseek.story", {"prompt": PROMPT, "max_tokens": TOKENS, **GREEDY},
     ("choices", 0, "text"), ("choices", 0, "stop_reason"), ("choices", 0, "text"), "length"),
    ("Amazon Titan text", "amazon.story", {"inputText": PROMPT, "textGenerationConfig": {
        "maxTokenCount": TOKENS, **GREEDY}}, ("results", 0, "outputText"),
     ("results", 0, "completionReason"), ("outputText",), "LENGTH"),
    ("Cohere Command", "cohere.story", {"prompt": PROMPT, "max_tokens": TOKENS, **GREEDY},
     ("generations", 0, "text"), ("generations", 0, "finish_reason"), ("text",), "MAX_TOKENS"),
    ("OpenAI completion", SHARED["story_model"], {"prompt": PROMPT, "max_tokens": TOKENS, **GREEDY},
     ("choices", 0, "text"), ("choices", 0, "finish_reason"), ("choices", 0, "text"), "length"),
]
CHAT = [
    ("Anthropic Messages", "anthropic.chat", {
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": SHARED["chat_tokens"],
        "system": SHARED["system"], "messages": TALK, **GREEDY},
     ("content", 0, "text"), ("stop_reason",), ("delta", "text"), "max_tokens"),
    ("Amazon Nova", "amazon.chat", {
        "schemaVersion": "messages-v1", "system": [{"text": SHARED["system"]}],
        "messages": [{"role": "user", "content": [{"text": SHARED["user"]}]}],
        "inferenceConfig": {"maxTokens": SHARED["chat_tokens"], **GREEDY}},
     ("output", "message", "content", 0, "text"), ("stopReason",),
     ("contentBlockDelta", "delta", "text"), "max_tokens"),
    ("Cohere Command R", "cohere.chat", {
        "preamble": SHARED["system"], "message": SHARED["user"],
        "max_tokens": SHARED["chat_tokens"], **GREEDY},
     ("text",), ("finish_reason",), ("text",), "MAX_TOKENS"),
    ("Mistral AI chat", "mistral.chat", {
        "messages": [{"role": "system", "content": SHARED["system"]}, *TALK],
        "max_tokens": SHARED["chat_tokens"], **GREEDY},
     ("choices", 0, "message", "content"), ("choices", 0, "stop_reason"),
     ("choices", 0, "message", "content"), "length"),
]


def text_of(chunk, where):
    try:
        return path(chunk, *where) or ""
    except (KeyError, IndexError, TypeError):
        return ""


def whole(key, name, model, body, text, reason, _, want):
    a = c.invoke_model(modelId=model, body=json.dumps(body))
    got = json.loads(a["body"].read())
    equal(path(got, *reason), want, "reason")
    headers = a["ResponseMetadata"]["HTTPHeaders"]
    suite.fact(f"InvokeModel, {name} body", key + " text", path(got, *text))
    suite.fact(f"InvokeModel, {name} body", key + " usage",
               [int(headers["x-amzn-bedrock-input-token-count"]),
                int(headers["x-amzn-bedrock-output-token-count"])])


def streamed(key, name, model, body, text, reason, piece, want):
    got = chunks(c, {"modelId": model, "body": json.dumps(body)})
    true(len(got) > 2, "the text came in one piece")
    m = [g for g in got if METRICS in g]
    equal(len(m), 1, "chunks with metrics")
    true(METRICS in got[-1], "the metrics are not in the last chunk")
    parts = [g for g in got if not g.get("is_finished")]
    suite.fact(f"InvokeModel stream, {name} body", key + " text",
               "".join(text_of(g, piece) for g in parts))
    suite.fact(f"InvokeModel stream, {name} body", key + " usage",
               [m[0][METRICS]["inputTokenCount"], m[0][METRICS]["outputTokenCount"]])


for key, families in (("story", TEXT), ("chat", CHAT)):
    rows = [(f"{f[0]} body", key, *f) for f in families]
    suite.each("InvokeModel", rows, whole)
    suite.each("InvokeModelWithResponseStream", rows, streamed)


@suite.case("InvokeModel", "an ARN and an inference profile name the same model")
def _():
    for model in ("arn:aws:bedrock:us-east-1::foundation-model/meta.chat-v1:0",
                  "us.meta.chat-v1:0",
                  "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/"
                  + SHARED["chat_model"]):
        a = invoke(c, {"modelId": model, "body": json.dumps(
            {"prompt": SHARED["rendered"], "max_gen_len": SHARED["chat_tokens"], **GREEDY})})
        suite.fact("InvokeModel, " + model, "chat text", a["generation"])


if __name__ == "__main__":
    suite.run()
