import assert from "node:assert/strict";
import { test } from "node:test";
import { clock } from "./dom";

test("times are written as people read them", () => {
  assert.equal(clock(0), "0:00");
  assert.equal(clock(187_900), "3:07");
  assert.equal(clock(5_025_000), "1:23:45");
  assert.equal(clock(-5), "0:00");
});
