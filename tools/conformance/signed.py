"""boto3 with real credentials: signatures, API keys, and what a wrong one comes to."""

import os

import boto3
from botocore.exceptions import ClientError

from boto3_client import conversation, events, text_of, text_of_events
from suite import ENDPOINT, Suite, equal, true

suite = Suite("boto3, signed")
ACCESS, SECRET = os.environ["BASALT_ACCESS"], os.environ["BASALT_SECRET"]


def client(access=ACCESS, secret=SECRET, service="bedrock-runtime", **more):
    return boto3.client(service, endpoint_url=ENDPOINT, region_name="eu-site-1",
                        aws_access_key_id=access, aws_secret_access_key=secret, **more)


def by_key(token):
    # The client looks for the token at its first request.
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = token
    return boto3.client("bedrock-runtime", endpoint_url=ENDPOINT, region_name="eu-site-1")


@suite.case("Converse", "signed")
def _():
    suite.fact("Converse, signed", "chat text", text_of(client().converse(**conversation())))


@suite.case("Converse", "signed, with a session token")
def _():
    client(aws_session_token="a token").converse(**conversation(maxTokens=2))


@suite.case("ConverseStream", "signed")
def _():
    got = events(client(), conversation())
    equal([name for name, _ in got[-2:]], ["messageStop", "metadata"], "the last events")
    suite.fact("ConverseStream, signed", "chat text", text_of_events(got))


@suite.case("Converse", "an id with escapes is signed as it is sent")
def _():
    refused(client, "ResourceNotFoundException", modelId="a:b/../c d+é")


def refused(make, code, **change):
    try:
        make().converse(**{**conversation(maxTokens=2), **change})
    except ClientError as e:
        equal(e.response["Error"]["Code"], code, "code")
        equal(e.response["ResponseMetadata"]["RetryAttempts"], 0, "retries")
        return
    finally:
        os.environ.pop("AWS_BEARER_TOKEN_BEDROCK", None)
    raise AssertionError(f"no error, want {code}")


suite.each("Converse", [
    ("another secret", lambda: client(secret=SECRET + "x"), "InvalidSignatureException"),
    ("an unknown key", lambda: client(access="BSLTUNKNOWN000000000"),
     "UnrecognizedClientException"),
], refused)

if ENDPOINT.startswith("https:"):  # the client sends API keys over nothing else
    @suite.case("Converse", "by API key")
    def _():
        try:
            by_key(os.environ["BASALT_BEARER"]).converse(**conversation(maxTokens=2))
        finally:
            del os.environ["AWS_BEARER_TOKEN_BEDROCK"]

    suite.each("Converse", [
        ("an unknown API key", lambda: by_key("bslt_x"), "AccessDeniedException"),
    ], refused)


@suite.case("ModelInvocationLoggingConfiguration", "put, get, delete")
def _():
    c = client(service="bedrock")
    c.put_model_invocation_logging_configuration(
        loggingConfig={"textDataDeliveryEnabled": True})
    got = c.get_model_invocation_logging_configuration()["loggingConfig"]
    equal(got["textDataDeliveryEnabled"], True, "textDataDeliveryEnabled")
    c.delete_model_invocation_logging_configuration()
    true("loggingConfig" not in c.get_model_invocation_logging_configuration(), "it is still there")


suite.run()
