// What every JavaScript client's cases share, as suite.py for Python.

import assert from "node:assert/strict";
import fs from "node:fs";

export const ENDPOINT = process.env.BASALT_ENDPOINT;
export const SHARED = JSON.parse(fs.readFileSync(new URL("shared.json", import.meta.url)));
export const CHAT = SHARED.chat_model;
export const STORY = SHARED.story_model;
export const LONG = SHARED.long_word.repeat(SHARED.long_repeat);

export class Suite {
  constructor(client) {
    this.client = client;
    this.cases = [];
  }

  test(operation, name, run) {
    this.cases.push({ operation, name, run });
  }

  fact(operation, key, value) {
    emit({ client: this.client, operation, fact: key, value });
  }

  async run() {
    for (const c of this.cases) {
      const line = { client: this.client, operation: c.operation, case: c.name, ok: true };
      try {
        await c.run();
      } catch (e) {
        line.ok = false;
        line.detail = describe(e);
      }
      emit(line);
    }
  }
}

function emit(line) {
  fs.writeSync(1, JSON.stringify(line) + "\n");
}

function describe(e) {
  const at = (e.stack ?? "").split("\n").find((l) => /\/(?!suite)\w+\.mjs/.test(l));
  return `${e.name}: ${e.message} ${at?.trim() ?? ""}`;
}

export function equal(got, want, what) {
  assert.deepEqual(got, want, `${what} is ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

export function includes(text, part, what) {
  assert.ok(text?.includes(part), `${what} lacks ${JSON.stringify(part)}: ${text}`);
}

// A stop string from the middle of a text, and what must be left before its first place.
export function cutAt(text) {
  const points = [...text];
  const start = Math.floor(points.length / 2);
  const stop = points.slice(start, start + 4).join("");
  return [stop, text.slice(0, text.indexOf(stop))];
}

export async function rejected(call, what) {
  try {
    await call();
  } catch (e) {
    return e;
  }
  throw new Error(`no error: ${what}`);
}

export async function gather(iterable) {
  const all = [];
  for await (const e of iterable) all.push(e);
  return all;
}
