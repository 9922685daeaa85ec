"""Compiles the kernels: ptx/ for compute_80, fatbin/ for each architecture, and table.txt.

nvcc 13.0 is taken from PATH, else from the compiler's pinned wheels, which are installed into
$XDG_CACHE_HOME/basalt (no GPU and no driver are needed). The table says of each kernel and
architecture how many registers, bytes of spills and of shared memory it takes; a kernel of decode
that spills is an error, and so is a table that differs from the committed one unless --update is
given.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

HERE = pathlib.Path(__file__).parent
WHEELS = ["nvidia-cuda-nvcc==13.0.88", "nvidia-nvvm==13.0.88", "nvidia-cuda-crt==13.0.88",
          "nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cccl==13.0.85"]
ARCHS = ["80", "90", "100", "120"]
# Prefill's products may keep more than registers hold; nothing that decode runs may.
MAY_SPILL = re.compile(r"bs_linear_\w+_64$")


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


def compile_one(nvcc, source):
    """Writes the PTX and the fatbin of one source; gives the rows of its table."""
    name = source.stem
    flags = [nvcc, "-O3", "-std=c++17", str(source)]
    ptx = HERE / "ptx" / (name + ".ptx")
    subprocess.run([*flags, "-arch=compute_80", "-ptx", "-o", str(ptx)], check=True)
    codes = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHS]
    codes.append("-gencode=arch=compute_80,code=compute_80")
    fatbin = HERE / "fatbin" / (name + ".fatbin")
    log = subprocess.run([*flags, "-fatbin", "-Xptxas", "-v", *codes, "-o", str(fatbin)],
                         check=True, capture_output=True, text=True).stderr
    return rows_of(log)


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


def table(rows):
    lines = [f"{'kernel':24} {'arch':>6} {'registers':>9} {'spills':>6} {'shared':>6}"]
    for (name, arch), (registers, spill, shared) in sorted(rows.items(),
                                                           key=lambda r: (r[0][0], int(r[0][1]))):
        lines.append(f"{name:24} {'sm_' + arch:>6} {registers:9} {spill:6} {shared:6}")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write table.txt")
    args = parser.parse_args()
    nvcc = find_nvcc()
    print("nvcc:", nvcc)
    rows = {}
    for source in sorted(HERE.glob("*/*.cu")):
        rows.update(compile_one(nvcc, source))
    text, path = table(rows), HERE / "table.txt"
    print(text, end="")
    spilled = [f"{n} sm_{a}" for (n, a), r in rows.items() if r[1] and not MAY_SPILL.match(n)]
    if spilled:
        sys.exit(f"these kernels of decode spill registers: {', '.join(spilled)}")
    if args.update:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        sys.exit("the table differs from kernels/table.txt: look at it, then run "
                 "python3 kernels/build.py --update")


if __name__ == "__main__":
    main()
