"""Drive the real binary with the published clients, each with only its endpoint changed.

    python3 tools/conformance/run.py [--binary ./basalt] [--json FILE] [SUITE...]

Prints a table client x operation x case x result and exits with 1 when any case fails. What it
needs beside Python and Node is installed, at pinned versions, into .cache/conformance.
"""

import argparse
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

import golden
import store

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(ROOT, ".cache", "conformance")
MODELS = ["testdata/llama3-chat", "testdata/stories260K/stories260K-f32.gguf"]
# A site of its own, with keys, a policy and an audit log, made anew for each group.
SITE = ["--keys", "{site}/keys", "--seal-key", "{site}/seal", "--policy", "{site}/policy.yaml",
        "--audit", "{site}/log", "--audit-key", "{site}/audit", "--audit-anchors",
        "{site}/anchors", "--audit-content", "allowed"]
POLICY = """principals:
  client: {tenant: site, models: ["*"], operations: ["*"]}
"""
# Names by whose vendor a model takes a native body, and guardrails.
NAMES = ["--alias", ",".join(f"{name}={model}" for model, names in {
    "llama3-chat": ["meta.chat-v1:0", "anthropic.chat", "amazon.chat", "cohere.chat",
                    "mistral.chat"],
    "stories260K-f32": ["mistral.story", "deepseek.story", "amazon.story", "cohere.story"],
}.items() for name in names), "--guardrails", os.path.join(HERE, "guardrails.yaml")]
# What s3:// URIs mean for jobs: a folder of the site's, and what store.py adds.
BUCKETS = """buckets:
  data: {{tenants: [site], folder: {folder}/bucket}}
  theirs: {{tenants: [other], folder: {folder}/theirs}}
"""
# Suites by the flags of the server that they drive, and its models if others than MODELS.
GROUPS = [
    (NAMES, ["boto3_answers.py", "boto3_converse.py", "boto3_families.py", "boto3_control.py",
             "boto3_errors.py", "boto3_limits.py", "openai_python.py", "openai_more.py",
             "openai_errors.py", "anthropic_client.py", "langchain.py", "langchain_more.py",
             "aws_cli.py", "awsgo", "aws_sdk.mjs", "openai.mjs", "anthropic_bedrock.mjs", "ai_sdk.mjs",
             "schema_fields.py", "crowd.py"]),
    (["--kv-memory", "1MiB"], ["crowd.py"]),
    (["--max-seqs", "1", "--max-queue", "1"], ["overload.py"]),
    ([], ["drain.py"]),
    ("faults", ["boto3_faults.py"]),
    # The model in the binary. A client offers tools by a part of the name alone.
    (["--alias", "anthropic.claude-box=basalt.box-v1"], ["box.py", "box.mjs"], []),
    (SITE, ["signed.py", "awsgo", "http2.mjs", "anthropic_bedrock.mjs"]),
    (SITE + ["--tls-cert", "{site}/server.pem", "--tls-key", "{site}/server.key"],
     ["signed.py", "awsgo", "http2.mjs", "anthropic_bedrock.mjs"]),
    (SITE + ["--jobs", "{site}/jobs", "--buckets", "{site}/buckets.yaml",
             "--audit-deliver-every", "500ms"],
     ["boto3_jobs.py", "boto3_stores.py", "awsgo"]),
]
SUITE_SECONDS = 600
MUST_BE_ZERO = (
    "basalt_failed_steps_total", "basalt_panics_total", "basalt_requests_in_flight",
    "vllm:kv_cache_usage_perc", "vllm:num_requests_running", "vllm:num_requests_waiting",
)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--binary", default=os.path.join(ROOT, "basalt"))
    p.add_argument("--json", help="also write all results to this file")
    p.add_argument("suites", nargs="*", metavar="SUITE", help="such as boto3_answers.py; all")
    args = p.parse_args()
    install()
    lines = []
    for flags, suites, *models in GROUPS:
        suites = [s for s in suites if s in args.suites or not args.suites]
        if suites and flags == "faults":
            lines += run_faults(suites)
        elif suites:
            lines += run_group(args.binary, [*(models[0] if models else MODELS), *flags], suites)
    results = [line for line in lines if "case" in line] + agreement(lines)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"results": results, "facts": [x for x in lines if "fact" in x]}, f, indent=1)
    sys.exit(report(results))


