"""openai (Python): chat completions, completions and models, streamed and whole."""

import asyncio

import openai

from openai_client import MESSAGES, c, chat, complete, content
from suite import CHAT, ENDPOINT, SHARED, STORY, Suite, cut_at, equal, true

suite = Suite("openai-python")

@suite.case("models.list", "both models")
def _():
    models = {m.id: m for m in c.models.list()}
    true({CHAT, STORY} <= set(models), f"lists {sorted(models)}")
    equal(models[CHAT].object, "model", "object")
    true(models[CHAT].created > 0, "created is not a time")


@suite.case("models.retrieve", "one model")
def _():
    equal(c.models.retrieve(STORY).id, STORY, "id")


@suite.case("chat.completions", "fields of the answer")
def _():
    a = chat()
    equal(a.object, "chat.completion", "object")
    equal(a.model, CHAT, "model")
    true(a.id.startswith("chatcmpl-"), f"id is {a.id}")
    true(a._request_id, "no x-request-id")
    equal([x.index for x in a.choices], [0], "indices")
    equal(a.choices[0].finish_reason, "length", "finish_reason")
    equal(a.choices[0].message.role, "assistant", "role")
    equal(a.usage.prompt_tokens, SHARED["chat_prompt_tokens"], "prompt_tokens")
    equal(a.usage.total_tokens, a.usage.prompt_tokens + a.usage.completion_tokens, "total_tokens")
    suite.fact("chat", "chat text", content(a))
    suite.fact("chat", "chat usage", [a.usage.prompt_tokens, a.usage.completion_tokens])


@suite.case("chat.completions", "content parts, developer role, max_completion_tokens")
def _():
    a = chat(messages=[
        {"role": "developer", "content": SHARED["system"]},
        {"role": "user", "content": [{"type": "text", "text": SHARED["user"]}]},
    ], max_tokens=openai.omit, max_completion_tokens=SHARED["chat_tokens"])
    suite.fact("chat, content parts", "chat text", content(a))


def takes_null(field):
    suite.fact(f"chat, {field} = null", "chat text", content(chat(**{field: None})))


suite.each("chat.completions", [(f"{field} = null, as its schema allows", field) for field in (
    "max_completion_tokens", "n", "seed", "stop", "stream", "stream_options", "top_p", "logprobs",
    "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "reasoning_effort",
    "store", "metadata", "service_tier",
)], takes_null)


def completion_takes_null(field):
    suite.fact(f"completions, {field} = null", "story text",
               complete(**{field: None}).choices[0].text)


suite.each("completions", [(f"{field} = null, as its schema allows", field) for field in (
    "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "n", "presence_penalty",
    "seed", "stop", "stream", "stream_options", "suffix", "top_p",
)], completion_takes_null)


@suite.case("chat.completions and completions", "temperature and max_tokens = null: the defaults")
def _():
    true(content(chat(temperature=None)), "no text without a temperature")
    true(chat(max_tokens=None, stop=None).usage.completion_tokens > 0, "no text without a limit")
    true(complete(temperature=None).choices[0].text, "no text without a temperature")
    equal(complete(max_tokens=None).usage.completion_tokens, 16, "completion_tokens")


@suite.case("chat.completions stream", "same text, usage last when asked for")
def _():
    parts = list(chat(stream=True, stream_options={"include_usage": True}))
    equal({p.id for p in parts} == {parts[0].id}, True, "one id")
    equal({p.object for p in parts}, {"chat.completion.chunk"}, "object")
    equal(parts[0].choices[0].delta.role, "assistant", "first role")
    equal(parts[-1].choices, [], "choices of the last")
    equal([p.usage for p in parts[:-1]], [None] * (len(parts) - 1), "earlier usage")
    reasons = [p.choices[0].finish_reason for p in parts[:-1]]
    equal(reasons, [None] * (len(reasons) - 1) + ["length"], "finish_reason")
    text = "".join(p.choices[0].delta.content or "" for p in parts[:-1])
    u = parts[-1].usage
    suite.fact("chat stream", "chat text", text)
    suite.fact("chat stream", "chat usage", [u.prompt_tokens, u.completion_tokens])


