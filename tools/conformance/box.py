"""The model in the box, which really calls tools: a question, its call, the tool's result, the
answer, by every Python client; and JSON, reasoning and a long table."""

import json

import anthropic
import openai
from langchain_aws import ChatBedrock, ChatBedrockConverse
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import create_model

from boto3_client import client, events
from suite import ENDPOINT, Suite, equal, true

BOX = "basalt.box-v1"
ASKED = "What time is it in Oslo?"
RESULT = "14:30"
ABOUT = "Tell the time in a city."
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
GREEDY = {"temperature": 0}
c = client()
boto, oai, messages, chain = (Suite(n) for n in (
    "boto3", "openai-python", "anthropic-python", "langchain-aws"))


def told(suite, operation, name, given, answer):
    """A call and the answer to its result, which all clients must have got alike."""
    equal([name, given], ["clock", {"city": "Oslo"}], "call")
    true(RESULT in answer and "Oslo" in answer, f"answer: {answer!r}")
    suite.fact(operation, "box answer to a tool's result", answer)


def ask(turns):
    return {"modelId": BOX, "messages": turns, "inferenceConfig": {"maxTokens": 200, **GREEDY},
            "toolConfig": {"tools": [{"toolSpec": {
                "name": "clock", "description": ABOUT, "inputSchema": {"json": SCHEMA}}}]}}


def said(text):
    return [{"role": "user", "content": [{"text": text}]}]


def text_of(content):
    return "".join(b.get("text", "") for b in content)


def after(call):
    return [*said(ASKED), {"role": "assistant", "content": [{"toolUse": call}]},
            {"role": "user", "content": [{"toolResult": {
                "toolUseId": call["toolUseId"], "content": [{"text": RESULT}]}}]}]


@boto.case("Converse", "the model calls a tool and tells its result")
def _():
    a = c.converse(**ask(said(ASKED)))
    equal(a["stopReason"], "tool_use", "stopReason")
    call = next(b["toolUse"] for b in a["output"]["message"]["content"] if "toolUse" in b)
    b = c.converse(**ask(after(call)))
    equal(b["stopReason"], "end_turn", "stopReason")
    told(boto, "Converse", call["name"], call["input"], text_of(b["output"]["message"]["content"]))


@boto.case("ConverseStream", "the model calls a tool and tells its result")
def _():
    stream = events(c, ask(said(ASKED)))
    start = next(e["start"]["toolUse"] for n, e in stream if n == "contentBlockStart")
    given = "".join(e["delta"]["toolUse"]["input"] for n, e in stream
                    if n == "contentBlockDelta" and "toolUse" in e["delta"])
    equal(dict(stream)["messageStop"]["stopReason"], "tool_use", "stopReason")
    call = {"toolUseId": start["toolUseId"], "name": start["name"], "input": json.loads(given)}
    text = text_of(e["delta"] for n, e in events(c, ask(after(call))) if n == "contentBlockDelta")
    told(boto, "ConverseStream", call["name"], call["input"], text)


@boto.case("Converse and stream", "reasoning apart from the answer")
def _():
    q = {"modelId": BOX, "messages": said("What is 347 + 89?"), "inferenceConfig": GREEDY}
    blocks = c.converse(**q)["output"]["message"]["content"]
    equal([next(iter(b)) for b in blocks], ["reasoningContent", "text"], "blocks")
    equal(blocks[1]["text"].strip(), "436", "text")
    stream = [e for n, e in events(c, q) if n == "contentBlockDelta"]
    thought = "".join(e["delta"].get("reasoningContent", {}).get("text", "") for e in stream)
    equal(thought, blocks[0]["reasoningContent"]["reasoningText"]["text"], "streamed reasoning")
    equal({e["contentBlockIndex"] for e in stream if "text" in e["delta"]}, {1}, "index of text")
    boto.fact("Converse", "box sum", blocks[1]["text"])


FUNCTION = {"type": "function", "function": {
    "name": "clock", "description": ABOUT, "parameters": SCHEMA}}
api = openai.OpenAI(base_url=ENDPOINT + "/v1", api_key="any")


def chat(turns, **fields):
    return api.chat.completions.create(model=BOX, messages=turns, tools=[FUNCTION], **GREEDY,
                                       **fields)


def streamed(turns):
    """The call or the text of a stream."""
    call = {"id": "", "name": "", "arguments": ""}
    text = ""
    for part in chat(turns, stream=True):
        d = part.choices[0].delta if part.choices else None
        text += (d and d.content) or ""
        for t in (d and d.tool_calls) or []:
            call["id"] += t.id or ""
            call["name"] += t.function.name or ""
            call["arguments"] += t.function.arguments or ""
    return call, text


def answered(call):
    return [{"role": "user", "content": ASKED},
            {"role": "assistant", "tool_calls": [{
                "id": call["id"], "type": "function", "function": {
                    "name": call["name"], "arguments": call["arguments"]}}]},
            {"role": "tool", "tool_call_id": call["id"], "content": RESULT}]


