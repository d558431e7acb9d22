import assert from "node:assert/strict";
import { test } from "node:test";
import {
  channelMs, desiredMs, isJump, locate, placeOf, shownMs, SyncController,
  type PartyState, type Received, type Segment,
} from "./sync";

function received(change: Partial<PartyState> = {}): Received {
  const state: PartyState = {
    title: "Film", playbackState: "playing", endReason: null, positionMs: 60_000, durationMs: 120_000, ageMs: 100,
    latencyMs: 200, generation: 1, watchable: true, ...change,
  };
  return { state, atMs: 1000 };
}

test("the channel goes on between two states, up to the end of the film", () => {
  assert.equal(channelMs(received(), 1500), 60_600);
  assert.equal(desiredMs(received(), 1500), 60_400);
  assert.equal(channelMs(received({ positionMs: 119_900 }), 5000), 120_000);
  assert.equal(channelMs(received({ durationMs: null, positionMs: 119_900 }), 5000), 124_000);
  // A feed that is silent for minutes says nothing about where the channel is now.
  assert.equal(channelMs(received({ durationMs: null }), 1000 + 300_000), 90_100);
});

test("a party that does not play stands still, without latency", () => {
  for (const playbackState of ["paused", "ended", "stopped", "loading", "idle"] as const) {
    assert.equal(desiredMs(received({ playbackState }), 9000), 60_000);
  }
});

test("the beginning is not undershot", () => {
  assert.equal(desiredMs(received({ positionMs: 0, ageMs: 0 }), 1000), 0);
});

test("large drift is closed by a seek, and the next waits for it to work", () => {
  const sync = new SyncController();
  assert.deepEqual(sync.correct(received(), 50_000, 1000), { kind: "seek", mediaMs: 59_900 });
  assert.deepEqual(sync.correct(received(), 50_000, 1250), { kind: "hold" });
  assert.equal(sync.correct(received(), 50_000, 2500).kind, "seek");
  sync.changed();
  assert.equal(sync.correct(received(), 50_000, 2510).kind, "seek");
});

test("a seek that fell short makes the next one aim ahead, within a bound", () => {
  const sync = new SyncController();
  assert.deepEqual(sync.correct(received(), 50_000, 1000), { kind: "seek", mediaMs: 59_900 });
  // 1.5 s later the channel is at 61.4 s, and the seek has led to 60.6 s: 800 ms short.
  assert.deepEqual(sync.correct(received(), 60_600, 2500), { kind: "seek", mediaMs: 61_800 });
  for (let now = 4000; now < 20_000; now += 1500) sync.correct(received(), 0, now);
  const correction = sync.correct(received(), 0, 20_500);
  assert.ok(correction.kind === "seek" && correction.mediaMs <= desiredMs(received(), 20_500) + 1000);
});

test("a player that shows nothing is sent to its place", () => {
  assert.deepEqual(new SyncController().correct(received(), null, 1000), { kind: "seek", mediaMs: 59_900 });
});

test("small drift changes the rate, within bounds and without flapping", () => {
  const sync = new SyncController();
  const at = (drift: number) => {
    const correction = sync.correct(received(), 59_900 - drift, 1000);
    assert.equal(correction.kind, "rate");
    return correction.kind === "rate" ? correction.rate : NaN;
  };
  assert.equal(at(50), 1);
  assert.ok(at(80) > 1 && at(80) < 1.05);
  assert.ok(at(40) > 1, "goes on until the drift is nearly gone");
  assert.equal(at(10), 1);
  assert.equal(at(50), 1, "does not begin again for as little as it left");
  assert.equal(at(550), 1.05);
  assert.equal(at(-550), 0.95);
});

test("a still picture is put to its place exactly, and never played at another rate", () => {
  const sync = new SyncController();
  const paused = received({ playbackState: "paused" });
  assert.deepEqual(sync.correct(paused, 59_800, 1000), { kind: "seek", mediaMs: 60_000 });
  assert.deepEqual(sync.correct(paused, 59_950, 5000), { kind: "hold" });
});

const RUNS: Segment[] = [
  { start: 0, duration: 2, mediaMs: 0, run: 1 },
  // No time of its own; the segment before begins at media time zero, which is a time like any other.
  { start: 2, duration: 2, mediaMs: null, run: 1 },
  { start: 4, duration: 2, mediaMs: 60_000, run: 2 },
  { start: 6, duration: 2, mediaMs: 2000, run: 3 },
];

test("media time comes from the segment that is shown", () => {
  const at = (seconds: number) => locate(RUNS, seconds)?.mediaMs ?? null;
  assert.equal(at(1.5), 1500);
  assert.equal(at(3), 3000);
  assert.equal(at(4.25), 60_250);
  assert.equal(at(7), 3000);
  assert.equal(at(8), null);
  assert.equal(locate([{ start: 0, duration: 2, mediaMs: null, run: 1 }], 1), null);
});

test("of two places with one media time the later is meant", () => {
  const of = (mediaMs: number) => placeOf(RUNS, mediaMs)?.seconds ?? null;
  assert.equal(of(3000), 7);
  assert.equal(of(500), 0.5);
  assert.equal(of(61_000), 5);
  assert.equal(of(30_000), null);
  assert.equal(placeOf([], 0), null);
});

test("the same minute of an earlier run counts for nothing", () => {
  assert.equal(shownMs(RUNS, 3, 3000), null);
  assert.equal(shownMs(RUNS, 7, 3000), 3000);
  assert.equal(shownMs(RUNS, 3, 500), 3000);
  assert.equal(shownMs(RUNS, 3, 30_000), 3000, "the place is not there yet: what is shown is the drift");
  assert.equal(shownMs(RUNS, 9, 3000), null);
});

test("a jump is told from going on", () => {
  const before = received();
  const after = (change: Partial<PartyState>): Received => ({ ...received(change), atMs: 3000 });
  assert.ok(!isJump(before, after({ positionMs: 62_000 })));
  assert.ok(!isJump(before, after({ positionMs: 62_100, playbackState: "paused", generation: 2 })));
  assert.ok(isJump(before, after({ positionMs: 90_000 })));
  assert.ok(isJump(before, after({ positionMs: 62_000, title: "Another" })));
  assert.ok(isJump(null, before));
});
