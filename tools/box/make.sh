#!/usr/bin/env bash
# Trains the model in the box, its draft twin and its adapter in a work folder, resuming what is
# there, and exports all three: make.sh FOLDER
set -euo pipefail
work=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")"
python=$work/venv/bin/python

[ -e "$work/tokenizer.json" ] || "$python" -B make_tokenizer.py "$work/tokenizer.json"
for shape in box draft; do
  "$python" -B train.py --dir "$work" --shape $shape
  "$python" -B export.py --dir "$work" --shape $shape --out "$work/out/$shape"
done
[ -e "$work/out/lora-vowels" ] || "$python" -B lora.py --dir "$work" --out "$work/out/lora-vowels"
"$python" -B check_heldout.py
"$python" -B check_transformers.py "$work/out/box"
"$python" -B plot.py "$work/log-box.jsonl" "$work/out/training.svg"
echo "The models are in $work/out; models/box and testdata hold the published ones."