def run_faults(suites):
    """Suites against the server's own test that serves every class of errors."""
    test = os.path.join(CACHE, "faults.test")
    subprocess.run(["go", "test", "-c", "-o", test, "./server"], check=True, cwd=ROOT)
    server = Server([test, "-test.run", "^TestServeFaults$", "-test.timeout", "0"],
                    os.path.join(ROOT, "server"), BASALT_SERVE_FAULTS="1")
    try:
        lines = [line for s in suites for line in run_suite(s, server)]
    finally:
        status = server.stop()
    return [*lines, row("basalt test of faults", "SIGTERM", "ends with status 0", status == 0,
                        f"it was {status}")]


def run_group(binary, flags, suites):
    site = Site(binary) if any("{site}" in f for f in flags) else None
    given = [f.replace("{site}", site.folder) if site else f for f in flags]
    if "--buckets" in flags:
        site.add_store()
    try:
        return drive(binary, flags, given, suites, site)
    finally:
        if site and site.store:
            site.store.stop()


def drive(binary, flags, given, suites, site):
    server = Server([binary, "serve", *given, "--listen", "127.0.0.1:0"], ROOT, site)
    lines = []
    try:
        for s in suites:
            lines += run_suite(s, server)
        if server.process.poll() is None and suites != ["drain.py"]:
            lines.append(server.left_over())
    finally:
        status = server.stop()
    if site:
        lines.append(site.verify(binary))
    name = " ".join(["basalt serve", *flags]).replace(" ".join(SITE), "(site)").replace(
        " ".join(NAMES), "(names)").replace(" ".join(MODELS), "(models)")
    lines.append(row(name, "SIGTERM", "ends with status 0", status == 0, f"it was {status}"))
    return lines


def check_tools():
    if sys.version_info < (3, 11):
        sys.exit("Python %d.%d is too old: the clients need 3.11 or newer" % sys.version_info[:2])
    if not shutil.which("go"):
        sys.exit("go is missing: install Go 1.26 or newer (https://go.dev/dl)")
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: install Node.js 20 or newer (https://nodejs.org, or your "
                     "system's packages nodejs and npm)")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.lstrip("v").split(".")[0]) < 20:
        sys.exit(f"Node.js {version.stdout.strip()} is too old: the clients need 20 or newer")


def install():
    """Make the virtual environment and node_modules anew when their pinned lists have changed."""
    check_tools()
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
    gateway = os.path.join(CACHE, "store-module")
    with open(gateway, "w") as f:
        f.write(store.MODULE)
    fresh("store.done", [gateway], [["env", "GOBIN=" + CACHE, "go", "install", store.MODULE]])
    build_go()


def build_go():
    """Build the Go client from a copy: a module of its own, which no tool of the server's sees."""
    source, folder = os.path.join(HERE, "awsgo"), os.path.join(CACHE, "awsgo-module")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for f in os.listdir(source):
        shutil.copy(os.path.join(source, f), os.path.join(folder, f.removesuffix(".txt")))
    subprocess.run(["go", "build", "-C", folder, "-o", os.path.join(CACHE, "awsgo"), "."],
                   check=True)


def fresh(mark, inputs, commands):
    digest = hashlib.sha256(b"".join(open(i, "rb").read() for i in inputs)).hexdigest()
    mark = os.path.join(CACHE, mark)
    if os.path.exists(mark) and open(mark).read() == digest:
        return
    for command in commands:
        subprocess.run(command, check=True)
    with open(mark, "w") as f:
        f.write(digest)


