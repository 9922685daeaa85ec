"""Configs and tokenizer files as transformers 4 writes them: how most models are published.

Run by make.py in a second set of packages (requirements-v4.txt): published.py CHECKPOINT...
"""

import json
import sys
from pathlib import Path

import transformers
from transformers import AutoConfig, GenerationConfig, PreTrainedTokenizerFast

DROPPED = ("transformers_version", "rope_parameters", "architectures", "dtype", "model_type")


def config(folder):
    values = json.loads((folder / "config.json").read_text())
    rope = dict(values["rope_parameters"])
    kept = {key: value for key, value in values.items() if key not in DROPPED}
    kept["rope_theta"] = rope.pop("rope_theta")
    kept["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    if values["model_type"] == "qwen3_moe":
        kept["num_experts"] = kept.pop("num_local_experts")
    made = AutoConfig.for_model(values["model_type"], torch_dtype=values["dtype"], **kept)
    made.architectures = values["architectures"]
    return made


def tokenizer(folder):
    values = json.loads((folder / "tokenizer_config.json").read_text())
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    tokens = {name: values[name] for name in names if values.get(name)}
    made = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"], **tokens)
    template = folder / "chat_template.jinja"
    made.chat_template = template.read_text() if template.exists() else None
    return made


def write(folder):
    out = folder / "v4"
    config(folder).save_pretrained(out)
    GenerationConfig.from_pretrained(folder).save_pretrained(out)
    tokenizer(folder).save_pretrained(out)
    (out / "tokenizer.json").unlink()


def main(folders):
    if not transformers.__version__.startswith("4."):
        raise SystemExit(f"needs transformers 4, not {transformers.__version__}")
    for folder in folders:
        write(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
