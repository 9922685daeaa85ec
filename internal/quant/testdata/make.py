"""Writes FORMAT.blocks, random blocks, and FORMAT.f32, what the gguf package decodes them to.

Run with the packages of tools/golden/requirements.txt, in this folder: python make.py
"""

import gguf
import numpy as np

# format -> number of blocks, offsets of the half precision scales in a block
FORMATS = {
    "Q8_0": (12, [0]), "Q4_0": (12, [0]), "Q4_K": (4, [0, 2]), "Q5_K": (4, [0, 2]), "Q6_K": (4, [208]),
    "MXFP4": (12, []),
}
# Ordinary ones, then a negative one, zero, a subnormal, the greatest.
SCALES = np.array([0.0123, 1.5, -0.75, 0, 3e-7, 65504], dtype=np.float16)

rng = np.random.default_rng(7)
for name, (count, offsets) in FORMATS.items():
    kind = gguf.GGMLQuantizationType[name]
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for i in range(count):
        for k, at in enumerate(offsets):
            scale = SCALES[(i + 2 * k) % len(SCALES)] if i < len(SCALES) else rng.normal()
            blocks[i, at : at + 2] = np.frombuffer(np.float16(scale).tobytes(), dtype=np.uint8)
    if name == "MXFP4":  # the scale is a power of two: the least, ordinary ones, the greatest
        blocks[:, 0] = [0, 1, 2, *rng.integers(100, 140, count - 5), 252, 253]
    blocks.tofile(name + ".blocks")
    gguf.dequantize(blocks.reshape(1, -1), kind).astype("<f4").tofile(name + ".f32")
