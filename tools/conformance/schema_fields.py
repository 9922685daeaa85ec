"""The manual's tables of fields against the types of the published clients.

Every field that a client's schema has must be in the table of its body, below a field that the
table refuses or takes whole, or a member of a kind of object that is refused by its type.
"""

import collections.abc
import os
import re
import types
import typing

import botocore.session
from anthropic.types.message_create_params import MessageCreateParamsStreaming as Messages
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming as Chat
from openai.types.completion_create_params import CompletionCreateParamsStreaming as Completion
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming as Response
from typing_extensions import Annotated, NotRequired, Required, get_type_hints, is_typeddict

from suite import Suite, true

DOCS = os.path.join(os.environ["BASALT_ROOT"], "docs")
LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)


def documented(page, name):
    """The table's rows: path to what is done."""
    with open(os.path.join(DOCS, page)) as f:
        text = f.read()
    table = text.split(f"<!-- fields of {name} -->\n")[1].split("<!-- end of fields -->")[0]
    rows = {}
    for line in table.splitlines()[2:]:
        path, kind, does = (c.strip() for c in line.strip("|").split(" | ", 2))
        rows[path.strip("` ")] = (kind, does)
    return rows


def strip(t):
    while typing.get_origin(t) in (Required, NotRequired, Annotated):
        t = typing.get_args(t)[0]
    return t


def fields(t, path, taken, out, seen=frozenset()):
    """All paths of a type. taken says whether objects of some type member are read."""
    t = strip(t)
    origin = typing.get_origin(t)
    if origin in (typing.Union, types.UnionType):
        for a in typing.get_args(t):
            fields(a, path, taken, out, seen)
    elif is_typeddict(t):
        hints = get_type_hints(t, include_extras=True)
        kind = strip(hints.get("type", str))
        kinds = typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
        if t in seen or kinds and not any(taken(path, k) for k in kinds):
            return
        for k, v in hints.items():
            p = f"{path}.{k}" if path else k
            out.add(p)
            fields(v, p, taken, out, seen | {t})
    elif origin in LISTS:
        out.add(path + "[]")
        fields(typing.get_args(t)[0], path + "[]", taken, out, seen)


def covered(path, rows):
    """In the table, or below something that is refused or read whole."""
    if path in rows:
        return True
    parts = re.split(r"(?=\.|\[\]|\{\})", path)
    for i in range(1, len(parts)):
        above = rows.get("".join(parts[:i]))
        if above and (above[1].startswith(("refused", "accepted")) or whole(*above)):
            return True
    return False


def whole(kind, does):
    """What the client names the members of, and rows that say what is in them in other words."""
    return (kind.startswith(("document", "text", "list")) or "a string or an array" in kind or
            "shown to the model" in does or
            does.endswith(("as above", "as below", "as in Converse")))


def missing(t, page, name):
    rows, out = documented(page, name), set()
    fields(t, "", lambda path, kind: by_type(rows, path, kind), out)
    true(len(out) > 10, f"the schema has {len(out)} fields")
    return [p for p in out if not covered(p, rows)]


def none(paths):
    true(not paths, f"missing are {', '.join(sorted(paths))}")


def by_type(rows, path, kind):
    """Whether the table's row of path.type names the kind."""
    row = rows.get(path + ".type")
    return row is None or kind in re.findall(r"[a-z0-9_]+", row[0].split("(")[0])


suite = Suite("schemas of clients")


@suite.case("ChatCompletions", "every field of openai is in docs/openai.md")
def _():
    none(missing(Chat, "openai.md", "chat completions"))


@suite.case("Completions", "every field of openai is in docs/openai.md")
def _():
    none(missing(Completion, "openai.md", "completions"))


@suite.case("Responses", "every field of openai is in docs/openai.md")
def _():
    none(missing(Response, "openai.md", "responses"))


@suite.case("Messages", "every field of anthropic is in docs/bedrock.md")
def _():
    none(missing(Messages, "bedrock.md", "Messages"))


def shape_fields(shape, path, out, seen=()):
    if shape.type_name == "structure" and shape.name not in seen:
        for name, member in shape.members.items():
            p = f"{path}.{name}" if path else name
            if member.serialization.get("location"):
                continue
            out.add(p)
            shape_fields(member, p, out, (*seen, shape.name))
    elif shape.type_name == "list":
        out.add(path + "[]")
        shape_fields(shape.member, path + "[]", out, seen)
    elif shape.type_name == "map":
        out.add(path + "{}")
        shape_fields(shape.value, path + "{}", out, seen)


def of_boto3(operation, name):
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    rows, out = documented("bedrock.md", name), set()
    shape_fields(model.operation_model(operation).input_shape, "", out)
    true(out, "the schema has no fields")
    none([p for p in out if not covered(p, rows)])


suite.each("boto3's schema", [
    (operation, operation, name) for operation, name in (
        ("Converse", "Converse"), ("ConverseStream", "Converse"),
        ("CountTokens", "CountTokens"), ("ApplyGuardrail", "ApplyGuardrail"))
], of_boto3)


if __name__ == "__main__":
    suite.run()
