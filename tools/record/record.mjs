// Writes down the requests of published clients, raw, one JSON object a line.
//
//   node record.mjs CACHE ANTHROPIC [GO_PROGRAM]
//
// CACHE is .cache/conformance, ANTHROPIC a folder with node_modules/@anthropic-ai/bedrock-sdk,
// GO_PROGRAM a binary made of sdk.go.txt.

import { spawn } from "node:child_process";
import { once } from "node:events";
import http2 from "node:http2";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [cache, anthropic, goProgram] = process.argv.slice(2).map((p) => path.resolve(p));
const ACCESS = "AKIDEXAMPLE";
const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const MODELS = [
  "meta.llama3-1-8b-instruct-v1:0",
  "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.meta.llama3-1-8b-instruct-v1:0",
  "arn:aws:bedrock:us-east-1::inference-profile/us.x/../y",
  "meta-llama/Llama 3.1+x~é",
];
const MESSAGES = [{ role: "user", content: [{ text: "Grüße" }] }];
let client = "";
const answer = JSON.stringify({
  output: { message: { role: "assistant", content: [{ text: "x" }] } },
  stopReason: "end_turn", usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
  metrics: { latencyMs: 1 }, inputTokens: 1, modelSummaries: [], content: [], id: "x",
});

function write(r) {
  process.stdout.write(JSON.stringify({ client, ...r }) + "\n");
}

// HTTP/1.1, byte by byte as it comes.
function listenFirst() {
  const server = net.createServer((socket) => {
    let data = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (more) => {
      data = Buffer.concat([data, more]);
      const end = data.indexOf("\r\n\r\n");
      if (end < 0) return;
      const [first, ...lines] = data.subarray(0, end).toString("latin1").split("\r\n");
      const header = lines.map((l) => {
        const colon = l.indexOf(":");
        return [l.slice(0, colon), l.slice(colon + 1).trim()];
      });
      const get = (name) => header.find((h) => h[0].toLowerCase() === name)?.[1];
      const length = Number(get("content-length") ?? 0);
      if (data.length < end + 4 + length) return;
      const body = data.subarray(end + 4, end + 4 + length).toString();
      data = data.subarray(end + 4 + length);
      const [method, target] = first.split(" ");
      write({ http2: false, method, target, host: get("host"), header, body });
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
        Buffer.byteLength(answer) + "\r\n\r\n" + answer);
    });
  });
  server.listen(0, "127.0.0.1");
  return server;
}

// HTTP/2 with prior knowledge.
function listenSecond() {
  const server = http2.createServer();
  server.on("stream", (stream, _, __, raw) => {
    const header = [];
    const pseudo = {};
    for (let i = 0; i < raw.length; i += 2) {
      if (raw[i].startsWith(":")) pseudo[raw[i]] = raw[i + 1];
      else header.push([raw[i], raw[i + 1]]);
    }
    let body = "";
    stream.setEncoding("utf8");
    stream.on("data", (d) => { body += d; });
    stream.on("end", () => {
      write({
        http2: true, method: pseudo[":method"], target: pseudo[":path"],
        host: pseudo[":authority"], header, body,
      });
      stream.respond({ ":status": 200, "content-type": "application/json" });
      stream.end(answer);
    });
  });
  server.listen(0, "127.0.0.1");
  return server;
}

