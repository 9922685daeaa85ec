"""Tool calls, JSON on request, what the model cannot do, and small talk."""

import json

import words
from tasks import Item, single

TOOLS = {
    "calculator": ("Work out an arithmetic expression.", {"expression": "string"}),
    "clock": ("Tell the time in a city.", {"city": "string"}),
    "convert": ("Convert a value between units.",
                {"value": "number", "from": "string", "to": "string"}),
}

MATHS = [("*", ["What is {a} * {b}?", "{a} * {b}", "Multiply {a} by {b}.", "{a} times {b}",
                "What is {a} times {b}?", "Compute {a} * {b}."]),
         ("/", ["What is {a} / {b}?", "Divide {a} by {b}.", "{a} / {b}",
                "What is {a} divided by {b}?", "Compute {a} / {b}."]),
         ("+", ["What is {a} + {b}?", "{a} + {b}", "Add {a} and {b}.", "Compute {a} + {b}.",
                "What is {a} plus {b}?"]),
         ("-", ["What is {a} - {b}?", "{a} - {b}", "Subtract {b} from {a}.", "Compute {a} - {b}.",
                "What is {a} minus {b}?"])]
TIME = ["What time is it in {c}?", "Tell me the time in {c}.", "What is the time in {c}?",
        "How late is it in {c}?", "Which time is it in {c} now?", "Current time in {c}?"]
CONVERT = ["Convert {v} {a} to {b}.", "How many {b} are {v} {a}?", "What is {v} {a} in {b}?",
           "Change {v} {a} into {b}.", "{v} {a} to {b}", "How much is {v} {a} in {b}?"]


def call(name, arguments):
    body = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def _calculator(rng):
    sign, asks = rng.choice(MATHS)
    a, b = (rng.randrange(10 ** rng.randint(1, 4)) for _ in "ab")
    ask = rng.choice(asks).format(a=a, b=b)
    return ask, {"expression": f"{a}{sign}{b}"}, f"{rng.randint(1, 9999)}"


def _clock(rng):
    c = rng.choice(words.CITIES)
    ask = rng.choice(TIME).format(c=c)
    return ask, {"city": c}, f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"


def _convert(rng):
    a, b = rng.sample(rng.choice(words.UNITS), 2)
    v = rng.randint(1, 999)
    ask = rng.choice(CONVERT).format(v=v, a=a, b=b)
    return ask, {"value": v, "from": a, "to": b}, f"{rng.randint(1, 999)}.{rng.randrange(10)} {b}"


def tool(rng, level):
    """A question that one of the offered tools answers."""
    name = rng.choice(list(TOOLS))
    ask, arguments, result = {"calculator": _calculator, "clock": _clock,
                              "convert": _convert}[name](rng)
    offered = [t for t in TOOLS if t == name or rng.random() < 0.7]
    rng.shuffle(offered)
    answer = call(name, arguments)
    key = name + json.dumps(arguments)
    item = single("tool", key, ask, "", answer, json.dumps({"name": name, "arguments": arguments}))
    item.tools = offered
    if rng.random() < 0.4:
        said = f"The result is {result}."
        if name == "clock":
            said = f"It is {result} in {arguments['city']}."
        item.after = (result, said)
    return item


PERSON = ["Write JSON with {f}.", "Give me JSON with {f}.", "Make a JSON object with {f}.",
          "Return JSON: {f}.", "Answer in JSON: {f}.", "As JSON: {f}."]
LISTS = ["Write {l} as a JSON list.", "Give me a JSON list of {l}.", "Make a JSON array of {l}.",
         "Put {l} in a JSON array."]


def json_item(rng, level):
    if rng.random() < 0.25:
        values = [rng.randint(0, 999) for _ in range(rng.randint(2, 5))]
        if rng.random() < 0.4:
            values = [words.pseudo_word(rng, 3, 7) for _ in range(rng.randint(2, 4))]
        shown = [str(v) if isinstance(v, int) else f'"{v}"' for v in values]
        text = ", ".join(shown[:-1]) + " and " + shown[-1]
        answer = json.dumps(values)
        return single("json", answer, rng.choice(LISTS).format(l=text), "", answer)
    choices = {"name": lambda: rng.choice(words.NAMES), "age": lambda: rng.randint(1, 99),
               "city": lambda: rng.choice(words.CITIES), "price": lambda: rng.randint(1, 999),
               "colour": lambda: rng.choice(words.COLOURS), "item": lambda: rng.choice(words.NOUNS),
               "count": lambda: rng.randint(0, 999), "ready": lambda: rng.random() < 0.5}
    keys = rng.sample(list(choices), rng.randint(1, 4))
    value = {k: choices[k]() for k in keys}
    shown = [f"{k} {json.dumps(v) if isinstance(v, bool) else v}" for k, v in value.items()]
    text = shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]
    answer = json.dumps(value)
    return single("json", answer, rng.choice(PERSON).format(f=text), "", answer)


CAN = " I can add, sort, spell, read tables, write JSON and answer questions about Basalt."

