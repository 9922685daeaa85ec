"""The training text: which tasks, how hard, in which proportion, one after the other."""

import random
from dataclasses import dataclass, field, replace

import assist
import tables
import tasks

FAMILIES = {"add": tasks.add, "sub": tasks.sub, "compare": tasks.compare, "sort": tasks.sort,
            "reverse": tasks.reverse, "count": tasks.count, "case": tasks.case, "copy": tasks.copy,
            "fact": tasks.fact, "table": tables.table, "tool": assist.tool,
            "json": assist.json_item, "refuse": assist.refuse, "talk": assist.talk}

# Families whose phrases are few, and which nothing scores: no item is held out.
NOT_SCORED = {"talk"}

EASY_ROWS = (2, 6)

SYSTEM = ["You are a helpful assistant.", "You are the model in Basalt's box.", "Be brief.",
          "You are a small model. Answer plainly.", "Answer in one sentence."]


@dataclass
class Level:
    """How hard the items are."""

    easy: bool = False
    rows: tuple = (4, 40)
    most_questions: int = 4
    turns: float = 0.25  # share of conversations of several items
    two_words: float = 0.2  # share of case items of two words
    ease: dict = field(default_factory=dict)  # by family: the share of items that are easy

    def of(self, rng, family):
        """The level of one item of a family."""
        if not self.ease or rng.random() >= self.ease.get(family, 0.0):
            return self
        return replace(self, easy=True, rows=EASY_ROWS)

    def questions(self, rng):
        return rng.randint(1, self.most_questions)


def draw(rng, family, level, held):
    """One item of a family: held out altogether, or in no part."""
    while True:
        item = FAMILIES[family](rng, level)
        flags = [tasks.held_out(k) for k in item.keys]
        if family in NOT_SCORED or (all(flags) if held else not any(flags)):
            return item


def held_table(rng, level):
    """A table question: one turn, so that a whole item can be held out."""
    return draw(rng, "table", Level(rows=level.rows, most_questions=1), True)


def conversation(rng, weights, level):
    """The items of one training sequence."""
    names = list(weights)
    family = rng.choices(names, weights.values())[0]
    items = [draw(rng, family, level.of(rng, family), False)]
    while len(items) < 6 and rng.random() < level.turns and not items[0].tools:
        family = rng.choices(names, weights.values())[0]
        if family not in ("tool", "table"):
            items.append(draw(rng, family, level.of(rng, family), False))
    system = rng.choice(SYSTEM) if rng.random() < 0.08 else ""
    return system, items


def scored(family, n, level, seed=20):
    """n held-out items of a family."""
    rng = random.Random(f"{seed}|{family}")
    if family == "table":
        return [held_table(rng, level) for _ in range(n)]
    return [draw(rng, family, level, True) for _ in range(n)]
