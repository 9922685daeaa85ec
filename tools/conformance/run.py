"""Drive the real binary with the published clients, each with only its endpoint changed.

    python3 tools/conformance/run.py [--binary ./basalt] [--endpoint URL] [SUITE...]

Prints a table client x operation x case x result and exits with 1 when any case fails. What it
needs beside Python and Node is installed, at pinned versions, into .cache/conformance.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(ROOT, ".cache", "conformance")
MODELS = ["testdata/llama3-chat", "testdata/stories260K/stories260K-f32.gguf"]
SUITES = ["boto3_answers.py", "boto3_errors.py", "openai_python.py", "langchain.py",
          "aws_sdk.mjs", "openai.mjs", "ai_sdk.mjs"]
SUITE_SECONDS = 600


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--binary", default=os.path.join(ROOT, "basalt"))
    p.add_argument("--endpoint", help="drive this server instead of starting one")
    p.add_argument("--json", help="also write all results to this file")
    p.add_argument("suites", nargs="*", default=SUITES, metavar="SUITE")
    args = p.parse_args()
    install()
    server = None if args.endpoint else Server(args.binary)
    try:
        endpoint = args.endpoint or server.endpoint
        lines = [line for s in args.suites for line in run_suite(s, endpoint)]
    finally:
        status = server.stop() if server else 0
    results = [line for line in lines if "case" in line] + agreement(lines)
    if status != 0:
        results.append(row("the server", "SIGTERM", "ends with status 0", False, f"it was {status}"))
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"results": results, "facts": [x for x in lines if "fact" in x]}, f, indent=1)
    sys.exit(report(results))


def install():
    """Make the virtual environment and node_modules anew when their pinned lists have changed."""
    os.makedirs(CACHE, exist_ok=True)
    venv = os.path.join(CACHE, "venv")
    pinned = os.path.join(HERE, "requirements.txt")
    fresh("venv.done", [pinned], [
        [sys.executable, "-m", "venv", "--clear", venv],
        [os.path.join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check",
         "--no-deps", "-r", pinned],
    ])
    node = os.path.join(CACHE, "node")
    os.makedirs(node, exist_ok=True)
    files = [os.path.join(HERE, name) for name in ("package.json", "package-lock.json")]
    fresh("node.done", files, [
        ["cp", *files, node],
        ["npm", "ci", "--prefix", node, "--ignore-scripts", "--silent", "--no-audit", "--no-fund"],
    ])


def fresh(mark, inputs, commands):
    digest = hashlib.sha256(b"".join(open(i, "rb").read() for i in inputs)).hexdigest()
    mark = os.path.join(CACHE, mark)
    if os.path.exists(mark) and open(mark).read() == digest:
        return
    for command in commands:
        subprocess.run(command, check=True)
    with open(mark, "w") as f:
        f.write(digest)


class Server:
    """The real binary on a free loopback port; its stderr goes to .cache/conformance/server.log."""

    def __init__(self, binary):
        self.log = open(os.path.join(CACHE, "server.log"), "w")
        self.process = subprocess.Popen(
            [binary, "serve", *MODELS, "--listen", "127.0.0.1:0"], cwd=ROOT,
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.endpoint = ""
        for line in self.process.stdout:
            if line.startswith("Listening on "):
                self.endpoint = line.split()[-1]
                break
        if not self.endpoint:
            self.process.wait()
            sys.exit(f"the server did not start; see {self.log.name}")
        # Else a server that prints more would wait for a reader.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "nothing: it did not end within 60 s"
        finally:
            self.log.close()


def run_suite(name, endpoint):
    path = os.path.join(HERE, name)
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith(("AWS_", "OPENAI_", "ANTHROPIC_", "LANG", "NODE_"))}
    environment.update(BASALT_ENDPOINT=endpoint, AWS_EC2_METADATA_DISABLED="true",
                       LANGSMITH_TRACING="false", PYTHONDONTWRITEBYTECODE="1")
    if name.endswith(".py"):
        command = [os.path.join(CACHE, "venv", "bin", "python"), path]
    else:
        # Node finds packages beside the script alone.
        command = ["node", copy_beside_packages(name)]
    try:
        p = subprocess.run(command, env=environment, cwd=CACHE, stdout=subprocess.PIPE, text=True,
                           timeout=SUITE_SECONDS)
        text, status = p.stdout, p.returncode
    except subprocess.TimeoutExpired as e:
        text, status = (e.stdout or b"").decode(), f"nothing in {SUITE_SECONDS} s"
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    if status != 0 or not lines:
        lines.append(row(name, "suite", "runs to its end", False, f"exit status {status}"))
    return lines


def copy_beside_packages(name):
    folder = os.path.join(CACHE, "node")
    for f in os.listdir(HERE):
        if f.endswith((".mjs", ".json")) and not f.startswith("package"):
            with open(os.path.join(HERE, f)) as source, open(os.path.join(folder, f), "w") as copy:
                copy.write(source.read())
    return os.path.join(folder, name)


def row(client, operation, case, ok, detail=""):
    return {"client": client, "operation": operation, "case": case, "ok": ok, "detail": detail}


def agreement(lines):
    """Every client must have got the same value of a fact, and the reference's where there is one."""
    facts = {}
    for line in lines:
        if "fact" in line:
            facts.setdefault(line["fact"], []).append(line)
    rows = []
    for key, seen in sorted(facts.items()):
        values = {}
        for line in seen:
            values.setdefault(json.dumps(line["value"]), []).append(
                line["client"] + " " + line["operation"])
        detail = "; ".join(f"{v[:120]} by {', '.join(who)}" for v, who in values.items())
        ways = f"{key}: the same {len(seen)} ways"
        rows.append(row("all clients", "agreement", ways, len(values) == 1, detail))
    return rows + reference(facts)


def reference(facts):
    """Greedy text against the published engine's, for the model whose every margin is wide."""
    if "story text" not in facts:
        return []
    with open(os.path.join(ROOT, "testdata", "stories260K", "greedy.json")) as f:
        want = json.load(f)[0]["text"]
    got = facts["story text"][0]["value"]
    ok = len(got) > 50 and want.startswith(got)
    return [row("all clients", "reference", "story text is the published engine's", ok,
                f"{got!r}, want a beginning of {want!r}")]


def report(results):
    heads = ("client", "operation", "case", "result")
    table = [tuple(str(r[h]) for h in heads[:3]) + ("ok" if r["ok"] else "FAIL",) for r in results]
    widths = [max(len(t[i]) for t in [heads, *table]) for i in range(3)]
    for t in [heads, tuple("-" * w for w in [*widths, 6]), *table]:
        print("  ".join([*(t[i].ljust(widths[i]) for i in range(3)), t[3]]))
    failed = [r for r in results if not r["ok"]]
    for r in failed:
        print(f"\nFAIL {r['client']}, {r['operation']}: {r['case']}\n     {r.get('detail', '')}")
    print(f"\n{len(results) - len(failed)} of {len(results)} hold")
    return 1 if failed else 0


if __name__ == "__main__":
    main()
