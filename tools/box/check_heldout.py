"""Proves that no item that is scored occurs in training: draws the first pools of the plan's stages
and compares every question of a family and every key with all scored items. (A question can be of
two families: with a calculator at hand it is a call, without one a refusal.)

    python3 check_heldout.py [--conversations N]
"""

import argparse
import json
import random
from pathlib import Path

import evaluate
import mixture
import tasks


def scored_questions(n):
    """Questions and keys of all scored items."""
    questions, keys = set(), set()
    for family in evaluate.GOALS:
        for item in evaluate.items_of(family, n):
            questions.add((item.family, item.turns[0][0]))
            keys.update(item.keys)
    return questions, keys


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--conversations", type=int, default=100000)
    parser.add_argument("--items", type=int, default=1000)
    args = parser.parse_args()
    questions, keys = scored_questions(args.items)
    assert all(tasks.held_out(k) for k in keys), "a scored item is not held out"
    plan = json.loads((Path(__file__).parent / "plan-box.json").read_text())
    rng, seen = random.Random(99), 0
    for stage in plan["stages"]:
        level = mixture.Level(rows=tuple(stage["rows"]), most_questions=stage["questions"],
                              turns=stage["turns"], ease={f: 0.5 for f in mixture.FAMILIES})
        for _ in range(args.conversations // len(plan["stages"])):
            _, items = mixture.conversation(rng, stage["weights"], level)
            for item in items:
                if item.family in mixture.NOT_SCORED:
                    continue
                seen += len(item.turns)
                assert not any(tasks.held_out(k) for k in item.keys), item
                assert not keys.intersection(item.keys), item
                assert (item.family, item.turns[0][0]) not in questions, item
    print(f"{seen} turns of training share none of {len(keys)} scored items")


if __name__ == "__main__":
    main()