async function run(command, args, env = {}) {
  const p = spawn(command, args, {
    env: {
      PATH: process.env.PATH, HOME: "/nonexistent", AWS_ACCESS_KEY_ID: ACCESS,
      AWS_SECRET_ACCESS_KEY: SECRET, AWS_REGION: "us-east-1", AWS_EC2_METADATA_DISABLED: "true",
      AWS_DEFAULT_REGION: "us-east-1", AWS_PAGER: "", ...env,
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  await once(p, "exit");
}

const quiet = async (promise) => { try { await promise; } catch { /* the answer is made up */ } };

const PYTHON = `
import boto3, json, sys
url, models = sys.argv[1], json.loads(sys.argv[2])
def attempt(f, **k):
    try: f(**k)
    except Exception: pass
c = boto3.client("bedrock-runtime", endpoint_url=url)
m = [{"role": "user", "content": [{"text": "Grüße"}]}]
for id in models:
    attempt(c.converse, modelId=id, messages=m)
attempt(c.invoke_model, modelId=models[0], body=json.dumps({"prompt": "x"}), trace="ENABLED",
        guardrailIdentifier="g1", guardrailVersion="1")
attempt(c.count_tokens, modelId=models[0], input={"converse": {"messages": m}})
attempt(boto3.client("bedrock-runtime", endpoint_url=url, aws_access_key_id="${ACCESS}",
    aws_secret_access_key="${SECRET}", aws_session_token="a token").converse,
    modelId=models[0], messages=m)
b = boto3.client("bedrock", endpoint_url=url)
attempt(b.list_foundation_models, byProvider="Meta AI", byOutputModality="TEXT")
attempt(b.get_inference_profile, inferenceProfileIdentifier=models[1])
attempt(b.put_model_invocation_logging_configuration,
        loggingConfig={"textDataDeliveryEnabled": True})
`;

async function python(url) {
  client = "boto3";
  await run(path.join(cache, "venv/bin/python"), ["-c", PYTHON, url, JSON.stringify(MODELS)]);
  client = "aws-cli";
  await run(path.join(cache, "venv/bin/aws"), ["bedrock-runtime", "converse", "--endpoint-url", url,
    "--model-id", MODELS[1], "--messages", JSON.stringify(MESSAGES)]);
}

async function javascript(first, second) {
  const need = createRequire(path.join(cache, "node", "x.js"));
  const sdk = need("@aws-sdk/client-bedrock-runtime");
  const { NodeHttpHandler } = need("@smithy/node-http-handler");
  const credentials = { accessKeyId: ACCESS, secretAccessKey: SECRET };
  const base = { region: "us-east-1", credentials };
  const ways = [
    ["aws-sdk-js, HTTP/1.1", { ...base, endpoint: first, requestHandler: new NodeHttpHandler() }],
    ["aws-sdk-js, HTTP/2", { ...base, endpoint: second }],
  ];
  for (const [name, config] of ways) {
    client = name;
    const c = new sdk.BedrockRuntimeClient(config);
    for (const modelId of MODELS) {
      await quiet(c.send(new sdk.ConverseCommand({ modelId, messages: MESSAGES })));
    }
    await quiet(c.send(new sdk.InvokeModelCommand({ modelId: MODELS[0], body: "{}" })));
    c.destroy();
  }
  client = "ai-sdk";
  const { createAmazonBedrock } = need("@ai-sdk/amazon-bedrock");
  const { generateText } = need("ai");
  const bedrock = createAmazonBedrock({ ...credentials, region: "us-east-1", baseURL: first });
  for (const id of MODELS.slice(0, 2)) {
    await quiet(generateText({ model: bedrock(id), prompt: "Grüße", maxRetries: 0 }));
  }
}

async function anthropicSDK(url) {
  client = "anthropic-bedrock-sdk";
  const at = path.join(anthropic, "node_modules/@anthropic-ai/bedrock-sdk/index.mjs");
  const { AnthropicBedrock } = await import(pathToFileURL(at));
  const c = new AnthropicBedrock({
    awsAccessKey: ACCESS, awsSecretKey: SECRET, awsRegion: "us-east-1", baseURL: url, maxRetries: 0,
  });
  for (const model of MODELS.slice(0, 2)) {
    await quiet(c.messages.create({
      model, max_tokens: 9, messages: [{ role: "user", content: "Grüße" }],
    }));
  }
}

const servers = [listenFirst(), listenSecond()];
await Promise.all(servers.map((s) => once(s, "listening")));
const [first, second] = servers.map((s) => `http://127.0.0.1:${s.address().port}`);
await python(first);
await javascript(first, second);
await anthropicSDK(first);
if (goProgram) {
  client = "aws-sdk-go-v2";
  await run(goProgram, [first, ...MODELS]);
}
process.exit(0);
