"""boto3: jobs, asynchronous invocations and documents through an S3-compatible store.

The store is another maker's and verifies every signature; boto3 fills it and reads it.
"""

import json
import os

import boto3
from botocore.exceptions import ClientError

from boto3_client import conversation
from boto3_jobs import control, create, ended, refused, runtime, start, story_record, until
from suite import CHAT, SHARED, Suite, equal, includes, true

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


if __name__ == "__main__":
    suite.run()
