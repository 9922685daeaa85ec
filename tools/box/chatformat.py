"""Conversations as tokens: the chat template's text, in pieces that are learnt or only read."""

import assist

SPECIAL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]
# Written by the model as text that a parser reads, as in Qwen3: in the vocabulary, not special.
MARKERS = ["<think>", "</think>", "<tool_call>", "</tool_call>"]

TEMPLATE = """\
{%- if messages[0].role == 'system' or tools %}
{{- '<|system|>' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content }}{%- endif %}
{%- if tools %}
{%- if messages[0].role == 'system' %}{{- '\\n' }}{%- endif %}
{{- 'Tools, called by <tool_call> with name and arguments:' }}
{%- for tool in tools %}
{{- '\\n- ' + tool.function.name + '(' }}
{%- for name in tool.function.parameters.properties %}
{%- if not loop.first %}{{- ', ' }}{%- endif %}{{- name }}
{%- endfor %}
{{- ')' }}
{%- endfor %}
{%- endif %}
{{- '<|end|>' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' %}
{{- '<|user|>' + message.content + '<|end|>' }}
{%- elif message.role == 'tool' %}
{{- '<|tool|>' + message.content + '<|end|>' }}
{%- elif message.role == 'assistant' %}
{{- '<|assistant|>' }}
{%- if message.content %}
{%- if '</think>' in message.content %}
{{- message.content.split('</think>')[-1] }}
{%- else %}{{- message.content }}
{%- endif %}
{%- endif %}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{%- if call.function.arguments is string %}{{- call.function.arguments }}
{%- else %}{{- call.function.arguments | tojson }}{%- endif %}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|end|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}
"""


def system_text(system, tools):
    """The text of the system turn, or "" where the template writes none."""
    text = system
    if tools:
        text += ("\n" if system else "") + "Tools, called by <tool_call> with name and arguments:"
        for name in tools:
            text += f"\n- {name}({', '.join(assist.TOOLS[name][1])})"
    return f"<|system|>{text}<|end|>" if text else ""


def pieces(system, items):
    """(text, learnt) pieces of a conversation. Thoughts of earlier turns are not in the prompt, as
    the template leaves them out, so only the last turn of a sequence has its thought, but for
    items that keep them; the others' answers are read, not learnt, where a thought is missing."""
    tools = items[0].tools
    out = [(system_text(system, tools), False)]
    turns = [(item, turn) for item in items for turn in item.turns]
    for i, (item, (user, thought, answer)) in enumerate(turns):
        last = i == len(turns) - 1 and not item.after
        out.append((f"<|user|>{user}<|end|><|assistant|>", False))
        if thought and (last or item.keep):
            out.append((f"<think>{thought}</think>{answer}<|end|>", True))
        else:
            out.append((f"{answer}<|end|>", not thought))
        if item.after:
            out.append((f"<|tool|>{item.after[0]}<|end|><|assistant|>", False))
            out.append((f"{item.after[1]}<|end|>", True))
    return [p for p in out if p[0]]


def prompt_and_answer(item):
    """The prompt of a single-turn item as the template renders it, and the whole reply."""
    user, thought, answer = item.turns[0]
    prompt = system_text(item.system, item.tools) + f"<|user|>{user}<|end|><|assistant|>"
    return prompt, (f"<think>{thought}</think>" if thought else "") + answer + "<|end|>"
