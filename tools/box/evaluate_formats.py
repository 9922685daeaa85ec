"""Scores the model in the box on each device and in each weight format, through the server's API.

    python3 evaluate_formats.py [--basalt ./basalt] [--devices cpu] [--items N]

The quantised files are written by `basalt quantize`. Exits with 1 where BF16 misses a family's goal,
Q8_0 scores more than 1 point below BF16, or Q4_0 more than 5, over all families.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import evaluate

MODEL = "basalt.box-v1"
MOST_LOST = {"BF16": 0.0, "Q8_0": 0.01, "Q4_0": 0.05}  # of the mean share


def files(basalt, folder):
    """What to serve for each format."""
    out = {"BF16": MODEL}
    for name in ("Q8_0", "Q4_0"):
        path = str(Path(folder) / f"box-{name}.gguf")
        subprocess.run([basalt, "quantize", MODEL, "-o", path, "--type", name.lower()], check=True,
                       stdout=subprocess.DEVNULL)
        out[name] = path
    return out


def wait_ready(process, url):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url + "/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    sys.exit("the server was not ready within a minute")


def scores(args, device, path):
    """Share by family of one served file."""
    url = f"http://127.0.0.1:{args.port}"
    command = [args.basalt, "serve", path, "--served-name", MODEL, "--device", device,
               "--listen", f"127.0.0.1:{args.port}", "--log-level", "error"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_ready(process, url)
        with ThreadPoolExecutor(8) as pool:
            return {f: evaluate.score(url, MODEL, f, args.items, args.seed, pool)[0]
                    for f in evaluate.GOALS}
    finally:
        process.terminate()
        process.wait()


def mean(shares):
    return sum(shares.values()) / len(shares)


def show(columns):
    print(f"{'family':12} {'goal':>6}" + "".join(f"{name:>12}" for name in columns))
    for family, goal in evaluate.GOALS.items():
        print(f"{family:12} {100 * goal:5.0f}%"
              + "".join(f"{100 * c[family]:11.1f}%" for c in columns.values()))
    print(f"{'mean':12} {'':6}" + "".join(f"{100 * mean(c):11.2f}%" for c in columns.values()))


def failures(columns):
    for name, shares in columns.items():
        device, form = name.split()
        base = columns[f"{device} BF16"]
        if form == "BF16":
            for family, goal in evaluate.GOALS.items():
                if shares[family] < goal:
                    yield f"{name}: {family} {100 * shares[family]:.1f}%, goal {100 * goal:.0f}%"
        elif mean(base) - mean(shares) > MOST_LOST[form]:
            yield f"{name}: {100 * (mean(base) - mean(shares)):.2f} points below BF16"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--basalt", default="./basalt")
    parser.add_argument("--devices", default="cpu")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--port", type=int, default=18080)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        columns = {f"{device} {form}": scores(args, device, path)
                   for form, path in files(args.basalt, folder).items()
                   for device in args.devices.split(",")}
    show(columns)
    low = list(failures(columns))
    print("\n".join(low) or "every goal is reached")
    sys.exit(bool(low))


if __name__ == "__main__":
    main()
