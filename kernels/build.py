"""Compiles the kernels: ptx/ and fatbin/ (in gzip), manifest.json and table.txt.

nvcc 13.0 is taken from PATH, else from the compiler's pinned wheels, which are installed into
$XDG_CACHE_HOME/basalt (no GPU and no driver are needed). A source is portable, PTX for compute_80
and machine code for each architecture, or belongs to the one that ends its name. The table says of
each kernel and architecture how many registers, bytes of spills and of shared memory it takes; a
kernel of decode that spills is an error, an instruction that must be there and is not, and a table
or PTX that differs from the committed one unless --update is given.
"""
import argparse
import concurrent.futures
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).parent
WHEELS = ["nvidia-cuda-nvcc==13.0.88", "nvidia-nvvm==13.0.88", "nvidia-cuda-crt==13.0.88",
          "nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cccl==13.0.85"]
PORTABLE = ["80", "90", "100", "120"]
SPECIFIC = {"sm90a": "90a", "sm100f": "100f", "sm120f": "120f"}
# What the PTX of every kernel of a source must contain.
MUST_HAVE = {"linear_sm90a": "wgmma.mma_async", "attention_sm90a": "wgmma.mma_async",
             "linear_sm100f": "tcgen05.mma", "attention_sm100f": "tcgen05.mma",
             "nvfp4_sm120f": "block_scale", "linear_tile": "cp.async.cg",
             "attention_tile": "cp.async.cg"}
# Prefill may keep more than registers hold; nothing that decode runs may.
MAY_SPILL = re.compile(r"bs_linear_\w+_(64|128)$|bs_attention_\w+_(tile|sm\w+)$")


def find_nvcc():
    nvcc = shutil.which("nvcc")
    if nvcc and "release 13.0" in subprocess.run([nvcc, "--version"], capture_output=True,
                                                 text=True).stdout:
        return nvcc
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    root = cache / "basalt" / "nvcc-13.0.88"
    nvcc = root / "nvidia" / "cu13" / "bin" / "nvcc"
    if not nvcc.exists():
        wheels = root / "wheels"
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d",
                        wheels, *WHEELS], check=True)
        for wheel in wheels.glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(root)
        for folder in ("bin", "nvvm/bin"):
            for tool in (root / "nvidia" / "cu13" / folder).iterdir():
                if tool.is_file():
                    tool.chmod(0o755)
    return str(nvcc)


def targets(name):
    """The virtual architecture of a source's PTX, and what its machine code is for."""
    arch = SPECIFIC.get(name.rsplit("_", 1)[-1])
    if arch:
        return arch, [f"-gencode=arch=compute_{arch},code=sm_{arch}"]
    codes = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in PORTABLE]
    return "80", [*codes, "-gencode=arch=compute_80,code=compute_80"]


def ptx_of(name):
    return HERE / "ptx" / (name + ".ptx.gz")


def read_ptx(name):
    return gzip.decompress(ptx_of(name).read_bytes()).decode()


def compile_one(nvcc, source):
    """Writes the PTX and the fatbin of one source, unless it has; gives the rows of its table."""
    name = source.stem
    ptx = ptx_of(name)
    fatbin = HERE / "fatbin" / (name + ".fatbin.gz")
    note = HERE / "fatbin" / (name + ".json")
    if note.exists() and fatbin.exists():
        told = json.loads(note.read_text())
        if told["source"] == source_hash(source) and told["ptx"] == file_hash(ptx):
            return {tuple(key): tuple(row) for key, row in told["rows"]}
    rows = compile_anew(nvcc, source, ptx, fatbin)
    note.write_text(json.dumps({"source": source_hash(source), "ptx": file_hash(ptx),
                                "rows": list(rows.items())}))
    return rows


def pack(made, to):
    """The same bytes for the same input: without a time."""
    to.write_bytes(gzip.compress(made.read_bytes(), 9, mtime=0))


