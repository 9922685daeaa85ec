"""boto3's clients of the endpoint, and what its answers come down to."""

import json

import boto3
from botocore.config import Config

from suite import CHAT, ENDPOINT, SHARED, STORY


def client(**config):
    """A bedrock-runtime client with nothing but the endpoint (and dummy credentials) changed."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id="dummy",
        aws_secret_access_key="dummy",
        config=Config(**config) if config else None,
    )


def attempts(c):
    """A list that grows by one with every HTTP request the client sends."""
    sent = []
    c.meta.events.register("before-send", lambda **kw: sent.append(1) and None)
    return sent


def conversation(model=CHAT, **inference):
    settings = {"temperature": 0, "maxTokens": SHARED["chat_tokens"]}
    settings.update(inference)
    return {
        "modelId": model,
        "system": [{"text": SHARED["system"]}],
        "messages": [{"role": "user", "content": [{"text": SHARED["user"]}]}],
        "inferenceConfig": settings,
    }


def llama_body(model, **fields):
    if model == CHAT:
        body = {"prompt": SHARED["rendered"], "max_gen_len": SHARED["chat_tokens"]}
    else:
        body = {"prompt": SHARED["story_prompt"], "max_gen_len": SHARED["story_tokens"]}
    body["temperature"] = 0
    body.update(fields)
    return {"modelId": model, "body": json.dumps(body)}


def chat_body(model=CHAT, **fields):
    body = {
        "messages": [
            {"role": "system", "content": SHARED["system"]},
            {"role": "user", "content": SHARED["user"]},
        ],
        "max_tokens": SHARED["chat_tokens"],
        "temperature": 0,
    }
    body.update(fields)
    return {"modelId": model, "body": json.dumps(body)}


def text_of(answer):
    return "".join(b["text"] for b in answer["output"]["message"]["content"])


def invoke(c, arguments):
    return json.loads(c.invoke_model(**arguments)["body"].read())


def chunks(c, arguments):
    answer = c.invoke_model_with_response_stream(**arguments)
    return [json.loads(e["chunk"]["bytes"]) for e in answer["body"]]


def events(c, arguments):
    """A ConverseStream as (name, member) pairs."""
    return [next(iter(e.items())) for e in c.converse_stream(**arguments)["stream"]]


def text_of_events(stream):
    return "".join(e["delta"]["text"] for name, e in stream if name == "contentBlockDelta")


MODELS = (CHAT, STORY)