@suite.case("chat.completions stream", "no usage unless asked for")
def _():
    parts = list(chat(stream=True))
    equal({p.usage for p in parts}, {None}, "usage")
    true(all(p.choices for p in parts), "a chunk has no choices")


@suite.case("chat.completions stream", "the client's own accumulator")
def _():
    stop, want = cut_at(content(chat()))
    with c.chat.completions.stream(model=CHAT, messages=MESSAGES, temperature=0, stop=[stop],
                                   max_tokens=SHARED["chat_tokens"]) as s:
        deltas = [e.delta for e in s if e.type == "content.delta"]
        final = s.get_final_completion()
    equal("".join(deltas), want, "the deltas")
    equal(content(final), want, "the final text")


@suite.case("chat.completions", "logprobs")
def _():
    a = chat(logprobs=True, top_logprobs=3)
    check_logprobs(a.choices[0].logprobs.content, content(a), 3)
    suite.fact("chat", "chat logprobs", [t.logprob for t in a.choices[0].logprobs.content])


@suite.case("chat.completions stream", "logprobs")
def _():
    parts = [p.choices[0] for p in chat(stream=True, logprobs=True, top_logprobs=3)]
    text = "".join(p.delta.content or "" for p in parts)
    tokens = [t for p in parts if p.logprobs for t in p.logprobs.content or []]
    check_logprobs(tokens, text, 3)
    suite.fact("chat stream", "chat logprobs", [t.logprob for t in tokens])


def check_logprobs(tokens, text, top):
    equal(len(tokens), SHARED["chat_tokens"], "tokens with logprobs")
    # Control tokens are counted and named, and are no part of the text.
    raw = b"".join(bytes(t.bytes) for t in tokens if not t.token.startswith("<|"))
    equal(raw.decode(errors="replace"), text, "the bytes of the tokens")
    for t in tokens:
        equal(len(t.top_logprobs), top, "top_logprobs")
        ranked = [x.logprob for x in t.top_logprobs]
        equal(ranked, sorted(ranked, reverse=True), "order of top_logprobs")
        equal((t.top_logprobs[0].token, ranked[0]), (t.token, t.logprob), "the greedy token")
        true(ranked[0] <= 0, "a probability above 1")


@suite.case("chat.completions", "n = 3, seeded")
def _():
    a = chat(n=3, temperature=1, top_p=1, seed=5)
    equal([x.index for x in a.choices], [0, 1, 2], "indices")
    texts = [x.message.content for x in a.choices]
    equal(len(set(texts)), 3, "different choices")
    again = chat(n=3, temperature=1, top_p=1, seed=5)
    equal([x.message.content for x in again.choices], texts, "the same seed again")
    other = chat(n=3, temperature=1, top_p=1, seed=6)
    true([x.message.content for x in other.choices] != texts, "another seed gives the same")
    suite.fact("chat", "chat text, n=3 seed=5", texts)
    suite.fact("chat", "chat prompt tokens, n=3", a.usage.prompt_tokens)


@suite.case("chat.completions stream", "n = 3, seeded")
def _():
    texts, ended = ["", "", ""], []
    for p in chat(n=3, temperature=1, top_p=1, seed=5, stream=True,
                  stream_options={"include_usage": True}):
        for x in p.choices:
            texts[x.index] += x.delta.content or ""
            ended += [x.index] if x.finish_reason else []
    equal(sorted(ended), [0, 1, 2], "choices that ended")
    suite.fact("chat stream", "chat text, n=3 seed=5", texts)
    suite.fact("chat stream", "chat prompt tokens, n=3", p.usage.prompt_tokens)


@suite.case("chat.completions", "stop as a string and as a list, streamed and whole")
def _():
    stop, want = cut_at(content(chat()))
    for s in (stop, ["never said", stop]):
        a = chat(stop=s)
        equal((content(a), a.choices[0].finish_reason), (want, "stop"), "whole")
        parts = [p.choices[0] for p in chat(stop=s, stream=True)]
        equal("".join(p.delta.content or "" for p in parts), want, "streamed")
        equal(parts[-1].finish_reason, "stop", "finish_reason")
    suite.fact("chat", "stopped usage", a.usage.completion_tokens)