def compile_anew(nvcc, source, ptx, fatbin):
    name = source.stem
    virtual, codes = targets(name)
    flags = [nvcc, "-O3", "-std=c++17", str(source)]
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / "made"
        subprocess.run([*flags, f"-arch=compute_{virtual}", "-ptx", "-o", str(made)], check=True)
        pack(made, ptx)
        done = subprocess.run([*flags, "-fatbin", "-Xptxas", "-v", *codes, "-o", str(made)],
                              capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr}")
        pack(made, fatbin)
    check_instructions(name, read_ptx(name))
    return rows_of(done.stderr)


def check_instructions(name, ptx):
    word = MUST_HAVE.get(name)
    for entry in ptx.split(".visible .entry ")[1:]:
        if word and word not in entry:
            sys.exit(f"{entry.split('(')[0]} has no {word}")


def rows_of(log):
    rows, at, spill = {}, None, 0
    for line in log.splitlines():
        if m := re.search(r"Compiling entry function '(\w+)' for 'sm_(\w+)'", line):
            at, spill = (m[1], m[2]), 0
        elif m := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spill = int(m[1]) + int(m[2])
        elif at and (m := re.search(r"Used (\d+) registers", line)):
            shared = re.search(r"(\d+) bytes smem", line)
            rows[at] = (int(m[1]), spill, int(shared[1]) if shared else 0)
            at = None
    return rows


def by_arch(row):
    return row[0][0], int(re.sub(r"\D", "", row[0][1]))


def table(rows):
    lines = [f"{'kernel':26} {'arch':>7} {'registers':>9} {'spills':>6} {'shared':>6}"]
    for (name, arch), (registers, spill, shared) in sorted(rows.items(), key=by_arch):
        lines.append(f"{name:26} {'sm_' + arch:>7} {registers:9} {spill:6} {shared:6}")
    return "\n".join(lines) + "\n"


def file_hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def source_hash(source):
    """Of the source and what it includes."""
    digest, seen, queue = hashlib.sha256(), set(), [source.resolve()]
    while queue:
        path = queue.pop()
        if path in seen or path.name == "emulate.h":
            continue
        seen.add(path)
        digest.update(path.read_bytes())
        includes = re.findall(r'#include "([^"]+)"', path.read_text())
        queue += sorted((path.parent / i).resolve() for i in includes)
    return digest.hexdigest()


def manifest(rows):
    """What each kernel takes, beside the arguments and threads that its PTX declares."""
    kernels = []
    for source in sorted(HERE.glob("*/*.cu")):
        for entry in read_ptx(source.stem).split(".visible .entry ")[1:]:
            name, rest = entry.split("(", 1)
            params = re.findall(r"\.param \.(u64|u32)", rest.split(")", 1)[0])
            archs = {a: {"registers": r[0], "spills": r[1], "shared": r[2]}
                     for (n, a), r in sorted(rows.items(), key=by_arch) if n == name}
            kernels.append({
                "name": name, "module": source.stem, "source": source_hash(source),
                "arguments": ["pointer" if p == "u64" else "int32" for p in params],
                "threads": int(re.search(r"\.maxntid (\d+)", rest)[1]), "archs": archs,
            })
    return json.dumps({"nvcc": "13.0", "kernels": kernels}, indent=1) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write table.txt and manifest.json")
    args = parser.parse_args()
    nvcc = find_nvcc()
    print("nvcc:", nvcc)
    sources = sorted(HERE.glob("*/*.cu"))
    rows = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(lambda s: compile_one(nvcc, s), sources):
            rows.update(result)
    print(table(rows), end="")
    spilled = [f"{n} sm_{a}" for (n, a), r in rows.items() if r[1] and not MAY_SPILL.match(n)]
    if spilled:
        sys.exit(f"these kernels of decode spill registers: {', '.join(spilled)}")
    for path, text in ((HERE / "table.txt", table(rows)), (HERE / "manifest.json", manifest(rows))):
        if args.update:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path.name} differs from the committed one: look at it, then run "
                     "python3 kernels/build.py --update")


if __name__ == "__main__":
    main()
