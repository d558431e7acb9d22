// A started `orb demo`.

import { freePort, Party, Process, sleep, START_WITHIN_MS, TOKEN, until } from "./installation.mjs";

/** The demo's own party. */
const PARTY = "demo";

export class Demo extends Party {
  #process;

  /**
   * @param options.host where to listen; on loopback the page asks for no token
   * @param options.film path of a film to play instead of the generated one
   */
  static async start({ host = "127.0.0.1", film } = {}) {
    const port = await freePort();
    const environment = {
      ORB_HTTP_ADDR: `${host}:${port}`,
      ORB_GRPC_ADDR: `127.0.0.1:${await freePort()}`,
      ORB_API_TOKENS: TOKEN,
    };
    if (film) environment.FILM = film;
    const demo = new Demo(`http://127.0.0.1:${port}`, PARTY);
    demo.#process = new Process("orb", ["demo"], environment);
    await demo.#isReady();
    return demo;
  }

  async #isReady() {
    const ready = () => fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false);
    const deadline = Date.now() + START_WITHIN_MS;
    while (!(await ready())) {
      if (this.#process.hasEnded || Date.now() > deadline) {
        await this.stop();
        throw new Error(`orb demo did not start:\n${this.output}`);
      }
      await sleep(100);
    }
  }

  /** What it has printed and logged. */
  get output() {
    return this.#process.output;
  }

  /** Address of the film that it plays. */
  filmUrl() {
    return this.#process.printed(/^ *film +(\S+)$/m);
  }

  async stop() {
    await this.#process.end();
  }

  /** Brings the party to playing at `seconds`, whatever it does now. */
  async playFrom(seconds) {
    const { playbackState } = await this.status();
    if (playbackState === "paused") await this.control("resume");
    else if (playbackState !== "playing" && playbackState !== "loading") {
      await this.call("POST", `/sessions/${this.id}/play`, await this.call("GET", "/api/v1/demo-item"));
    }
    await until("the party plays", async () => (await this.status()).playbackState === "playing");
    await this.seek(seconds);
    await until("the party is there", async () => {
      const status = await this.status();
      return status.playbackState === "playing" && Math.abs(status.positionMs - 1000 * seconds) < 5000;
    });
  }
}
