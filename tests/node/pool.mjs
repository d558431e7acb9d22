// The roles as processes of their own, with workers that come and go.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, Party, Process, TOKEN, until } from "./installation.mjs";

export class Pool extends Party {
  #folder = mkdtempSync(join(tmpdir(), "orb-pool-"));
  #processes = [];
  #environment = {};

  static async start() {
    const pool = new Pool(`http://127.0.0.1:${await freePort()}`, "pool");
    try {
      await pool.#start();
    } catch (error) {
      await pool.stop();
      throw error;
    }
    return pool;
  }

  async #start() {
    const discord = this.#run("discord-sim", ["--ca-file", join(this.#folder, "ca.pem")]);
    const jellyfin = this.#run("jellyfin-sim", []);
    const grpc = `127.0.0.1:${await freePort()}`;
    this.streamUrl = await jellyfin.printed(/^stream (\S+)$/m);
    this.#environment = {
      ORB_HTTP_ADDR: new URL(this.url).host,
      ORB_GRPC_ADDR: grpc,
      ORB_SCHEDULER_URL: `http://${grpc}`,
      ORB_API_TOKENS: TOKEN,
      ORB_DATABASE_URL: `sqlite://${join(this.#folder, "orb.db")}`,
      ORB_JELLYFIN_URL: await jellyfin.printed(/^url (\S+)$/m),
      ORB_DISCORD_TOKENS: "pool-bot-token",
      ORB_DISCORD_API_URL: await discord.printed(/^api (\S+)$/m),
      ORB_DISCORD_CA: await discord.printed(/^ca (\S+)$/m),
    };
    const scheduler = this.#run("orb", ["scheduler"]);
    await scheduler.printed(/(gRPC listens)/);
    this.#run("orb", ["gateway"]);
  }

  #run(program, args, environment = {}) {
    const started = new Process(program, args, { ...this.#environment, ...environment });
    this.#processes.push(started);
    return started;
  }

  /** Starts a worker, and waits until it is attached. */
  async startWorker(name) {
    const worker = this.#run("orb", ["worker"], { ORB_WORKER_ID: name });
    await worker.printed(/( attached )/);
    return worker;
  }

  /** Brings the party to playing at `seconds`. */
  async playFrom(seconds) {
    await until("the gateway is ready", () => fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false));
    await this.call("POST", "/sessions", { sessionId: this.id, guildId: "11", voiceChannelId: "12", textChannelId: "13" });
    const playback = { itemId: "a", title: "The Clock", mediaType: "movie", streamUrl: this.streamUrl };
    await this.call("POST", `/sessions/${this.id}/play`, { queueEntryId: 1, playback });
    await until("the party plays", async () => (await this.status()).playbackState === "playing");
    await this.seek(seconds);
  }

  async stop() {
    for (const one of this.#processes.reverse()) await one.end("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
