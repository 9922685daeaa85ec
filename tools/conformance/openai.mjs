// openai (JavaScript): chat completions, completions and models, streamed and whole.

import OpenAI from "openai";
import {
  CHAT, ENDPOINT, LONG, SHARED, STORY, Suite, cutAt, equal, gather, includes, rejected,
} from "./suite.mjs";

const suite = new Suite("openai-js");
let sent = 0;
const client = new OpenAI({
  baseURL: ENDPOINT + "/v1", apiKey: "any-key",
  fetch: (...a) => {
    sent++;
    return fetch(...a);
  },
});
const messages = [
  { role: "system", content: SHARED.system }, { role: "user", content: SHARED.user },
];

const chat = (fields = {}) => client.chat.completions.create({
  model: CHAT, messages, max_tokens: SHARED.chat_tokens, temperature: 0, ...fields,
});
const complete = (fields = {}) => client.completions.create({
  model: STORY, prompt: SHARED.story_prompt, max_tokens: SHARED.story_tokens, temperature: 0,
  ...fields,
});

suite.test("models.list", "both models", async () => {
  const ids = (await gather(client.models.list())).map((m) => m.id);
  equal([CHAT, STORY].filter((m) => !ids.includes(m)), [], "models not listed");
});

suite.test("models.retrieve", "one model", async () => {
  equal((await client.models.retrieve(CHAT)).id, CHAT, "id");
});

suite.test("chat.completions", "text and usage", async () => {
  const a = await chat();
  equal(a.choices[0].finish_reason, "length", "finish_reason");
  equal(typeof a._request_id, "string", "x-request-id");
  suite.fact("chat", "chat text", a.choices[0].message.content);
  suite.fact("chat", "chat usage", [a.usage.prompt_tokens, a.usage.completion_tokens]);
});

suite.test("chat.completions stream", "text and usage", async () => {
  const parts = await gather(await chat({ stream: true, stream_options: { include_usage: true } }));
  const { usage } = parts.at(-1);
  equal(parts.at(-1).choices, [], "choices of the last");
  suite.fact("chat stream", "chat text",
    parts.map((p) => p.choices[0]?.delta.content ?? "").join(""));
  suite.fact("chat stream", "chat usage", [usage.prompt_tokens, usage.completion_tokens]);
});

suite.test("chat.completions stream", "the client's own accumulator", async () => {
  const [stop, want] = cutAt((await chat()).choices[0].message.content);
  const runner = client.chat.completions.stream({
    model: CHAT, messages, max_tokens: SHARED.chat_tokens, temperature: 0, stop,
  });
  equal(await runner.finalContent(), want, "text");
});

suite.test("chat.completions", "logprobs, whole and streamed", async () => {
  const whole = (await chat({ logprobs: true, top_logprobs: 2 })).choices[0].logprobs.content;
  equal(whole.length, SHARED.chat_tokens, "tokens");
  equal(whole.map((t) => t.top_logprobs.length), whole.map(() => 2), "top_logprobs");
  const parts = await gather(await chat({ logprobs: true, top_logprobs: 2, stream: true }));
  equal(parts.flatMap((p) => p.choices[0].logprobs?.content ?? []), whole, "streamed logprobs");
  suite.fact("chat", "chat logprobs", whole.map((t) => t.logprob));
});

suite.test("chat.completions", "n = 3, seeded, whole and streamed", async () => {
  const q = { n: 3, temperature: 1, top_p: 1, seed: 5 };
  const a = await chat(q);
  const texts = a.choices.map((c) => c.message.content);
  suite.fact("chat", "chat text, n=3 seed=5", texts);
  suite.fact("chat", "chat prompt tokens, n=3", a.usage.prompt_tokens);
  const streamed = ["", "", ""];
  for await (const p of await chat({ ...q, stream: true })) {
    for (const c of p.choices) streamed[c.index] += c.delta.content ?? "";
  }
  equal(streamed, texts, "streamed texts");
});

