// An installation under test: its processes, and its API as a program uses it.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);
export const TOKEN = "page-test-token";

/** A program of ours. What it prints is kept. */
export class Process {
  output = "";
  #child;

  constructor(program, args, environment) {
    const binary = fileURLToPath(new URL(`target/debug/${program}`, ROOT));
    if (!existsSync(binary)) {
      throw new Error(`${binary} is missing; build it with: make web && cargo build -p orb -p discord-sim -p jellyfin-sim`);
    }
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("ORB_"));
    const env = { ...Object.fromEntries(inherited), NO_COLOR: "1", ...environment };
    this.#child = spawn(binary, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on("data", (data) => (this.output += data));
    }
  }

  get hasEnded() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits until it has printed `pattern`; answers the first group. */
  printed(pattern, withinMs = START_WITHIN_MS) {
    return until(`it prints ${pattern}`, () => {
      if (this.hasEnded) throw new Error(`it ended:\n${this.output.slice(-3000)}`);
      return pattern.exec(this.output)?.[1];
    }, withinMs);
  }

  /** Ends it, and waits for that; answers its exit code, null after a signal that it did not survive. */
  async end(signal = "SIGTERM") {
    if (this.hasEnded) return this.#child.exitCode;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill(signal);
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), 40_000);
    const code = await ended;
    clearTimeout(killer);
    return code;
  }
}

/** A film may have to be made first, on a machine that may be busy. */
export const START_WITHIN_MS = 180_000;

/** One party of an installation at `url`. */
export class Party {
  constructor(url, id) {
    this.url = url;
    this.id = id;
  }

  async call(method, path, body) {
    const answer = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  status() {
    return this.call("GET", `/sessions/${this.id}`);
  }

  control(body) {
    return this.call("POST", `/sessions/${this.id}/control`, typeof body === "string" ? { action: body } : body);
  }

  seek(positionSeconds) {
    return this.control({ action: "seek", positionSeconds });
  }

  /** Address of a page for one viewer. */
  async watchLink() {
    const { url } = await this.call("POST", `/api/v1/parties/${this.id}/watch-links`, {});
    return new URL(url, this.url).href;
  }

  /** How far behind the channel a viewer is by declaration. */
  async latencyMs() {
    const state = await fetch(`${await this.watchLink()}/state`).then((answer) => answer.json());
    if (typeof state.latencyMs !== "number") throw new Error(`no latency is declared: ${JSON.stringify(state)}`);
    return state.latencyMs;
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `condition` gives something; answers that. */
export async function until(what, condition, withinMs = 45_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(50);
  }
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
