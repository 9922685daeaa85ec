"""boto3: every fault as its exception class, sent once (no retry of a 4xx)."""

import json

from botocore.exceptions import ClientError

from boto3_client import (
    attempts, chat_body, client, conversation, events, invoke, llama_body, text_of,
)
from suite import CHAT, SHARED, STORY, Suite, equal, includes, true

suite = Suite("boto3")
legacy = client()
standard = client(retries={"mode": "standard"})
# Sends what the client itself would refuse, so that the server is asked.
unchecked = client(parameter_validation=False)
LONG = SHARED["long_word"] * SHARED["long_repeat"]
HUGE = SHARED["long_word"] * SHARED["huge_repeat"]
TOO_LONG = "Input is too long for requested model."


def fails(c, operation, arguments, exception, *parts, status=400):
    """The call raises the modelled exception with these parts in its message, after one attempt."""
    sent = attempts(c)
    try:
        getattr(c, operation)(**arguments)
    except getattr(c.exceptions, exception) as e:
        answer = e.response
    except ClientError as e:
        raise AssertionError(f"{type(e).__name__}, want {exception}: {e}") from e
    else:
        raise AssertionError(f"no error, want {exception}")
    equal(answer["Error"]["Code"], exception, "code")
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], status, "status")
    equal(answer["ResponseMetadata"]["RetryAttempts"], 0, "RetryAttempts")
    equal(len(sent), 1, "requests sent")
    true(answer["ResponseMetadata"].get("RequestId"), "no RequestId")
    for part in parts:
        includes(answer["Error"]["Message"], part, "message")


def story(model, text):
    return {"modelId": model, "body": json.dumps({"prompt": text})}


def said(text, model=CHAT):
    return {"modelId": model, "messages": [{"role": "user", "content": [{"text": text}]}]}


def every_way(name, converse, llama, chat, *expected, **kw):
    """One fault through the four operations and the native bodies that apply."""
    for c, mode in ((legacy, "legacy"), (standard, "standard")):
        rows = []
        for operation in ("converse", "converse_stream"):
            rows.append((operation, converse))
        for operation in ("invoke_model", "invoke_model_with_response_stream"):
            rows += [(operation, body) for body in (llama, chat) if body]
        for operation, arguments in rows:
            body = "" if "body" not in arguments else (
                ", Llama body" if "prompt" in json.loads(arguments["body"]) else ", OpenAI body")
            suite.each(operation, [(f"{name}{body} ({mode} retries)",)],
                       lambda c=c, o=operation, a=arguments: fails(c, o, a, *expected, **kw))


every_way("unknown model", conversation("no-such-model"), story("no-such-model", "x"),
          chat_body("no-such-model"), "ResourceNotFoundException", "no-such-model", status=404)
every_way("prompt longer than the context", said(LONG), story(STORY, LONG),
          chat_body(messages=[{"role": "user", "content": LONG}]),
          "ValidationException", TOO_LONG)
every_way("prompt of a megabyte", said(HUGE), story(STORY, HUGE),
          chat_body(messages=[{"role": "user", "content": HUGE}]),
          "ValidationException", TOO_LONG)
every_way("no chat template", said("hello", STORY), None, chat_body(STORY),
          "ValidationException", "--chat-template", STORY)


def out_of_range(field, value):
    fails(unchecked, "converse", conversation(**{field: value}), "ValidationException", field)
    fails(unchecked, "converse_stream", conversation(**{field: value}), "ValidationException",
          field)


suite.each("Converse and stream", [
    (f"inferenceConfig.{field} = {shown}", field, value) for field, shown, value in [
        ("maxTokens", "0", 0), ("maxTokens", "-1", -1), ("maxTokens", "2^31", 2**31),
        ("maxTokens", "context + 1", 513), ("maxTokens", "10^30", 10**30),
        ("temperature", "-1", -1), ("temperature", "1.0001", 1.0001),
        ("temperature", "1e308", 1e308), ("topP", "-1", -1), ("topP", "1.5", 1.5),
        ("topP", "1e308", 1e308), ("stopSequences", '[""]', [""]),
        ("stopSequences", "2501 strings", ["x"] * 2501),
    ]
], out_of_range)


def refused_request(change, *parts):
    q = conversation()
    change(q)
    fails(unchecked, "converse", q, "ValidationException", *parts)


suite.each("Converse", [
    ("no messages", lambda q: q.update(messages=[]), "messages"),
    ("a message without content", lambda q: q["messages"][0].update(content=[]), "content"),
    ("an unknown role", lambda q: q["messages"][0].update(role="robot"), "role"),
    ("an empty text block", lambda q: q["messages"][0].update(content=[{"text": ""}]), "text"),
    ("an unknown sampler in additionalModelRequestFields",
     lambda q: q.update(additionalModelRequestFields={"no_such": 1}), "no_such"),
    ("top_k of -1", lambda q: q.update(additionalModelRequestFields={"top_k": -1}), "top_k"),
    ("a malformed response path",
     lambda q: q.update(additionalModelResponseFieldPaths=["x"]), "ResponseFieldPaths"),
], refused_request)


def refused_body(model, body, *parts):
    for operation in ("invoke_model", "invoke_model_with_response_stream"):
        fails(legacy, operation, {"modelId": model, "body": body}, "ValidationException", *parts)


def llama(**fields):
    return json.dumps({"prompt": "x", **fields})


def openai(**fields):
    return json.dumps({"messages": [{"role": "user", "content": "x"}], **fields})


suite.each("InvokeModel and stream", [
    ("body: empty", STORY, ""), ("body: no JSON", STORY, "prompt=x"),
    ("body: an array", STORY, "[]"), ("body: cut off", STORY, '{"prompt":"x"'),
    ("body: of no family", STORY, '{"texts":["x"]}', "prompt", "messages"),
    ("prompt: null", STORY, '{"prompt":null}', "prompt"),
    ("prompt: a number", STORY, '{"prompt":1}', "prompt"),
    ("an unknown field", STORY, llama(no_such=1), "no_such"),
] + [
    (f"Llama {field} = {value}", STORY, llama(**{field: value}), field) for field, value in [
        ("max_gen_len", 0), ("max_gen_len", -1), ("max_gen_len", 1e308), ("max_gen_len", "ten"),
        ("max_gen_len", None), ("max_gen_len", 1.5), ("max_gen_len", 513), ("temperature", -1),
        ("temperature", 1.01), ("temperature", 1e308), ("temperature", "hot"),
        ("temperature", None), ("top_p", -1), ("top_p", 1.01), ("top_p", True), ("top_p", None),
    ]
] + [
    (f"OpenAI {field} = {value}", CHAT, openai(**{field: value}), field) for field, value in [
        ("max_tokens", 0), ("max_tokens", 513), ("temperature", 2.1), ("temperature", "hot"),
        ("top_p", 1.1), ("n", 0), ("n", 129), ("stop", 5), ("top_logprobs", 21),
        ("messages", []), ("messages", "x"), ("presence_penalty", 3),
    ]
], refused_body)


@suite.case("Converse", "the server goes on after all of these")
def _():
    suite.fact("Converse after errors", "chat text", text_of(legacy.converse(**conversation())))
    suite.fact("ConverseStream after errors", "chat usage",
               [events(legacy, conversation())[-1][1]["usage"][k]
                for k in ("inputTokens", "outputTokens")])
    suite.fact("InvokeModel after errors", "story text",
               invoke(legacy, llama_body(STORY))["generation"])


if __name__ == "__main__":
    suite.run()