@oai.case("chat.completions", "the model calls a tool and tells its result, whole and streamed")
def _():
    question = [{"role": "user", "content": ASKED}]
    a = chat(question).choices[0]
    equal(a.finish_reason, "tool_calls", "finish_reason")
    t = a.message.tool_calls[0]
    call = {"id": t.id, "name": t.function.name, "arguments": t.function.arguments}
    told(oai, "chat.completions", call["name"], json.loads(call["arguments"]),
         chat(answered(call)).choices[0].message.content)
    call, _ = streamed(question)
    told(oai, "chat.completions stream", call["name"], json.loads(call["arguments"]),
         streamed(answered(call))[1])


@oai.case("responses", "the model calls a function and tells its result, whole and streamed")
def _():
    tools = [{"type": "function", **FUNCTION["function"]}]
    q = {"model": BOX, "tools": tools, **GREEDY}
    r = api.responses.create(input=ASKED, **q)
    call = next(i for i in r.output if i.type == "function_call")
    done = [e for e in api.responses.create(input=ASKED, stream=True, **q)
            if e.type == "response.function_call_arguments.done"]
    equal([e.arguments for e in done], [call.arguments], "streamed arguments")
    r = api.responses.create(input=[
        {"role": "user", "content": ASKED},
        {"type": "function_call", "call_id": call.call_id, "name": call.name,
         "arguments": call.arguments},
        {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}], **q)
    told(oai, "responses", call.name, json.loads(call.arguments), r.output_text)


Clock = create_model("clock", __doc__=ABOUT, city=(str, ...))


@oai.case("chat.completions.parse", "is refused, and the way out that the error names works")
def _():
    turns = [{"role": "user", "content": ASKED}]
    for fields in ({"response_format": Clock},
                   {"tools": [openai.pydantic_function_tool(Clock, name="clock")]}):
        try:
            api.chat.completions.parse(model=BOX, messages=turns, **fields)
        except openai.BadRequestError as e:
            true("tool" in e.message and "constrained" in e.message, e.message)
        else:
            raise AssertionError("it was not refused")
    a = api.chat.completions.create(
        model=BOX, messages=turns, tools=[FUNCTION], **GREEDY,
        tool_choice={"type": "function", "function": {"name": "clock"}}).choices[0].message
    equal(Clock.model_validate_json(a.tool_calls[0].function.arguments).city, "Oslo", "city")


own = anthropic.Anthropic(base_url=ENDPOINT, api_key="any", max_retries=0)
bedrock = anthropic.AnthropicBedrock(
    base_url=ENDPOINT, aws_access_key="dummy", aws_secret_key="dummy", aws_region="us-east-1",
    max_retries=0)


def by_messages(api):
    q = {"model": BOX, "max_tokens": 200, "extra_body": GREEDY, "tools": [
        {"name": "clock", "description": ABOUT, "input_schema": SCHEMA}]}
    turns = [{"role": "user", "content": ASKED}]
    a = api.messages.create(messages=turns, **q)
    equal(a.stop_reason, "tool_use", "stop_reason")
    call = next(b for b in a.content if b.type == "tool_use")
    with api.messages.stream(messages=turns, **q) as s:
        again = next(b for b in s.get_final_message().content if b.type == "tool_use")
    equal([again.name, again.input], [call.name, call.input], "streamed call")
    b = api.messages.create(messages=[
        *turns, {"role": "assistant", "content": [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}]}], **q)
    told(messages, "messages", call.name, call.input,
         "".join(x.text for x in b.content if x.type == "text"))


messages.each("messages, the model calls a tool and tells its result",
              [("own API", own), ("Bedrock", bedrock)], by_messages)


@tool
def clock(city: str) -> str:
    """Tell the time in a city."""
    return RESULT


def by_chain(make):
    model = make().bind_tools([clock])
    turns = [HumanMessage(ASKED)]
    a = model.invoke(turns)
    call = a.tool_calls[0]
    turns += [a, ToolMessage(clock.invoke(call["args"]), tool_call_id=call["id"])]
    content = model.invoke(turns).content
    told(chain, "bind_tools", call["name"], call["args"],
         content if isinstance(content, str) else text_of(content))


PLACE = {"region_name": "us-east-1", "endpoint_url": ENDPOINT, "aws_access_key_id": "dummy",
         "aws_secret_access_key": "dummy", "model": BOX, **GREEDY, "max_tokens": 200}
chain.each("bind_tools, the model calls a tool and tells its result", [
    ("ChatBedrockConverse", lambda: ChatBedrockConverse(provider="meta", **PLACE)),
    ("ChatBedrock", lambda: ChatBedrock(provider="anthropic", beta_use_converse_api=False,
                                        **{**PLACE, "model": "anthropic.claude-box"})),
], by_chain)


def by_schema(make, **fields):
    equal(make().with_structured_output(Clock, **fields).invoke(ASKED).city, "Oslo", "city")


chain.each("with_structured_output", [
    ("ChatBedrockConverse", lambda: ChatBedrockConverse(provider="meta", **PLACE)),
    ("ChatBedrockConverse, with tool choice", lambda: ChatBedrockConverse(
        provider="meta", supports_tool_choice_values=("auto", "any", "tool"), **PLACE)),
    ("ChatBedrock", lambda: ChatBedrock(provider="anthropic", beta_use_converse_api=False,
                                        **{**PLACE, "model": "anthropic.claude-box"})),
], by_schema)


if __name__ == "__main__":
    for s in (boto, oai, messages, chain):
        s.run()