class Site:
    """Keys, certificates and a policy, made with the command itself."""

    def __init__(self, binary):
        self.folder = os.path.join(CACHE, "site")
        shutil.rmtree(self.folder, ignore_errors=True)
        run = lambda *args: subprocess.run(
            [binary, *args], check=True, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL).stdout
        run("certs", "server", "--dir", self.folder)
        run("keys", "seal-key", self.at("seal"))
        run("audit", "keygen", self.at("audit"))
        keys = ["keys", "create", "client", "--keys", self.at("keys")]
        self.bearer = run(*keys).strip()
        access = run(*keys, "--type", "access", "--seal-key", self.at("seal"))
        pair = dict(line.split("=", 1) for line in access.split())
        self.access, self.secret = pair["AWS_ACCESS_KEY_ID"], pair["AWS_SECRET_ACCESS_KEY"]
        with open(self.at("policy.yaml"), "w") as f:
            f.write(POLICY)
        for name in ("bucket", "theirs"):
            os.mkdir(self.at(name))
        self.store = None
        with open(self.at("buckets.yaml"), "w") as f:
            f.write(BUCKETS.format(folder=self.folder))

    def at(self, name):
        return os.path.join(self.folder, name)

    def add_store(self):
        self.store = store.Store(os.path.join(CACHE, "versitygw"), self)
        with open(self.at("buckets.yaml"), "a") as f:
            f.write(self.store.table(self))

    def environment(self):
        return {"BASALT_ACCESS": self.access, "BASALT_SECRET": self.secret,
                "BASALT_BEARER": self.bearer, "AWS_CA_BUNDLE": self.at("ca.pem"),
                "BASALT_BUCKET": self.at("bucket"),
                **(self.store.environment() if self.store else {}),
                "NODE_EXTRA_CA_CERTS": self.at("ca.pem"),
                "SSL_CERT_FILE": self.at("ca.pem")}

    def verify(self, binary):
        p = subprocess.run([binary, "audit", "verify", self.at("log"), "--key",
                            self.at("audit.pub"), "--anchors", self.at("anchors")],
                           text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        ok = p.returncode == 0 and "Unprotected tail: 0 records" in p.stdout
        return row("basalt audit verify", "the server's log", "is whole and anchored", ok, p.stdout)


class Server:
    """The real binary on a free loopback port; its stderr goes to .cache/conformance/server.log."""

    def __init__(self, command, folder, site=None, **environment):
        self.site = site
        self.log = open(os.path.join(CACHE, "server.log"), "w")
        self.process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment},
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

    def left_over(self):
        """A row on what the server still holds once every client has gone, and on its faults."""
        held = {}
        for _ in range(50):
            with self.get("/metrics") as r:
                samples = [line.rsplit(" ", 1) for line in r.read().decode().splitlines()
                           if not line.startswith("#")]
            held = {k: v for k, v in samples if k.startswith(MUST_BE_ZERO) and float(v) != 0}
            if not held:
                break
            time.sleep(0.1)
        return row("basalt serve", "/metrics", "nothing is running, held or failed at the end",
                   bool(samples) and not held, str(held))

    def get(self, path):
        request = urllib.request.Request(self.endpoint + path)
        trust = None
        if self.site:
            request.add_header("Authorization", "Bearer " + self.site.bearer)
            trust = ssl.create_default_context(cafile=self.site.at("ca.pem"))
        return urllib.request.urlopen(request, timeout=10, context=trust)

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "nothing: it did not end within 60 s"
        finally:
            self.log.close()


def run_suite(name, server):
    site = server.site
    path = os.path.join(HERE, name)
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith(("AWS_", "OPENAI_", "ANTHROPIC_", "LANG", "NODE_"))}
    environment.update(BASALT_ENDPOINT=server.endpoint, BASALT_ROOT=ROOT, BASALT_PID=str(server.process.pid),
                       BASALT_SHARED=os.path.join(HERE, "shared.json"),
                       AWS_EC2_METADATA_DISABLED="true", LANGSMITH_TRACING="false",
                       PYTHONDONTWRITEBYTECODE="1", **(site.environment() if site else {}))
    if name == "awsgo":
        command = [os.path.join(CACHE, name)]
    elif name.endswith(".py"):
        command = [os.path.join(CACHE, "venv", "bin", "python"), path]
    else:
        # Node finds packages beside the script alone.
        command = ["node", "--no-warnings", copy_beside_packages(name)]
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
    """Every client must have got the same value of a fact; texts, the reference's too."""
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
    """The clients' greedy texts against the reference implementations' of testdata."""
    rows = []
    with open(os.path.join(ROOT, "testdata", "stories260K", "greedy.json")) as f:
        want = json.load(f)[0]["text"]
    if "story text" in facts:
        got = facts["story text"][0]["value"]
        ok = len(got) > 50 and want.startswith(got)
        rows.append(row("all clients", "reference", "story text is the published engine's", ok,
                        f"{got!r}, want a beginning of {want!r}"))
    if "chat text" in facts:
        got = facts["chat text"][0]["value"]
        folder = os.path.join(ROOT, "testdata", "llama3-chat")
        with open(os.path.join(HERE, "shared.json")) as f:
            num_tokens = json.load(f)["chat_tokens"]
        ok, seen = golden.compare(folder, "chat", num_tokens, got)
        rows.append(row("all clients", "reference", "chat text is transformers'", ok, seen))
    return rows


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
