// The voice driver's WebRTC packet layer, judged by a browser: libwebrtc, which Discord's own client is built on, receives
// a film, and every picture of it shows its time.
//
//     node tests/node/webrtc.mjs
//
// Needs target/debug/jellyfin-sim, target/debug/examples/show, ffmpeg, chromium and `npm ci` in this folder.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { Process } from "./installation.mjs";
import { readTimeCode } from "./time_code.mjs";

const SHOW = fileURLToPath(new URL("../../target/debug/examples/show", import.meta.url));

const SECONDS = 12;
const FPS = 24;

/** As the worker encodes: no B-frames, a key frame a second, one slice a picture. */
const ENCODER = `-c:v libx264 -preset superfast -bf 0 -g ${FPS} -keyint_min ${FPS} -sc_threshold 0 -pix_fmt yuv420p
  -x264-params slices=1:sliced-threads=0`;

/** Sound so much before its picture, or so much after it, is what people notice (ITU-R BT.1359). */
const NOTICED_MS = [-125, 45];

/** A machine that is busy for half a second makes a browser leave out what it is late with. */
const SHOWN_AT_LEAST = 0.9;

/** Loopback, which browsers keep out of their candidates, and no names in the place of addresses. */
const ARGUMENTS = ["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"];

/** Whom a browser lets use a microphone, it tells of every interface, not of the one to the internet alone. */
const PERMISSIONS = ["microphone"];

const fingerprintOf = (sdp) => /^a=fingerprint:sha-256 (\S+)/m.exec(sdp)[1];
const lineOf = (sdp, name) => new RegExp(`^a=${name}:(\\S+)`, "m").exec(sdp)[1];

/** What a browser wants to hear, of the fragment that Discord's servers get. */
function offer({ sdp, audio_ssrc, video_ssrc, rtx_ssrc }) {
  const shared = [
    "c=IN IP4 127.0.0.1",
    `a=ice-ufrag:${lineOf(sdp, "ice-ufrag")}`,
    `a=ice-pwd:${lineOf(sdp, "ice-pwd")}`,
    `a=fingerprint:sha-256 ${fingerprintOf(sdp)}`,
    "a=setup:active",
    "a=rtcp-mux",
    "a=sendonly",
  ];
  const extensions = sdp.split("\n").filter((line) => line.startsWith("a=extmap:"));
  const forSound = extensions.filter((line) => !line.includes("playout-delay"));
  const mapped = (kind) => sdp.split("\n").filter((line) => line.startsWith("a=rtpmap:") && line.includes(kind));
  return [
    "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1", "a=extmap-allow-mixed",
    "m=audio 9 UDP/TLS/RTP/SAVPF 120", "a=mid:0", ...shared, ...forSound, ...mapped("opus"),
    "a=rtcp-fb:120 transport-cc", `a=ssrc:${audio_ssrc} cname:film`,
    "m=video 9 UDP/TLS/RTP/SAVPF 101 102", "a=mid:1", ...shared, ...extensions, ...mapped("H264"), ...mapped("rtx"),
    "a=fmtp:101 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", "a=fmtp:102 apt=101",
    ...["nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"].map((what) => `a=rtcp-fb:101 ${what}`),
    `a=ssrc-group:FID ${video_ssrc} ${rtx_ssrc}`, `a=ssrc:${video_ssrc} cname:film`, `a=ssrc:${rtx_ssrc} cname:film`,
    "",
  ].join("\r\n");
}

/** What Discord's servers answer, of the browser's answer. */
function abbreviated(sdp) {
  const candidate = /^a=candidate:(\S+ 1 udp \d+ (127\.0\.0\.1) (\d+) typ host)/im.exec(sdp);
  assert.ok(candidate, `the browser has a candidate on loopback:\n${sdp}`);
  const [, description, address, port] = candidate;
  const fingerprint = `a=fingerprint:sha-256 ${fingerprintOf(sdp)}`;
  return [
    `m=audio ${port} ICE/SDP`, fingerprint, `c=IN IP4 ${address}`, `a=rtcp:${port}`,
    `a=ice-ufrag:${lineOf(sdp, "ice-ufrag")}`, `a=ice-pwd:${lineOf(sdp, "ice-pwd")}`, fingerprint,
    `a=candidate:${description.replace("udp", "UDP")}`, "",
  ].join("\n");
}

/** In the page: receives, reads the time off each picture. */
async function receive({ offer, reader }) {
  const readTimeCode = new Function(`return ${reader}`)();
  const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  window.peer = peer;
  window.times = [];
  window.failure = null;
  peer.ontrack = async ({ track }) => {
    if (track.kind === "audio") {
      // Without anybody who plays it, nothing is decoded.
      const player = new Audio();
      player.srcObject = new MediaStream([track]);
      await player.play();
      return;
    }
    try {
      const pictures = new MediaStreamTrackProcessor({ track, maxBufferSize: 100 }).readable.getReader();
      for (;;) {
        const { value: picture, done } = await pictures.read();
        if (done) return;
        const { width, height } = picture.visibleRect;
        const row = { x: 0, y: 0, width, height: 2 * Math.ceil(width / 64) };
        const pixels = new Uint8ClampedArray(4 * row.width * row.height);
        await picture.copyTo(pixels, { rect: row, format: "RGBX", layout: [{ offset: 0, stride: 4 * row.width }] });
        window.times.push(readTimeCode(pixels, row.width, row.height));
        picture.close();
      }
    } catch (error) {
      window.failure = error.stack;
    }
  };
  await peer.setRemoteDescription({ type: "offer", sdp: offer });
  await peer.setLocalDescription();
  while (peer.iceGatheringState !== "complete") {
    await new Promise((resolve) => peer.addEventListener("icegatheringstatechange", resolve, { once: true }));
  }
  return peer.localDescription.sdp;
}

