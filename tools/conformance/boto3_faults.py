"""boto3: the table of errors, by exception class, status and number of requests in each mode of
retries. The server is a test of package server, which answers each model with one fault."""

import time

from botocore.exceptions import ClientError

from boto3_client import attempts, client
from suite import Suite, equal, includes, true

suite = Suite("boto3")
time.sleep = lambda seconds: None  # the number of attempts counts, not their distance

# Model, exception (modelled ones as a class), status, requests in the modes legacy and standard.
TABLE = [
    ("Invalid", "ValidationException", 400, 1, 1),
    ("ContextExceeded", "ValidationException", 400, 1, 1),
    ("TooLarge", "ValidationException", 413, 1, 1),
    ("HeaderTooLarge", "ValidationException", 431, 1, 1),
    ("Conflict", "ConflictException", 400, 1, 1),
    ("QuotaExceeded", "ServiceQuotaExceededException", 400, 1, 1),
    ("Unauthenticated", "AccessDeniedException", 403, 1, 1),
    ("Forbidden", "AccessDeniedException", 403, 1, 1),
    ("UnknownKey", "UnrecognizedClientException", 403, 1, 1),
    ("BadSignature", "InvalidSignatureException", 403, 1, 1),
    ("NotFound", "ResourceNotFoundException", 404, 1, 1),
    ("NoSuchPath", "UnknownOperationException", 404, 1, 1),
    ("MethodNotAllowed", "UnknownOperationException", 405, 1, 1),
    ("RequestTimeout", "RequestTimeoutException", 408, 1, 3),
    ("ModelFailed", "ModelErrorException", 424, 1, 1),
    ("Throttled", "ThrottlingException", 429, 5, 3),
    ("Unavailable", "ServiceUnavailableException", 503, 5, 3),
    ("DeviceFailed", "InternalServerException", 500, 5, 3),
    ("Internal", "InternalServerException", 500, 5, 3),
]
MODELLED = {e for e in dir(client().exceptions) if e.endswith("Exception")}
SAID = [{"role": "user", "content": [{"text": "x"}]}]
CALLS = {
    "converse": {"messages": SAID}, "converse_stream": {"messages": SAID},
    "invoke_model": {"body": b"{}"}, "invoke_model_with_response_stream": {"body": b"{}"},
    "count_tokens": {"input": {"converse": {"messages": SAID}}},
}


def fails(operation, model, exception, status, mode, requests):
    c = client(retries={"mode": mode})
    sent = attempts(c)
    try:
        getattr(c, operation)(modelId=model, **CALLS[operation])
    except ClientError as e:
        r = e.response
        if exception in MODELLED:
            equal(type(e), getattr(c.exceptions, exception), "class")
        equal(r["Error"]["Code"], exception, "code")
        equal(r["ResponseMetadata"]["HTTPStatusCode"], status, "status")
        includes(r["Error"]["Message"],
                 "Input is too long" if model == "ContextExceeded" else "a fault", "message")
        true(r["ResponseMetadata"]["RequestId"], "no RequestId")
        headers = r["ResponseMetadata"]["HTTPHeaders"]
        waits = model in ("Throttled", "Unavailable", "DeviceFailed")
        equal([headers.get("x-amz-retry-after"), headers.get("retry-after")],
              ["50", "1"] if waits else [None, None], "headers of back-off")
        if model == "ModelFailed":
            equal(r["originalStatusCode"], 500, "originalStatusCode")
    else:
        raise AssertionError(f"no error, want {exception}")
    equal(len(sent), requests, "requests sent")


for model, exception, status, *requests in TABLE:
    for mode, n in zip(("legacy", "standard"), requests):
        for operation in CALLS:
            suite.each(operation, [(f"{model} is {exception}, {status}, {n} sent ({mode})",)],
                       lambda a=(operation, model, exception, status, mode, n): fails(*a))


if __name__ == "__main__":
    suite.run()
