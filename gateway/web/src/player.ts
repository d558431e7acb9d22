// One video, in step with one party.

import Hls, { ErrorTypes, Events, type HlsConfig, type LevelDetails } from "hls.js";
import { openFeed, type Feed } from "./feed";
import { reopen, startEachRunAfresh } from "./fresh_start";
import { desiredMs, isJump, locate, placeOf, shownMs, SyncController, type PartyState, type Place, type Received, type Segment } from "./sync";

/** How often the drift is looked at. */
const TICK_MS = 250;
/** How long there may be no picture, or no such place in the playlist, before the stream is opened anew. */
const LOST_MS = 5000;
/** How often the playlist is asked for while it lacks the party's place. */
const RELOAD_MS = 400;
/** A jump brings a new run; how long it is waited for before an older one that has the place will do. */
const NEW_RUN_MS = 1000;
/** Pause before a stream that failed is opened again. */
const REOPEN_MS = 800;

const HLS: Partial<HlsConfig> = {
  // fMP4 goes to the browser as it is; a worker would have nothing to do.
  enableWorker: false,
  lowLatencyMode: false,
  backBufferLength: 20,
  maxBufferLength: 20,
  // The playlist runs ahead of the channel: its edge is not where a viewer should be. Sync decides, from the
  // first segment on.
  autoStartLoad: false,
  liveDurationInfinity: true,
  maxLiveSyncPlaybackRate: 1,
};

export interface PlayerEvents {
  onState(state: PartyState): void;
  onConnected(connected: boolean): void;
}

export class Player {
  #hls: Hls | null = null;
  #buffers: SourceBuffer[] = [];
  #sync = new SyncController();
  #received: Received | null = null;
  #feed: Feed;
  #timer: number;
  /** The run that a jump leaves, and until when nothing but a newer one will do. */
  #left = { run: -1, untilMs: -Infinity };
  #foundAtMs = 0;
  #reopenAtMs = 0;
  #reloadedAtMs = 0;
  #base = "";

  /** @param link path or address of the viewer's page; asked for again when the feed has to be reopened */
  constructor(
    readonly video: HTMLVideoElement,
    link: () => string | Promise<string>,
    readonly events: PlayerEvents,
  ) {
    // Browsers let a page play by itself only without sound.
    video.muted = true;
    video.playsInline = true;
    const address = async (): Promise<string> => {
      this.#base = sameOrigin(await link());
      return `${this.#base}/events`;
    };
    this.#feed = openFeed<PartyState>(address, "message", (state) => this.#take(state), events.onConnected);
    this.#timer = window.setInterval(() => this.#tick(), TICK_MS);
  }

  /** Whether this browser can play the stream at all. */
  static isSupported(): boolean {
    return Hls.isSupported();
  }

  get received(): Received | null {
    return this.#received;
  }

  /** Media time of the picture that is shown, in milliseconds; null while there is none. */
  mediaTimeMs(): number | null {
    return this.#here()?.mediaMs ?? null;
  }

