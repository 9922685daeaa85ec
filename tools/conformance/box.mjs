// The model in the box, which really calls tools: a question, its call, the tool's result, the
// answer, by every JavaScript client.

import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import AnthropicBedrock from "@anthropic-ai/bedrock-sdk";
import * as sdk from "@aws-sdk/client-bedrock-runtime";
import { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { ENDPOINT, Suite, equal, gather, includes } from "./suite.mjs";

const BOX = "basalt.box-v1";
const ASKED = "What time is it in Oslo?";
const RESULT = "14:30";
const ABOUT = "Tell the time in a city.";
const SCHEMA = {
  type: "object", properties: { city: { type: "string" } }, required: ["city"],
};
const suites = [];
const credentials = { accessKeyId: "dummy", secretAccessKey: "dummy" };

// A suite of one client, whose answer to the tool's result all clients must have got alike.
function client(name, operation, run) {
  const suite = new Suite(name);
  suites.push(suite);
  suite.test(operation, "the model calls a tool and tells its result", async () => {
    const { called, given, answer } = await run();
    equal([called, given], ["clock", { city: "Oslo" }], "call");
    includes(answer, RESULT, "answer");
    suite.fact(operation, "box answer to a tool's result", answer);
  });
}

const bedrock = createAmazonBedrock({ baseURL: ENDPOINT, region: "us-east-1", ...credentials });
for (const [name, run] of [["generateText", generateText], ["streamText", streamText]]) {
  client("ai-sdk", name, async () => {
    const calls = [];
    const answer = await run({
      model: bedrock(BOX), prompt: ASKED, temperature: 0, stopWhen: stepCountIs(3),
      tools: {
        clock: tool({
          description: ABOUT, inputSchema: jsonSchema(SCHEMA),
          execute: async (input) => {
            calls.push(input);
            return RESULT;
          },
        }),
      },
    });
    // The library hands a tool's text on as it is.
    return { answer: await answer.text, called: "clock", given: calls[0] };
  });
}

const objects = new Suite("ai-sdk");
suites.push(objects);
// The tool of the library is called json and says nothing of its purpose: a small model writes an
// object, which nothing constrains to the schema.
objects.test("generateObject", "an object, by a tool that the library offers", async () => {
  const { object } = await generateObject({
    model: bedrock(BOX), prompt: ASKED, temperature: 0, schema: jsonSchema(SCHEMA),
    schemaName: "clock", schemaDescription: ABOUT,
  });
  equal(Object.keys(object).length > 0, true, "members");
});

client("openai-js", "chat.completions", async () => {
  const api = new OpenAI({ baseURL: ENDPOINT + "/v1", apiKey: "any" });
  const ask = (messages) => api.chat.completions.create({
    model: BOX, messages, temperature: 0,
    tools: [{
      type: "function", function: { name: "clock", description: ABOUT, parameters: SCHEMA },
    }],
  });
  const turns = [{ role: "user", content: ASKED }];
  const { message } = (await ask(turns)).choices[0];
  const [call] = message.tool_calls;
  const last = await ask([...turns, message,
    { role: "tool", tool_call_id: call.id, content: RESULT }]);
  return {
    called: call.function.name, given: JSON.parse(call.function.arguments),
    answer: last.choices[0].message.content,
  };
});

client("anthropic-bedrock-js", "messages.create", async () => {
  const api = new AnthropicBedrock({
    baseURL: ENDPOINT, awsRegion: "us-east-1", awsAccessKey: "dummy", awsSecretKey: "dummy",
  });
  const ask = (messages) => api.messages.create({
    model: BOX, max_tokens: 200, temperature: 0, messages,
    tools: [{ name: "clock", description: ABOUT, input_schema: SCHEMA }],
  });
  const turns = [{ role: "user", content: ASKED }];
  const first = await ask(turns);
  const call = first.content.find((b) => b.type === "tool_use");
  const result = { type: "tool_result", tool_use_id: call.id, content: RESULT };
  const last = await ask([...turns, { role: "assistant", content: first.content },
    { role: "user", content: [result] }]);
  return {
    called: call.name, given: call.input, answer: last.content.map((b) => b.text ?? "").join(""),
  };
});

client("aws-sdk-js", "ConverseStream", async () => {
  const api = new sdk.BedrockRuntimeClient({
    endpoint: ENDPOINT, region: "us-east-1", credentials,
  });
  const ask = async (messages) => gather((await api.send(new sdk.ConverseStreamCommand({
    modelId: BOX, messages, inferenceConfig: { temperature: 0, maxTokens: 200 },
    toolConfig: {
      tools: [{
        toolSpec: { name: "clock", description: ABOUT, inputSchema: { json: SCHEMA } },
      }],
    },
  }))).stream);
  const turns = [{ role: "user", content: [{ text: ASKED }] }];
  const events = await ask(turns);
  const { toolUse } = events.find((e) => e.contentBlockStart?.start.toolUse)
    .contentBlockStart.start;
  const input = JSON.parse(events.map((e) => e.contentBlockDelta?.delta.toolUse?.input ?? "")
    .join(""));
  const last = await ask([...turns,
    { role: "assistant", content: [{ toolUse: { ...toolUse, input } }] },
    { role: "user", content: [{ toolResult: {
      toolUseId: toolUse.toolUseId, content: [{ text: RESULT }],
    } }] }]);
  api.destroy();
  const answer = last.map((e) => e.contentBlockDelta?.delta.text ?? "").join("");
  return { called: toolUse.name, given: input, answer };
});

for (const suite of suites) await suite.run();
process.exit(0);
