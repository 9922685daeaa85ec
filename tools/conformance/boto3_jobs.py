"""boto3: model invocation jobs and asynchronous invocations; openai: files and batches."""

import datetime
import json
import os
import time

import boto3
import openai
from botocore.exceptions import ClientError

from boto3_client import conversation
from suite import CHAT, ENDPOINT, SHARED, STORY, Suite, equal, includes, true

suite = Suite("boto3")
control, runtime = (
    boto3.client(service, endpoint_url=ENDPOINT, region_name="us-east-1",
                 aws_access_key_id=os.environ["BASALT_ACCESS"],
                 aws_secret_access_key=os.environ["BASALT_SECRET"])
    for service in ("bedrock", "bedrock-runtime"))
BUCKET = os.environ["BASALT_BUCKET"]
ROLE = "arn:aws:iam::123456789012:role/batch"
ENDS = ("Completed", "Failed", "Stopped", "Expired", "PartiallyCompleted")


def put(name, lines):
    with open(os.path.join(BUCKET, name), "w") as f:
        f.writelines(json.dumps(line) + "\n" for line in lines)


def read(*parts):
    with open(os.path.join(BUCKET, *parts)) as f:
        return [json.loads(line) for line in f]


def create(**fields):
    answer = control.create_model_invocation_job(**{
        "jobName": "nightly-1", "roleArn": ROLE, "modelId": STORY,
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://data/in.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://data/out/"}}, **fields})
    return answer["jobArn"]


def until(ask, status, ends, seconds=60):
    deadline = time.monotonic() + seconds
    while (answer := ask())[status] not in ends:
        true(time.monotonic() < deadline, f"it is still {answer[status]}")
        time.sleep(0.05)
    return answer


def ended(arn):
    return until(lambda: control.get_model_invocation_job(jobIdentifier=arn), "status", ENDS)


def refused(code, call, *args, **fields):
    try:
        call(*args, **fields)
    except ClientError as e:
        equal(e.response["Error"]["Code"], code, "the code")
        return e.response["Error"]["Message"]
    raise AssertionError(f"it was not refused with {code}")


def story_record(name, tokens=SHARED["story_tokens"]):
    return {"recordId": name, "modelInput": {
        "prompt": SHARED["story_prompt"], "max_gen_len": tokens, "temperature": 0}}


@suite.case("CreateModelInvocationJob", "InvokeModel: every record has its result")
def _():
    put("in.jsonl", [story_record("r1"), story_record("r2", -1), story_record("r3", 3)])
    arn = create(tags=[{"key": "team", "value": "a"}], timeoutDurationInHours=24)
    includes(arn, ":model-invocation-job/", "the ARN")
    job = ended(arn)
    equal(job["status"], "Completed", "status")
    equal([job[n + "RecordCount"] for n in ("total", "processed", "success", "error")],
          [3, 3, 2, 1], "counts")
    true(isinstance(job["endTime"], datetime.datetime), "endTime is no time")
    equal(job["roleArn"], ROLE, "roleArn")
    folder = arn.rsplit("/", 1)[1]
    lines = read("out", folder, "in.jsonl.out")
    equal([line["recordId"] for line in lines], ["r1", "r2", "r3"], "ids")
    suite.fact("model invocation job", "story text", lines[0]["modelOutput"]["generation"])
    equal(lines[1]["error"]["errorCode"], 400, "errorCode")
    manifest = read("out", folder, "manifest.json.out")[0]
    equal(manifest["outputTokenCount"], SHARED["story_tokens"] + 3, "outputTokenCount")


@suite.case("CreateModelInvocationJob", "Converse, over a prefix")
def _():
    body = {k: v for k, v in conversation().items() if k != "modelId"}
    os.makedirs(os.path.join(BUCKET, "many"), exist_ok=True)
    put("many/a.jsonl", [{"modelInput": body}])
    put("many/b.jsonl", [{"recordId": "b", "modelInput": body}])
    arn = create(modelId=CHAT, modelInvocationType="Converse", inputDataConfig={
        "s3InputDataConfig": {"s3Uri": "s3://data/many/", "s3InputFormat": "JSONL"}})
    equal(ended(arn)["status"], "Completed", "status")
    line = read("out", arn.rsplit("/", 1)[1], "a.jsonl.out")[0]
    equal(len(line["recordId"]), 11, "the length of a made up id")
    suite.fact("model invocation job", "chat text",
               line["modelOutput"]["output"]["message"]["content"][0]["text"])


@suite.case("ListModelInvocationJobs", "paged, filtered and sorted")
def _():
    pages = control.get_paginator("list_model_invocation_jobs").paginate(
        sortBy="CreationTime", sortOrder="Ascending", PaginationConfig={"PageSize": 1})
    jobs = [j for p in pages for j in p["invocationJobSummaries"]]
    true(len(jobs) >= 2, "jobs are missing")
    times = [j["submitTime"] for j in jobs]
    equal(times, sorted(times), "the order")
    none = control.list_model_invocation_jobs(submitTimeAfter=datetime.datetime(2099, 1, 1))
    equal(none["invocationJobSummaries"], [], "jobs of the future")
    equal(control.list_model_invocation_jobs(nameContains="weekly")["invocationJobSummaries"], [],
          "jobs of another name")


@suite.case("StopModelInvocationJob", "a running job, then an ended one")
def _():
    put("long.jsonl", [story_record(str(i), 200) for i in range(2000)])
    arn = create(inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://data/long.jsonl"}})
    control.stop_model_invocation_job(jobIdentifier=arn)
    equal(ended(arn)["status"], "Stopped", "status")
    refused("ConflictException", control.stop_model_invocation_job, jobIdentifier=arn)


@suite.case("CreateModelInvocationJob", "the same token gives the same job")
def _():
    put("in.jsonl", [story_record("r1", 1)])
    first = create(clientRequestToken="once")
    equal(create(clientRequestToken="once"), first, "the second")
    refused("ConflictException", create, clientRequestToken="once", jobName="other")
    ended(first)


@suite.case("CreateModelInvocationJob", "what the operator's table does not have is denied")
def _():
    for uri in ("s3://theirs/in.jsonl", "s3://absent/in.jsonl"):
        refused("AccessDeniedException", create,
                inputDataConfig={"s3InputDataConfig": {"s3Uri": uri}})
        refused("AccessDeniedException", create,
                outputDataConfig={"s3OutputDataConfig": {"s3Uri": uri}})
    refused("ValidationException", create,
            inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://data/../../etc/passwd"}})
    refused("ResourceNotFoundException", control.get_model_invocation_job,
            jobIdentifier="abcdefghij12")
    refused("ResourceNotFoundException", create, modelId="absent")


@suite.case("CreateModelInvocationJob", "an input that is not there fails the job")
def _():
    job = ended(create(inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://data/absent.jsonl"}}))
    equal(job["status"], "Failed", "status")
    includes(job["message"], "it is not there", "message")


def start(**fields):
    return runtime.start_async_invoke(**{
        "modelId": STORY, "modelInput": story_record("")["modelInput"],
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://data/async"}},
        **fields})["invocationArn"]


@suite.case("StartAsyncInvoke", "the answer is in the bucket")
def _():
    arn = start()
    ask = lambda: runtime.get_async_invoke(invocationArn=arn)
    a = until(ask, "status", ("Completed", "Failed"))
    equal(a["status"], "Completed", "status")
    includes(a["modelArn"], STORY, "modelArn")
    answer = read("async", arn.rsplit("/", 1)[1], "output.json")[0]
    suite.fact("StartAsyncInvoke", "story text", answer["generation"])
    listed = runtime.list_async_invokes(statusEquals="Completed", sortBy="SubmissionTime")
    true(arn in [s["invocationArn"] for s in listed["asyncInvokeSummaries"]], "it is not listed")


@suite.case("StartAsyncInvoke", "a wrong body fails, another's bucket is denied")
def _():
    arn = start(modelInput={"prompt": "x", "max_gen_len": -1})
    a = until(lambda: runtime.get_async_invoke(invocationArn=arn), "status", ("Failed",))
    includes(a["failureMessage"], "max_gen_len", "failureMessage")
    refused("AccessDeniedException", start,
            outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://theirs/async"}})
    refused("ValidationException", runtime.get_async_invoke,
            invocationArn=arn.rsplit("/", 1)[0] + "/abcdefghij12")


@suite.case("files and batches", "openai: upload, run, read, delete")
def _():
    c = openai.OpenAI(base_url=ENDPOINT + "/v1", api_key=os.environ["BASALT_BEARER"])
    body = {"model": STORY, "prompt": SHARED["story_prompt"], "temperature": 0,
            "max_tokens": SHARED["story_tokens"]}
    lines = [{"custom_id": i, "method": "POST", "url": "/v1/completions", "body": b}
             for i, b in (("good", body), ("bad", {**body, "max_tokens": -1}))]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    f = c.files.create(file=("in.jsonl", text.encode()), purpose="batch")
    equal((f.bytes, f.purpose, f.filename), (len(text), "batch", "in.jsonl"), "the file")
    b = c.batches.create(input_file_id=f.id, endpoint="/v1/completions", completion_window="24h",
                         metadata={"k": "v"})
    done = until(lambda: vars(c.batches.retrieve(b.id)), "status", ("completed", "failed"))
    equal(done["status"], "completed", "status")
    counts = done["request_counts"]
    equal((counts.total, counts.completed, counts.failed), (2, 1, 1), "request_counts")
    answer = json.loads(c.files.content(done["output_file_id"]).text)
    equal(answer["custom_id"], "good", "custom_id")
    suite.fact("batch", "story text", answer["response"]["body"]["choices"][0]["text"])
    error = json.loads(c.files.content(done["error_file_id"]).text)
    equal(error["response"]["status_code"], 400, "status_code")
    true(b.id in [x.id for x in c.batches.list()], "the batch is not listed")
    true(f.id in [x.id for x in c.files.list(purpose="batch")], "the file is not listed")
    true(c.files.delete(f.id).deleted, "the file is not deleted")


if __name__ == "__main__":
    suite.run()
