"""Generators of the training text: one function per family of tasks.

Each takes a random generator and a Level and gives an Item. Whether an item is held out is a
property of its key alone (a hash), so that training and scoring can never share one.
"""

import hashlib
from dataclasses import dataclass, field

import facts
import words

HELD_OUT_PERCENT = 5


@dataclass
class Item:
    """One or more turns about one thing. Turns are (user, thought, answer); keys name what is
    asked, one per turn; want is what the scorer looks for in each answer."""

    family: str
    keys: list
    turns: list
    want: list
    system: str = ""
    # Whether earlier turns keep their thoughts: more to learn from one long prompt.
    keep: bool = False
    tools: list = field(default_factory=list)
    # A tool's result and the assistant's sentence about it, after the only turn.
    after: tuple = ()


def held_out(key):
    """Whether a key belongs to the items that are only scored."""
    digest = hashlib.sha256(("basalt-box-1|" + key).encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def single(family, key, user, thought, answer, want=None, **more):
    return Item(family, [family + "|" + key], [(user, thought, answer)],
                [answer if want is None else want], **more)


def number(rng, digits=3):
    return rng.randrange(10 ** rng.choice(range(1, digits + 1)))


def column(a, b, i):
    return a // 10**i % 10, b // 10**i % 10


def add_thought(a, b):
    """Columns from the right: two digits, the carry, and the sum as carry and digit."""
    carry, out = 0, []
    for x, y in (column(a, b, i) for i in range(3)):
        out.append(f"{x}+{y}+{carry}={x + y + carry:02d}")
        carry = (x + y + carry) // 10
    return f"{a:03d}+{b:03d};" + ";".join(out)


def signs(a, b):
    """Columns from the left, each with its sign, up to the first that differs."""
    out = ""
    for x, y in zip(f"{a:03d}", f"{b:03d}"):
        sign = "<" if x < y else ">" if x > y else "="
        out += x + sign + y
        if sign != "=":
            break
    return out


def sub_thought(a, b):
    """Which number is greater; the greater first; columns from the right: two digits, the borrow,
    and the difference as borrow and digit."""
    borrow, out = 0, []
    high, low = max(a, b), min(a, b)
    for x, y in (column(high, low, i) for i in range(3)):
        d = x - y - borrow
        out.append(f"{x}-{y}-{borrow}={int(d < 0)}{d % 10}")
        borrow = int(d < 0)
    sign = "-" if a < b else "+"
    return f"{a:03d}-{b:03d};{signs(a, b)};{sign}{high:03d}-{low:03d};" + ";".join(out)


ADD = ["What is {a} + {b}?", "{a} + {b}", "{a}+{b}", "Add {a} and {b}.", "{a} plus {b}",
       "What is {a} plus {b}?", "What is the sum of {a} and {b}?", "Compute {a} + {b}.",
       "How much is {a} + {b}?", "Please add {a} and {b}.", "{a} + {b} = ?", "{a}+{b}=",
       "Work out {a} + {b}."]
SUB = ["What is {a} - {b}?", "{a} - {b}", "{a}-{b}", "Subtract {b} from {a}.", "{a} minus {b}",
       "What is {a} minus {b}?", "Compute {a} - {b}.", "How much is {a} - {b}?",
       "Take {b} from {a}.", "{a} - {b} = ?", "{a}-{b}=", "Work out {a} - {b}.",
       "What is the difference {a} - {b}?"]


def add(rng, level):
    a, b = number(rng), number(rng)
    text = rng.choice(ADD).format(a=a, b=b)
    return single("add", f"{min(a, b)}+{max(a, b)}", text, add_thought(a, b), str(a + b))


def sub(rng, level):
    a, b = number(rng), number(rng)
    text = rng.choice(SUB).format(a=a, b=b)
    return single("sub", f"{max(a, b)}-{min(a, b)}", text, sub_thought(a, b), str(a - b))


LARGER = ["Which is larger, {a} or {b}?", "Which number is greater: {a} or {b}?",
          "What is the larger of {a} and {b}?", "Which is more, {a} or {b}?"]
SMALLER = ["Which is smaller, {a} or {b}?", "Which number is less: {a} or {b}?",
           "What is the smaller of {a} and {b}?", "Which is less, {a} or {b}?"]


def compare(rng, level):
    a, b = number(rng), number(rng)
    while a == b or (rng.random() < 0.3 and a // 10 != b // 10):
        a, b = number(rng), number(rng)
    key, thought = f"{min(a, b)}<{max(a, b)}", f"{a:03d};{b:03d};{signs(a, b)};" + "<>"[a > b]
    kind = rng.randrange(3)
    if kind == 0:
        return single("compare", key, rng.choice(LARGER).format(a=a, b=b), thought, str(max(a, b)))
    if kind == 1:
        return single("compare", key, rng.choice(SMALLER).format(a=a, b=b), thought, str(min(a, b)))
    word = rng.choice(["greater", "larger", "smaller", "less"])
    asked = "<>"[word in ("greater", "larger")]
    return single("compare", key, f"Is {a} {word} than {b}?", f"{thought}; {word}{asked}",
                  "Yes." if asked == thought[-1] else "No.")


UP = ["Sort {l}.", "Sort these numbers: {l}.", "Sort {l} in ascending order.",
      "Put {l} in order.", "Order these numbers from small to large: {l}.",
      "Please sort the list {l}."]
DOWN = ["Sort {l} in descending order.", "Sort these numbers from large to small: {l}.",
        "Put {l} in descending order.", "Order {l} from large to small."]
MOST = ["What is the largest of {l}?", "Which number is the largest: {l}?",
        "Find the maximum of {l}.", "What is the maximum of {l}?"]
LEAST = ["What is the smallest of {l}?", "Which number is the smallest: {l}?",
         "Find the minimum of {l}.", "What is the minimum of {l}?"]


def lettered(values):
    """The numbers as two digits, each with a letter: the how manieth of its shelf it is."""
    seen, out = [], []
    for v in values:
        seen.append(v // 10)
        out.append(f"{v:02d}" + "abcdef"[seen.count(v // 10) - 1])
    return " ".join(out)


def shelves(values, down):
    """The numbers on shelves by their first digit, in order; before each, the letter that says how
    many are still to come."""
    out = []
    for tens in sorted(range(10), reverse=down):
        shelf = sorted((v for v in values if v // 10 == tens), reverse=down)
        out.append(f"{tens}" + "".join(f"{'abcdef'[len(shelf) - 1 - i]}{v:02d}"
                                       for i, v in enumerate(shelf)))
    return ";".join(out)


def sort(rng, level):
    n = rng.randint(2 if level.easy else 3, 4 if level.easy else 6)
    values = rng.sample(range(100), n)
    text = ", ".join(map(str, values))
    key = ",".join(map(str, sorted(values)))
    kind = rng.choices(range(4), [4, 2, 1, 1])[0]
    ask = rng.choice([UP, DOWN, MOST, LEAST][kind]).format(l=text)
    padded = " ".join(f"{v:02d}" for v in values)
    if kind >= 2:
        return single("sort", key, ask, padded, str(max(values) if kind == 2 else min(values)))
    ordered = sorted(values, reverse=kind == 1)
    thought = lettered(values) + ";" + shelves(values, kind == 1)
    return single("sort", key, ask, thought, ", ".join(map(str, ordered)))


def spelled(word):
    return "".join(f"{c}{i + 1}" for i, c in enumerate(word))


def numbered(word):
    return "".join(f"{i + 1}{c}" for i, c in enumerate(word))


def spelled_back(word):
    return "".join(f"{c}{i + 1}" for i, c in reversed(list(enumerate(word))))


REVERSE = ['Reverse "{w}".', 'Reverse the word "{w}".', 'Write "{w}" backwards.',
           'Spell "{w}" backwards.', 'What is "{w}" in reverse?',
           'Reverse the letters of "{w}".', 'Turn "{w}" around.']
COUNT = ['How many letters are in "{w}"?', 'Count the letters of "{w}".',
         'How many letters does "{w}" have?', 'How long is the word "{w}"?']
COUNT_ONE = ['How many times does the letter {c} occur in "{w}"?', 'How many {c} are in "{w}"?',
             'Count the letter {c} in "{w}".', 'How often is {c} in "{w}"?']
NTH = ['What is letter {i} of "{w}"?', 'Which is letter {i} of "{w}"?',
       'Give me letter {i} of "{w}".', 'What is letter number {i} in "{w}"?']
UPPER = ['Write "{w}" in capitals.', 'Write "{w}" in upper case.', 'Make "{w}" upper case.',
         'Put "{w}" in capital letters.', 'Change "{w}" to upper case.']
LOWER = ['Write "{w}" in lower case.', 'Make "{w}" lower case.', 'Put "{w}" in small letters.',
         'Change "{w}" to lower case.', 'Write "{w}" without capitals.']
COPY = ['Repeat "{w}".', 'Say "{w}".', 'Copy "{w}".', 'Write "{w}".', 'Repeat exactly: "{w}"',
        'Copy this: "{w}"', 'Please repeat "{w}".']
SPELL = ['Spell "{w}".', 'Spell the word "{w}".', 'How do you spell "{w}"?']


def reverse(rng, level):
    w = words.pseudo_word(rng, 3, 5 if level.easy else 9)
    thought = spelled(w) + ";" + spelled_back(w)
    return single("reverse", w, rng.choice(REVERSE).format(w=w), thought, w[::-1])


def count(rng, level):
    w = words.pseudo_word(rng, 3, 6 if level.easy else 9)
    kind = rng.randrange(4)
    if kind == 0:
        return single("count", w, rng.choice(COUNT).format(w=w), spelled(w), str(len(w)))
    if kind == 1:
        i = rng.randint(1, len(w))
        thought = f"{numbered(w)};{i}{w[i - 1]}"
        return single("count", w, rng.choice(NTH).format(i=i, w=w), thought, w[i - 1])
    c = rng.choice(w) if rng.random() < 0.8 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    if rng.random() < 0.5:
        i = rng.randrange(len(w))
        w = w[:i] + c + w[i + 1:]
    thought, n = "", 0
    for x in w:
        n += x == c
        thought += f"{x}{n}" if x == c else f"{x}0"
    return single("count", w, rng.choice(COUNT_ONE).format(c=c, w=w), f"{c};{thought}", str(n))


def case(rng, level):
    w = words.pseudo_word(rng, 3, 6 if level.easy else 10)
    if rng.random() < level.two_words:
        w += " " + words.pseudo_word(rng, 2, 6)
    if rng.random() < 0.5:
        return single("case", w, rng.choice(UPPER).format(w=w), "", w.upper())
    return single("case", w, rng.choice(LOWER).format(w=w.upper()), "", w)


def copy(rng, level):
    if rng.random() < 0.25:
        n = rng.randint(3, 10)
        w = "".join(rng.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(n))
    else:
        n = rng.randint(1, 2 if level.easy else 4)
        w = " ".join(words.pseudo_word(rng, 2, 8) for _ in range(n))
    if rng.random() < 0.15 and " " not in w and w.isalpha():
        return single("copy", w, rng.choice(SPELL).format(w=w), "", "-".join(w))
    return single("copy", w, rng.choice(COPY).format(w=w), "", w)


def fact_bank():
    """All (key, question, answer, want) of the questions about Basalt."""
    bank = []
    for name, questions, answer, want in facts.all_facts():
        for q in questions:
            for wrap in dict.fromkeys(facts.WRAPS):
                text = wrap.format(q=q)
                bank.append((name, text, answer, want))
    return bank


FACTS = fact_bank()


def fact(rng, level):
    name, text, answer, want = rng.choice(FACTS)
    return single("fact", text.lower(), text, "", answer, want)
