"""boto3: what is large or rare on the wire: names, headers, bodies, other alphabets."""

import json

import boto3

from boto3_client import chunks, client, conversation, events, invoke, text_of, text_of_events
from boto3_errors import fails
from suite import CHAT, ENDPOINT, STORY, Suite, equal, true

suite = Suite("boto3")
c = client()
NAMES = ("no-such", "meta.llama3-1-8b-instruct-v1:0", "meta-llama/Llama 3+x~é%2F", "a/../b",
         "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x/../y")


def unknown_name(name):
    fails(c, "converse", conversation(name), "ResourceNotFoundException", name, status=404)


suite.each("Converse", [(f"the id {n!r} arrives as it was sent", n) for n in NAMES], unknown_name)


@suite.case("Converse", "a session token of 8 kB")
def _():
    long = boto3.client("bedrock-runtime", endpoint_url=ENDPOINT, region_name="us-east-1",
                        aws_access_key_id="a", aws_secret_access_key="b",
                        aws_session_token="t" * 8192)
    suite.fact("Converse, long token", "chat text", text_of(long.converse(**conversation())))


def sized(model, size):
    return {"modelId": model, "body": json.dumps({"prompt": "x" * (size - len('{"prompt": ""}'))})}


@suite.case("InvokeModel", "a body of 25,000,000 bytes is read")
def _():
    fails(c, "invoke_model", sized(STORY, 25_000_000), "ValidationException",
          "Input is too long for requested model.")


@suite.case("InvokeModel", "a body of 40,000,000 bytes is refused, not cut off")
def _():
    fails(c, "invoke_model", sized(STORY, 40_000_000), "ValidationException", status=413)


PROMPT = 'Zoë saw 3 cafés — 猫 and 🐱!'


@suite.case("InvokeModel and stream", "runes are whole in every chunk")
def _():
    for seed_words in (PROMPT, PROMPT + " 🐱🐱🐱🐱"):
        for model in (STORY, CHAT):
            q = {"modelId": model, "body": json.dumps(
                {"prompt": seed_words, "temperature": 0, "max_gen_len": 120})}
            got = chunks(c, q)
            text = "".join(g["generation"] for g in got)
            equal(text, invoke(c, q)["generation"], f"streamed text of {model}")


@suite.case("Converse and stream", "other alphabets, long turns, escapes")
def _():
    q = conversation(maxTokens=100)
    q["messages"][0]["content"] = [
        {"text": PROMPT}, {"text": '"\\\n\t\u2028\x7f \U0001f468\u200d\U0001f469'}]
    equal(text_of_events(events(c, q)), text_of(c.converse(**q)), "streamed text")


@suite.case("Converse", "a history of tool calls and a list of tools")
def _():
    q = conversation()
    q["toolConfig"] = {"tools": [{"toolSpec": {
        "name": "day", "description": "Says a day.",
        "inputSchema": {"json": {"type": "object", "properties": {"n": {"type": "integer"}}}}}}],
        "toolChoice": {"auto": {}}}
    q["messages"] += [
        {"role": "assistant", "content": [{"toolUse": {
            "toolUseId": "t-1", "name": "day", "input": {"n": 1}}}]},
        {"role": "user", "content": [{"toolResult": {
            "toolUseId": "t-1", "content": [{"text": "Monday"}], "status": "success"}}]},
    ]
    a = c.converse(**q)
    true(a["usage"]["inputTokens"] > 200, "the tools are not in the prompt")
    equal(a["usage"]["outputTokens"], 24, "outputTokens")


if __name__ == "__main__":
    suite.run()
