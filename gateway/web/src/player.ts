// One video, in step with one party.

import Hls, { ErrorTypes, Events, type HlsConfig } from "hls.js";
import { openFeed, type Feed } from "./feed";
import { desiredMs, mediaTimeAt, placeOf, SyncController, type PartyState, type Received, type Segment } from "./sync";

/** How often the drift is looked at. */
const TICK_MS = 250;
/** How long the playlist may lack the party's place before it is loaded anew: it reloads about once a second. */
const LOST_MS = 5000;
/** Pause before a stream that failed is opened again. */
const REOPEN_MS = 1500;

const HLS: Partial<HlsConfig> = {
  // fMP4 goes to the browser as it is; a worker would have nothing to do.
  enableWorker: false,
  lowLatencyMode: false,
  backBufferLength: 20,
  maxBufferLength: 20,
  // The playlist runs ahead of the channel: its edge is not where a viewer should be. Sync decides.
  liveDurationInfinity: true,
  maxLiveSyncPlaybackRate: 1,
};

export interface PlayerEvents {
  onState(state: PartyState): void;
  onConnected(connected: boolean): void;
}

export class Player {
  #hls: Hls | null = null;
  #sync = new SyncController();
  #received: Received | null = null;
  #feed: Feed;
  #timer: number;
  #foundAtMs = 0;
  #reopenAtMs = 0;
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
    this.#feed = openFeed<PartyState>(address, (state) => this.#take(state), events.onConnected);
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
    return this.video.readyState === 0 ? null : mediaTimeAt(this.#segments(), this.video.currentTime);
  }

  /** Ends it; the video element can be given to another player. */
  destroy(): void {
    window.clearInterval(this.#timer);
    this.#feed.close();
    this.#close();
  }

  #take(state: PartyState): void {
    const before = this.#received?.state;
    this.#received = { state, atMs: performance.now() };
    if (before?.generation !== state.generation || before.playbackState !== state.playbackState) this.#sync.changed();
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
    const correction = this.#sync.correct(received, this.mediaTimeMs(), now);
    switch (correction.kind) {
      case "seek": {
        const place = placeOf(this.#segments(), correction.mediaMs);
        // Not in the playlist yet: the new place is still being made. The next look is as good as this one.
        if (place === null) {
          this.#sync.changed();
          break;
        }
        this.#foundAtMs = now;
        // Before the first picture hls.js puts the player to where loading began: see `#open`.
        if (video.readyState > 0) {
          video.playbackRate = 1;
          video.currentTime = place;
        }
        break;
      }
      case "rate":
        this.#foundAtMs = now;
        video.playbackRate = correction.rate;
        break;
      case "hold":
        this.#foundAtMs = now;
        break;
    }
    if (playing === video.paused) {
      if (playing) void video.play().catch(() => this.#muteAndPlay());
      else video.pause();
    }
  }

  /** The browser did not let it play; without sound it does. */
  #muteAndPlay(): void {
    if (this.video.muted) return;
    this.video.muted = true;
    void this.video.play().catch(() => undefined);
  }

  #segments(): Segment[] {
    const fragments = this.#hls?.latestLevelDetails?.fragments ?? [];
    return fragments.map(({ start, duration, programDateTime }) => ({ start, duration, mediaMs: programDateTime }));
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
    hls.once(Events.LEVEL_LOADED, () => {
      // Loading would begin near the playlist's edge, which is ahead of the channel; begin at the right place.
      const place = this.#received && placeOf(this.#segments(), desiredMs(this.#received, performance.now()));
      if (place !== null) hls.startLoad(place);
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
    this.#sync.changed();
  }
}

/** The path of a link: the stream is fetched from where the page came from, whatever name the link was made with. */
function sameOrigin(link: string): string {
  return new URL(link, location.href).pathname;
}
