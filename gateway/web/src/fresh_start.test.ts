import assert from "node:assert/strict";
import { test } from "node:test";
import { isInitialization, reopen, startEachRunAfresh, type MediaBuffer } from "./fresh_start";

const box = (type: string, at = 0): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(at + 16);
  bytes.set([0, 0, 0, 16], at);
  bytes.set(new TextEncoder().encode(type), at + 4);
  return bytes.subarray(at);
};

test("a run begins with ftyp or moov, wherever the bytes lie", () => {
  assert.ok(isInitialization(box("ftyp")));
  assert.ok(isInitialization(box("moov").buffer));
  assert.ok(isInitialization(box("ftyp", 12)));
  for (const type of ["styp", "sidx", "moof", "mdat"]) assert.ok(!isInitialization(box(type)), type);
  assert.ok(!isInitialization(new Uint8Array()));
});

test("the buffer starts afresh before each run, even after the stream's end, and at no other time", () => {
  const done: string[] = [];
  let ended = false;
  const buffer = {
    updating: false,
    get timestampOffset() {
      return 20;
    },
    set timestampOffset(_: number) {
      ended = false;
    },
    abort() {
      if (ended) throw new Error("InvalidStateError");
      done.push("abort");
    },
    appendBuffer(data: BufferSource) {
      done.push(String.fromCharCode(...(data as Uint8Array).subarray(4, 8)));
    },
  };
  startEachRunAfresh(buffer);
  buffer.appendBuffer(box("ftyp"));
  buffer.appendBuffer(box("moof"));
  buffer.appendBuffer(box("moof"));
  ended = true;
  buffer.appendBuffer(box("ftyp"));
  assert.deepEqual(done, ["abort", "ftyp", "moof", "moof", "abort", "ftyp"]);
});

test("a buffer that is being changed is given no offset", () => {
  let offsets = 0;
  const nothing = (): void => undefined;
  const buffer = (updating: boolean): MediaBuffer => ({
    updating,
    abort: nothing,
    appendBuffer: nothing,
    get timestampOffset() {
      return 20;
    },
    set timestampOffset(offset: number) {
      assert.equal(offset, 20);
      offsets += 1;
    },
  });
  reopen(buffer(true));
  assert.equal(offsets, 0);
  reopen(buffer(false));
  assert.equal(offsets, 1);
});