/** In the page: what libwebrtc says of both streams. */
async function statistics() {
  const found = {};
  for (const entry of (await window.peer.getStats()).values()) {
    if (entry.type === "inbound-rtp") found[entry.kind] = entry;
    if (entry.type === "remote-outbound-rtp") found[`${entry.kind}Sender`] = entry;
  }
  return found;
}

/** How far sound is played before the picture of the same moment, while it plays; the middle of many. */
async function offBy(page, until) {
  const offs = [];
  while (!(await until())) {
    const { audio, video } = await page.evaluate(statistics);
    const off = audio?.estimatedPlayoutTimestamp - video?.estimatedPlayoutTimestamp;
    if (Number.isFinite(off)) offs.push(off);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  // The first seconds are those in which a browser finds the step.
  const settled = offs.slice(offs.length / 2).sort((a, b) => a - b);
  return Math.round(settled[Math.floor(settled.length / 2)]);
}

async function judge(name, folder, film, width, kbit) {
  // Any page of this machine: a browser trusts those.
  const origin = new URL(film).origin;
  const [pictures, sound] = ["pictures.h264", "sound.opus"].map((file) => join(folder, file));
  const rate = `-vf scale=${width}:-2 -b:v ${kbit}k -maxrate ${kbit}k -bufsize ${kbit}k`;
  const words = (text) => text.split(/\s+/);
  execFileSync("ffmpeg", [
    ..."-v error -nostdin -y -i".split(" "), film,
    ...words(`-map 0:v ${rate} ${ENCODER}`), pictures,
    ...words("-map 0:a -c:a libopus -b:a 128k -frame_duration 20"), sound,
  ]);

  const browser = await launch(ARGUMENTS);
  const show = spawn(SHOW, [pictures, `${FPS}`, sound], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const printed = createInterface({ input: show.stdout })[Symbol.asyncIterator]();
    const sender = JSON.parse((await printed.next()).value);
    const context = await browser.newContext({ permissions: PERMISSIONS });
    const page = await context.newPage();
    await page.goto(`${origin}/System/Info/Public`);
    const answer = await page.evaluate(receive, { offer: offer(sender), reader: `${readTimeCode}` });
    show.stdin.end(`${JSON.stringify({ sdp: abbreviated(answer) })}\n`);

    let said = null;
    const reading = printed.next().then(({ value }) => (said = value ?? "nothing"));
    const off = await offBy(page, () => said);
    await reading;
    assert.match(said, /pictures/, `the sender ended: ${said}`);
    const sent = JSON.parse(said);
    const { audio, video, videoSender } = await page.evaluate(statistics);
    const { times, failure } = await page.evaluate(() => ({ times: window.times, failure: window.failure }));
    assert.equal(failure, null);

    assert.equal(sent.pictures, SECONDS * FPS);
    assert.equal(video.framesReceived, sent.pictures, "pictures were put together");
    const enough = SHOWN_AT_LEAST * sent.pictures;
    assert.ok(video.framesDecoded >= enough, `${video.framesDecoded} were decoded`);
    assert.equal(video.packetsLost, 0, "packets");
    // The first request comes before the first picture.
    assert.ok(video.pliCount <= 1, `${video.pliCount} key frames were asked for`);
    assert.equal(sent.key_frame_requests, video.pliCount, "and the sender knows of it");
    assert.ok(videoSender.reportsSent >= SECONDS - 2, `${videoSender.reportsSent} sender reports`);
    // None is shown wrongly or twice.
    const expected = Array.from({ length: sent.pictures }, (_, frame) => Math.round((frame * 1000) / FPS));
    assert.ok(times.every((ms, at) => expected.includes(ms) && (at === 0 || ms > times[at - 1])), `${times}`);
    assert.ok(times.length >= enough, `${times.length} were shown`);

    assert.ok(audio.packetsReceived >= sent.sound - 1, `${audio.packetsReceived} of ${sent.sound} packets of sound`);
    assert.equal(audio.packetsLost, 0);
    assert.ok(audio.totalAudioEnergy > 0, "sound is no silence");
    assert.ok(off >= NOTICED_MS[0] && off <= NOTICED_MS[1], `sound is played ${off} ms before its picture`);
    console.log(
      `ok    ${name}: of ${sent.pictures} pictures ${video.framesDecoded} decoded, ${times.length} shown; sound ${off} ms before its picture;`
      + ` ${video.freezeCount} freezes, ${audio.concealedSamples} samples of sound made up`,
    );
  } finally {
    show.kill();
    await browser.close();
  }
}

const folder = mkdtempSync(join(tmpdir(), "orb-webrtc-"));
const jellyfin = new Process("jellyfin-sim", ["--seconds", `${SECONDS}`], {});
let failed = 0;
try {
  const film = await jellyfin.printed(/^stream (\S+)$/m);
  for (const [name, width, kbit] of [["720p at 2.5 Mbit/s", 1280, 2500], ["240p at 350 kbit/s", 426, 350]]) {
    try {
      await judge(name, folder, film, width, kbit);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}: ${error.stack}`);
    }
  }
} finally {
  await jellyfin.end();
  rmSync(folder, { recursive: true });
}
console.log(`${2 - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
