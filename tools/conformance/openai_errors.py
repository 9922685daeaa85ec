"""openai (Python): every fault as its exception class, sent once (no retry of a 4xx)."""

import httpx2 as httpx
import openai

from openai_client import chat, complete, content
from suite import ENDPOINT, SHARED, STORY, Suite, equal, includes, true

suite = Suite("openai-python")


def fails(exception, code, param, call, *parts):
    """The call raises the client's class for the fault, with code, param and message, sent once."""
    sent = []
    http = httpx.Client(event_hooks={"request": [sent.append]})
    with openai.OpenAI(base_url=ENDPOINT + "/v1", api_key="any-key", http_client=http) as counted:
        try:
            call(counted)
        except exception as e:
            equal(type(e), exception, "class")
            if code:
                equal(e.code, code, "code")
            if param:
                includes(e.param or "", param, "param")
            true(e.request_id, "no x-request-id")
            for part in parts:
                includes(e.message, part, "message")
        else:
            raise AssertionError(f"no error, want {exception.__name__}")
    equal(len(sent), 1, "requests sent")


BAD, MISSING = openai.BadRequestError, openai.NotFoundError
LONG = SHARED["long_word"] * SHARED["long_repeat"]
suite.each("chat.completions error", [
    ("unknown model", MISSING, "model_not_found", "model", lambda c: chat(c, model="no-such"),
     "no-such"),
    ("unknown model, streamed", MISSING, "model_not_found", "model",
     lambda c: chat(c, model="no-such", stream=True), "no-such"),
    ("prompt longer than the context", BAD, "context_length_exceeded", None,
     lambda c: chat(c, messages=[{"role": "user", "content": LONG}]), "512"),
    ("no chat template", BAD, None, "messages", lambda c: chat(c, model=STORY), "--chat-template",
     STORY),
] + [
    (f"{field} = {shown}", BAD, None, field, lambda c, f=field, v=value: chat(c, **{f: v}), field)
    for field, shown, value in [
        (f, repr(v), v) for f, values in {
            "temperature": (-1, 2.1, 1e308, "hot"), "top_p": (-1, 1.1, 1e308, "x"),
            "max_tokens": (-1, 0, 513, 1e308, "ten", 1.5), "n": (-1, 0, 129, 1.5, "x"),
            "presence_penalty": (-2.1, 2.1), "frequency_penalty": (-2.1, 2.1),
            "top_logprobs": (-1, 21), "seed": ("x", 1.5, 1e308), "messages": ([], "x", None),
            "logit_bias": ({"x": 1}, {"0": 101}, {"99999999": 1}), "stop": (5, [""]),
            "stream": ("yes",), "response_format": ({"type": "no_such"},),
        }.items() for v in values
    ] + [("max_completion_tokens", "0", 0)]
], fails)
suite.each("completions error", [
    ("unknown model", MISSING, "model_not_found", "model", lambda c: complete(c, model="no-such")),
    ("prompt longer than the context", BAD, "context_length_exceeded", None,
     lambda c: complete(c, prompt=LONG)),
    ("a token id outside the vocabulary", BAD, None, "prompt",
     lambda c: complete(c, prompt=[1, 512]), "512"),
    ("logprobs = 21", BAD, None, "logprobs", lambda c: complete(c, logprobs=21)),
    ("no prompts", BAD, None, "prompt", lambda c: complete(c, prompt=[])),
], fails)
suite.each("models.retrieve error", [
    ("unknown model", MISSING, "model_not_found", "model", lambda c: c.models.retrieve("no-such")),
], fails)


@suite.case("chat.completions", "the server goes on after all of these")
def _():
    suite.fact("chat after errors", "chat text", content(chat()))


if __name__ == "__main__":
    suite.run()
