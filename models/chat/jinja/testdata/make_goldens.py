#!/usr/bin/env python3
"""Write goldens.json: what Python's Jinja2 makes of every case in lines.txt and blocks.txt.

    python3 -m venv VENV && VENV/bin/pip install jinja2==3.1.6 && VENV/bin/python make_goldens.py

The environment is the one that Hugging Face transformers gives to chat templates. lines.txt holds one
template a line; blocks.txt holds templates separated by lines of four dashes. All get vars.json.
"""
import datetime
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

HERE = pathlib.Path(__file__).parent


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller):
        return caller()


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def strftime_now(fmt):
    return datetime.datetime(2026, 3, 4, 15, 6, 7, 89000).strftime(fmt)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def render(source, variables):
    try:
        return {"source": source, "want": environment().from_string(source).render(**variables)}
    except Exception as e:
        return {"source": source, "err": type(e).__name__ + ": " + str(e).split("\n")[0]}


def main():
    variables = json.loads((HERE / "vars.json").read_text())
    lines = (HERE / "lines.txt").read_text().split("\n")
    sources = [line for line in lines if line and not line.startswith("# ")]
    sources += (HERE / "blocks.txt").read_text().split("\n----\n")
    goldens = [render(s, variables) for s in sources]
    (HERE / "goldens.json").write_text(json.dumps(goldens, ensure_ascii=False, indent=0) + "\n")
    print(len(goldens), "cases,", sum("err" in g for g in goldens), "of them errors")


if __name__ == "__main__":
    main()