@suite.case("chat.completions", "logit_bias forces and forbids a token")
def _():
    first = c.chat.completions.create(
        model=CHAT, messages=MESSAGES, max_tokens=3, temperature=0, logit_bias={"65": 100})
    equal(len(set(content(first))), 1, "a token biased by 100, thrice")
    with_out = chat(max_tokens=3, logit_bias={"65": -100}, temperature=0)
    true(content(with_out) != content(first), "a bias of -100 changes nothing")


@suite.case("completions", "fields of the answer")
def _():
    a = complete()
    equal(a.object, "text_completion", "object")
    true(a.id.startswith("cmpl-"), f"id is {a.id}")
    equal(a.choices[0].finish_reason, "length", "finish_reason")
    equal(a.usage.total_tokens, a.usage.prompt_tokens + a.usage.completion_tokens, "total_tokens")
    suite.fact("completions", "story text", a.choices[0].text)
    suite.fact("completions", "story usage", [a.usage.prompt_tokens, a.usage.completion_tokens])


@suite.case("completions", "16 tokens by default")
def _():
    a = c.completions.create(model=STORY, prompt=SHARED["story_prompt"])
    equal(a.usage.completion_tokens, 16, "completion_tokens")


@suite.case("completions", "the rendered chat prompt gives the chat's answer")
def _():
    a = complete(model=CHAT, prompt=SHARED["rendered"], max_tokens=SHARED["chat_tokens"])
    suite.fact("completions, rendered", "chat text", a.choices[0].text)
    suite.fact("completions, rendered", "chat usage",
               [a.usage.prompt_tokens, a.usage.completion_tokens])


@suite.case("completions stream", "same text and usage")
def _():
    parts = list(complete(stream=True, stream_options={"include_usage": True}))
    u = parts[-1].usage
    suite.fact("completions stream", "story text",
               "".join(p.choices[0].text for p in parts if p.choices))
    suite.fact("completions stream", "story usage", [u.prompt_tokens, u.completion_tokens])


@suite.case("completions", "token ids as the prompt")
def _():
    a = complete(prompt=[1, 403, 407, 261, 378])
    suite.fact("completions, token ids", "story text", a.choices[0].text)
    suite.fact("completions, token ids", "story usage",
               [a.usage.prompt_tokens, a.usage.completion_tokens])


@suite.case("completions", "several prompts times n")
def _():
    prompts = [SHARED["story_prompt"], "One day, Tim and his dog"]
    a = complete(prompt=prompts, n=2)
    equal([x.index for x in a.choices], [0, 1, 2, 3], "indices")
    texts = [x.text for x in a.choices]
    equal(texts[::2], texts[1::2], "greedy choices of one prompt")
    suite.fact("completions, several", "story text", texts[0])


@suite.case("completions", "logprobs")
def _():
    a = complete(logprobs=2)
    l = a.choices[0].logprobs
    n = SHARED["story_tokens"]
    equal([len(x) for x in (l.tokens, l.token_logprobs, l.top_logprobs, l.text_offset)], [n] * 4,
          "lengths")
    true(all(len(t) >= 2 for t in l.top_logprobs), "fewer than two alternatives")
    equal("".join(l.tokens), a.choices[0].text, "the tokens")
    equal([b - a for a, b in zip(l.text_offset, l.text_offset[1:])],
          [len(t) for t in l.tokens[:-1]], "steps of text_offset")


@suite.case("chat.completions", "16 at once, asynchronously, the answers given alone")
def _():
    alone = content(chat())

    async def run():
        async with openai.AsyncOpenAI(base_url=ENDPOINT + "/v1", api_key="any-key") as a:
            return await asyncio.gather(*(chat(a) for _ in range(64)))

    equal({content(x) for x in asyncio.run(run())}, {alone}, "texts in company")


if __name__ == "__main__":
    suite.run()
