// A viewer's page while the worker behind it dies, and while it goes in good order: the picture goes on, by itself.
//
//     node tests/node/take_over.mjs
//
// Needs what page.mjs needs, and both simulators in target/debug. Ends with a line `N passed, N failed`.

import assert from "node:assert/strict";
import { launch } from "./browser.mjs";
import { sleep, until } from "./installation.mjs";
import { Pool } from "./pool.mjs";
import { Viewer } from "./viewer.mjs";

/** After its worker is gone, the picture is there again, and in step, within so long: `suspect_after` is not needed, for
 * its stream is reset; the rest is opening the film, and what a browser wants to have before it plays. */
const BACK_WITHIN_MS = 8000;

/** Looks at the picture until `done` has settled; answers the longest time for which it stood still. */
async function longestStill(viewer, done) {
  let over = false;
  void done.finally(() => (over = true));
  let [last, since, longest] = [null, Date.now(), 0];
  while (!over) {
    const { timeMs } = await viewer.picture();
    const now = Date.now();
    if (timeMs !== null && timeMs !== last) [last, since] = [timeMs, now];
    longest = Math.max(longest, now - since);
    await sleep(40);
  }
  await done;
  return longest;
}

/** Plays on a first worker, has a second one ready, and takes the first one away by `signal`. */
async function goesOn(browser, signal) {
  const pool = await Pool.start();
  let viewer = null;
  try {
    const first = await pool.startWorker("worker-1");
    await pool.playFrom(20);
    viewer = await Viewer.open(browser, pool, await pool.watchLink());
    await viewer.inStep();
    const loaded = await viewer.page.evaluate(() => (window.loadedOnce = performance.timeOrigin));
    const second = await pool.startWorker("worker-2");

    const back = (async () => {
      const code = await first.end(signal);
      if (signal === "SIGTERM") assert.equal(code, 0, "a drained worker ends well");
      await until("the next worker has the party", () => /first packet|in the voice channel|opening|goes on/.test(second.output));
      // What was buffered is shown on: only what comes from the next worker proves anything.
      await sleep(2000);
      return viewer.inStep(BACK_WITHIN_MS);
    })();
    const still = await longestStill(viewer, back);
    const { lagMs } = await back;
    // Longer than anything that a browser holds: 16 s are listed ahead of the channel.
    await sleep(18_000);
    const later = await viewer.inStep(BACK_WITHIN_MS);
    const { movedMs } = await viewer.movesFor(2000);
    assert.ok(movedMs > 1000, `the picture moves by ${movedMs} ms in 2 s`);
    assert.equal(await viewer.page.evaluate(() => window.loadedOnce), loaded, "the page was loaded anew");
    assert.equal((await pool.status()).playbackState, "playing");
    const strange = viewer.complaints.filter((text) => !/50[234]|404/.test(text));
    assert.deepEqual(strange, [], "the browser complained");
    return `lag ${lagMs} ms, 18 s later ${later.lagMs} ms; the picture stood still for ${still} ms at most`;
  } catch (error) {
    throw new Error(`${error.message}; the page shows "${await viewer?.shownState().catch(() => "?")}"`, { cause: error });
  } finally {
    await viewer?.close();
    await pool.stop();
  }
}

const TESTS = {
  "a worker is killed": (browser) => goesOn(browser, "SIGKILL"),
  "a worker is drained": (browser) => goesOn(browser, "SIGTERM"),
};

async function main() {
  const browser = await launch();
  let failed = 0;
  for (const [name, test] of Object.entries(TESTS)) {
    try {
      console.log(`ok    ${name}: ${await test(browser)}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}: ${error.stack}`);
    }
  }
  await browser.close();
  console.log(`${Object.keys(TESTS).length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
