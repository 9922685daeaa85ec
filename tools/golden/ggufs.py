"""GGUF by llama.cpp's converter and quantiser, and its weights back as transformers models."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from gguf import GGUFReader, dequantize

import checkpoints
import reference

NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate",
}
TOP = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
       "output.weight": "lm_head.weight"}


def unpermute(weight, heads):
    """GGUF's llama stores Q and K rows for RoPE over neighbours; transformers rotates halves."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def read_tensors(path):
    return {t.name: torch.from_numpy(dequantize(t.data, t.tensor_type).astype("float64"))
            for t in GGUFReader(path).tensors}


def to_state(tensors, config, permuted):
    """Renames (and unpermutes) a GGUF's tensors for a transformers model of that config."""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    state, experts = {}, {}
    for name, value in tensors.items():
        if name in TOP:
            state[TOP[name]] = value
        elif name.startswith("blk."):
            _, layer, kind, suffix = name.split(".")
            if kind.endswith("_exps"):
                experts[layer, kind] = value
                continue
            if permuted and kind in heads:
                value = unpermute(value, heads[kind])
            state[f"model.layers.{layer}.{NAMES[kind]}.{suffix}"] = value
        elif name != "rope_freqs.weight":
            raise SystemExit(f"cannot place tensor {name}")
    for layer in {layer for layer, _ in experts}:
        prefix = f"model.layers.{layer}.mlp.experts."
        both = [experts[layer, "ffn_gate_exps"], experts[layer, "ffn_up_exps"]]
        state[prefix + "gate_up_proj"] = torch.cat(both, 1)
        state[prefix + "down_proj"] = experts[layer, "ffn_down_exps"]
    return state


def load_weights(model, path, permuted=True):
    tensors = read_tensors(path)
    check_rope(model, tensors)
    state = to_state(tensors, model.config, permuted)
    if model.config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)


def check_rope(model, tensors):
    """The file's RoPE factors must be those that transformers derives from the config."""
    if "rope_freqs.weight" not in tensors:
        return
    rotary = model.model.rotary_emb
    size = rotary.inv_freq.numel()
    theta = model.config.rope_parameters["rope_theta"]
    plain = theta ** -(torch.arange(size, dtype=torch.float64) / size)
    ours = plain / rotary.inv_freq.double()
    worst = (ours / tensors["rope_freqs.weight"] - 1).abs().max().item()
    if worst > 1e-5:
        raise SystemExit(f"RoPE factors differ by {worst}")


@dataclass
class File:
    """A GGUF made from a checkpoint; quant and options are llama-quantize's, when it's needed."""

    source: str
    pre: str
    outtype: str = "f32"
    quant: str = ""
    options: tuple = ("--pure",)


FILES = {
    "llama3-chat-F32": File("llama3-chat", "llama-bpe", "f32"),
    "llama3-chat-F16": File("llama3-chat", "llama-bpe", "f16"),
    "llama3-chat-BF16": File("llama3-chat", "llama-bpe", "bf16"),
    "llama3-tied-Q8_0": File("llama3-tied", "llama-bpe", quant="Q8_0"),
    "llama3-tied-Q4_0": File("llama3-tied", "llama-bpe", quant="Q4_0"),
    "llama3-tied-Q4_K": File("llama3-tied", "llama-bpe", quant="Q4_K"),
    "llama3-tied-Q5_K": File("llama3-tied", "llama-bpe", quant="Q5_K"),
    "llama3-tied-Q6_K": File("llama3-tied", "llama-bpe", quant="Q6_K"),
    "llama3-tied-Q4_K_M": File("llama3-tied", "llama-bpe", quant="Q4_K_M", options=()),
    "qwen3-Q8_0": File("qwen3", "qwen2", quant="Q8_0"),
    "qwen3-Q4_K": File("qwen3", "qwen2", quant="Q4_K"),
    "qwen3-moe-wide-Q8_0": File("qwen3-moe-wide", "qwen2", quant="Q8_0"),
    "qwen3-moe-wide-Q4_K": File("qwen3-moe-wide", "qwen2", quant="Q4_K"),
}


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def convert(tools, checkpoint, pre, outtype, path):
    script = Path(__file__).with_name("convert.py")
    run(sys.executable, script, tools / "convert_hf_to_gguf.py", pre, checkpoint,
        "--outtype", outtype, "--outfile", path)


def build(name, tools, checkpoint, path):
    """Writes one GGUF; tools is a llama.cpp tree with its programs in build/bin."""
    file = FILES[name]
    if not file.quant:
        convert(tools, checkpoint, file.pre, file.outtype, path)
        return
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source.gguf"
        convert(tools, checkpoint, file.pre, file.outtype, source)
        run(tools / "build/bin/llama-quantize", *file.options, source, path, file.quant, 1)


def make(name, tools, checkpoint, folder):
    """Goldens of a GGUF's dequantised weights; tools, when given, write the file anew."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.gguf"
    if tools:
        path.unlink(missing_ok=True)
        build(name, tools, checkpoint, path)
        path.chmod(0o644)
    model, tok = checkpoints.load(checkpoint, torch.float64)
    load_weights(model, path, permuted=model.config.model_type == "llama")
    kinds = sorted({t.tensor_type.name for t in GGUFReader(path).tensors})
    cases = checkpoints.prompts(tok, model.config.vocab_size)
    label = "dequantised from " + ", ".join(kinds)
    reference.summary(name, reference.write(folder, model, cases, weights=label))
