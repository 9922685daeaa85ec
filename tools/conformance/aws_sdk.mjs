// @aws-sdk/client-bedrock-runtime over HTTP/1.1: the four operations and their exceptions.

import * as sdk from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import {
  CHAT, ENDPOINT, LONG, SHARED, STORY, Suite, cutAt, equal, gather, includes, rejected,
} from "./suite.mjs";

const suite = new Suite("aws-sdk-js");
const client = new sdk.BedrockRuntimeClient({
  endpoint: ENDPOINT, region: "us-east-1",
  credentials: { accessKeyId: "dummy", secretAccessKey: "dummy" },
  requestHandler: new NodeHttpHandler(),
});
const METRICS = "amazon-bedrock-invocationMetrics";

function conversation(inference = {}, more = {}) {
  return {
    modelId: CHAT,
    system: [{ text: SHARED.system }],
    messages: [{ role: "user", content: [{ text: SHARED.user }] }],
    inferenceConfig: { temperature: 0, maxTokens: SHARED.chat_tokens, ...inference },
    ...more,
  };
}

function llama(model, fields = {}) {
  const [prompt, max] = model === CHAT
    ? [SHARED.rendered, SHARED.chat_tokens] : [SHARED.story_prompt, SHARED.story_tokens];
  const body = JSON.stringify({ prompt, max_gen_len: max, temperature: 0, ...fields });
  return { modelId: model, body };
}

function chatBody(fields = {}) {
  const messages = [
    { role: "system", content: SHARED.system }, { role: "user", content: SHARED.user },
  ];
  const body = { messages, max_tokens: SHARED.chat_tokens, temperature: 0, ...fields };
  return { modelId: CHAT, body: JSON.stringify(body) };
}

const converse = (q) => client.send(new sdk.ConverseCommand(q));
const converseStream = async (q) =>
  gather((await client.send(new sdk.ConverseStreamCommand(q))).stream);
const invoke = async (q) =>
  JSON.parse(Buffer.from((await client.send(new sdk.InvokeModelCommand(q))).body).toString());
const invokeStream = async (q) => {
  const answer = await client.send(new sdk.InvokeModelWithResponseStreamCommand(q));
  return (await gather(answer.body)).map((e) => JSON.parse(Buffer.from(e.chunk.bytes).toString()));
};
const textOf = (a) => a.output.message.content.map((b) => b.text).join("");
const textOfEvents = (events) => events.map((e) => e.contentBlockDelta?.delta.text ?? "").join("");

suite.test("Converse", "fields of the answer", async () => {
  const a = await converse(conversation());
  equal(a.stopReason, "max_tokens", "stopReason");
  equal(a.output.message.role, "assistant", "role");
  equal(a.usage.totalTokens, a.usage.inputTokens + a.usage.outputTokens, "totalTokens");
  equal(typeof a.metrics.latencyMs, "number", "latencyMs");
  equal(typeof a.$metadata.requestId, "string", "requestId");
  suite.fact("Converse", "chat text", textOf(a));
  suite.fact("Converse", "chat usage", [a.usage.inputTokens, a.usage.outputTokens]);
});

suite.test("ConverseStream", "events in order, same text and usage", async () => {
  const events = await converseStream(conversation());
  const names = events.map((e) => Object.keys(e)[0]);
  const ends = [names[0], ...names.slice(-3)];
  equal(ends, ["messageStart", "contentBlockStop", "messageStop", "metadata"], "events");
  equal([...new Set(names.slice(1, -3))], ["contentBlockDelta"], "events between");
  const { usage } = events.at(-1).metadata;
  suite.fact("ConverseStream", "chat text", textOfEvents(events));
  suite.fact("ConverseStream", "chat usage", [usage.inputTokens, usage.outputTokens]);
});

suite.test("Converse and stream", "a stop sequence ends and is left out", async () => {
  const [stop, want] = cutAt(textOf(await converse(conversation())));
  const a = await converse(conversation({ stopSequences: [stop] }));
  equal([textOf(a), a.stopReason], [want, "stop_sequence"], "whole");
  const events = await converseStream(conversation({ stopSequences: [stop] }));
  equal(textOfEvents(events), want, "streamed");
  equal(events.at(-2).messageStop.stopReason, "stop_sequence", "stopReason");
  equal(events.at(-1).metadata.usage, a.usage, "usage");
});

