"""boto3: the control plane, Rerank and SageMaker's runtime on the same endpoint."""

import json

import boto3
from botocore.config import Config

from boto3_errors import fails
from suite import CHAT, ENDPOINT, SHARED, STORY, Suite, equal, true

suite = Suite("boto3")


def service(name, **config):
    return boto3.client(name, endpoint_url=ENDPOINT, region_name="us-east-1",
                        aws_access_key_id="dummy", aws_secret_access_key="dummy",
                        config=Config(**config))


bedrock = service("bedrock")


@suite.case("ListFoundationModels", "every name of every model, by provider")
def _():
    models = bedrock.list_foundation_models()["modelSummaries"]
    names = {m["modelId"] for m in models}
    true({CHAT, STORY, "meta.chat-v1:0"} <= names, f"lists {sorted(names)}")
    meta = bedrock.list_foundation_models(byProvider="meta")["modelSummaries"]
    equal([m["modelId"] for m in meta], ["meta.chat-v1:0"], "of Meta")
    equal(bedrock.list_foundation_models(byOutputModality="IMAGE")["modelSummaries"], [], "images")


@suite.case("GetFoundationModel", "by id and by ARN")
def _():
    for name in ("meta.chat-v1:0", "arn:aws:bedrock:us-east-1::foundation-model/meta.chat-v1:0"):
        m = bedrock.get_foundation_model(modelIdentifier=name)["modelDetails"]
        equal([m["modelId"], m["providerName"]], ["meta.chat-v1:0", "Meta"], name)
    fails(bedrock, "get_foundation_model", {"modelIdentifier": "no-such"},
          "ResourceNotFoundException", status=404)


@suite.case("ListInferenceProfiles", "in pages")
def _():
    pages = bedrock.get_paginator("list_inference_profiles").paginate(
        PaginationConfig={"PageSize": 2})
    seen = [p for page in pages for p in page["inferenceProfileSummaries"]]
    whole = bedrock.list_inference_profiles()["inferenceProfileSummaries"]
    equal([p["inferenceProfileId"] for p in seen], [p["inferenceProfileId"] for p in whole], "ids")
    equal({p["status"] for p in seen}, {"ACTIVE"}, "status")


@suite.case("GetInferenceProfile", "by an ARN, whose colons and slash are escaped")
def _():
    arn = bedrock.list_inference_profiles()["inferenceProfileSummaries"][0]["inferenceProfileArn"]
    p = bedrock.get_inference_profile(inferenceProfileIdentifier=arn)
    equal(p["inferenceProfileArn"], arn, "ARN")
    true(p["models"][0]["modelArn"].startswith("arn:aws:bedrock:us-east-1::foundation-model/"),
         p["models"])
    fails(bedrock, "get_inference_profile", {"inferenceProfileIdentifier": arn + "x"},
          "ResourceNotFoundException", status=404)


@suite.case("ListImportedModels", "and each of them, by its ARN")
def _():
    models = bedrock.list_imported_models(sortBy="CreationTime", sortOrder="Descending")
    names = {m["modelName"] for m in models["modelSummaries"]}
    equal(names, {CHAT, STORY}, "names")
    for m in models["modelSummaries"]:
        got = bedrock.get_imported_model(modelIdentifier=m["modelArn"])
        equal(got["modelName"], m["modelName"], "name")
    equal(bedrock.list_imported_models(nameContains="stories")["modelSummaries"][0]["modelName"],
          STORY, "by part of the name")


@suite.case("GetFoundationModelAvailability", "of a model that is served")
def _():
    a = bedrock.get_foundation_model_availability(modelId=CHAT)
    equal([a["authorizationStatus"], a["regionAvailability"]], ["AUTHORIZED", "AVAILABLE"], "it")


@suite.case("what there is none of", "is an empty list or ResourceNotFoundException")
def _():
    equal(bedrock.list_provisioned_model_throughputs()["provisionedModelSummaries"], [], "list")
    equal(bedrock.list_custom_models()["modelSummaries"], [], "list")
    fails(bedrock, "get_provisioned_model_throughput", {"provisionedModelId": "x"},
          "ResourceNotFoundException", status=404)


@suite.case("Rerank", "ResourceNotFoundException, and ValidationException of a bad request")
def _():
    agent = service("bedrock-agent-runtime")
    q = {
        "queries": [{"type": "TEXT", "textQuery": {"text": "q"}}],
        "sources": [{"type": "INLINE", "inlineDocumentSource": {
            "type": "TEXT", "textDocument": {"text": "d"}}}],
        "rerankingConfiguration": {
            "type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": {
                "modelConfiguration": {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/"
                                                   "cohere.rerank-v3-5:0"}}},
    }
    fails(agent, "rerank", q, "ResourceNotFoundException", status=404)
    q["rerankingConfiguration"]["bedrockRerankingConfiguration"]["modelConfiguration"] = {
        "modelArn": CHAT}
    fails(agent, "rerank", q, "ValidationException", CHAT)


sagemaker = service("sagemaker-runtime")


def talk(**fields):
    return json.dumps({"messages": [
        {"role": "system", "content": SHARED["system"]},
        {"role": "user", "content": SHARED["user"]}],
        "max_tokens": SHARED["chat_tokens"], "temperature": 0, **fields})


@suite.case("InvokeEndpoint", "OpenAI chat body")
def _():
    a = sagemaker.invoke_endpoint(EndpointName=CHAT, Body=talk(), ContentType="application/json")
    equal(a["InvokedProductionVariant"], "AllTraffic", "variant")
    body = json.loads(a["Body"].read())
    suite.fact("InvokeEndpoint", "chat text", body["choices"][0]["message"]["content"])


@suite.case("InvokeEndpointWithResponseStream", "OpenAI chat body, streamed and in one part")
def _():
    def parts(body):
        a = sagemaker.invoke_endpoint_with_response_stream(EndpointName=CHAT, Body=body)
        return [e["PayloadPart"]["Bytes"] for e in a["Body"]]

    lines = b"".join(parts(talk(stream=True))).decode().split("\n\n")
    equal(lines[-2:], ["data: [DONE]", ""], "end")
    deltas = [json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
              for line in lines[:-2]]
    suite.fact("InvokeEndpointWithResponseStream", "chat text", "".join(deltas))
    one = parts(talk())
    equal(len(one), 1, "parts of a body without stream")
    suite.fact("InvokeEndpointWithResponseStream, one part", "chat text",
               json.loads(one[0])["choices"][0]["message"]["content"])


suite.each("InvokeEndpoint", [
    ("a bad body is a ModelError", CHAT, "{}", "ModelError", 424),
    ("an unknown endpoint is a ValidationError", "no-such", talk(), "ValidationError", 400),
], lambda name, body, error, status: fails(
    sagemaker, "invoke_endpoint", {"EndpointName": name, "Body": body}, error, status=status))


if __name__ == "__main__":
    suite.run()
