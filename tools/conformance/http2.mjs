// @aws-sdk/client-bedrock-runtime as it is by default: HTTP/2, with prior knowledge over http and
// by ALPN over https.

import * as sdk from "@aws-sdk/client-bedrock-runtime";
import { CHAT, ENDPOINT, SHARED, STORY, Suite, equal, includes, rejected } from "./suite.mjs";

const scheme = new URL(ENDPOINT).protocol.slice(0, -1);
const suite = new Suite(`aws-sdk-js, HTTP/2 over ${scheme}`);
const credentials = {
  accessKeyId: process.env.BASALT_ACCESS, secretAccessKey: process.env.BASALT_SECRET,
};
const base = { endpoint: ENDPOINT, region: "eu-site-1" };
const signed = new sdk.BedrockRuntimeClient({ ...base, credentials });

const conversation = (maxTokens = SHARED.chat_tokens) => ({
  modelId: CHAT,
  system: [{ text: SHARED.system }],
  messages: [{ role: "user", content: [{ text: SHARED.user }] }],
  inferenceConfig: { temperature: 0, maxTokens },
});
const story = (n) => ({
  modelId: STORY,
  body: JSON.stringify({ prompt: SHARED.story_prompt, max_gen_len: n, temperature: 0 }),
});
const textOf = (answer) => answer.output.message.content.map((c) => c.text).join("");

async function streamed(client, request) {
  let text = "";
  let last = "";
  const answer = await client.send(new sdk.ConverseStreamCommand(request));
  for await (const e of answer.stream) {
    text += e.contentBlockDelta?.delta?.text ?? "";
    last = Object.keys(e)[0];
  }
  equal(last, "metadata", "the last event");
  return text;
}

suite.test("Converse", "signed", async () => {
  const answer = await signed.send(new sdk.ConverseCommand(conversation()));
  suite.fact(`Converse, HTTP/2 over ${scheme}`, "chat text", textOf(answer));
});

suite.test("ConverseStream", "signed", async () => {
  suite.fact(`ConverseStream, HTTP/2 over ${scheme}`, "chat text",
    await streamed(signed, conversation()));
});

suite.test("InvokeModel", "signed", async () => {
  const answer = await signed.send(new sdk.InvokeModelCommand(story(SHARED.story_tokens)));
  suite.fact(`InvokeModel, HTTP/2 over ${scheme}`, "story text",
    JSON.parse(Buffer.from(answer.body).toString()).generation);
});

suite.test("InvokeModelWithResponseStream", "signed", async () => {
  const command = new sdk.InvokeModelWithResponseStreamCommand(story(SHARED.story_tokens));
  let text = "";
  for await (const e of (await signed.send(command)).body) {
    text += JSON.parse(Buffer.from(e.chunk.bytes).toString()).generation;
  }
  suite.fact(`InvokeModelWithResponseStream, HTTP/2 over ${scheme}`, "story text", text);
});

suite.test("ConverseStream", "32 at once on one connection", async () => {
  const texts = await Promise.all(
    Array.from({ length: 32 }, () => streamed(signed, conversation())));
  equal(new Set(texts).size, 1, "the number of different texts");
});

suite.test("ConverseStream", "one is left, another goes on", async () => {
  const other = streamed(signed, conversation());
  const answer = await signed.send(new sdk.InvokeModelWithResponseStreamCommand(story(400)));
  for await (const _ of answer.body) break;
  equal((await other).length > 0, true, "the other stream has text");
});

suite.test("Converse", "a large body", async () => {
  const request = conversation(2);
  request.messages[0].content[0].text = "word ".repeat(1_000_000);
  const error = await rejected(() => signed.send(new sdk.ConverseCommand(request)));
  equal(error.name, "ValidationException", "the error");
  includes(error.message, "Input is too long", "the message");
});

suite.test("InvokeModelWithBidirectionalStream", "a clear error at once", async () => {
  async function* endless() {
    yield { chunk: { bytes: Buffer.from('{"event":{"sessionStart":{}}}') } };
    await new Promise((done) => setTimeout(done, 3000).unref());
  }
  const begun = Date.now();
  const error = await rejected(() => signed.send(
    new sdk.InvokeModelWithBidirectionalStreamCommand({ modelId: CHAT, body: endless() })));
  equal(error.name, "ValidationException", "the error");
  includes(error.message, "use ConverseStream", "the message");
  equal(Date.now() - begun < 2000, true, "it came at once");
});

suite.test("Converse", "by API key", async () => {
  const client = new sdk.BedrockRuntimeClient({
    ...base, token: { token: process.env.BASALT_BEARER },
    authSchemePreference: ["httpBearerAuth"],
  });
  await client.send(new sdk.ConverseCommand(conversation(2)));
});

for (const [name, change, want] of [
  ["another secret", { secretAccessKey: "x" }, "InvalidSignatureException"],
  ["an unknown key", { accessKeyId: "BSLTUNKNOWN000000000" }, "UnrecognizedClientException"],
]) {
  suite.test("Converse", name, async () => {
    const client = new sdk.BedrockRuntimeClient({
      ...base, credentials: { ...credentials, ...change },
    });
    const error = await rejected(() => client.send(new sdk.ConverseCommand(conversation(2))));
    equal(error.name, want, "the error");
    client.destroy();
  });
}

await suite.run();
signed.destroy();
process.exit(0);
