// The page in headless Chromium against a started `orb demo`: what a viewer sees, measured from the picture.
//
//     node tests/node/page.mjs
//
// Needs target/debug/orb, Chromium (CHROMIUM, default /usr/bin/chromium) and `npm ci` in this folder; `make test`
// sees to all of it. Leaves screenshots in target/page/. Ends with a line `N passed, N failed`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { Demo } from "./demo.mjs";
import { sleep, TOKEN, until } from "./installation.mjs";
import { Viewer } from "./viewer.mjs";

const SCREENSHOTS = fileURLToPath(new URL("../../target/page/", import.meta.url));
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** After a seek the picture is there again, and in step, within so long. */
const BACK_WITHIN_MS = 5000;
/** Smallest side of what a finger has to hit. */
const TOUCH_PIXELS = 40;
/** The position may be so far from the one that was asked for, besides the time that passed since. */
const POSITION_TOLERANCE_MS = 2000;

const screenshot = (viewer, name) => viewer.page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });

function assertAbout(actual, expected, tolerance, what) {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, not ${expected} ± ${tolerance}`);
}

/** Clicks, then expects the picture at `targetMs` soon, and in step. */
async function assertSeek(viewer, click, targetMs) {
  const clicked = Date.now();
  await click();
  await until("the party is there", async () => {
    const beyondMs = (await viewer.party.status()).positionMs - targetMs;
    return beyondMs >= -POSITION_TOLERANCE_MS && beyondMs <= POSITION_TOLERANCE_MS + Date.now() - clicked;
  });
  const { lagMs } = await viewer.inStep();
  const tookMs = Date.now() - clicked;
  assert.ok(tookMs <= BACK_WITHIN_MS, `the picture was back after ${tookMs} ms`);
  const { movedMs } = await viewer.movesFor(1000);
  assert.ok(movedMs > 0, "the picture stands still");
  return `back after ${tookMs} ms, lag ${lagMs} ms`;
}

/** The film once more, with a key frame each ten seconds. */
function makeTenSecondGop(source, path) {
  const video = ["-vf", "scale=640:-2", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
  const keyFrames = ["-g", "100000", "-sc_threshold", "0", "-force_key_frames", "expr:gte(t,n_forced*10)"];
  execFileSync("ffmpeg", ["-v", "error", "-i", source, "-t", "60", ...video, ...keyFrames, "-c:a", "copy", "-y", path]);
}

async function assertNothingStrange(viewer) {
  assert.deepEqual(viewer.complaints, [], "the browser complained");
  assert.deepEqual(viewer.strayRequests, [], "requests left this machine");
}

/** Name and body; each gets the dashboard, and may say what it measured. */
const TESTS = {
  "the page plays": async (viewer) => {
    await viewer.party.playFrom(5);
    const { lagMs } = await viewer.inStep();
    const before = await viewer.page.evaluate(() => document.querySelector("video").currentTime);
    const { movedMs, passedMs } = await viewer.movesFor(3000);
    const after = await viewer.page.evaluate(() => document.querySelector("video").currentTime);
    assert.ok(after > before, `currentTime ${before} → ${after}`);
    // It may be catching up with what is left of the lag.
    assertAbout(movedMs, passedMs, 1000, "media time shown over 3 s");
    await viewer.showsState("playing");
    assert.equal(await viewer.page.locator("#title").textContent(), "The Clock");
    return `lag ${lagMs} ms, moved ${movedMs} ms in ${passedMs} ms`;
  },

  "the time code in a screenshot agrees with the status": async (viewer) => {
    await viewer.party.playFrom(10);
    await viewer.inStep();
    const latencyMs = await viewer.party.latencyMs();
    const before = (await viewer.party.status()).positionMs - latencyMs;
    const shown = await viewer.screenshotTime(`${SCREENSHOTS}video.png`);
    const after = (await viewer.party.status()).positionMs - latencyMs;
    assert.notEqual(shown, null, "no time code in the screenshot");
    assert.ok(shown >= before - 1000 && shown <= after + 1000, `${shown} is not within 1 s of ${before}…${after}`);
    return `${shown} ms, status ${before}…${after} ms, declared latency ${latencyMs} ms`;
  },

  "it says by what ways viewers get the party, and why not by Go Live": async (viewer) => {
    await viewer.party.playFrom(5);
    const ways = viewer.page.locator("#ways li");
    await until("the ways are shown", async () => (await ways.count()) === 3);
    const [voice, watch, golive] = await ways.allTextContents();
    assert.match(voice, /^Voice channel on: sound$/);
    assert.match(watch, /^Watch page on: /);
    // The demo has no account that Discord lets send video.
    assert.match(golive, /^Go Live off: .*ORB_GOLIVE/);
  },

  "it stays in step for ten seconds": async (viewer) => {
    await viewer.party.playFrom(15);
    await viewer.inStep();
    const lags = [];
    for (const end = Date.now() + 10_000; Date.now() < end; await sleep(500)) lags.push(Math.round(await viewer.lag()));
    assert.ok(lags.every((lag) => Math.abs(lag) <= 1000), `lags ${lags}`);
    return `lags ${Math.min(...lags)}…${Math.max(...lags)} ms`;
  },

  "the film has sound": async (viewer) => {
    await viewer.party.playFrom(5);
    await viewer.inStep();
    await viewer.page.locator("#sound").click();
    const heard = () => viewer.page.evaluate(() => document.querySelector("video").webkitAudioDecodedByteCount);
    const before = await heard();
    await until("sound is decoded", async () => (await heard()) > before);
    assert.equal(await viewer.page.evaluate(() => document.querySelector("video").muted), false);
    await viewer.inStep();
    await viewer.page.locator("#sound").click();
    assert.equal(await viewer.page.evaluate(() => document.querySelector("video").muted), true);
  },

  "pause holds the picture, resume goes on": async (viewer) => {
    await viewer.party.playFrom(20);
    await viewer.inStep();
    await viewer.page.getByRole("button", { name: "Pause" }).click();
    await viewer.showsState("paused");
    const paused = await viewer.party.status();
    assert.equal(paused.playbackState, "paused");
    const { lagMs } = await viewer.inStep();
    const { movedMs } = await viewer.movesFor(2000);
    assert.equal(movedMs, 0, "the picture moves on");
    assertAbout((await viewer.party.status()).positionMs, paused.positionMs, 100, "the position");
    await screenshot(viewer, "paused");

    await viewer.page.getByRole("button", { name: "Resume" }).click();
    await viewer.showsState("playing");
    const resumed = await viewer.inStep();
    const moves = await viewer.movesFor(1500);
    assert.ok(moves.movedMs > 0, "the picture stands still");
    return `paused with lag ${lagMs} ms; in step ${resumed.tookMs} ms after resume, lag ${resumed.lagMs} ms`;
  },

  "seek by the progress bar": async (viewer) => {
    await viewer.party.playFrom(5);
    await viewer.inStep();
    const bar = await viewer.page.locator("#progress").boundingBox();
    const { durationSeconds } = await viewer.party.status();
    const click = () => viewer.page.mouse.click(bar.x + bar.width * 0.6, bar.y + bar.height / 2);
    return assertSeek(viewer, click, 600 * durationSeconds);
  },

  "seek back by the progress bar": async (viewer) => {
    await viewer.party.playFrom(80);
    await viewer.inStep();
    const bar = await viewer.page.locator("#progress").boundingBox();
    const { durationSeconds } = await viewer.party.status();
    const click = () => viewer.page.mouse.click(bar.x + bar.width * 0.2, bar.y + bar.height / 2);
    return assertSeek(viewer, click, 200 * durationSeconds);
  },

  "the +30 button": async (viewer) => {
    await viewer.party.playFrom(10);
    await viewer.inStep();
    const { positionMs } = await viewer.party.status();
    const button = viewer.page.getByRole("button", { name: "Forward 30 seconds" });
    return assertSeek(viewer, () => button.click(), positionMs + 30_000);
  },

  "the −10 button": async (viewer) => {
    await viewer.party.playFrom(50);
    await viewer.inStep();
    const { positionMs } = await viewer.party.status();
    const button = viewer.page.getByRole("button", { name: "Back 10 seconds" });
    return assertSeek(viewer, () => button.click(), positionMs - 10_000);
  },

  "a seek while paused shows the new place": async (viewer) => {
    await viewer.party.playFrom(10);
    await viewer.inStep();
    await viewer.party.control("pause");
    await viewer.showsState("paused");
    const clicked = Date.now();
    await viewer.page.getByRole("button", { name: "Forward 30 seconds" }).click();
    await until("the party is there", async () => (await viewer.party.status()).positionMs > 35_000);
    const { lagMs } = await viewer.inStep();
    const tookMs = Date.now() - clicked;
    assert.ok(tookMs <= BACK_WITHIN_MS, `the picture was there after ${tookMs} ms`);
    assert.equal((await viewer.party.status()).playbackState, "paused");
    return `there after ${tookMs} ms, lag ${lagMs} ms`;
  },

  "what somebody else does is shown": async (viewer) => {
    await viewer.party.playFrom(30);
    await viewer.inStep();
    await viewer.party.control("pause");
    await viewer.showsState("paused");
    await viewer.party.control("resume");
    await viewer.showsState("playing");
    return assertSeek(viewer, () => viewer.party.seek(70), 70_000);
  },

  "the keyboard": async (viewer) => {
    await viewer.party.playFrom(10);
    await viewer.inStep();
    // A focused button keeps its space bar.
    await viewer.page.evaluate(() => document.activeElement?.blur());
    await viewer.page.locator("body").press("Space");
    await viewer.showsState("paused");
    await viewer.page.locator("body").press("Space");
    await viewer.showsState("playing");
    const { positionMs } = await viewer.party.status();
    return assertSeek(viewer, () => viewer.page.locator("body").press("ArrowRight"), positionMs + 10_000);
  },

  "skip ends the film, and it can be played again": async (viewer) => {
    await viewer.party.playFrom(10);
    await viewer.inStep();
    await viewer.page.getByRole("button", { name: "Skip this film" }).click();
    await viewer.showsState("ended: skipped");
    const status = await viewer.party.status();
    assert.deepEqual([status.playbackState, status.endReason], ["ended", "skipped"]);
    await viewer.page.locator("#veil", { hasText: "The end" }).waitFor();
    assert.ok(await viewer.page.locator("#toggle").isDisabled(), "pause can be pressed with nothing to pause");
    await screenshot(viewer, "ended");
    await viewer.page.getByRole("button", { name: "Play again" }).click();
    await viewer.showsState("playing");
    const { tookMs, lagMs } = await viewer.inStep();
    assert.ok((await viewer.picture()).timeMs < 30_000, "it did not begin anew");
    return `in step ${tookMs} ms after it played again, lag ${lagMs} ms`;
  },

  "stop leaves the channel": async (viewer) => {
    await viewer.party.playFrom(10);
    await viewer.inStep();
    await viewer.page.getByRole("button", { name: "Stop the party" }).click();
    await viewer.showsState("stopped");
    assert.equal((await viewer.party.status()).playbackState, "stopped");
    await viewer.page.locator("#chips", { hasText: "voice disconnected" }).waitFor();
    await viewer.page.locator("#veil", { hasText: "Stopped" }).waitFor();
    await screenshot(viewer, "stopped");
    await viewer.page.getByRole("button", { name: "Play again" }).click();
    await viewer.showsState("playing");
    const { tookMs } = await viewer.inStep();
    return `in step ${tookMs} ms after it played again`;
  },

  "the film's end is shown": async (viewer) => {
    const { durationSeconds } = await viewer.party.status();
    await viewer.party.playFrom(durationSeconds - 6);
    await viewer.inStep();
    let last = 0;
    await until("the film is at its end", async () => {
      last = (await viewer.picture()).timeMs ?? last;
      return (await viewer.party.status()).playbackState === "ended";
    });
    await viewer.showsState("ended: finished");
    // Nobody is sent away before the last second.
    assertAbout(last, 1000 * durationSeconds, 1500, "the last picture seen");
    return `last picture seen at ${last} ms of ${1000 * durationSeconds} ms`;
  },

  "a signed link's page plays, and controls nothing": async (viewer, browser) => {
    await viewer.party.playFrom(10);
    const guest = await Viewer.open(browser, viewer.party, await viewer.party.watchLink());
    try {
      const { tookMs, lagMs } = await guest.inStep();
      assert.equal(await guest.page.title(), "The Clock – Orb Stream");
      const names = await guest.page.getByRole("button").evaluateAll((buttons) => buttons.map((button) => button.id));
      assert.deepEqual(names.sort(), ["fullscreen", "sound"]);
      assert.ok(await guest.page.locator("#progress").isDisabled(), "a viewer can seek");
      const refused = await guest.page.evaluate(async () => {
        const init = { method: "POST", headers: { "X-Orb-Page": "1" }, body: '{"action":"stop"}' };
        return (await fetch("/sessions/demo/control", init)).status;
      });
      assert.equal(refused, 401);
      // The browser reports the refusal that was asked for above.
      guest.complaints = guest.complaints.filter((text) => !text.includes("401"));
      assert.equal((await viewer.party.status()).playbackState, "playing");
      await viewer.party.seek(60);
      const seeked = await guest.inStep();
      await screenshot(guest, "viewer");
      await assertNothingStrange(guest);
      return `in step after ${tookMs} ms, lag ${lagMs} ms; after a seek ${seeked.tookMs} ms`;
    } finally {
      await guest.close();
    }
  },

  "a forged link plays nothing": async (viewer, browser) => {
    const link = await viewer.party.watchLink();
    const middle = link.length - 5;
    const forged = link.slice(0, middle) + (link[middle] === "A" ? "B" : "A") + link.slice(middle + 1);
    const guest = await Viewer.open(browser, viewer.party, forged);
    try {
      await guest.page.getByText(/link/i).first().waitFor();
      await screenshot(guest, "forged");
      assert.equal(await guest.page.locator("video").evaluateAll(([video]) => video?.readyState ?? 0), 0);
    } finally {
      await guest.close();
    }
  },

  "on a phone": async (viewer, browser) => {
    await viewer.party.playFrom(20);
    const phone = await Viewer.open(browser, viewer.party, viewer.party.url, PHONE);
    try {
      await phone.inStep();
      await phone.showsState("playing");
      await screenshot(phone, "phone");
      const small = await phone.page.locator("button:visible").evaluateAll((buttons, side) => {
        const isBad = ({ width, height, left, right }) => width < side || height < side || left < 0 || right > innerWidth;
        return buttons.filter((button) => isBad(button.getBoundingClientRect())).map(({ outerHTML }) => outerHTML);
      }, TOUCH_PIXELS);
      assert.deepEqual(small, [], "buttons too small for a finger, or off the screen");
      const { wide, high } = await phone.page.evaluate(() => ({
        wide: document.scrollingElement.scrollWidth - innerWidth,
        high: document.querySelector("#toggle").getBoundingClientRect().bottom - innerHeight,
      }));
      assert.ok(wide <= 0, `the page is ${wide} px wider than the phone`);
      assert.ok(high <= 0, `pause is ${high} px below the fold`);
      await phone.page.getByRole("button", { name: "Pause" }).tap();
      await phone.showsState("paused");
      await phone.page.getByRole("button", { name: "Resume" }).tap();
      await phone.showsState("playing");
      await assertNothingStrange(phone);

      const guest = await Viewer.open(browser, viewer.party, await viewer.party.watchLink(), PHONE);
      try {
        await guest.inStep();
        await screenshot(guest, "phone-viewer");
        await assertNothingStrange(guest);
      } finally {
        await guest.close();
      }
    } finally {
      await phone.close();
    }
  },

  "a seek into a ten-second GOP, and signing in": async (viewer, browser) => {
    const film = `${SCREENSHOTS}ten-second-gop.mkv`;
    makeTenSecondGop(await viewer.party.filmUrl(), film);
    // Off loopback the page asks for a token.
    const other = await Demo.start({ host: "0.0.0.0", film });
    const guest = await Viewer.open(browser, other, other.url);
    try {
      await guest.page.getByLabel("API token").fill("wrong");
      await guest.page.getByRole("button", { name: "Sign in" }).click();
      await guest.page.getByText("This token is not valid.").waitFor();
      await screenshot(guest, "sign-in");
      await guest.page.getByLabel("API token").fill(TOKEN);
      await guest.page.getByRole("button", { name: "Sign in" }).click();
      // The browser reports the refusals that were asked for above.
      guest.complaints = guest.complaints.filter((text) => !text.includes("401"));
      await guest.inStep();
      const measured = [];
      // Key frames are at 30 and 40 s: the picture must not wait for the next one.
      for (const seconds of [31, 35.5, 12]) {
        measured.push(await assertSeek(guest, () => other.seek(seconds), 1000 * seconds));
      }
      await assertNothingStrange(guest);
      return measured.join("; ");
    } finally {
      await guest.close();
      await other.stop();
    }
  },

  "no errors in the console, no request to elsewhere": async (viewer) => {
    await viewer.party.playFrom(30);
    await viewer.inStep();
    await screenshot(viewer, "dashboard");
    await assertNothingStrange(viewer);
  },
};

async function main(only) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const demo = await Demo.start();
  const browser = await launch();
  let passed = 0;
  let failed = 0;
  try {
    const viewer = await Viewer.open(browser, demo, demo.url);
    for (const [name, test] of Object.entries(TESTS)) {
      if (only.length > 0 && !only.some((words) => name.includes(words))) continue;
      const began = Date.now();
      try {
        const measured = await test(viewer, browser);
        passed += 1;
        console.log(`ok    ${name} (${Date.now() - began} ms)${measured ? `: ${measured}` : ""}`);
      } catch (error) {
        failed += 1;
        console.log(`FAIL  ${name} (${Date.now() - began} ms): ${error.stack}`);
        await screenshot(viewer, `failed-${failed}`).catch(() => undefined);
      }
    }
  } finally {
    await browser.close();
    await demo.stop();
    if (failed > 0) console.log(demo.output.slice(-5000));
  }
  if (passed + failed === 0) failed = 1;
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
