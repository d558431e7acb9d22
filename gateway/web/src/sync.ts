// Keeps a viewer in step with the channel. Pure: states and times come in, corrections go out.
//
// Segments reach the browser before the channel reaches them, so a viewer can be exactly where the channel is:
//
//     desired = positionMs + (age of positionMs) - latencyMs
//
// A large difference is closed by a seek, a small one by playing a little faster or slower.

export type EndReason = "finished" | "skipped" | "stopped" | "failed";

/** What a viewer is told of a party (`/watch/{session}/{sig}/state`). */
export interface PartyState {
  title: string | null;
  playbackState: "idle" | "loading" | "playing" | "paused" | "ended" | "stopped";
  /** Why the last item ended; stays until the next play. */
  endReason: EndReason | null;
  positionMs: number;
  durationMs: number | null;
  /** How old `positionMs` was when it was sent. */
  ageMs: number;
  latencyMs: number;
  generation: number;
  watchable: boolean;
}

/** A state, and when it arrived by this browser's own clock (`performance.now()`). */
export interface Received {
  state: PartyState;
  atMs: number;
}

/** A segment of the playlist: where it is in the player, and its media time. Both in the player's order. */
export interface Segment {
  /** Seconds. */
  start: number;
  duration: number;
  /** Milliseconds of media time (EXT-X-PROGRAM-DATE-TIME since 1970); null when only an earlier segment says. */
  mediaMs: number | null;
  /** Rises at each EXT-X-DISCONTINUITY: a seek, another item, another worker. */
  run: number;
}

export type Correction =
  | { kind: "hold" }
  | { kind: "rate"; rate: number }
  | { kind: "seek"; mediaMs: number };

/** From here on a seek is less disturbing than the wait for a changed rate. */
export const SEEK_BEYOND_MS = 600;
/** Drift that starts a change of rate, and drift that ends it: apart, so that the rate does not flap. */
export const CORRECT_BEYOND_MS = 60;
export const CORRECTED_WITHIN_MS = 20;
/** Largest change of rate; 5 % is not heard when the pitch is kept. */
export const MAX_RATE_CHANGE = 0.05;
/** Drift that is worth the largest change of rate. */
const FULL_RATE_MS = 400;
/** A seek has to load and decode before its effect shows. */
export const SEEK_PAUSE_MS = 1500;
/** Longest that a seek is believed to take; more is a network in trouble, which no aim makes up for. */
const MAX_LEAD_MS = 1000;
/** A still picture is put this exactly to its place. */
const STILL_WITHIN_MS = 80;
/** A state older than this is no ground to run on: the feed is broken, and the channel may have stopped. */
const STALE_MS = 30_000;

/** Where the channel is now. */
export function channelMs(received: Received, nowMs: number): number {
  const { state, atMs } = received;
  if (state.playbackState !== "playing") return state.positionMs;
  const sinceMs = Math.min(Math.max(nowMs - atMs, 0), STALE_MS);
  const ahead = state.positionMs + state.ageMs + sinceMs;
  return state.durationMs === null ? ahead : Math.min(ahead, state.durationMs);
}

/** Where this viewer should be now. */
export function desiredMs(received: Received, nowMs: number): number {
  const lag = received.state.playbackState === "playing" ? received.state.latencyMs : 0;
  return Math.max(channelMs(received, nowMs) - lag, 0);
}

/** Decides corrections. Remembers the last one, and how far seeks fall short while the channel goes on. */
export class SyncController {
  #lastSeekMs = -Infinity;
  #correcting = false;
  #leadMs = 0;
  #judgeSeek = false;

