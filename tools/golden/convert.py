"""Runs llama.cpp's converter on a checkpoint whose vocabulary is cut.

The converter recognises a byte-level pre-tokenizer by a hash of ids that a cut vocabulary can't
give, so its name is handed over: convert.py CONVERTER PRE_TOKENIZER ARGUMENTS-OF-THE-CONVERTER...
"""

import runpy
import sys
from pathlib import Path


def main(converter, pre, arguments):
    sys.path.insert(0, str(Path(converter).parent / "gguf-py"))
    sys.path.insert(0, str(Path(converter).parent))
    from conversion.base import TextModel
    TextModel.get_vocab_base_pre = lambda self, tokenizer: pre
    sys.argv = [converter, *arguments]
    runpy.run_path(converter, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
