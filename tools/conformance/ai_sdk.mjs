// The Vercel AI SDK's Bedrock provider (Converse and ConverseStream), signed and by API key.

import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { APICallError, generateText, streamText } from "ai";
import {
  CHAT, ENDPOINT, LONG, SHARED, STORY, Suite, cutAt, equal, includes, rejected,
} from "./suite.mjs";

const suite = new Suite("ai-sdk");
let sent = 0;
let authorization = "";
const place = {
  baseURL: ENDPOINT, region: "us-east-1",
  fetch: (url, init) => {
    sent++;
    authorization = new Headers(init.headers).get("authorization");
    return fetch(url, init);
  },
};
const WAYS = {
  "signed": createAmazonBedrock({ ...place, accessKeyId: "dummy", secretAccessKey: "dummy" }),
  "by API key": createAmazonBedrock({ ...place, apiKey: "any-key" }),
};
const SCHEME = { "signed": "AWS4-HMAC-SHA256", "by API key": "Bearer any-key" };

const asked = (bedrock, fields = {}) => ({
  model: bedrock(fields.id ?? CHAT), system: SHARED.system, prompt: SHARED.user, temperature: 0,
  maxOutputTokens: SHARED.chat_tokens, onError: () => {}, ...fields,
});

for (const [way, bedrock] of Object.entries(WAYS)) {
  suite.test("generateText", way, async () => {
    const a = await generateText(asked(bedrock));
    equal(a.finishReason, "length", "finishReason");
    includes(authorization, SCHEME[way], "authorization");
    suite.fact("generateText " + way, "chat text", a.text);
    suite.fact("generateText " + way, "chat usage", [a.usage.inputTokens, a.usage.outputTokens]);
  });

  suite.test("streamText", way, async () => {
    const s = streamText(asked(bedrock));
    const parts = [];
    for await (const part of s.textStream) parts.push(part);
    equal(parts.length > 1, true, "several parts");
    equal(await s.finishReason, "length", "finishReason");
    const usage = await s.usage;
    suite.fact("streamText " + way, "chat text", parts.join(""));
    suite.fact("streamText " + way, "chat usage", [usage.inputTokens, usage.outputTokens]);
  });
}

const bedrock = WAYS["by API key"];

suite.test("generateText and streamText", "a stop sequence ends and is left out", async () => {
  const [stop, want] = cutAt((await generateText(asked(bedrock))).text);
  const a = await generateText(asked(bedrock, { stopSequences: [stop] }));
  equal([a.text, a.finishReason], [want, "stop"], "whole");
  const s = streamText(asked(bedrock, { stopSequences: [stop] }));
  equal([await s.text, await s.finishReason], [want, "stop"], "streamed");
});

suite.test("generateText", "16 at once", async () => {
  const alone = (await generateText(asked(bedrock))).text;
  const all = await Promise.all(Array.from({ length: 16 }, () => generateText(asked(bedrock))));
  equal([...new Set(all.map((a) => a.text))], [alone], "texts in company");
});

const FAULTS = [
  ["unknown model", { id: "no-such" }, 404, "no-such"],
  ["prompt longer than the context", { prompt: LONG }, 400,
    "Input is too long for requested model."],
  ["no chat template", { id: STORY }, 400, "--chat-template"],
  ["maxOutputTokens 513", { maxOutputTokens: 513 }, 400, "maxTokens"],
];
const streamed = async (q) => {
  let fault;
  const s = streamText({ ...q, onError: ({ error }) => { fault = error; } });
  for await (const part of s.fullStream) if (part.type === "error") fault = part.error;
  if (fault) throw fault;
};
for (const [name, fields, status, part] of FAULTS) {
  for (const [call, f] of [["generateText", generateText], ["streamText", streamed]]) {
    suite.test(call + " error", name, async () => {
      const before = sent;
      const e = await rejected(() => f(asked(bedrock, fields)), name);
      if (!APICallError.isInstance(e)) throw new Error(`${e.name}: ${e.message}`);
      equal(e.statusCode, status, "statusCode");
      equal(e.isRetryable, false, "isRetryable");
      includes(e.message, part, "message");
      equal(sent - before, 1, "requests sent");
    });
  }
}

await suite.run();