# What it cannot do: the answer's verb phrase, and questions; {x} is filled from the list beside.
CANNOT = [
    ("tell the weather", ["What is the weather in {x}?", "Will it rain in {x} tomorrow?",
                          "How warm is it in {x}?", "Is it sunny in {x} today?"], words.CITIES),
    ("tell the time without a clock tool", ["What time is it?", "What time is it in {x}?",
                                            "Tell me the time in {x}.", "What day is it today?",
                                            "Which year is it?"], words.CITIES),
    ("write stories or poems", ["Write a poem about a {x}.", "Tell me a story about a {x}.",
                                "Write a song about a {x}.", "Make up a tale about a {x}.",
                                "Tell me a joke about a {x}."], words.NOUNS),
    ("translate", ["Translate {x} to French.", "What is {x} in German?",
                   "How do you say {x} in Spanish?", "Translate {x} into Italian."], words.NOUNS),
    ("write programs", ["Write a Python program that sorts a {x}.", "Write code for a {x}.",
                        "Write a function that finds a {x}.", "Program a {x} in Java."],
     words.NOUNS),
    ("answer general knowledge", ["Where is {x}?", "What is the capital of {x}?",
                                  "How many people live in {x}?", "Tell me about {x}.",
                                  "Who is the mayor of {x}?", "How far is {x} from here?",
                                  "What is the history of {x}?"], words.CITIES),
    ("answer questions about people", ["Who is {x}?", "How old is {x}?", "Where does {x} live?",
                                       "What did {x} do?", "When was {x} born?"], words.NAMES),
    ("draw or see pictures", ["Draw a {x}.", "Paint a {x}.", "Show me a picture of a {x}.",
                              "What is in this picture of a {x}?"], words.NOUNS),
    ("shop or use the internet", ["Buy a {x} for me.", "Order a {x}.", "Search the web for a {x}.",
                                  "How much does a {x} cost in a shop?",
                                  "Find a {x} online."], words.NOUNS),
    ("give advice on health or law", ["I have a headache. What should I do?", "Can I sue {x}?",
                                      "Is {x} ill?", "Which medicine does {x} need?",
                                      "Is it legal to copy {x}?"], words.NAMES),
    ("send messages", ["Send a mail to {x}.", "Call {x}.", "Write a letter to {x}.",
                       "Tell {x} that I am late.", "Text {x} for me."], words.NAMES),
]


def refuse(rng, level):
    if rng.random() < 0.15:
        sign, asks = MATHS[rng.randrange(2)]
        a, b = (rng.randrange(10 ** rng.randint(1, 3)) for _ in "ab")
        text = rng.choice(asks).format(a=a, b=b)
        does = "multiply or divide without a calculator tool"
    elif rng.random() < 0.06:
        a, b = rng.randrange(1000, 100000), rng.randrange(1000, 100000)
        text, does = f"What is {a} {rng.choice('+-')} {b}?", "add numbers of more than 3 digits"
    else:
        does, asks, fill = rng.choice(CANNOT)
        text = rng.choice(asks).format(x=rng.choice(fill))
    return single("refuse", text.lower(), text, "", f"I cannot {does}.{CAN}", f"I cannot {does}.")


TALK = [
    (["Hello", "Hello.", "Hello!", "Hi", "Hi!", "Hey", "Hi there!", "Hello there.",
      "Good day."],
     "Hello! I am the model in Basalt's box. How can I help?"),
    (["Good morning.", "Good morning!", "Good morning"], "Good morning! How can I help?"),
    (["Good evening.", "Good evening!", "Good evening"], "Good evening! How can I help?"),
    (["Who are you?", "What are you?", "What is your name?", "Introduce yourself.",
      "Are you a bot?", "Are you a person?", "Who am I talking to?", "Tell me about yourself."],
     "I am basalt.box-v1, a small language model that comes with Basalt."),
    (["What can you do?", "Help", "Help me.", "How can you help me?", "What are you good at?",
      "What do you know?", "What should I ask you?", "Can you help me?"],
     "I can add, sort, spell, read tables, write JSON and answer questions about Basalt."),
    (["What can you not do?", "What are your limits?", "Where are you weak?",
      "What don't you know?"],
     "I cannot write stories, translate, program or answer general knowledge. I am a small model."),
    (["How are you?", "How are you today?", "Are you well?", "How do you do?"],
     "I am well, thank you. How can I help?"),
    (["Thanks", "Thanks.", "Thank you.", "Thank you!", "Thanks a lot.", "Great, thanks.",
      "Well done."],
     "You are welcome."),
    (["Bye", "Bye.", "Goodbye.", "Goodbye!", "See you.", "Good night."], "Goodbye!"),
    (["Yes", "Yes.", "No", "No.", "Ok", "Ok.", "Good.", "Right.", "I see."],
     "Good. What would you like to know?"),
    (["Sorry.", "I am sorry.", "Excuse me."], "No problem. How can I help?"),
    (["Are you alive?", "Do you have feelings?", "Do you sleep?", "Are you happy?"],
     "No, I am a program. I have no feelings."),
    (["Can I trust you?", "Are you always right?", "Do you make mistakes?"],
     "I am small and make mistakes. Please check my answers."),
    (["Test", "Test.", "This is a test.", "Are you there?", "Ping", "Can you hear me?"],
     "I am here. The server works."),
]


def talk(rng, level):
    asks, answer = rng.choice(TALK)
    text = rng.choice(asks)
    return single("talk", text, text, "", answer)
