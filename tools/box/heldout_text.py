"""Prints held-out items of every scored family as one text, one conversation a line, as the chat
template renders them: what `basalt eval --special` measures the model in the box with.

    python3 heldout_text.py [--items N] > FILE

Needs only Python's standard library.
"""

import argparse

import chatformat
import evaluate


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=40, help="of each family")
    args = parser.parse_args()
    for family in evaluate.GOALS:
        if family == "json parses":  # the items of json
            continue
        for item in evaluate.items_of(family, args.items):
            print("".join(text for text, _ in chatformat.pieces(item.system, [item])))


if __name__ == "__main__":
    main()
