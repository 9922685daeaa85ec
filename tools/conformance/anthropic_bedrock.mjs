// @anthropic-ai/bedrock-sdk: Messages through InvokeModel, and at Anthropic's own path.

import AnthropicBedrock, { AnthropicBedrockMantle } from "@anthropic-ai/bedrock-sdk";
import Anthropic from "@anthropic-ai/sdk";
import {
  CHAT, ENDPOINT, LONG, SHARED, STORY, Suite, cutAt, equal, gather, includes, rejected,
} from "./suite.mjs";

const suite = new Suite("anthropic-bedrock-js");
const signed = Boolean(process.env.BASALT_ACCESS);
const [access, secret] = signed
  ? [process.env.BASALT_ACCESS, process.env.BASALT_SECRET] : ["dummy", "dummy"];
const bedrock = new AnthropicBedrock({
  baseURL: ENDPOINT, awsRegion: "eu-site-1", awsAccessKey: access, awsSecretKey: secret,
  maxRetries: 0,
});
const mantle = new AnthropicBedrockMantle({
  baseURL: ENDPOINT + "/anthropic", awsRegion: "eu-site-1", awsAccessKey: access,
  awsSecretAccessKey: secret, maxRetries: 0,
});
const byKey = new AnthropicBedrockMantle({
  baseURL: ENDPOINT + "/anthropic", apiKey: process.env.BASALT_BEARER ?? "any", maxRetries: 0,
});
const WAYS = { "InvokeModel": bedrock, "Messages, signed": mantle, "Messages, API key": byKey };
// What this SDK has no field for any more travels as it is.
const asked = (fields = {}) => ({
  model: CHAT, max_tokens: SHARED.chat_tokens, temperature: 0, system: SHARED.system,
  messages: [{ role: "user", content: SHARED.user }], ...fields,
});
const textOf = (m) => m.content.map((b) => b.text ?? "").join("");
const TOOL = {
  name: "day", description: "Says a day.",
  input_schema: { type: "object", properties: { n: { type: "integer" } } },
};

for (const [way, client] of Object.entries(WAYS)) {
  suite.test("messages.create", way, async () => {
    const m = await client.messages.create(asked());
    equal([m.type, m.role, m.stop_reason], ["message", "assistant", "max_tokens"], "message");
    suite.fact("messages.create, " + way, "chat text", textOf(m));
    suite.fact("messages.create, " + way, "chat usage",
      [m.usage.input_tokens, m.usage.output_tokens]);
  });

  suite.test("messages.create with stream", way, async () => {
    const events = await gather(await client.messages.create(asked({ stream: true })));
    const names = events.map((e) => e.type);
    equal([names[0], ...names.slice(-3)],
      ["message_start", "content_block_stop", "message_delta", "message_stop"], "events");
    suite.fact("messages stream, " + way, "chat text",
      events.map((e) => e.delta?.text ?? "").join(""));
  });

  suite.test("messages.stream", way, async () => {
    const m = await client.messages.stream(asked()).finalMessage();
    suite.fact("messages.stream, " + way, "chat text", textOf(m));
    suite.fact("messages.stream, " + way, "chat usage",
      [m.usage.input_tokens, m.usage.output_tokens]);
  });

  suite.test("messages.create", "a stop sequence, " + way, async () => {
    const [stop, want] = cutAt(textOf(await client.messages.create(asked())));
    const m = await client.messages.create(asked({ stop_sequences: [stop] }));
    equal([m.stop_reason, m.stop_sequence, textOf(m)], ["stop_sequence", stop, want], "message");
  });

  suite.test("messages.create", "a named tool, " + way, async () => {
    const q = asked({ tools: [TOOL], tool_choice: { type: "tool", name: "day" } });
    const m = await client.messages.create(q);
    equal([m.content[0].type, m.content[0].name], ["tool_use", "day"], "content");
    const events = await gather(await client.messages.create({ ...q, stream: true }));
    equal(events.filter((e) => e.type === "content_block_start").map((e) => e.content_block.name),
      ["day"], "started blocks");
  });
}

suite.test("messages.countTokens", "says what messages.create uses", async () => {
  const { max_tokens, temperature, ...q } = asked();
  const n = await mantle.messages.countTokens(q);
  equal(n.input_tokens, (await mantle.messages.create(asked())).usage.input_tokens, "tokens");
});

const FAULTS = [
  ["unknown model", { model: "no-such" }, Anthropic.NotFoundError, "no-such"],
  ["prompt longer than the context", { messages: [{ role: "user", content: LONG }] },
    Anthropic.BadRequestError, "too long"],
  ["no chat template", { model: STORY }, Anthropic.BadRequestError, "--chat-template"],
  ["temperature 1.5", { temperature: 1.5 }, Anthropic.BadRequestError, "temperature"],
];
for (const [name, fields, exception, part] of FAULTS) {
  for (const [way, client] of Object.entries(WAYS)) {
    for (const stream of [false, true]) {
      suite.test(`messages.create error, ${way}${stream ? ", streamed" : ""}`, name, async () => {
        const e = await rejected(() => client.messages.create(asked({ ...fields, stream })), name);
        if (!(e instanceof exception)) throw new Error(`${e.constructor.name}: ${e.message}`);
        includes(e.message, part, "message");
      });
    }
  }
}

if (signed) {
  suite.test("messages.create error", "another secret", async () => {
    for (const client of [
      new AnthropicBedrock({
        baseURL: ENDPOINT, awsRegion: "r", awsAccessKey: access, awsSecretKey: secret + "x",
        maxRetries: 0,
      }),
      new AnthropicBedrockMantle({
        baseURL: ENDPOINT + "/anthropic", apiKey: "bslt_x", maxRetries: 0,
      }),
    ]) {
      const e = await rejected(() => client.messages.create(asked()), "another secret");
      equal([401, 403].includes(e.status), true, `status ${e.status}`);
    }
  });
}

await suite.run();
