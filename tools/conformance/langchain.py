"""langchain-aws: ChatBedrockConverse, ChatBedrock and BedrockLLM."""

import logging

import boto3
from botocore.exceptions import ClientError
from langchain_aws import BedrockLLM, ChatBedrock, ChatBedrockConverse
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage, SystemMessage

from suite import CHAT, ENDPOINT, SHARED, STORY, Suite, cut_at, equal, includes, true

suite = Suite("langchain-aws")
logging.getLogger("langchain_aws").setLevel(logging.CRITICAL)  # it logs every exception it raises
MESSAGES = [SystemMessage(SHARED["system"]), HumanMessage(SHARED["user"])]
PLACE = {"region_name": "us-east-1", "endpoint_url": ENDPOINT, "aws_access_key_id": "dummy",
         "aws_secret_access_key": "dummy"}


def converse(model=CHAT, **fields):
    settings = {"temperature": 0, "max_tokens": SHARED["chat_tokens"]}
    settings.update(fields)
    return ChatBedrockConverse(model=model, provider="meta", **settings, **PLACE)


def usage(message):
    u = message.usage_metadata
    equal(u["total_tokens"], u["input_tokens"] + u["output_tokens"], "total_tokens")
    return [u["input_tokens"], u["output_tokens"]]


def gathered(model, prompt):
    """The sum of a stream's chunks; there must be several."""
    whole = None
    n = 0
    for n, part in enumerate(model.stream(prompt), 1):
        whole = part if whole is None else whole + part
    true(n > 2, f"the stream came in {n} pieces")
    return whole


def text_of(message):
    content = message.content
    return content if isinstance(content, str) else "".join(b.get("text", "") for b in content)


@suite.case("ChatBedrockConverse.invoke", "text, usage, stop reason")
def _():
    a = converse().invoke(MESSAGES)
    equal(a.response_metadata["stopReason"], "max_tokens", "stopReason")
    suite.fact("ChatBedrockConverse", "chat text", text_of(a))
    suite.fact("ChatBedrockConverse", "chat usage", usage(a))


@suite.case("ChatBedrockConverse.stream", "text, usage, stop reason")
def _():
    a = gathered(converse(), MESSAGES)
    equal(a.response_metadata["stopReason"], "max_tokens", "stopReason")
    suite.fact("ChatBedrockConverse stream", "chat text", text_of(a))
    suite.fact("ChatBedrockConverse stream", "chat usage", usage(a))


@suite.case("ChatBedrockConverse.batch", "16 at once")
def _():
    answers = converse().batch([MESSAGES] * 16, config={"max_concurrency": 16})
    equal(len({text_of(a) for a in answers}), 1, "different texts")
    suite.fact("ChatBedrockConverse batch", "chat text", text_of(answers[0]))


@suite.case("ChatBedrockConverse.invoke", "stop sequences")
def _():
    stop, want = cut_at(text_of(converse().invoke(MESSAGES)))
    a = converse(stop_sequences=[stop]).invoke(MESSAGES)
    equal(text_of(a), want, "text")
    equal(a.response_metadata["stopReason"], "stop_sequence", "stopReason")
    suite.fact("ChatBedrockConverse", "stopped usage", usage(a)[1])


def openai_body(**fields):
    return ChatBedrock(model=CHAT, provider="openai", beta_use_converse_api=False,
                       model_kwargs={"temperature": 0, "max_tokens": SHARED["chat_tokens"]},
                       **fields, **PLACE)


@suite.case("ChatBedrock.invoke", "OpenAI chat body")
def _():
    a = openai_body().invoke(MESSAGES)
    suite.fact("ChatBedrock", "chat text", text_of(a))
    suite.fact("ChatBedrock", "chat usage", usage(a))


@suite.case("ChatBedrock.stream", "OpenAI chat body")
def _():
    a = gathered(openai_body(), MESSAGES)
    suite.fact("ChatBedrock stream", "chat text", text_of(a))
    suite.fact("ChatBedrock stream", "chat usage", usage(a))


def llama(streaming=False, **fields):
    settings = {"temperature": 0, "max_gen_len": SHARED["story_tokens"]}
    settings.update(fields)
    return BedrockLLM(model=STORY, provider="meta", model_kwargs=settings, streaming=streaming,
                      **PLACE)


@suite.case("BedrockLLM.invoke", "Llama body on " + STORY)
def _():
    suite.fact("BedrockLLM", "story text", llama().invoke(SHARED["story_prompt"]))


class Ended(BaseCallbackHandler):
    """Keeps what the model hands to its callbacks at the end: the place of an LLM's usage."""

    def __init__(self):
        self.outputs = []

    def on_llm_end(self, response, **kw):
        self.outputs.append(response.llm_output)


@suite.case("BedrockLLM.invoke and stream", "usage from the headers and from the metrics")
def _():
    for streaming in (False, True):
        ended = Ended()
        llama(streaming=streaming).invoke(SHARED["story_prompt"], config={"callbacks": [ended]})
        u = next(o["usage"] for o in ended.outputs if o)
        suite.fact(f"BedrockLLM, streaming {streaming}", "story usage",
                   [u["prompt_tokens"], u["completion_tokens"]])


@suite.case("BedrockLLM.stream", "Llama body on " + STORY)
def _():
    suite.fact("BedrockLLM stream", "story text", gathered(llama(), SHARED["story_prompt"]))


def fails(exception, make, prompt, *parts):
    for call in ("invoke", "stream"):
        try:
            answer = getattr(make(), call)(prompt)
            list(answer)
        except Exception as e:  # langchain-aws wraps some of boto3's classes
            cause = e
            while cause and not isinstance(cause, ClientError):
                cause = cause.__cause__ or cause.__context__
            true(cause, f"{type(e).__name__} without a ClientError: {e}")
            equal(cause.response["Error"]["Code"], exception, "code")
            for part in parts:
                includes(str(e), part, "message")
        else:
            raise AssertionError(f"no error of {call}, want {exception}")


LONG = SHARED["long_word"] * SHARED["long_repeat"]
suite.each("ChatBedrockConverse error", [
    ("unknown model", "ResourceNotFoundException", lambda: converse("no-such"), MESSAGES,
     "no-such"),
    ("prompt longer than the context", "ValidationException", converse, LONG,
     "Input is too long for requested model."),
    ("no chat template", "ValidationException", lambda: converse(STORY), MESSAGES,
     "--chat-template"),
    ("temperature 1.5", "ValidationException", lambda: converse(temperature=1.5), MESSAGES,
     "temperature"),
], fails)
suite.each("BedrockLLM error", [
    ("prompt longer than the context", "ValidationException", llama, LONG,
     "Input is too long for requested model."),
    ("max_gen_len 0", "ValidationException", lambda: llama(max_gen_len=0), "x", "max_gen_len"),
], fails)


@suite.case("ChatBedrockConverse.invoke", "a client that is handed in")
def _():
    c = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=ENDPOINT,
                     aws_access_key_id="dummy", aws_secret_access_key="dummy")
    a = ChatBedrockConverse(model=CHAT, provider="meta", client=c, temperature=0,
                            max_tokens=SHARED["chat_tokens"], bedrock_client=c).invoke(MESSAGES)
    suite.fact("ChatBedrockConverse, own client", "chat text", text_of(a))


if __name__ == "__main__":
    suite.run()
