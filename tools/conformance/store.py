"""An S3-compatible store of another maker, versitygw, for the operator's table of buckets.

It verifies Signature Version 4 and the hash of every body, over TLS with the site's certificate.
"""

import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time

MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
REGION = "site-1"
# "kept" is a part of the bucket "real"; "wrong" is the same with another secret.
TABLE = """  kept: {{tenants: [site], endpoint: "{url}", region: site-1, bucket: real, prefix: basalt/,
    access-key: "{access}", secret-key-file: "{secret}", ca: "{ca}"}}
  wrong: {{tenants: [site], endpoint: "{url}", region: site-1, bucket: real, prefix: basalt/,
    access-key: "{access}", secret-key-file: "{other}", ca: "{ca}"}}
  missing: {{tenants: [site], endpoint: "{url}", region: site-1, access-key: "{access}",
    secret-key-file: "{secret}", ca: "{ca}"}}
  untrusted: {{tenants: [site], endpoint: "{url}", region: site-1, access-key: "{access}",
    secret-key-file: "{secret}"}}
"""


class Store:
    def __init__(self, binary, site):
        self.access, self.secret = "STORE" + secrets.token_hex(8).upper(), secrets.token_hex(20)
        folder = site.at("store")
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("objects", "sidecar"):
            os.makedirs(os.path.join(folder, name))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self.log = open(os.path.join(folder, "log"), "w")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("VGW_", "ROOT_"))}
        self.process = subprocess.Popen(
            [binary, "--quiet", "--port", f"127.0.0.1:{self.port}", "--region", REGION,
             "--cert", site.at("server.pem"), "--key", site.at("server.key"),
             "posix", "--sidecar", os.path.join(folder, "sidecar"),
             os.path.join(folder, "objects")],
            env={**environment, "ROOT_ACCESS_KEY": self.access, "ROOT_SECRET_KEY": self.secret},
            stdout=self.log, stderr=self.log)
        self.wait(site)

    def wait(self, site):
        trust = ssl.create_default_context(cafile=site.at("ca.pem"))
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as s:
                    trust.wrap_socket(s, server_hostname="127.0.0.1").close()
                return
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise SystemExit(f"the store did not start; see {self.log.name}")

    def table(self, site):
        for name, secret in (("store.secret", self.secret), ("store.other", "x" + self.secret)):
            with open(os.open(site.at(name), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write(secret)
        return TABLE.format(url=self.url, access=self.access, secret=site.at("store.secret"),
                            other=site.at("store.other"), ca=site.at("ca.pem"))

    def environment(self):
        return {"BASALT_STORE": self.url, "BASALT_STORE_REGION": REGION,
                "BASALT_STORE_ACCESS": self.access, "BASALT_STORE_SECRET": self.secret}

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
