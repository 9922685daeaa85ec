"""Run the graphs of a folder under XLA on the CPU, for `make neuron-golden`.

Each subfolder has graph.hlo.pb (HloModuleProto), case.json (names and shapes) and args.bin (the
inputs of all ranks, one after the other); outs.bin is written beside them. A graph of several ranks
runs as replicas on as many host devices.
"""

import json
import math
import os
import pathlib
import re
import sys

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import jax
import jaxlib
import ml_dtypes
import numpy as np
from jaxlib import _jax
from jaxlib import xla_client

DTYPES = {
    "pred": np.bool_, "s32": np.int32, "u32": np.uint32, "f32": np.float32,
    "bf16": ml_dtypes.bfloat16, "f8e4m3fn": ml_dtypes.float8_e4m3fn,
}


def parse(shape):
    """"f32[2,3]" -> (numpy type, (2, 3))."""
    name, dims = re.fullmatch(r"(\w+)\[([\d,]*)\]", shape).groups()
    return np.dtype(DTYPES[name]), tuple(int(d) for d in dims.split(",") if d)


def read_args(case, data):
    """Arrays by rank."""
    ranks, at = [], 0
    for _ in range(case["ranks"]):
        args = []
        for shape in case["args"]:
            dtype, dims = parse(shape)
            n = math.prod(dims)
            args.append(np.frombuffer(data, dtype, n, at).reshape(dims))
            at += n * dtype.itemsize
        ranks.append(args)
    if at != len(data):
        raise SystemExit(f"{case['name']}: {len(data)} bytes of arguments, want {at}")
    return ranks


def compile_graph(hlo, devices):
    options = xla_client.CompileOptions()
    options.num_replicas = len(devices)
    program = _jax.mlir.hlo_to_stablehlo(hlo)
    return devices[0].client.compile_and_load(program, _jax.DeviceList(tuple(devices)), options)


def spread(shards, devices):
    """One array whose i-th shard lies on the i-th device."""
    mesh = jax.sharding.Mesh(np.array(devices), ("rank",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rank"))
    parts = [jax.device_put(s, d) for s, d in zip(shards, devices)]
    shape = (shards[0].shape[0] * len(shards),) + shards[0].shape[1:]
    return jax.make_array_from_single_device_arrays(shape, sharding, parts)


def run(case, hlo, ranks):
    """Outputs by rank, as numpy arrays."""
    devices = jax.devices("cpu")[: case["ranks"]]
    program = compile_graph(hlo, devices)
    args = [spread([r[i] for r in ranks], devices) for i in range(len(case["args"]))]
    results = program.execute_sharded(args)
    arrays = results.disassemble_into_single_device_arrays()
    return [[np.asarray(a[rank]) for a in arrays] for rank in range(case["ranks"])]


def main(folder):
    cases = sorted(p.parent for p in pathlib.Path(folder).glob("*/case.json"))
    for path in cases:
        case = json.loads((path / "case.json").read_text())
        ranks = read_args(case, (path / "args.bin").read_bytes())
        outs = run(case, (path / "graph.hlo.pb").read_bytes(), ranks)
        with open(path / "outs.bin", "wb") as file:
            for rank in outs:
                for array, shape in zip(rank, case["outs"], strict=True):
                    dtype, dims = parse(shape)
                    if array.shape != dims or array.dtype != dtype:
                        raise SystemExit(f"{case['name']}: {array.dtype}{array.shape} for {shape}")
                    file.write(np.ascontiguousarray(array).tobytes())
    marker = pathlib.Path(folder) / "jaxlib.txt"
    marker.write_text(f"XLA on the CPU through jaxlib {jaxlib.__version__}\n")
    print(f"{len(cases)} graphs ran under XLA")


if __name__ == "__main__":
    main(sys.argv[1])
