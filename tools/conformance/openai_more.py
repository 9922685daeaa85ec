"""openai (Python): responses, tools, parallel choices, and what waits for constrained output."""

import json
import urllib.request

import openai

from openai_client import MESSAGES, c, chat, content
from suite import CHAT, ENDPOINT, SHARED, STORY, Suite, equal, includes, true

suite = Suite("openai-python")
TOOL = {"type": "function", "function": {"name": "day", "description": "Says a day.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}}


def respond(**fields):
    q = {"model": CHAT, "instructions": SHARED["system"], "input": SHARED["user"],
         "temperature": 0, "max_output_tokens": SHARED["chat_tokens"]}
    q.update(fields)
    return c.responses.create(**q)


@suite.case("responses", "fields of the answer")
def _():
    r = respond()
    equal([r.object, r.status, r.incomplete_details.reason],
          ["response", "incomplete", "max_output_tokens"], "response")
    equal([i.type for i in r.output], ["message"], "output")
    suite.fact("responses", "chat text", r.output_text)
    suite.fact("responses", "chat usage", [r.usage.input_tokens, r.usage.output_tokens])


@suite.case("responses", "streamed: events in order, same text and usage")
def _():
    seen = list(respond(stream=True))
    equal([e.sequence_number for e in seen], list(range(len(seen))), "sequence numbers")
    kinds = [e.type for e in seen]
    equal(kinds[:4], ["response.created", "response.in_progress", "response.output_item.added",
                      "response.content_part.added"], "first events")
    equal(kinds[-4:], ["response.output_text.done", "response.content_part.done",
                       "response.output_item.done", "response.incomplete"], "last events")
    text = "".join(e.delta for e in seen if e.type == "response.output_text.delta")
    final = seen[-1].response
    equal(text, final.output_text, "text of the last event")
    suite.fact("responses stream", "chat text", text)
    suite.fact("responses stream", "chat usage",
               [final.usage.input_tokens, final.usage.output_tokens])


@suite.case("responses", "items, a function and its result")
def _():
    tool = {"type": "function", "name": "day", "parameters": TOOL["function"]["parameters"]}
    r = respond(input=[{"role": "user", "content": [{"type": "input_text", "text": "A day?"}]}],
                tools=[tool], tool_choice={"type": "function", "name": "day"})
    call = r.output[0]
    equal([call.type, call.name], ["function_call", "day"], "output")
    r = respond(input=[
        {"role": "user", "content": "A day?"},
        {"type": "function_call", "call_id": "c1", "name": "day", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "Monday"}], tools=[tool])
    true(r.usage.input_tokens > SHARED["chat_prompt_tokens"], "the items are not in the prompt")


def refused(call, part):
    try:
        call()
    except openai.BadRequestError as e:
        includes(str(e), part, "message")
    else:
        raise AssertionError("no BadRequestError")


SCHEMA = {"type": "json_schema", "json_schema": {"name": "d", "schema": {"type": "object"}}}
suite.each("what is refused by name", [
    ("responses: previous_response_id", lambda: respond(previous_response_id="resp_1"),
     "previous_response_id"),
    ("responses: text.format", lambda: respond(text={"format": {"type": "json_object"}}),
     "text.format.type"),
    ("responses: a tool of the server", lambda: respond(tools=[{"type": "web_search"}]),
     "tools[0].type"),
    ("chat: response_format json_object", lambda: chat(response_format={"type": "json_object"}),
     "response_format.type"),
    ("chat: response_format json_schema", lambda: chat(response_format=SCHEMA),
     "response_format.json_schema"),
    ("embeddings: no model makes them", lambda: c.embeddings.create(model=CHAT, input="a"),
     "makes no embeddings"),
], refused)


@suite.case("chat.completions", "tool_choice required and by name, whole and streamed")
def _():
    for choice in ("required", {"type": "function", "function": {"name": "day"}}):
        a = chat(tools=[TOOL], tool_choice=choice)
        equal(a.choices[0].message.tool_calls[0].function.name, "day", "name")
        names = [t.function.name for e in chat(tools=[TOOL], tool_choice=choice, stream=True)
                 for x in e.choices for t in x.delta.tool_calls or [] if t.function.name]
        equal(names[:1], ["day"], "streamed name")


@suite.case("chat.completions", "n choices of a seed, logprobs")
def _():
    a = chat(n=3, temperature=1, seed=5, logprobs=True, top_logprobs=2)
    equal([x.index for x in a.choices], [0, 1, 2], "indices")
    true(len({x.message.content for x in a.choices}) > 1, "all choices are alike")
    b = chat(n=3, temperature=1, seed=5)
    equal([x.message.content for x in b.choices], [x.message.content for x in a.choices], "again")
    tokens = a.choices[0].logprobs.content
    true(all(len(t.top_logprobs) == 2 for t in tokens), "top_logprobs")
    equal(len(tokens), SHARED["chat_tokens"], "tokens")


def post(path, body):
    q = urllib.request.Request(ENDPOINT + path, json.dumps(body).encode())
    with urllib.request.urlopen(q, timeout=60) as r:
        return json.load(r)


@suite.case("/tokenize and /detokenize", "a chat, a prompt and back")
def _():
    n = post("/tokenize", {"model": CHAT, "messages": MESSAGES})
    equal(n["count"], SHARED["chat_prompt_tokens"], "count")
    t = post("/tokenize", {"model": STORY, "prompt": SHARED["story_prompt"],
                           "return_token_strs": True})
    equal([t["count"], len(t["tokens"]), len(t["token_strs"])],
          [SHARED["story_prompt_tokens"]] * 3, "counts")
    back = post("/detokenize", {"model": STORY, "tokens": t["tokens"][1:]})
    equal(back["prompt"].strip(), SHARED["story_prompt"], "text")


@suite.case("/invocations", "the contract of SageMaker's containers")
def _():
    a = post("/invocations", {"model": CHAT, "messages": MESSAGES, "temperature": 0,
                              "max_tokens": SHARED["chat_tokens"]})
    suite.fact("/invocations", "chat text", a["choices"][0]["message"]["content"])
    suite.fact("chat again", "chat text", content(chat()))


if __name__ == "__main__":
    suite.run()
