"""The aws command: every operation that it has (none streams), and the control plane."""

import json
import os
import subprocess
import sys
import tempfile

from suite import CHAT, ENDPOINT, SHARED, STORY, Suite, equal, includes

suite = Suite("aws-cli")
COMMAND = [os.path.join(os.path.dirname(sys.executable), "aws"), "--region", "us-east-1",
           "--output", "json"]
PLACE = {"AWS_ACCESS_KEY_ID": "dummy", "AWS_SECRET_ACCESS_KEY": "dummy",
         "AWS_ENDPOINT_URL": ENDPOINT, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": ENDPOINT}


def aws(*arguments, service="bedrock-runtime"):
    return subprocess.run([*COMMAND, service, *arguments], env={**os.environ, **PLACE},
                          capture_output=True, text=True, check=False)


def told(*arguments, **place):
    """What a command that succeeds prints."""
    p = aws(*arguments, **place)
    equal((p.returncode, p.stderr), (0, ""), "status and stderr")
    return json.loads(p.stdout)


def converse(model=CHAT, inference=None):
    settings = {"temperature": 0, "maxTokens": SHARED["chat_tokens"], **(inference or {})}
    return aws("converse", "--model-id", model, "--inference-config", json.dumps(settings),
               "--system", json.dumps([{"text": SHARED["system"]}]),
               "--messages", json.dumps([{"role": "user", "content": [{"text": SHARED["user"]}]}]))


def invoke(model, body):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.json")
        p = aws("invoke-model", "--model-id", model, "--body", json.dumps(body), out)
        equal((p.returncode, p.stderr), (0, ""), "status and stderr")
        with open(out) as f:
            return json.load(f)


@suite.case("converse", "text and usage, endpoint from the environment")
def _():
    p = converse()
    equal((p.returncode, p.stderr), (0, ""), "status and stderr")
    a = json.loads(p.stdout)
    suite.fact("converse", "chat text", a["output"]["message"]["content"][0]["text"])
    suite.fact("converse", "chat usage", [a["usage"]["inputTokens"], a["usage"]["outputTokens"]])


@suite.case("invoke-model", "Llama body on " + STORY)
def _():
    a = invoke(STORY, {"prompt": SHARED["story_prompt"], "temperature": 0,
                       "max_gen_len": SHARED["story_tokens"]})
    suite.fact("invoke-model", "story text", a["generation"])
    suite.fact("invoke-model", "story usage", [a["prompt_token_count"],
                                               a["generation_token_count"]])


@suite.case("count-tokens", "says what converse uses")
def _():
    given = {"converse": {"system": [{"text": SHARED["system"]}], "messages": [
        {"role": "user", "content": [{"text": SHARED["user"]}]}]}}
    a = told("count-tokens", "--model-id", CHAT, "--input", json.dumps(given))
    equal(a["inputTokens"], SHARED["chat_prompt_tokens"], "inputTokens")


@suite.case("apply-guardrail", "blocks a word")
def _():
    a = told("apply-guardrail", "--guardrail-identifier", "conform", "--guardrail-version", "1",
             "--source", "INPUT", "--content", json.dumps([{"text": {"text": "forbidden"}}]))
    equal(a["action"], "GUARDRAIL_INTERVENED", "action")


@suite.case("list and get", "foundation models, inference profiles, imported models")
def _():
    models = told("list-foundation-models", "--by-provider", "Meta", service="bedrock")
    name = models["modelSummaries"][0]["modelId"]
    one = told("get-foundation-model", "--model-identifier", name, service="bedrock")
    equal(one["modelDetails"]["modelId"], name, "modelId")
    profiles = told("list-inference-profiles", service="bedrock")["inferenceProfileSummaries"]
    arn = profiles[0]["inferenceProfileArn"]
    one = told("get-inference-profile", "--inference-profile-identifier", arn, service="bedrock")
    equal(one["inferenceProfileArn"], arn, "inferenceProfileArn")
    equal(len(told("list-imported-models", service="bedrock")["modelSummaries"]), 2, "models")


def fails(p, *parts):
    equal(p.returncode != 0, True, "the command failed")
    for part in parts:
        includes(p.stderr, part, "stderr")


suite.each("converse error", [
    ("unknown model", lambda: converse("no-such"), "(ResourceNotFoundException)", "no-such"),
    ("no chat template", lambda: converse(STORY), "(ValidationException)", "--chat-template"),
    ("temperature 1.5", lambda: converse(inference={"temperature": 1.5}), "(ValidationException)",
     "temperature"),
], lambda call, *parts: fails(call(), *parts))


if __name__ == "__main__":
    suite.run()
