"""boto3: everything that Converse can be asked beside text, and what CountTokens says of it."""

import gzip
import json
import os

import boto3
import botocore

from boto3_client import client, conversation, events, llama_body, text_of, text_of_events
from boto3_errors import fails
from suite import CHAT, ENDPOINT, STORY, Suite, equal, includes, true

suite = Suite("boto3")
c = client()
unchecked = client(parameter_validation=False)
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "server", "bedrock",
                     "testdata", "converse.fields")


def tool(name="day", **more):
    return {"toolSpec": {"name": name, "description": "Says a day.", "inputSchema": {"json": {
        "type": "object", "properties": {"n": {"type": "integer"}}}}, **more}}


def with_tools(choice, *tools, **inference):
    q = conversation(**inference)
    q["toolConfig"] = {"tools": list(tools) or [tool()], "toolChoice": choice}
    return q


def forced_whole(choice, want):
    a = c.converse(**with_tools(choice, tool("day"), tool("night")))
    first = a["output"]["message"]["content"][0]["toolUse"]
    true(first["name"].startswith(want), f"the tool is {first['name']}")
    true(a["stopReason"] in ("tool_use", "malformed_tool_use", "max_tokens"), a["stopReason"])


def forced_stream(choice, want):
    stream = events(c, with_tools(choice, tool("day"), tool("night")))
    starts = [e["start"]["toolUse"] for name, e in stream if name == "contentBlockStart"]
    true(starts and starts[0]["name"].startswith(want), f"starts: {starts}")
    true(starts[0]["toolUseId"], "no toolUseId")
    inputs = [e["delta"]["toolUse"]["input"] for name, e in stream if name == "contentBlockDelta"
              and "toolUse" in e["delta"]]
    true(inputs, "no input came")
    indices = [e["contentBlockIndex"] for name, e in stream if name == "contentBlockStop"]
    equal(indices, list(range(len(indices))), "contentBlockIndex")


CHOICES = [("toolChoice tool", {"tool": {"name": "night"}}, "night")]
suite.each("Converse", CHOICES, forced_whole)
suite.each("ConverseStream", CHOICES, forced_stream)


@suite.case("Converse", "toolChoice any of one tool begins with its call")
def _():
    a = c.converse(**with_tools({"any": {}}))
    equal(a["output"]["message"]["content"][0]["toolUse"]["name"], "day", "name")


@suite.case("Converse", "calls and results of several turns, status error, json results")
def _():
    q = with_tools({"auto": {}})
    for status in ("success", "error"):
        q["messages"] += [
            {"role": "assistant", "content": [{"toolUse": {
                "toolUseId": "t." + status, "name": "day", "input": {"n": 1}}}]},
            {"role": "user", "content": [{"toolResult": {
                "toolUseId": "t." + status, "content": [{"json": {"day": "Monday"}}],
                "status": status}}]}]
    true(c.converse(**q)["usage"]["inputTokens"] > 200, "the turns are not in the prompt")


