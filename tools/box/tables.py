"""Questions about a table in the prompt: retrieval from context."""

import words
from tasks import Item

INTRO = ["Here is a table:", "Here is the stock list:", "Use this table:", "Look at this table:",
         "This is our inventory:", "Read the table:"]
NUMBERS = ["count", "price", "weight", "year", "size"]
ASK = ["What is the {c} of {k}?", "What {c} has {k}?", "Tell me the {c} of {k}.",
       "Which {c} does {k} have?", "Look up the {c} of {k}.", "Give me the {c} of {k}."]
MISSING = "The table has no {k}."
ANSWER = "The {c} of {k} is {v}."


def _value(rng, column):
    if column == "shelf":
        return rng.choice("ABCDEFGH") + str(rng.randint(1, 9))
    if column == "colour":
        return rng.choice(words.COLOURS)
    return str(rng.randint(1, 999))


def _lines(keys, columns, rows):
    """The table as a list, and what is thought of each key: its line."""
    about = {k: f" {k}: " + ", ".join(f"{c} {v}" for c, v in zip(columns, row))
             for k, row in zip(keys, rows)}
    return "\n".join("-" + line for line in about.values()), about


def _grid(keys, columns, rows):
    """The table as markdown, and what is thought of each key: its line and the heads."""
    head = " item | " + " | ".join(columns) + " |"
    lines = {k: f" {k} | " + " | ".join(row) + " |" for k, row in zip(keys, rows)}
    rule = "|---" * (len(columns) + 1) + "|"
    body = "\n".join(["|" + head, rule] + ["|" + line for line in lines.values()])
    return body, {k: f"{line}\n{head}" for k, line in lines.items()}


def table(rng, level, rows=None):
    """A table of items in lines or as markdown, and some questions about it in turn."""
    n = rows or rng.randint(*level.rows)
    keys = rng.sample(words.NOUNS, min(n, len(words.NOUNS) - 3))
    columns = [rng.choice(NUMBERS)]
    if rng.random() < 0.5:
        columns.append(rng.choice(["shelf", "colour"]))
    rng.shuffle(columns)
    cells = [[_value(rng, c) for c in columns] for _ in keys]
    body, about = rng.choice([_lines, _grid])(keys, columns, cells)
    turns, names, want = [], [], []
    for i in range(level.questions(rng)):
        c = rng.randrange(len(columns))
        if rng.random() < 0.08:
            k = rng.choice([w for w in words.NOUNS if w not in keys])
            answer, value = MISSING.format(k=k), MISSING.format(k=k)
        else:
            r = rng.randrange(len(keys))
            k, value = keys[r], cells[r][c]
            answer = ANSWER.format(c=columns[c], k=k, v=value)
        ask = rng.choice(ASK).format(c=columns[c], k=k)
        if i == 0:
            ask = f"{rng.choice(INTRO)}\n{body}\n{ask}" if rng.random() < 0.8 else f"{body}\n{ask}"
        turns.append((ask, about.get(k, f" {k} none"), answer))
        names.append(f"table|{body}|{columns[c]}|{k}")
        want.append(value)
    return Item("table", names, turns, want, keep=rng.random() < 0.7)
