// A started `orb demo`, and its API as a program uses it.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);
const BINARY = fileURLToPath(new URL("target/debug/orb", ROOT));
export const TOKEN = "page-test-token";
/** The demo's own party. */
export const PARTY = "demo";
/** The film is made first, on a machine that may be busy. */
const READY_WITHIN_MS = 180_000;

export class Demo {
  #child;
  #output = "";

  /**
   * @param options.host where to listen; on loopback the page asks for no token
   * @param options.film path of a film to play instead of the generated one
   */
  static async start({ host = "127.0.0.1", film } = {}) {
    if (!existsSync(BINARY)) {
      throw new Error(`${BINARY} is missing; build it with: make web && cargo build -p orb`);
    }
    const demo = new Demo();
    await demo.#start(host, film);
    return demo;
  }

  async #start(host, film) {
    const port = await freePort();
    this.url = `http://127.0.0.1:${port}`;
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("ORB_"));
    const env = {
      ...Object.fromEntries(inherited),
      NO_COLOR: "1",
      ORB_HTTP_ADDR: `${host}:${port}`,
      ORB_GRPC_ADDR: `127.0.0.1:${await freePort()}`,
      ORB_API_TOKENS: TOKEN,
    };
    if (film) env.FILM = film;
    this.#child = spawn(BINARY, ["demo"], { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on("data", (data) => (this.#output += data));
    }
    const ready = () => fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false);
    const deadline = Date.now() + READY_WITHIN_MS;
    while (!(await ready())) {
      if (this.#child.exitCode !== null || Date.now() > deadline) {
        await this.stop();
        throw new Error(`orb demo did not start:\n${this.#output}`);
      }
      await sleep(100);
    }
  }

  /** What it has printed and logged. */
  get output() {
    return this.#output;
  }

  /** Address of the film that it plays. */
  filmUrl() {
    return until("the film is named", () => /^ *film +(\S+)$/m.exec(this.#output)?.[1]);
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), 30_000);
    await ended;
    clearTimeout(killer);
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
    return this.call("GET", `/sessions/${PARTY}`);
  }

  control(body) {
    return this.call("POST", `/sessions/${PARTY}/control`, typeof body === "string" ? { action: body } : body);
  }

  seek(positionSeconds) {
    return this.control({ action: "seek", positionSeconds });
  }

  /** Brings the party to playing at `seconds`, whatever it does now. */
  async playFrom(seconds) {
    const { playbackState } = await this.status();
    if (playbackState === "paused") await this.control("resume");
    else if (playbackState !== "playing" && playbackState !== "loading") {
      await this.call("POST", `/sessions/${PARTY}/play`, await this.call("GET", "/api/v1/demo-item"));
    }
    await until("the party plays", async () => (await this.status()).playbackState === "playing");
    await this.seek(seconds);
    await until("the party is there", async () => {
      const status = await this.status();
      return status.playbackState === "playing" && Math.abs(status.positionMs - 1000 * seconds) < 5000;
    });
  }

  /** Address of a page for one viewer. */
  async watchLink() {
    const { url } = await this.call("POST", `/api/v1/parties/${PARTY}/watch-links`, {});
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

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
