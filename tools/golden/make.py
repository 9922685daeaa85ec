"""Writes everything in testdata/; see README.md. Usage: make.py [--llama-cpp TREE] [NAME...]"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402

import checkpoints  # noqa: E402
import ggufs  # noqa: E402
import scaled  # noqa: E402
import stories  # noqa: E402


def make_gguf(name, tools):
    source = ggufs.FILES[name].source
    folder = checkpoints.TESTDATA / "gguf" / name
    if checkpoints.CHECKPOINTS[source].keep:
        ggufs.make(name, tools, checkpoints.TESTDATA / source, folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = Path(scratch) / source
        checkpoints.save(source, checkpoint)
        ggufs.make(name, tools, checkpoint, folder)


def publish(folder):
    """Adds the files of transformers 4, from the packages that `make golden` puts beside ours."""
    packages = Path(sys.prefix) / "v4"
    if not packages.exists():
        raise SystemExit(f"cannot find {packages}: install requirements-v4.txt there")
    script = Path(__file__).with_name("published.py")
    environment = os.environ | {"PYTHONPATH": str(packages)}
    subprocess.run([sys.executable, script, folder], check=True, env=environment)


def make(name, tools):
    if name == "stories260K":
        stories.make()
    elif name in ggufs.FILES:
        make_gguf(name, tools)
    elif name in scaled.FILES:
        scaled.make(name, checkpoints.TESTDATA / name)
    else:
        checkpoints.make(name, checkpoints.TESTDATA / name)
        publish(checkpoints.TESTDATA / name)


def main():
    kept = [name for name, recipe in checkpoints.CHECKPOINTS.items() if recipe.keep]
    everything = ["stories260K", *kept, *ggufs.FILES, *scaled.FILES]
    parser = argparse.ArgumentParser(description="Writes testdata/.")
    parser.add_argument("--llama-cpp", type=Path, help="a built llama.cpp tree, to write GGUF anew")
    parser.add_argument("names", nargs="*", choices=[[], *everything], default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.disable_progress_bar()
    for name in arguments.names or everything:
        make(name, arguments.llama_cpp)


if __name__ == "__main__":
    main()
