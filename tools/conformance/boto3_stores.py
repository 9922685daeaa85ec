"""boto3: jobs, asynchronous invocations, documents and invocation logs through a store like S3.

The store is another maker's and verifies every signature; boto3 fills it and reads it.
"""

import gzip
import json
import os
import re
import time

import boto3
from botocore.exceptions import ClientError

from boto3_client import conversation
from boto3_jobs import control, create, ended, refused, runtime, start, story_record, until
from suite import CHAT, SHARED, STORY, Suite, equal, includes, true

suite = Suite("boto3, versitygw")
BUCKET = "real"


def store(secret):
    return boto3.client("s3", endpoint_url=os.environ["BASALT_STORE"],
                        region_name=os.environ["BASALT_STORE_REGION"],
                        aws_access_key_id=os.environ["BASALT_STORE_ACCESS"],
                        aws_secret_access_key=secret)


s3 = store(os.environ["BASALT_STORE_SECRET"])


def put(key, *lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    s3.put_object(Bucket=BUCKET, Key="basalt/" + key, Body=text.encode())


def read(*parts):
    a = s3.get_object(Bucket=BUCKET, Key="basalt/" + "/".join(parts))
    return [json.loads(line) for line in a["Body"].read().decode().splitlines()]


def job(uri, **fields):
    arn = create(inputDataConfig={"s3InputDataConfig": {"s3Uri": uri}},
                 outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://kept/out/"}}, **fields)
    return arn.rsplit("/", 1)[1], ended(arn)


@suite.case("the store", "verifies signatures")
def _():
    s3.create_bucket(Bucket=BUCKET)
    try:
        store("another").list_objects_v2(Bucket=BUCKET)
    except ClientError as e:
        equal(e.response["Error"]["Code"], "SignatureDoesNotMatch", "the code")
        return
    raise AssertionError("a wrong secret was taken")


@suite.case("CreateModelInvocationJob", "reads and writes one object")
def _():
    put("in.jsonl", story_record("r1"), story_record("r2", -1), story_record("r3", 3))
    name, done = job("s3://kept/in.jsonl")
    equal([done["status"], done["successRecordCount"], done["errorRecordCount"]],
          ["Completed", 2, 1], "the job")
    lines = read("out", name, "in.jsonl.out")
    equal([line["recordId"] for line in lines], ["r1", "r2", "r3"], "ids")
    suite.fact("model invocation job through a store", "story text",
               lines[0]["modelOutput"]["generation"])
    equal(read("out", name, "manifest.json.out")[0]["totalRecordCount"], 3, "manifest")


@suite.case("CreateModelInvocationJob", "keys that have to be escaped")
def _():
    for i, key in enumerate(["a b+c/%2F&=?#.jsonl", "Zürich 😀/~'()*!$,;:@.jsonl"]):
        put(key, story_record(f"r{i}", 2))
        name, done = job("s3://kept/" + key)
        equal([done["status"], done.get("message")], ["Completed", None], key)
        equal(read("out", name, key.rsplit("/", 1)[1] + ".out")[0]["recordId"], f"r{i}", key)


@suite.case("CreateModelInvocationJob", "a prefix of more objects than a page of the store's list")
def _():
    number = 1001
    for i in range(number):
        put(f"many/{i:04}.jsonl", story_record(f"r{i}", 1))
    put("many/deeper/not.jsonl", story_record("deeper", 1))
    put("many/not.txt", story_record("text", 1))
    name, done = job("s3://kept/many/")
    equal([done["status"], done["totalRecordCount"], done["successRecordCount"]],
          ["Completed", number, number], "the job")
    equal(read("out", name, f"{number - 1:04}.jsonl.out")[0]["recordId"], f"r{number - 1}", "last")


@suite.case("CreateModelInvocationJob", "what the store refuses fails the job")
def _():
    for uri, part in (("s3://kept/absent.jsonl", "it is not there"),
                      ("s3://wrong/in.jsonl", "the store answers with status 403"),
                      ("s3://missing/in.jsonl", "it is not there")):
        _, done = job(uri)
        equal(done["status"], "Failed", uri)
        includes(done["message"], part, uri)


@suite.case("StartAsyncInvoke", "the answer is in the store")
def _():
    arn = start(outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://kept/async"}})
    ask = lambda: runtime.get_async_invoke(invocationArn=arn)
    equal(until(ask, "status", ("Completed", "Failed"))["status"], "Completed", "status")
    suite.fact("StartAsyncInvoke through a store", "story text",
               read("async", arn.rsplit("/", 1)[1], "output.json")[0]["generation"])


def with_document(source):
    q = conversation()
    q["messages"] = [{"role": "user", "content": [{"text": SHARED["user"]}, {
        "document": {"name": "notes", "format": "txt", "source": source}}]}]
    return q


@suite.case("Converse", "a document by s3Location reads as one in the request")
def _():
    text = "Zürich has a lake.\n"
    s3.put_object(Bucket=BUCKET, Key="basalt/docs/notes.txt", Body=text.encode())
    there = runtime.converse(**with_document({"s3Location": {"uri": "s3://kept/docs/notes.txt"}}))
    here = runtime.converse(**with_document({"bytes": text.encode()}))
    equal(there["output"], here["output"], "the answer")
    equal(there["usage"], here["usage"], "usage")


@suite.case("Converse", "documents that may not or cannot be read")
def _():
    ask = lambda uri: refused(code, runtime.converse,
                              **with_document({"s3Location": {"uri": uri}}))
    for code, uri, part in (
        ("AccessDeniedException", "s3://theirs/notes.txt", "no bucket"),
        ("AccessDeniedException", "s3://real/basalt/docs/notes.txt", "no bucket"),
        ("ValidationException", "s3://kept/docs/absent.txt", "there is no object"),
        ("ValidationException", "s3://kept/../secret", "a key that is not taken"),
        ("ValidationException", "s3://wrong/docs/notes.txt", "status 403"),
    ):
        includes(ask(uri), part, uri)


@suite.case("Converse", "a store whose certificate is not trusted is not spoken to")
def _():
    once = boto3.client("bedrock-runtime", endpoint_url=os.environ["BASALT_ENDPOINT"],
                        region_name="us-east-1",
                        aws_access_key_id=os.environ["BASALT_ACCESS"],
                        aws_secret_access_key=os.environ["BASALT_SECRET"],
                        config=boto3.session.Config(retries={"max_attempts": 0}))
    message = refused("ServiceUnavailableException", once.converse,
                      **with_document({"s3Location": {"uri": "s3://untrusted/docs/notes.txt"}}))
    includes(message, "does not answer", "the message")


LOGGING = "ModelInvocationLoggingConfiguration"
FLAGS = ("text", "image", "embedding", "video", "audio")


def logging(**fields):
    control.put_model_invocation_logging_configuration(loggingConfig=fields)


def folder_objects():
    for folder, _, names in os.walk(os.environ["BASALT_BUCKET"]):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                yield os.path.relpath(path, os.environ["BASALT_BUCKET"]), f.read()


def store_objects():
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="basalt/site logs/")
    for page in pages:
        for o in page.get("Contents", []):
            body = s3.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read()
            yield o["Key"].removeprefix("basalt/"), body


def logged(objects, num, seconds=30):
    """The records of so many invocations, once they are all there, by request id."""
    deadline = time.monotonic() + seconds
    while True:
        records = [(key, json.loads(line)) for key, body in objects() if key.endswith(".json.gz")
                   for line in gzip.decompress(body).splitlines()]
        if len(records) >= num:
            equal(len(records), num, "the number of records")
            return {r["requestId"]: (key, r) for key, r in records}
        true(time.monotonic() < deadline, f"{len(records)} of {num} records are there")
        time.sleep(0.2)


def deliver(bucket, prefix, objects, before):
    config = {"s3Config": {"bucketName": bucket, "keyPrefix": prefix},
              **{f"{f}DataDeliveryEnabled": f == "text" for f in FLAGS}}
    logging(**config)
    equal(control.get_model_invocation_logging_configuration()["loggingConfig"], config, "Get")
    answer = runtime.converse(**conversation(maxTokens=3))
    list(runtime.converse_stream(**conversation(maxTokens=2))["stream"])
    native = {"prompt": SHARED["story_prompt"], "max_gen_len": 2}
    runtime.invoke_model(modelId=STORY, body=json.dumps(native))
    refused("ValidationException", runtime.converse, **conversation(maxTokens=10**6))
    records = logged(objects, before + 4)
    key, r = records[answer["ResponseMetadata"]["RequestId"]]
    true(re.fullmatch(prefix.rstrip("/") + r"/AWSLogs/site/BedrockModelInvocationLogs/us-east-1/"
                      r"\d{4}/\d\d/\d\d/\d\d/\d{8}T\d{9}Z_[0-9a-f]{16}\.json\.gz", key), key)
    equal([r["schemaType"], r["schemaVersion"], r["accountId"], r["operation"], r["modelId"]],
          ["ModelInvocationLog", "1.0", "site", "Converse", CHAT], "the record")
    equal(r["output"]["outputBodyJson"]["output"], answer["output"], "the answer in the record")
    equal([r["input"]["inputTokenCount"], r["output"]["outputTokenCount"]],
          [answer["usage"]["inputTokens"], 3], "counts")
    equal(sorted(r["operation"] for _, r in records.values())[-4:],
          ["Converse", "Converse", "ConverseStream", "InvokeModel"], "operations")
    true("chain" not in r, "the record has its chain")
    control.delete_model_invocation_logging_configuration()
    true("loggingConfig" not in control.get_model_invocation_logging_configuration(), "Delete")
    runtime.converse(**conversation(maxTokens=1))


@suite.case(LOGGING, "invocations are delivered to a folder")
def _():
    deliver("data", "some/where/", folder_objects, 0)


@suite.case(LOGGING, "invocations are delivered to a store, and no more after Delete")
def _():
    deliver("kept", "site logs", store_objects, 0)
    time.sleep(1.5)
    logged(store_objects, 4)
    logged(folder_objects, 4)


def no_destination(code, part, **fields):
    includes(refused(code, logging, **fields), part, "the message")
    true("loggingConfig" not in control.get_model_invocation_logging_configuration(), "it is set")


suite.each(LOGGING, [
    ("another tenant's bucket", "AccessDeniedException", "no bucket", "theirs"),
    ("no bucket", "AccessDeniedException", "no bucket", "real"),
    ("a bucket whose store refuses", "ValidationException", "failed to validate permissions",
     "wrong"),
    ("a bucket whose store is not trusted", "ValidationException", "does not answer", "untrusted"),
    ("a name that is none", "ValidationException", "bucketName", "data/../theirs"),
], lambda code, part, bucket: no_destination(code, part, s3Config={"bucketName": bucket}))


@suite.case(LOGGING, "a prefix out of the bucket, and log groups")
def _():
    no_destination("ValidationException", "keyPrefix",
                   s3Config={"bucketName": "data", "keyPrefix": "../theirs"})
    no_destination("ValidationException", "there are no CloudWatch log groups", cloudWatchConfig={
        "logGroupName": "bedrock", "roleArn": "arn:aws:iam::123456789012:role/logs"})


if __name__ == "__main__":
    suite.run()
