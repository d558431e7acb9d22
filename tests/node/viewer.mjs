// A page in a browser, looked at as a viewer does: by its picture.

import { readTimeCode } from "./time_code.mjs";
import { sleep, until } from "./installation.mjs";

/** The picture may differ so much from where the declared latency puts it. */
const IN_STEP_WITHIN_MS = 1000;
/** Width that pictures are scaled to before their time is read. */
const READ_WIDTH = 640;

export class Viewer {
  /** What the browser complained of, and each request that left this machine. */
  complaints = [];
  strayRequests = [];

  /** Opens `url`; the party is where the truth about the picture is asked for. */
  static async open(browser, party, url, options = {}) {
    const viewer = new Viewer();
    viewer.party = party;
    viewer.context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    await viewer.context.addInitScript({ content: `window.readTimeCode = ${readTimeCode};` });
    const page = await viewer.context.newPage();
    viewer.page = page;
    page.on("console", (message) => {
      if (message.type() === "error") viewer.complaints.push(`${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => viewer.complaints.push(`thrown: ${error.message}`));
    viewer.context.on("request", (request) => {
      const { protocol, hostname } = new URL(request.url());
      const local = hostname === "127.0.0.1" || protocol === "blob:" || protocol === "data:";
      if (!local) viewer.strayRequests.push(request.url());
    });
    await page.goto(url);
    return viewer;
  }

  close() {
    return this.context.close();
  }

  /** `{ timeMs, at }`: the time burnt into the picture that the video shows (null: none), and when it was read. */
  picture() {
    return this.page.evaluate((width) => {
      const video = document.querySelector("video");
      const at = Date.now();
      if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return { timeMs: null, at };
      const height = Math.round((width * video.videoHeight) / video.videoWidth);
      const canvas = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      canvas.drawImage(video, 0, 0, width, height);
      return { timeMs: readTimeCode(canvas.getImageData(0, 0, width, height).data, width, height), at };
    }, READ_WIDTH);
  }

  /** The time burnt into a screenshot of the video, as the page lays it out and the browser draws it. */
  async screenshotTime(path) {
    const png = await this.page.locator("video").screenshot({ path });
    const reader = await this.context.newPage();
    try {
      return await reader.evaluate(async (base64) => {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
        const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
        canvas.drawImage(image, 0, 0);
        return readTimeCode(canvas.getImageData(0, 0, image.width, image.height).data, image.width, image.height);
      }, png.toString("base64"));
    } finally {
      await reader.close();
    }
  }

  /** How far the picture is behind where it should be by the status and the declared latency; null without one. */
  async lag() {
    const latencyMs = await this.party.latencyMs();
    const asked = Date.now();
    const status = await this.party.status();
    const answered = Date.now();
    const { timeMs, at } = await this.picture();
    if (timeMs === null) return null;
    const playing = status.playbackState === "playing";
    const sinceMs = playing ? at - (asked + answered) / 2 : 0;
    return status.positionMs + sinceMs - (playing ? latencyMs : 0) - timeMs;
  }

  /** Waits until the picture is in step; answers how long that took and what lag is left. */
  async inStep(withinMs = 45_000) {
    const began = Date.now();
    let lag = null;
    await until("the picture is in step", async () => {
      lag = await this.lag();
      return lag !== null && Math.abs(lag) <= IN_STEP_WITHIN_MS;
    }, withinMs).catch((error) => {
      throw new Error(`${error.message}; last lag: ${lag} ms`);
    });
    return { tookMs: Date.now() - began, lagMs: Math.round(lag) };
  }

  /** Whether the picture moves on over `ms`, by as much as it should. */
  async movesFor(ms) {
    const before = await this.picture();
    await sleep(ms);
    const after = await this.picture();
    if (before.timeMs === null || after.timeMs === null) throw new Error("there is no picture");
    return { movedMs: after.timeMs - before.timeMs, passedMs: after.at - before.at };
  }

  /** The state in the page's own words. */
  shownState() {
    return this.page.locator("#chips .chip").first().textContent();
  }

  async showsState(words) {
    let shown = null;
    await until(`the page shows "${words}"`, async () => (shown = await this.shownState()) === words).catch((error) => {
      throw new Error(`${error.message}; it shows "${shown}"`);
    });
  }
}
