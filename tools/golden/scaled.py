"""Checkpoints in FP8, MXFP4 and NVFP4 as published ones store them, and their goldens.

A checkpoint of checkpoints.py is drawn anew, its projections are rounded by NumPy and ml_dtypes,
and written with the tensor names and the quantization_config of the tools that publish such files.
The goldens come from transformers in float64 with the weights that the written bytes stand for: read
back from the file by ml_dtypes, not taken from memory.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
import torch
from safetensors.torch import load_file, save_file

import checkpoints
import reference

E4M3, E8M0, E2M1 = ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e8m0fnu, ml_dtypes.float4_e2m1fn


@dataclass
class File:
    """A checkpoint of checkpoints.py, its projections in a layout (a function below)."""

    source: str
    layout: callable
    config: dict
    label: str


def blocks(x, rows, columns):
    """Greatest magnitude in each block, and the block's index of every value."""
    grid = np.zeros((-(-x.shape[0] // rows), -(-x.shape[1] // columns)), np.float32)
    at = np.ix_(np.arange(x.shape[0]) // rows, np.arange(x.shape[1]) // columns)
    np.maximum.at(grid, at, np.abs(x))
    return grid, at


def as_torch(x):
    x = np.ascontiguousarray(x)
    if x.dtype == E4M3:
        return torch.from_numpy(x.view(np.uint8)).view(torch.float8_e4m3fn)
    return torch.from_numpy(x)


def pack(codes):
    codes = codes.astype(E2M1).view(np.uint8)
    return codes[:, ::2] | codes[:, 1::2] << 4


def per_tensor(x):
    """compressed-tensors: one scale, and one of the activations, which Basalt does not round."""
    scale = np.float32(np.abs(x).max() / 448)
    return {"weight": as_torch((x / scale).astype(E4M3)), "weight_scale": torch.tensor([scale]),
            "input_scale": torch.tensor([np.float32(0.02)])}


def per_row(x):
    scale = (np.abs(x).max(1, keepdims=True) / 448).astype(ml_dtypes.bfloat16).astype(np.float32)
    codes = np.clip(x / scale, -448, 448).astype(E4M3)
    return {"weight": as_torch(codes), "weight_scale": as_torch(scale).to(torch.bfloat16)}


def per_block(x):
    """DeepSeek-V3 and Qwen3-FP8: a scale for 128 x 128, fewer at the edges."""
    grid, at = blocks(x, 128, 128)
    scale = (grid / 448).astype(np.float32)
    return {"weight": as_torch((x / scale[at]).astype(E4M3)), "weight_scale_inv": as_torch(scale)}


def mxfp4(x):
    """compressed-tensors: 32 of a row share a power of two."""
    grid, at = blocks(x, 1, 32)
    power = np.floor(np.log2(grid)).astype(int) - 2
    codes = np.clip(x / np.exp2(power)[at], -6, 6)
    return {"weight_packed": as_torch(pack(codes)),
            "weight_scale": as_torch((power + 127).astype(np.uint8))}


def nvfp4(x):
    """16 of a row share a scale in E4M3, and the matrix one in float32."""
    most = np.float32(448 * 6 / np.abs(x).max())
    grid, at = blocks(x, 1, 16)
    scale = (grid / 6 * most).astype(E4M3)
    codes = np.clip(x / (scale.astype(np.float32) / most)[at], -6, 6)
    return pack(codes), scale, most


def nvfp4_compressed(x):
    packed, scale, most = nvfp4(x)
    return {"weight_packed": as_torch(packed), "weight_scale": as_torch(scale),
            "weight_global_scale": torch.tensor([most]), "input_global_scale": torch.tensor([1.0])}


def nvfp4_modelopt(x):
    packed, scale, most = nvfp4(x)
    return {"weight": as_torch(packed), "weight_scale": as_torch(scale),
            "weight_scale_2": torch.tensor(np.float32(1) / most), "input_scale": torch.tensor(0.01)}


def compressed(kind, bits, **weights):
    weights = {"num_bits": bits, "type": "float", "symmetric": True, "dynamic": False} | weights
    return {"quant_method": "compressed-tensors", "format": kind, "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


BLOCK_FP8 = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
             "weight_block_size": [128, 128]}

FILES = {
    "llama3-fp8": File("llama3-chat", per_tensor,
                       compressed("float-quantized", 8, strategy="tensor"), "FP8"),
    "mistral-fp8-rows": File("mistral", per_row, {"quant_method": "fbgemm_fp8"}, "FP8"),
    "qwen3-fp8-blocks": File("qwen3", per_block, BLOCK_FP8, "FP8"),
    "qwen3-moe-fp8-blocks": File("qwen3-moe", per_block, BLOCK_FP8, "FP8"),
    "llama3-mxfp4": File("llama3-chat", mxfp4, compressed(
        "mxfp4-pack-quantized", 4, strategy="group", group_size=32), "MXFP4"),
    "mistral-nvfp4": File("mistral", nvfp4_compressed, compressed(
        "nvfp4-pack-quantized", 4, strategy="tensor_group", group_size=16), "NVFP4"),
    "qwen2-nvfp4-modelopt": File("qwen2", nvfp4_modelopt, {
        "quant_method": "modelopt", "quant_algo": "NVFP4"}, "NVFP4"),
}


def unpack(packed):
    packed = packed.numpy()
    codes = np.stack([packed & 15, packed >> 4], -1).reshape(packed.shape[0], -1)
    return codes.astype(np.uint8).view(E2M1).astype(np.float64)


def spread(scale, shape, rows, columns):
    """The scale of every value of a matrix whose blocks have so many rows and columns."""
    return np.repeat(np.repeat(scale, rows, 0), columns, 1)[: shape[0], : shape[1]]


def widened(parts):
    """The float64 values that the stored tensors of one projection stand for."""
    if parts.get("weight", parts.get("weight_packed")).dtype == torch.float8_e4m3fn:
        codes = parts["weight"].view(torch.uint8).numpy().view(E4M3).astype(np.float64)
        if "weight_scale_inv" in parts:
            scale = parts["weight_scale_inv"].double().numpy()
            return codes * spread(scale, codes.shape, 128, 128)
        return codes * parts["weight_scale"].double().numpy()  # one, or a column of one a row
    codes = unpack(parts["weight_packed"] if "weight_packed" in parts else parts["weight"])
    scale = parts["weight_scale"]
    if scale.dtype == torch.uint8:
        return codes * spread(scale.numpy().view(E8M0).astype(np.float64), codes.shape, 1, 32)
    scale = scale.view(torch.uint8).numpy().view(E4M3).astype(np.float64)
    if "weight_scale_2" in parts:
        scale = scale * parts["weight_scale_2"].double().numpy()
    else:
        scale = scale / parts["weight_global_scale"].double().numpy()
    return codes * spread(scale, codes.shape, 1, 16)


def projections(state):
    """Names without .weight of the matrices to round."""
    return [n.removesuffix(".weight") for n in state if n.endswith("_proj.weight")]


def save(name, folder):
    file = FILES[name]
    checkpoints.save(file.source, folder)
    state = {}
    for path in sorted(folder.glob("*.safetensors")):
        state |= load_file(path)
        path.unlink()
    for index in folder.glob("*.index.json"):
        index.unlink()
    for stem in projections(state):
        x = state.pop(stem + ".weight").float().numpy()
        state |= {f"{stem}.{k}": v for k, v in file.layout(x).items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = file.config
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for path in folder.iterdir():
        path.chmod(0o644)


def load_weights(model, folder):
    """Puts what the file's bytes stand for into a model of the plain checkpoint."""
    stored = load_file(folder / "model.safetensors")
    state = {n: t.double() for n, t in model.state_dict().items()}
    stems = {n.rsplit(".", 1)[0] for n in stored if n.endswith(("weight_scale", "_scale_inv"))}
    values = {}
    for stem in stems:
        own = [n for n in stored if n.startswith(stem + ".")]
        parts = {n.removeprefix(stem + "."): stored[n] for n in own}
        values[stem + ".weight"] = torch.from_numpy(widened(parts))
    fuse(values, state)
    if not values.keys() <= state.keys() or len(values) == 0:
        raise SystemExit(f"cannot place {sorted(values.keys() - state.keys())[:3]}")
    change = max(float((state[n] - v).norm() / state[n].norm()) for n, v in values.items())
    print(f"{folder.name:24} weights change by at most {change:.4f}")
    model.load_state_dict(state | values)


def fuse(values, state):
    """transformers 5 keeps the experts of a layer in stacks; files have them one by one."""
    for stack in [n for n in state if n.endswith("experts.gate_up_proj")]:
        stem = stack.removesuffix("gate_up_proj")
        count = state[stack].shape[0]
        take = lambda e, m: values.pop(f"{stem}{e}.{m}.weight")  # noqa: E731
        values[stack] = torch.stack([torch.cat([take(e, "gate_proj"), take(e, "up_proj")])
                                     for e in range(count)])
        values[stem + "down_proj"] = torch.stack([take(e, "down_proj") for e in range(count)])


def make(name, folder):
    save(name, folder)
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / FILES[name].source
        checkpoints.save(FILES[name].source, plain)
        model, tok = checkpoints.load(plain, torch.float64)
    load_weights(model, folder)
    cases = checkpoints.prompts(tok, model.config.vocab_size)[:2]
    reference.summary(name, reference.write(folder, model, cases, weights=FILES[name].label))
    shutil.rmtree(folder / "v4", ignore_errors=True)
