import assert from "node:assert/strict";
import { test } from "node:test";
import type { Output } from "./api";
import { waysOf } from "./outputs";

const OFF: Output = { name: "golive", available: false, reason: "off unless the operator sets ORB_GOLIVE" };
const FREE: Output = { name: "golive", available: true, reason: null };
const VOICE: Output = { name: "voice", available: true, reason: null };
const WATCH: Output = { name: "watch", available: true, reason: null };

const PICTURE = { picturesSent: 48, width: 1280, height: 720, kbitsPerSecond: 2500 };

test("a party without a picture says what it has, and why not the rest", () => {
  const ways = waysOf({ capabilities: ["voice", "watch"] }, [VOICE, WATCH, OFF]);
  assert.deepEqual(ways, [
    { name: "Voice channel", on: true, text: "sound" },
    { name: "Watch page", on: true, text: "picture and sound, behind a viewer link" },
    { name: "Go Live", on: false, text: "off unless the operator sets ORB_GOLIVE" },
  ]);
});

test("where it could be had, nothing is said of why this party has none: it may have been refused", () => {
  const [way] = waysOf({ capabilities: ["voice"] }, [FREE]);
  assert.deepEqual(way, { name: "Go Live", on: false, text: "not in this party; a new one can have it" });
});

test("a picture is told only once one was sent, and then the channel itself is silent", () => {
  const capabilities = ["voice", "watch", "golive"];
  const text = (status: Parameters<typeof waysOf>[0]): string[] => waysOf(status, [VOICE, FREE]).map((way) => way.text);
  assert.deepEqual(text({ capabilities }), [
    "the sound is in the stream, beside the picture",
    "no picture of this film was sent yet",
  ]);
  assert.equal(text({ capabilities, picture: { ...PICTURE, picturesSent: 0 } })[1], "no picture of this film was sent yet");
  assert.equal(text({ capabilities, picture: PICTURE })[1], "1280×720, 2500 kbit/s");
  // What has it now may be all that there is: another party could have none.
  assert.equal(waysOf({ capabilities, picture: PICTURE }, [OFF])[0]?.on, true);
});

test("a way that this page does not know is named as it is", () => {
  const laser: Output = { name: "laser", available: true, reason: null };
  assert.deepEqual(waysOf({ capabilities: ["laser"] }, [laser]), [{ name: "laser", on: true, text: "on" }]);
});
