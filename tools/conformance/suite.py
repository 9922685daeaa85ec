"""What every Python client's cases share: a list of cases, checks, and lines of JSON on stdout.

A case is a function that raises on failure. A fact is a value that every client must agree on; the
runner compares them across clients.
"""

import json
import os
import sys
import time
import traceback

ENDPOINT = os.environ.get("BASALT_ENDPOINT", "")
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "shared.json")) as f:
    SHARED = json.load(f)
CHAT = SHARED["chat_model"]
STORY = SHARED["story_model"]


class Suite:
    def __init__(self, client):
        self.client = client
        self.cases = []

    def case(self, operation, name):
        def register(f):
            self.cases.append((operation, name, f))
            return f

        return register

    def each(self, operation, table, check):
        """One case per row of a table: (name, *arguments of check)."""
        for name, *args in table:
            self.cases.append((operation, name, lambda args=args: check(*args)))

    def fact(self, operation, key, value):
        emit({"client": self.client, "operation": operation, "fact": key, "value": value})

    def run(self):
        for operation, name, f in self.cases:
            line = {"client": self.client, "operation": operation, "case": name}
            begun = time.monotonic()
            try:
                f()
                line["ok"] = True
            except Exception as e:  # a case may fail in any way that a client fails
                line["ok"] = False
                line["detail"] = describe(e)
            line["seconds"] = round(time.monotonic() - begun, 3)
            emit(line)


def emit(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def describe(e):
    at = traceback.extract_tb(e.__traceback__)
    own = [t for t in at if os.path.dirname(__file__) in t.filename] or at
    return f"{type(e).__name__}: {e} (line {own[-1].lineno})"


def equal(got, want, what):
    assert got == want, f"{what} is {short(got)}, want {short(want)}"


def includes(text, part, what):
    assert part in text, f"{what} lacks {part!r}: {short(text)}"


def true(condition, what):
    assert condition, what


def short(v):
    s = repr(v)
    return s if len(s) <= 300 else s[:300] + "..."


def cut_at(text):
    """A stop string from the middle of a text, and what must be left before its first place."""
    start = len(text) // 2
    stop = text[start : start + 4]
    return stop, text[: text.index(stop)]