for (const [model, key] of [[CHAT, "chat"], [STORY, "story"]]) {
  suite.test("InvokeModel", "Llama body on " + model, async () => {
    const a = await invoke(llama(model));
    equal(a.stop_reason, "length", "stop_reason");
    suite.fact("InvokeModel, Llama body", key + " text", a.generation);
    suite.fact("InvokeModel, Llama body", key + " usage",
      [a.prompt_token_count, a.generation_token_count]);
  });

  suite.test("InvokeModelWithResponseStream", "Llama body on " + model, async () => {
    const chunks = await invokeStream(llama(model));
    const last = chunks.at(-1);
    equal(last.stop_reason, "length", "stop_reason");
    const usage = [last[METRICS].inputTokenCount, last[METRICS].outputTokenCount];
    suite.fact("InvokeModel stream, Llama body", key + " text",
      chunks.map((c) => c.generation).join(""));
    suite.fact("InvokeModel stream, Llama body", key + " usage", usage);
  });
}

suite.test("InvokeModel", "OpenAI chat body", async () => {
  const a = await invoke(chatBody());
  suite.fact("InvokeModel, OpenAI body", "chat text", a.choices[0].message.content);
  suite.fact("InvokeModel, OpenAI body", "chat usage",
    [a.usage.prompt_tokens, a.usage.completion_tokens]);
});

suite.test("InvokeModelWithResponseStream", "OpenAI chat body", async () => {
  const chunks = await invokeStream(chatBody());
  suite.fact("InvokeModel stream, OpenAI body", "chat text",
    chunks.map((c) => c.choices[0]?.delta.content ?? "").join(""));
});

suite.test("Converse and stream", "16 at once", async () => {
  const alone = textOf(await converse(conversation()));
  const texts = await Promise.all(Array.from({ length: 64 }, async (_, i) => i % 2
    ? textOf(await converse(conversation())) : textOfEvents(await converseStream(conversation()))));
  equal([...new Set(texts)], [alone], "texts in company");
});

const story = (prompt) => llama(STORY, { prompt });
const said = (text) => ({ messages: [{ role: "user", content: [{ text }] }] });
const TOO_LONG = "Input is too long for requested model.";
const NOT_FOUND = [sdk.ResourceNotFoundException, 404, "no-such"];
const LONG_PROMPT = [sdk.ValidationException, 400, TOO_LONG];
const NO_TEMPLATE = [sdk.ValidationException, 400, "--chat-template"];
const INVALID = (field) => [sdk.ValidationException, 400, field];
const CALLS = { converse, converseStream, invoke, invokeStream };
const FAULTS = [
  ["unknown model", ["converse", "converseStream"],
    conversation({}, { modelId: "no-such" }), NOT_FOUND],
  ["unknown model", ["invoke", "invokeStream"], { ...story("x"), modelId: "no-such" }, NOT_FOUND],
  ["prompt longer than the context", ["converse", "converseStream"], conversation({}, said(LONG)),
    LONG_PROMPT],
  ["prompt longer than the context", ["invoke", "invokeStream"], story(LONG), LONG_PROMPT],
  ["no chat template", ["converse", "converseStream"], conversation({}, { modelId: STORY }),
    NO_TEMPLATE],
  ["no chat template, OpenAI body", ["invoke", "invokeStream"], { ...chatBody(), modelId: STORY },
    NO_TEMPLATE],
  ["maxTokens 0", ["converse", "converseStream"], conversation({ maxTokens: 0 }),
    INVALID("maxTokens")],
  ["maxTokens 513", ["converse", "converseStream"], conversation({ maxTokens: 513 }),
    INVALID("maxTokens")],
  ["temperature 1.5", ["converse", "converseStream"], conversation({ temperature: 1.5 }),
    INVALID("temperature")],
  ["topP -1", ["converse", "converseStream"], conversation({ topP: -1 }), INVALID("topP")],
  ["no messages", ["converse", "converseStream"], conversation({}, { messages: [] }),
    INVALID("messages")],
  ["max_gen_len 0", ["invoke", "invokeStream"], llama(STORY, { max_gen_len: 0 }),
    INVALID("max_gen_len")],
  ["a body that is no JSON", ["invoke", "invokeStream"], { modelId: STORY, body: "prompt" },
    INVALID("")],
];
for (const [name, calls, q, [exception, status, part]] of FAULTS) {
  for (const call of calls) {
    suite.test(call + " error", name, async () => {
      const e = await rejected(() => CALLS[call](q), name);
      if (!(e instanceof exception)) {
        throw new Error(`${e.name}: ${e.message}, want ${exception.name}`);
      }
      includes(e.message, part, "message");
      equal(e.$metadata.httpStatusCode, status, "status");
      equal(e.$metadata.attempts, 1, "attempts");
    });
  }
}

await suite.run();
client.destroy();
