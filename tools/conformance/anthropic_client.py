"""anthropic (Python): Messages at its own endpoint, and through Bedrock's InvokeModel."""

import anthropic

from suite import CHAT, ENDPOINT, SHARED, STORY, Suite, cut_at, equal, includes, true

suite = Suite("anthropic-python")
own = anthropic.Anthropic(base_url=ENDPOINT, api_key="any", max_retries=0)
second = anthropic.Anthropic(base_url=ENDPOINT + "/anthropic", api_key="any", max_retries=0)
bedrock = anthropic.AnthropicBedrock(
    base_url=ENDPOINT, aws_access_key="dummy", aws_secret_key="dummy", aws_region="us-east-1",
    max_retries=0)
WAYS = [("/v1", own, CHAT), ("/anthropic/v1", second, CHAT), ("Bedrock", bedrock, CHAT)]
TOOL = {"name": "day", "description": "Says a day.", "input_schema": {
    "type": "object", "properties": {"n": {"type": "integer"}}}}


def asked(model, **fields):
    # The SDK has no temperature any more; what it does not know goes through extra_body.
    q = {"model": model, "max_tokens": SHARED["chat_tokens"], "extra_body": {"temperature": 0},
         "system": SHARED["system"], "messages": [{"role": "user", "content": SHARED["user"]}]}
    q.update(fields)
    return q


def text_of(m):
    return "".join(b.text for b in m.content if b.type == "text")


def whole(c, model):
    m = c.messages.create(**asked(model))
    equal([m.type, m.role, m.stop_reason], ["message", "assistant", "max_tokens"], "message")
    true(m.id.startswith("msg_"), m.id)
    suite.fact("messages", "chat text", text_of(m))
    suite.fact("messages", "chat usage", [m.usage.input_tokens, m.usage.output_tokens])


def streamed(c, model):
    with c.messages.stream(**asked(model)) as s:
        parts = list(s.text_stream)
        m = s.get_final_message()
    true(len(parts) > 1, "the text came in one piece")
    equal("".join(parts), text_of(m), "text")
    equal(m.stop_reason, "max_tokens", "stop_reason")
    suite.fact("messages.stream", "chat text", text_of(m))
    suite.fact("messages.stream", "chat usage", [m.usage.input_tokens, m.usage.output_tokens])


def stopped(c, model):
    stop, want = cut_at(text_of(c.messages.create(**asked(model))))
    m = c.messages.create(**asked(model, stop_sequences=[stop]))
    equal([m.stop_reason, m.stop_sequence, text_of(m)], ["stop_sequence", stop, want], "message")
    suite.fact("messages", "stopped usage", m.usage.output_tokens)


def tools(c, model):
    q = asked(model, tools=[TOOL], tool_choice={"type": "tool", "name": "day"})
    m = c.messages.create(**q)
    equal([b.type for b in m.content], ["tool_use"], "content")
    equal([m.content[0].name, m.stop_reason], ["day", "tool_use"], "call")
    with c.messages.stream(**q) as s:
        names = [e.content_block.name for e in s if e.type == "content_block_start"]
    equal(names, ["day"], "started blocks")


suite.each("messages.create", WAYS, whole)
suite.each("messages.stream", WAYS, streamed)
suite.each("messages.create with a stop sequence", WAYS, stopped)
suite.each("messages with a tool", WAYS, tools)


@suite.case("messages.count_tokens", "says what messages.create uses")
def _():
    q = asked(CHAT, tools=[TOOL])
    n = own.messages.count_tokens(**{k: q[k] for k in ("model", "system", "messages", "tools")})
    equal(n.input_tokens, own.messages.create(**q).usage.input_tokens, "input_tokens")


@suite.case("messages.create", "content blocks, cache control, thinking, a prefill")
def _():
    m = own.messages.create(**asked(
        CHAT, system=[{"type": "text", "text": SHARED["system"],
                       "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": [{"type": "text", "text": SHARED["user"]}]}]))
    suite.fact("messages, blocks", "chat text", text_of(m))
    own.messages.create(**asked(CHAT, thinking={"type": "disabled"}, metadata={"user_id": "u"}))
    p = own.messages.create(**asked(CHAT, messages=[
        {"role": "user", "content": SHARED["user"]}, {"role": "assistant", "content": "It is"}]))
    true(text_of(p) != text_of(m), "the beginning changed nothing")


@suite.case("models.list", "and one model")
def _():
    ids = [m.id for m in second.models.list()]
    true({CHAT, STORY} <= set(ids), f"lists {ids}")
    equal(second.models.retrieve(CHAT).type, "model", "type")


def fails(error, status, c, part, **fields):
    for stream in (False, True):
        try:
            a = c.messages.create(**asked(fields.pop("model", CHAT), **fields), stream=stream)
            list(a)
        except error as e:
            equal(e.status_code, status, "status")
            includes(str(e), part, "message")
            true(e.request_id, "no request id")
        else:
            raise AssertionError(f"no {error.__name__}")
        if "model" not in fields:
            break


LONG = [{"role": "user", "content": SHARED["long_word"] * SHARED["long_repeat"]}]
suite.each("messages.create", [
    ("unknown model", anthropic.NotFoundError, 404, "no-such", {"model": "no-such"}),
    ("prompt longer than the context", anthropic.BadRequestError, 400, "prompt is too long",
     {"messages": LONG}),
    ("no messages", anthropic.BadRequestError, 400, "messages", {"messages": []}),
    ("temperature 1.5", anthropic.BadRequestError, 400, "temperature", {"extra_body": {
        "temperature": 1.5}}),
    ("a tool of the API's servers", anthropic.BadRequestError, 400, "tools[0].type", {
        "tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ("an unknown field", anthropic.BadRequestError, 400, "no_such", {"extra_body": {
        "no_such": 1}}),
    ("no chat template", anthropic.BadRequestError, 400, "--chat-template", {"model": STORY}),
], lambda error, status, part, fields: fails(error, status, own, part, **fields))


if __name__ == "__main__":
    suite.run()
