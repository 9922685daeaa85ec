"""langchain-aws: tools, the control plane at construction, guardrails, token counts, families."""

import logging

import boto3
from langchain_aws import BedrockLLM, BedrockRerank, ChatBedrock, ChatBedrockConverse
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from langchain import MESSAGES, PLACE, converse, gathered, text_of, usage
from suite import ENDPOINT, SHARED, Suite, equal, true

suite = Suite("langchain-aws")
logging.getLogger("langchain_aws").setLevel(logging.CRITICAL)
PROFILE = "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/meta.chat-v1:0"


@tool
def day(n: int) -> str:
    """Says a day."""
    return "Monday"


def called(message):
    return [t["name"] for t in message.tool_calls + message.invalid_tool_calls]


@suite.case("ChatBedrockConverse.bind_tools", "a tool that is asked for is called")
def _():
    for choice in ("any", "day"):
        model = converse(supports_tool_choice_values=("auto", "any", "tool"))
        bound = model.bind_tools([day], tool_choice=choice)
        equal(called(bound.invoke(MESSAGES))[:1], ["day"], f"calls with {choice}")


@suite.case("ChatBedrockConverse.bind_tools", "a history of calls and results, streamed too")
def _():
    history = [*MESSAGES, AIMessage("", tool_calls=[{"name": "day", "args": {"n": 1}, "id": "t1"}]),
               ToolMessage("Monday", tool_call_id="t1")]
    bound = converse().bind_tools([day])
    # The client itself does not stream when there are tools, for vendors that it does not know.
    streamed = "".join(text_of(part) for part in bound.stream(history))
    equal(streamed, text_of(bound.invoke(history)), "text")


@suite.case("ChatBedrockConverse", "an application inference profile is asked of the control plane")
def _():
    a = ChatBedrockConverse(model=PROFILE, temperature=0, max_tokens=SHARED["chat_tokens"],
                            provider="meta", **PLACE).invoke(MESSAGES)
    suite.fact("ChatBedrockConverse, profile", "chat text", text_of(a))


@suite.case("ChatBedrockConverse", "a guardrail stops a prompt")
def _():
    model = converse(guardrails={"guardrailIdentifier": "conform", "guardrailVersion": "1",
                                 "trace": "enabled"})
    a = model.invoke([HumanMessage("That is forbidden.")])
    equal(a.response_metadata["stopReason"], "guardrail_intervened", "stopReason")
    equal(text_of(a), "Not asked.", "text")


@suite.case("ChatBedrock", "Anthropic Messages body, whole and streamed")
def _():
    model = ChatBedrock(model="anthropic.chat", provider="anthropic", beta_use_converse_api=False,
                        temperature=0, max_tokens=SHARED["chat_tokens"], **PLACE)
    a = model.invoke(MESSAGES)
    suite.fact("ChatBedrock, Anthropic body", "chat text", text_of(a))
    suite.fact("ChatBedrock, Anthropic body", "chat usage", usage(a))
    s = gathered(model, MESSAGES)
    suite.fact("ChatBedrock stream, Anthropic body", "chat text", text_of(s))
    suite.fact("ChatBedrock stream, Anthropic body", "chat usage", usage(s))


def llm(provider, model, limit):
    m = BedrockLLM(model=model, provider=provider, model_kwargs={
        "temperature": 0, limit: SHARED["story_tokens"]}, **PLACE)
    suite.fact("BedrockLLM, " + provider, "story text", m.invoke(SHARED["story_prompt"]))
    suite.fact("BedrockLLM stream, " + provider, "story text",
               "".join(m.stream(SHARED["story_prompt"])))


suite.each("BedrockLLM", [
    ("Mistral AI text body", "mistral", "mistral.story", "max_tokens"),
    ("DeepSeek body", "deepseek", "deepseek.story", "max_tokens"),
    ("Cohere Command body", "cohere", "cohere.story", "max_tokens"),
], llm)


@suite.case("BedrockRerank", "is told that no model ranks")
def _():
    agent = boto3.client(
        "bedrock-agent-runtime", region_name="us-east-1", endpoint_url=ENDPOINT,
        aws_access_key_id="dummy", aws_secret_access_key="dummy")
    r = BedrockRerank(model_arn="arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0",
                      client=agent)
    try:
        r.rerank(documents=["a"], query="q")
    except Exception as e:
        true("ResourceNotFoundException" in str(e), e)
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    suite.run()
