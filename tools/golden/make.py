"""Writes everything in testdata/; see README.md. Usage: make.py [NAME...]"""

import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402

import checkpoints  # noqa: E402
import stories  # noqa: E402


def main(names):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.disable_progress_bar()
    for name in names or ["stories260K", *checkpoints.CHECKPOINTS]:
        if name == "stories260K":
            stories.make()
        else:
            checkpoints.make(name, checkpoints.TESTDATA / name)


if __name__ == "__main__":
    main(sys.argv[1:])