  /** Ends it; the video element can be given to another player. */
  destroy(): void {
    window.clearInterval(this.#timer);
    this.#feed.close();
    this.#close();
  }

  #take(state: PartyState): void {
    const before = this.#received;
    const now = performance.now();
    this.#received = { state, atMs: now };
    // The generation rises when a change is wanted, the position jumps when it happens.
    if (before?.state.generation !== state.generation) this.#sync.changed();
    if (isJump(before, this.#received)) {
      this.#sync.changed();
      this.#left = { run: this.#here()?.run ?? -1, untilMs: now + NEW_RUN_MS };
      this.#reload(now);
    }
    this.events.onState(state);
    this.#tick();
  }

  #tick(): void {
    const received = this.#received;
    const now = performance.now();
    if (!received?.state.watchable) {
      this.#close();
      return;
    }
    if (this.#hls === null) {
      if (now >= this.#reopenAtMs) this.#open();
      return;
    }
    this.#follow(received, now);
    if (now - this.#foundAtMs > LOST_MS && received.state.playbackState === "playing") this.#fail();
  }

  #follow(received: Received, now: number): void {
    const { video } = this;
    const playing = received.state.playbackState === "playing";
    const segments = this.#segments();
    const shown = video.readyState === 0 ? null : shownMs(segments, video.currentTime, desiredMs(received, now));
    const correction = this.#sync.correct(received, shown, now);
    switch (correction.kind) {
      case "seek": {
        // Into the older run, and then into the new one, would be two jumps for one.
        const candidates = now < this.#left.untilMs ? segments.filter(({ run }) => run > this.#left.run) : segments;
        const place = placeOf(candidates, correction.mediaMs);
        if (place === null) {
          this.#sync.changed();
          this.#reload(now);
          break;
        }
        // Before the first picture hls.js puts the player to where loading began: see `#open`.
        if (video.readyState > 0) {
          this.#foundAtMs = now;
          video.playbackRate = 1;
          video.currentTime = place.seconds;
        }
        break;
      }
      case "rate":
        this.#foundAtMs = now;
        video.playbackRate = correction.rate;
        break;
      case "hold":
        if (video.readyState > 0) this.#foundAtMs = now;
        break;
    }
    // A video at its end would be played from the beginning.
    if (playing === video.paused && !video.ended) {
      if (playing) void video.play().catch(() => this.#muteAndPlay());
      else video.pause();
    }
  }

  /**
   * Asks for the playlist now: after a seek the new place is not in the old one, and its own reload is seconds
   * away. hls.js has no call for that; starting to load anew reloads a playlist whose time has come.
   *
   * A playlist that had the film's end is never asked for again, and nothing is beyond the end of its media: both go
   * on after a seek back.
   */
  #reload(now: number): void {
    const details = this.#hls?.latestLevelDetails;
    if (!details || now - this.#reloadedAtMs < RELOAD_MS || this.video.readyState === 0) return;
    this.#reloadedAtMs = now;
    details.requestScheduled = 0;
    if (!details.live) {
      details.live = true;
      this.#buffers.forEach(reopen);
    }
    this.#hls?.startLoad(-1, true);
  }

  /** The browser did not let it play; without sound it does. */
  #muteAndPlay(): void {
    if (this.video.muted) return;
    this.video.muted = true;
    void this.video.play().catch(() => undefined);
  }

  /** What is shown; null while nothing is. */
  #here(): Place | null {
    return this.video.readyState === 0 ? null : locate(this.#segments(), this.video.currentTime);
  }

  #segments(): Segment[] {
    return segmentsOf(this.#hls?.latestLevelDetails);
  }

  #open(): void {
    if (!Player.isSupported()) return;
    const hls = new Hls(HLS);
    this.#hls = hls;
    this.#foundAtMs = performance.now();
    hls.on(Events.ERROR, (_, error) => {
      if (!error.fatal) return;
      if (error.type === ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
      else this.#fail();
    });
    hls.on(Events.BUFFER_CREATED, (_, { tracks }) => {
      this.#buffers = Object.values(tracks).map(({ buffer }) => buffer);
      this.#buffers.forEach(startEachRunAfresh);
    });
    let newestRun = -1;
    hls.on(Events.LEVEL_UPDATED, (_, { details }) => {
      // What was found in an older run is not where to be.
      if (details.endCC !== newestRun) this.#sync.changed();
      newestRun = details.endCC;
    });
    hls.once(Events.MANIFEST_PARSED, (_, { levels }) => {
      const segments = segmentsOf(levels[0]?.details);
      const place = this.#received && placeOf(segments, desiredMs(this.#received, performance.now()));
      hls.startLoad(place?.seconds ?? -1);
    });
    hls.loadSource(`${this.#base}/index.m3u8`);
    hls.attachMedia(this.video);
  }

  #fail(): void {
    this.#close();
    this.#reopenAtMs = performance.now() + REOPEN_MS;
  }

  #close(): void {
    this.#hls?.destroy();
    this.#hls = null;
    this.#buffers = [];
    this.#sync.changed();
  }
}

function segmentsOf(details: LevelDetails | null | undefined): Segment[] {
  const fragments = details?.fragments ?? [];
  return fragments.map(({ start, duration, programDateTime, cc }) => ({ start, duration, mediaMs: programDateTime, run: cc }));
}

/** The path of a link: the stream is fetched from where the page came from, whatever name the link was made with. */
function sameOrigin(link: string): string {
  return new URL(link, location.href).pathname;
}