suite.test("completions", "text and usage, whole and streamed", async () => {
  const a = await complete();
  suite.fact("completions", "story text", a.choices[0].text);
  suite.fact("completions", "story usage", [a.usage.prompt_tokens, a.usage.completion_tokens]);
  const parts = await gather(await complete({ stream: true }));
  suite.fact("completions stream", "story text", parts.map((p) => p.choices[0].text).join(""));
});

suite.test("chat.completions", "64 at once, the answers given alone", async () => {
  const alone = (await chat()).choices[0].message.content;
  const answers = await Promise.all(Array.from({ length: 64 }, () => chat()));
  equal([...new Set(answers.map((a) => a.choices[0].message.content))], [alone], "texts");
});

suite.test("chat.completions stream", "aborted streams do no harm", async () => {
  for (let i = 0; i < 8; i++) {
    const stream = await chat({ stream: true, max_tokens: 400 });
    for await (const _ of stream) break;
  }
  suite.fact("chat after it", "chat text", (await chat()).choices[0].message.content);
});

const user = (content) => ({ messages: [{ role: "user", content }] });
const FAULTS = [
  ["unknown model", OpenAI.NotFoundError, "model_not_found", () => chat({ model: "no" }), "no"],
  ["unknown model, streamed", OpenAI.NotFoundError, "model_not_found",
    () => chat({ model: "no", stream: true }), "no"],
  ["prompt longer than the context", OpenAI.BadRequestError, "context_length_exceeded",
    () => chat(user(LONG)), "512"],
  ["no chat template", OpenAI.BadRequestError, null, () => chat({ model: STORY }),
    "--chat-template"],
  ["temperature 3", OpenAI.BadRequestError, null, () => chat({ temperature: 3 }), "temperature"],
  ["max_tokens 0", OpenAI.BadRequestError, null, () => chat({ max_tokens: 0 }), "max_tokens"],
  ["n 0", OpenAI.BadRequestError, null, () => chat({ n: 0 }), "n must"],
  ["completions: prompt longer than the context", OpenAI.BadRequestError,
    "context_length_exceeded", () => complete({ prompt: LONG }), "512"],
];
for (const [name, exception, code, call, part] of FAULTS) {
  suite.test("errors", name, async () => {
    const before = sent;
    const e = await rejected(call, name);
    if (!(e instanceof exception)) {
      throw new Error(`${e.constructor.name}: ${e.message}, want ${exception.name}`);
    }
    equal(e.code, code, "code");
    includes(e.message, part, "message");
    equal(sent - before, 1, "requests sent");
  });
}

const respond = (fields = {}) => client.responses.create({
  model: CHAT, instructions: SHARED.system, input: SHARED.user, temperature: 0,
  max_output_tokens: SHARED.chat_tokens, ...fields,
});

suite.test("responses", "text and usage, whole and streamed", async () => {
  const r = await respond();
  equal([r.status, r.incomplete_details.reason], ["incomplete", "max_output_tokens"], "status");
  suite.fact("responses", "chat text", r.output_text);
  suite.fact("responses", "chat usage", [r.usage.input_tokens, r.usage.output_tokens]);
  const events = await gather(await respond({ stream: true }));
  equal([events[0].type, events.at(-1).type], ["response.created", "response.incomplete"], "ends");
  suite.fact("responses stream", "chat text", events
    .filter((e) => e.type === "response.output_text.delta").map((e) => e.delta).join(""));
});

suite.test("chat.completions", "a named tool, whole and streamed", async () => {
  const parameters = { type: "object", properties: { n: { type: "integer" } } };
  const q = {
    tools: [{ type: "function", function: { name: "day", parameters } }],
    tool_choice: { type: "function", function: { name: "day" } },
  };
  equal((await chat(q)).choices[0].message.tool_calls[0].function.name, "day", "name");
  const parts = await gather(await chat({ ...q, stream: true }));
  const names = parts.flatMap((p) => p.choices[0]?.delta.tool_calls ?? [])
    .map((t) => t.function.name ?? "").join("");
  equal(names, "day", "streamed name");
});

suite.test("embeddings error", "no model makes them", async () => {
  const e = await rejected(() => client.embeddings.create({ model: CHAT, input: "a" }), "them");
  equal(e.status, 400, "status");
  includes(e.message, "makes no embeddings", "message");
});

await suite.run();
