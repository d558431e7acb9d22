// jellyfin-sim, judged by the official client of each server version that it can be: @jellyfin/sdk 0.13.0 (10.11) and
// 1.0.0 (12 and later).
//
//     node tests/node/jellyfin_sdk.mjs [words of a test's name]
//
// Needs target/debug/jellyfin-sim and `npm ci` in this folder. Ends with a line `N passed, N failed`.

import assert from "node:assert/strict";
import axios from "axios";
import * as sdk10 from "jellyfin-sdk-10";
import * as apis10 from "jellyfin-sdk-10/lib/utils/api/index.js";
import * as sdk13 from "jellyfin-sdk-13";
import * as apis13 from "jellyfin-sdk-13/lib/utils/api/index.js";
import { Process } from "./installation.mjs";
import { SECONDS, TESTS, contents } from "./jellyfin_sdk.tests.mjs";
import { Declarations } from "./jellyfin_sdk.types.mjs";

const CLIENTS = [
  { name: "@jellyfin/sdk 0.13.0, server 10.11", package: "jellyfin-sdk-10", sdk: sdk10, apis: apis10, auth: "10.11" },
  { name: "@jellyfin/sdk 1.0.0, server 12", package: "jellyfin-sdk-13", sdk: sdk13, apis: apis13, auth: "12" },
];

/** A simulator of one version, and the official client of that version. */
class Bench {
  static async start(client) {
    const flags = ["--auth", client.auth, "--seconds", `${SECONDS}`, "--min-resume-seconds", "0"];
    const bench = new Bench();
    bench.client = client;
    bench.types = new Declarations(client.package);
    bench.process = new Process("jellyfin-sim", [...flags, ...contents], {});
    bench.url = await bench.process.printed(/^url (\S+)$/m);
    bench.apiKey = await bench.process.printed(/^api-key (\S+)$/m);
    bench.series = await bench.process.printed(/^show (\S+)$/m);
    return bench;
  }

  /** All calls of the SDK by their operations' names, which its versions spread over different classes. */
  as(token, device = "judge") {
    const clientInfo = { name: "Judge, \"quoted\" & more", version: "1.0" };
    const jellyfin = new this.client.sdk.Jellyfin({ clientInfo, deviceInfo: { name: "Test bench", id: device } });
    const api = jellyfin.createApi(this.url, token, axios.create());
    const calls = { api, jellyfin };
    for (const [name, make] of Object.entries(this.client.apis)) {
      if (!/^get\w+Api$/.test(name)) continue;
      const instance = make(api);
      for (let of = Object.getPrototypeOf(instance); of !== Object.prototype; of = Object.getPrototypeOf(of)) {
        for (const method of Object.getOwnPropertyNames(of)) {
          if (method !== "constructor") calls[method] ??= instance[method].bind(instance);
        }
      }
    }
    return calls;
  }

  /** A user's own client: logged in by name. */
  async logIn(name, device) {
    const answer = await this.as("", device).authenticateUserByName({ authenticateUserByName: { Username: name, Pw: name } });
    this.check("AuthenticationResult", answer.data);
    const calls = this.as(answer.data.AccessToken, device);
    calls.user = answer.data.User;
    return calls;
  }

  /** An answer's data, once it is as the SDK declares it. */
  check(type, data) {
    assert.deepEqual(this.types.faults(type, data), []);
    return data;
  }

  async page(answer) {
    return this.check("BaseItemDtoQueryResult", (await answer).data);
  }

  async reports() {
    return (await axios.get(`${this.url}/_sim/reports`)).data;
  }
}


async function main(only) {
  let passed = 0;
  let failed = 0;
  for (const client of CLIENTS) {
    console.log(client.name);
    const bench = await Bench.start(client);
    try {
      for (const [name, test] of Object.entries(TESTS)) {
        if (only.length > 0 && !only.some((words) => name.includes(words))) continue;
        const began = Date.now();
        try {
          await test(bench);
          passed += 1;
          console.log(`ok    ${name} (${Date.now() - began} ms)`);
        } catch (error) {
          failed += 1;
          console.log(`FAIL  ${name} (${Date.now() - began} ms): ${error.stack}`);
        }
      }
    } finally {
      await bench.process.end();
    }
  }
  if (passed + failed === 0) failed = 1;
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
