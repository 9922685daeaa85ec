"""openai's client of the endpoint and the requests that cases vary."""

import openai

from suite import CHAT, ENDPOINT, SHARED, STORY

c = openai.OpenAI(base_url=ENDPOINT + "/v1", api_key="any-key")
MESSAGES = [
    {"role": "system", "content": SHARED["system"]},
    {"role": "user", "content": SHARED["user"]},
]


def chat(c=c, **fields):
    q = {"model": CHAT, "messages": MESSAGES, "max_tokens": SHARED["chat_tokens"],
         "temperature": 0}
    q.update(fields)
    return c.chat.completions.create(**q)


def complete(c=c, **fields):
    q = {"model": STORY, "prompt": SHARED["story_prompt"], "max_tokens": SHARED["story_tokens"],
         "temperature": 0}
    q.update(fields)
    return c.completions.create(**q)


def content(answer):
    return answer.choices[0].message.content
