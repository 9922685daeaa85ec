"""boto3 and openai against a server that runs one sequence and queues one: refusals and retries."""

import concurrent.futures

import openai

from boto3_client import attempts, client, conversation, events, text_of, text_of_events
from suite import CHAT, ENDPOINT, SHARED, Suite, equal, true

suite = Suite("boto3")
CROWD = 24
LONGER = {"maxTokens": 200}


def crowd(call):
    """What each of a crowd of callers got: a result or an exception."""
    def safe(_):
        try:
            return call()
        except Exception as e:  # counted below
            return e

    with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(safe, range(CROWD)))


def throttled(operation):
    once = client(retries={"total_max_attempts": 1}, max_pool_connections=CROWD)
    alone = text_of(once.converse(**conversation(**LONGER)))
    calls = {"converse": lambda: text_of(once.converse(**conversation(**LONGER))),
             "converse_stream": lambda: text_of_events(events(once, conversation(**LONGER)))}
    got = crowd(calls[operation])
    refused = [g for g in got if isinstance(g, Exception)]
    true(refused, "nobody was refused")
    true(len(refused) < CROWD, "everybody was refused")
    equal({type(e) for e in refused}, {once.exceptions.ThrottlingException}, "classes")
    equal({e.response["ResponseMetadata"]["HTTPStatusCode"] for e in refused}, {429}, "status")
    equal({g for g in got if isinstance(g, str)}, {alone}, "texts of the others")


suite.each("a full queue", [(f"{o} is a ThrottlingException", o)
                            for o in ("converse", "converse_stream")], throttled)


def retried(mode):
    patient = client(retries={"mode": mode, "total_max_attempts": 12}, max_pool_connections=CROWD)
    sent = attempts(patient)
    got = crowd(lambda: text_of(patient.converse(**conversation(maxTokens=40))))
    true(len(sent) > CROWD, f"{len(sent)} requests: nobody retried")
    equal({type(g) for g in got}, {str}, "every caller's answer in the end")
    equal(len(set(got)), 1, "texts")


suite.each("a full queue", [(f"{mode} retries end in answers", mode)
                            for mode in ("legacy", "standard")], retried)


@suite.case("a full queue", "openai: RateLimitError, and retries end in answers")
def _():
    def ask(c):
        return c.chat.completions.create(
            model=CHAT, max_tokens=100, temperature=0,
            messages=[{"role": "user", "content": SHARED["user"]}]).choices[0].message.content

    with openai.OpenAI(base_url=ENDPOINT + "/v1", api_key="any", max_retries=0) as c:
        got = crowd(lambda: ask(c))
    refused = {type(g) for g in got if isinstance(g, Exception)}
    equal(refused, {openai.RateLimitError}, "classes")
    with openai.OpenAI(base_url=ENDPOINT + "/v1", api_key="any", max_retries=20) as c:
        equal({type(g) for g in crowd(lambda: ask(c))}, {str}, "answers")


@suite.case("a full queue", "the server answers as before afterwards")
def _():
    suite.fact("Converse after overload", "chat text", text_of(client().converse(**conversation())))


if __name__ == "__main__":
    suite.run()
