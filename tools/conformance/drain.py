"""boto3: SIGTERM while 32 streams run loses none of them."""

import concurrent.futures
import os
import signal
import threading

from botocore.exceptions import ClientError, EndpointConnectionError

from boto3_client import client, conversation, text_of
from suite import Suite, equal, true

suite = Suite("boto3")
STREAMS = 32


@suite.case("SIGTERM", "32 running ConverseStreams end whole; a new request is refused")
def _():
    c = client(max_pool_connections=STREAMS, retries={"total_max_attempts": 1})
    alone = text_of(c.converse(**conversation(maxTokens=420)))
    begun = threading.Barrier(STREAMS + 1)

    def read(_):
        stream = iter(c.converse_stream(**conversation(maxTokens=420))["stream"])
        got = [next(stream), next(stream)]
        begun.wait(timeout=60)
        return got + list(stream)

    with concurrent.futures.ThreadPoolExecutor(STREAMS) as pool:
        jobs = [pool.submit(read, i) for i in range(STREAMS)]
        begun.wait(timeout=60)
        os.kill(int(os.environ["BASALT_PID"]), signal.SIGTERM)
        late = refusal()
        streams = [j.result() for j in jobs]
    for got in streams:
        equal(next(iter(got[-1])), "metadata", "the last event")
        text = "".join(e["contentBlockDelta"]["delta"]["text"] for e in got
                       if "contentBlockDelta" in e)
        equal(text, alone, "text")
    true(late, "a request after the signal was answered")


def refusal():
    """Whether requests come to be refused: the signal takes effect a moment after it is sent."""
    c = client(retries={"total_max_attempts": 1})
    for _ in range(100):
        try:
            c.converse(**conversation(maxTokens=1))
        except EndpointConnectionError:
            return "no connection"
        except ClientError as e:
            equal(type(e), c.exceptions.ServiceUnavailableException, "class")
            return "503"
    return ""


if __name__ == "__main__":
    suite.run()