  /**
   * @param mediaMs what the player shows now; null while it shows nothing that has a media time
   * @param nowMs the browser's clock
   */
  correct(received: Received, mediaMs: number | null, nowMs: number): Correction {
    const desired = desiredMs(received, nowMs);
    const playing = received.state.playbackState === "playing";
    const drift = mediaMs === null ? Infinity : desired - mediaMs;
    const tolerance = playing ? SEEK_BEYOND_MS : STILL_WITHIN_MS;
    const settled = nowMs - this.#lastSeekMs >= SEEK_PAUSE_MS;
    if (settled && playing) this.#learn(drift);

    if (Math.abs(drift) > tolerance) {
      this.#correcting = false;
      if (!settled) return { kind: "hold" };
      this.#lastSeekMs = nowMs;
      this.#judgeSeek = playing && mediaMs !== null;
      return { kind: "seek", mediaMs: playing ? desired + this.#leadMs : desired };
    }
    if (!playing) return { kind: "hold" };

    const enough = this.#correcting ? CORRECTED_WITHIN_MS : CORRECT_BEYOND_MS;
    this.#correcting = Math.abs(drift) > enough;
    return { kind: "rate", rate: this.#correcting ? rateFor(drift) : 1 };
  }

  /** The party changed on purpose (seek, pause, next item): the next correction need not wait. */
  changed(): void {
    this.#lastSeekMs = -Infinity;
    this.#judgeSeek = false;
  }

  /** What is left of the drift when a seek has had its time is how far the next one has to aim ahead. */
  #learn(driftMs: number): void {
    if (!this.#judgeSeek) return;
    this.#judgeSeek = false;
    if (Number.isFinite(driftMs)) this.#leadMs = Math.min(Math.max(this.#leadMs + driftMs / 2, 0), MAX_LEAD_MS);
  }
}

function rateFor(driftMs: number): number {
  const share = Math.min(Math.max(driftMs / FULL_RATE_MS, -1), 1);
  return 1 + share * MAX_RATE_CHANGE;
}

/** A place in the player, as the playlist describes it. */
export interface Place {
  /** Seconds. */
  seconds: number;
  mediaMs: number;
  run: number;
}

/** What is at a place in the player; null where no segment is. */
export function locate(segments: readonly Segment[], seconds: number): Place | null {
  for (const { start, duration, mediaMs, run } of timed(segments).reverse()) {
    const offset = seconds - start;
    if (offset >= 0 && offset < duration) return { seconds, mediaMs: mediaMs + offset * 1000, run };
  }
  return null;
}

/**
 * The place of a media time; null where no segment has it. Searched from the end: after a seek back, or a short
 * item, the playlist has a media time twice, and the later one is what the channel plays.
 */
export function placeOf(segments: readonly Segment[], mediaMs: number): Place | null {
  for (const { start, duration, mediaMs: startMs, run } of timed(segments).reverse()) {
    const offset = (mediaMs - startMs) / 1000;
    if (offset >= 0 && offset < duration) return { seconds: start + offset, mediaMs, run };
  }
  return null;
}

/**
 * What the player shows, as far as it counts: another run than the one that has the desired place may be another
 * film at the same minute, and is as good as nothing.
 */
export function shownMs(segments: readonly Segment[], seconds: number, desired: number): number | null {
  const here = locate(segments, seconds);
  const there = placeOf(segments, desired);
  return here === null || (there !== null && there.run !== here.run) ? null : here.mediaMs;
}

/** Whether a state is a jump, and not what the one before led to. */
export function isJump(before: Received | null, after: Received): boolean {
  if (before === null || before.state.title !== after.state.title) return true;
  return Math.abs(channelMs(before, after.atMs) - channelMs(after, after.atMs)) > SEEK_BEYOND_MS;
}

interface TimedSegment extends Segment {
  mediaMs: number;
}

/** Gives a segment without a time of its own the end of the one before, if that is of the same run. */
function timed(segments: readonly Segment[]): TimedSegment[] {
  const result: TimedSegment[] = [];
  for (const segment of segments) {
    const last = result.at(-1);
    const follows = last !== undefined && last.run === segment.run ? last.mediaMs + last.duration * 1000 : null;
    const mediaMs = segment.mediaMs ?? follows;
    if (mediaMs !== null) result.push({ ...segment, mediaMs });
  }
  return result;
}
