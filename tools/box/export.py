"""Writes a checkpoint as a model directory in the Hugging Face layout, weights in BF16.

    python export.py --dir DIR --out OUT [--shape box|draft]
"""

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

import chatformat
from model import CONTEXT, EPS, SHAPES, THETA, VOCAB, checkpoint_tensors


def config(shape, end):
    c = SHAPES[shape]
    return {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": VOCAB,
        "hidden_size": c["hidden"], "intermediate_size": c["ffn"],
        "num_hidden_layers": c["layers"], "num_attention_heads": c["heads"],
        "num_key_value_heads": c["kv_heads"], "head_dim": c["head_dim"],
        "max_position_embeddings": CONTEXT, "rope_theta": THETA, "rms_norm_eps": EPS,
        "hidden_act": "silu", "attention_bias": False, "attention_dropout": 0.0,
        "tie_word_embeddings": True, "use_sliding_window": False, "sliding_window": None,
        "max_window_layers": c["layers"], "initializer_range": 0.02, "use_cache": True,
        "bos_token_id": None, "eos_token_id": end, "pad_token_id": end,
        "torch_dtype": "bfloat16",
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def tokenizer_config(tok):
    ids = {t: tok["added"][t] for t in chatformat.SPECIAL + chatformat.MARKERS}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": CONTEXT,
        "bos_token": None, "eos_token": "<|end|>", "pad_token": "<|end|>", "unk_token": None,
        "add_bos_token": False, "add_prefix_space": False, "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {
            str(i): {"content": t, "lstrip": False, "normalized": False, "rstrip": False,
                     "single_word": False, "special": t in chatformat.SPECIAL}
            for t, i in ids.items()},
        "chat_template": chatformat.TEMPLATE,
    }


def export(directory, out, shape):
    out.mkdir(parents=True, exist_ok=True)
    state = torch.load(directory / "ckpt" / f"{shape}.pt", map_location="cpu", weights_only=True)
    tensors = {k: v.to(torch.bfloat16).contiguous().clone() for k, v in
               checkpoint_tensors(state["ema"], SHAPES[shape]).items()}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    shutil.copyfile(directory / "tokenizer.json", out / "tokenizer.json")
    added = {t["content"]: t["id"] for t in
             json.loads((out / "tokenizer.json").read_text())["added_tokens"]}
    end = added["<|end|>"]
    write_json(out / "config.json", config(shape, end))
    write_json(out / "generation_config.json",
               {"eos_token_id": end, "pad_token_id": end, "do_sample": False})
    write_json(out / "tokenizer_config.json", tokenizer_config({"added": added}))
    for f in sorted(out.iterdir()):
        print(hashlib.sha256(f.read_bytes()).hexdigest(), f.stat().st_size, f.name)
    print("step", state["step"], "tokens", state["tokens"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shape", default="box")
    args = parser.parse_args()
    export(args.dir, args.out, args.shape)


if __name__ == "__main__":
    main()