@suite.case("Converse", "documents, search results, cache points, reasoning, guard content")
def _():
    plain = c.converse(**conversation())["usage"]["inputTokens"]
    q = conversation()
    q["system"].append({"cachePoint": {"type": "default"}})
    q["messages"][0]["content"] += [
        {"document": {"name": "Notes", "format": "md", "source": {"bytes": b"# A\n\nb"}}},
        {"document": {"name": "Table", "format": "csv", "source": {"text": "a,b\n1,2\n"}}},
        {"searchResult": {"source": "s", "title": "t", "content": [{"text": "found"}]}},
        {"guardContent": {"text": {"text": "guarded"}}},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
    ]
    q["messages"] += [
        {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": b"\0\1"}}, {"text": "Monday."}]},
        {"role": "user", "content": [{"text": "And then?"}]}]
    u = c.converse(**q)["usage"]
    true(u["inputTokens"] > plain + 20, f"{u} after {plain}")
    equal([u["cacheReadInputTokens"], u["cacheWriteInputTokens"]], [0, 0], "cache tokens")


@suite.case("Converse", "a prefilled answer is continued")
def _():
    q = conversation()
    q["messages"].append({"role": "assistant", "content": [{"text": "The day is"}]})
    a = c.converse(**q)
    alone = c.converse(**conversation())
    true(text_of(a) != text_of(alone), "the beginning changed nothing")
    true(a["usage"]["inputTokens"] < alone["usage"]["inputTokens"] + 10, "it became a turn")


@suite.case("Converse and stream", "additionalModelResponseFieldPaths")
def _():
    q = conversation()
    q["additionalModelRequestFields"] = {"seed": 11, "top_k": 5, "min_p": 0.01,
                                         "thinking": {"type": "enabled", "budget_tokens": 1024}}
    q["additionalModelResponseFieldPaths"] = ["/stop_reason", "/seed", "/none", "/stop_sequence"]
    want = {"stop_reason": "max_tokens", "seed": 11}
    equal(c.converse(**q)["additionalModelResponseFields"], want, "fields")
    stop = dict(events(c, q))["messageStop"]
    equal(stop["additionalModelResponseFields"], want, "fields of the stream")


def counted(q):
    parts = {k: q[k] for k in ("messages", "system", "toolConfig", "additionalModelRequestFields")
             if k in q}
    return c.count_tokens(modelId=q["modelId"], input={"converse": parts})["inputTokens"]


@suite.case("CountTokens", "says what Converse uses")
def _():
    for q in (conversation(), with_tools({"auto": {}}), with_tools({"any": {}})):
        equal(counted(q), c.converse(**q)["usage"]["inputTokens"], "inputTokens")


@suite.case("CountTokens", "says what InvokeModel uses")
def _():
    for model in (CHAT, STORY):
        q = llama_body(model)
        n = c.count_tokens(modelId=model, input={"invokeModel": {"body": q["body"].encode()}})
        a = json.loads(c.invoke_model(**q)["body"].read())
        equal(n["inputTokens"], a["prompt_token_count"], "inputTokens")


suite.each("CountTokens", [
    ("unknown model", "no-such", {"converse": {"messages": [
        {"role": "user", "content": [{"text": "x"}]}]}}, "ResourceNotFoundException", 404),
    ("no messages", CHAT, {"converse": {"messages": []}}, "ValidationException", 400),
    ("a body of no family", CHAT, {"invokeModel": {"body": b"{}"}}, "ValidationException", 400),
], lambda model, given, error, status: fails(
    unchecked, "count_tokens", {"modelId": model, "input": given}, error, status=status))


def refused(change, *parts):
    q = conversation()
    change(q)
    for operation in ("converse", "converse_stream"):
        fails(unchecked, operation, q, "ValidationException", *parts)


def content(block):
    return lambda q: q["messages"][0]["content"].append(block)


suite.each("Converse and stream", [
    ("an image, of a model that reads text", content({"image": {
        "format": "png", "source": {"bytes": b"\x89PNG"}}}), "images"),
    ("a video", content({"video": {"format": "mp4", "source": {"bytes": b"x"}}}), "video"),
    ("a PDF", content({"document": {"format": "pdf", "name": "n", "source": {"bytes": b"x"}}}),
     "document.format"),
    ("a document in S3", content({"document": {"name": "n", "source": {
        "s3Location": {"uri": "s3://b/k"}}}}), "s3Location"),
    ("six documents", lambda q: q["messages"][0]["content"].extend(
        [{"document": {"name": "n", "source": {"text": "t"}}}] * 6), "at most 5"),
    ("citations", content({"document": {"name": "n", "source": {"text": "t"},
                                        "citations": {"enabled": True}}}), "citations.enabled"),
    ("outputConfig.textFormat", lambda q: q.update(outputConfig={"textFormat": {
        "type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}}), "textFormat"),
    ("a strict tool", lambda q: q.update(toolConfig={"tools": [tool(strict=True)]}), "strict"),
    ("a tool of the server", lambda q: q.update(toolConfig={"tools": [
        {"systemTool": {"name": "nova_grounding"}}]}), "systemTool"),
    ("promptVariables", lambda q: q.update(promptVariables={"a": {"text": "b"}}),
     "promptVariables"),
    ("17 marks in requestMetadata", lambda q: q.update(
        requestMetadata={f"k{i}": "v" for i in range(17)}), "requestMetadata"),
    ("a choice of a tool that is not there", lambda q: q.update(toolConfig={
        "tools": [tool()], "toolChoice": {"tool": {"name": "other"}}}), "toolChoice"),
], refused)


@suite.case("ConverseStream", "the same text as whole, with tools and documents")
def _():
    q = with_tools({"auto": {}})
    q["messages"][0]["content"].append(
        {"document": {"name": "n", "source": {"text": "A text."}}})
    equal(text_of_events(events(c, q)), text_of(c.converse(**q)), "text")


def members():
    """The members of Converse's request in this botocore's service model, as paths."""
    folder = os.path.join(os.path.dirname(botocore.__file__), "data", "bedrock-runtime")
    newest = sorted(os.listdir(folder))[-1]
    with gzip.open(os.path.join(folder, newest, "service-2.json.gz")) as f:
        model = json.load(f)
    shapes = model["shapes"]

    def walk(name, path, above):
        shape = shapes[name]
        if path:
            yield path
        if name in above or shape.get("document"):
            return
        above = above | {name}
        if shape["type"] == "structure":
            for member, of in shape["members"].items():
                if "location" not in of:
                    yield from walk(of["shape"], f"{path}.{member}".lstrip("."), above)
        elif shape["type"] == "list":
            yield from walk(shape["member"]["shape"], path + "[]", above)
        elif shape["type"] == "map":
            yield from walk(shape["value"]["shape"], path + "{}", above)

    for operation in ("Converse", "ConverseStream"):
        yield from walk(model["operations"][operation]["input"]["shape"], "", frozenset())


@suite.case("Converse and stream", "every member of the service model is in the manual's table")
def _():
    with open(TABLE) as f:
        rows = dict(line.split(" | ")[0::2][:2] for line in f if line.strip() and line[0] != "#")
    # What these hold is read alike wherever they stand.
    alike = ("toolResult.content[].image", "toolResult.content[].document",
             "toolResult.content[].searchResult", "system[].guardContent",
             "system[].cachePoint", "tools[].cachePoint", "citationsContent.citations[]")

    def known(path):
        parents = [p for p in rows if path.startswith((p + ".", p + "[", p + "{"))]
        return path in rows or any(rows[p].startswith("refused") or p.endswith(alike)
                                   for p in parents)

    missing = sorted({p for p in members() if not known(p)})
    equal(missing, [], "members without a row")


@suite.case("ApplyGuardrail", "blocks, masks and lets pass")
def _():
    def apply(text, source="INPUT"):
        return c.apply_guardrail(guardrailIdentifier="conform", guardrailVersion="1",
                                 source=source, content=[{"text": {"text": text}}])

    equal(apply("fine")["action"], "NONE", "action")
    a = apply("A stock tip, please")
    equal([a["action"], a["outputs"]], ["GUARDRAIL_INTERVENED", [{"text": "Not asked."}]], "topic")
    equal(a["assessments"][0]["topicPolicy"]["topics"][0],
          {"name": "Investment", "type": "DENY", "action": "BLOCKED", "detected": True}, "topic")
    a = apply("to a@b.org", "OUTPUT")
    equal(a["outputs"], [{"text": "to {EMAIL}"}], "outputs")
    found = a["assessments"][0]["sensitiveInformationPolicy"]["piiEntities"][0]
    equal([found["type"], found["match"], found["action"]], ["EMAIL", "a@b.org", "ANONYMIZED"],
          "entity")
    equal(a["usage"]["sensitiveInformationPolicyUnits"], 1, "units")
    equal(a["guardrailCoverage"]["textCharacters"], {"guarded": 10, "total": 10}, "coverage")
    arn = "arn:aws:bedrock:us-east-1:123456789012:guardrail/conform"
    b = c.apply_guardrail(guardrailIdentifier=arn, guardrailVersion="DRAFT", source="INPUT",
                          content=[{"text": {"text": "fine"}}], outputScope="FULL")
    equal(b["action"], "NONE", "action by ARN")
    fails(c, "apply_guardrail", {
        "guardrailIdentifier": "none", "guardrailVersion": "1", "source": "INPUT",
        "content": [{"text": {"text": "x"}}]}, "ResourceNotFoundException", status=404)


def guarded(text, guardrail, **more):
    q = conversation()
    q["messages"][0]["content"] = [{"text": text}]
    q["guardrailConfig"] = {"guardrailIdentifier": guardrail, "guardrailVersion": "1",
                            "trace": "enabled", **more}
    return q


@suite.case("Converse and stream", "a guardrail stops a prompt")
def _():
    a = c.converse(**guarded("That is forbidden.", "conform"))
    equal([a["stopReason"], text_of(a)], ["guardrail_intervened", "Not asked."], "answer")
    trace = a["trace"]["guardrail"]["inputAssessment"]["conform"]
    equal(trace["wordPolicy"]["customWords"][0]["match"], "forbidden", "match")
    equal(a["usage"]["totalTokens"], 0, "totalTokens")
    stream = events(c, guarded("That is forbidden.", "conform"))
    equal(text_of_events(stream), "Not asked.", "streamed text")
    equal(dict(stream)["messageStop"]["stopReason"], "guardrail_intervened", "stopReason")
    true("inputAssessment" in dict(stream)["metadata"]["trace"]["guardrail"], "no trace")


@suite.case("Converse and stream", "a guardrail stops an answer")
def _():
    a = c.converse(**guarded("Say something.", "letters"))
    equal([a["stopReason"], text_of(a)], ["guardrail_intervened", "Not said."], "answer")
    for mode in ("sync", "async"):
        stream = events(c, guarded("Say something.", "letters", streamProcessingMode=mode))
        text = text_of_events(stream)
        true(text.endswith("Not said."), f"{mode}: {text!r}")
        equal(dict(stream)["messageStop"]["stopReason"], "guardrail_intervened", "stopReason")


@suite.case("InvokeModel", "a guardrail, latency, tier and metadata in the header")
def _():
    a = c.invoke_model(**llama_body(CHAT, prompt="That is forbidden."), trace="ENABLED",
                       guardrailIdentifier="conform", guardrailVersion="1",
                       performanceConfigLatency="optimized", serviceTier="flex")
    equal([a["performanceConfigLatency"], a["serviceTier"]], ["optimized", "flex"], "echoes")
    body = json.loads(a["body"].read())
    equal([body["generation"], body["amazon-bedrock-guardrailAction"]],
          ["Not asked.", "INTERVENED"], "body")
    includes(json.dumps(body["amazon-bedrock-trace"]), "forbidden", "trace")


@suite.case("ConverseStream", "a session token and every header that the SDK can send")
def _():
    long = boto3.client("bedrock-runtime", endpoint_url=ENDPOINT, region_name="eu-west-1",
                        aws_access_key_id="a", aws_secret_access_key="b",
                        aws_session_token="t" * 3000)
    suite.fact("ConverseStream, long token", "chat text",
               text_of_events(events(long, conversation())))


if __name__ == "__main__":
    suite.run()
