// The video and what lies over it: sound, full screen, and a word on why there is no picture.

import { Player } from "./player";
import type { EndReason, PartyState } from "./sync";
import { need, setIcon } from "./dom";

declare global {
  interface Window {
    /** For tests and for the curious: what the page knows, and what it shows. */
    orb: { readonly state: PartyState | null; mediaTimeMs(): number | null };
  }
}

const ENDED: Record<EndReason, string> = {
  finished: "The end",
  skipped: "The end (skipped)",
  stopped: "Stopped",
  failed: "This film could not be played",
};

const WORDS: Record<PartyState["playbackState"], string> = {
  idle: "Nothing plays yet",
  loading: "Loading…",
  playing: "The picture is on its way…",
  paused: "Paused",
  ended: "The end",
  stopped: "Stopped",
};

export class Stage {
  readonly #video = need("video", HTMLVideoElement);
  readonly #sound = need("#sound", HTMLButtonElement);
  readonly #veil = need("#veil", HTMLElement);
  readonly #light = need("#connection", HTMLElement);
  #player: Player | null = null;

  constructor(readonly onState: (state: PartyState) => void) {
    const stage = this;
    window.orb = {
      get state() {
        return stage.#player?.received?.state ?? null;
      },
      mediaTimeMs: () => this.#player?.mediaTimeMs() ?? null,
    };
    this.#sound.addEventListener("click", () => this.toggleSound());
    this.#video.addEventListener("volumechange", () => this.#showSound());
    need("#fullscreen", HTMLButtonElement).addEventListener("click", () => this.toggleFullscreen());
    for (const event of ["playing", "pause", "waiting", "loadeddata", "emptied"]) {
      this.#video.addEventListener(event, () => this.#showVeil());
    }
    this.#showSound();
  }

  /** What is shown from now on; `link` makes the address of the viewer's page. */
  show(link: () => string | Promise<string>): void {
    this.clear();
    this.#player = new Player(this.#video, link, {
      onState: (state) => {
        this.#showVeil();
        this.onState(state);
      },
      onConnected: (connected) => {
        this.#light.dataset["connected"] = String(connected);
        this.#light.title = connected ? "Live" : "Reconnecting…";
      },
    });
  }

  clear(): void {
    this.#player?.destroy();
    this.#player = null;
  }

  toggleSound(): void {
    this.#video.muted = !this.#video.muted;
  }

  toggleFullscreen(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void need("#stage", HTMLElement).requestFullscreen().catch(() => undefined);
  }

  #showSound(): void {
    const { muted } = this.#video;
    setIcon(this.#sound, muted ? "mute" : "sound");
    const action = muted ? "Unmute" : "Mute";
    need("#sound span", HTMLElement).textContent = action;
    this.#sound.setAttribute("aria-label", action);
  }

  #showVeil(): void {
    const state = this.#player?.received?.state;
    const hasPicture = this.#video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    const shows = hasPicture && (state?.playbackState === "playing" || state?.playbackState === "paused");
    this.#veil.hidden = shows;
    if (state) this.#veil.textContent = wordsFor(state);
  }
}

function wordsFor(state: PartyState): string {
  if (!Player.isSupported()) return "This browser cannot play the stream";
  if (state.playbackState === "playing" && !state.watchable) return "Playing in the voice channel, without a picture";
  if (state.playbackState === "ended" && state.endReason !== null) return ENDED[state.endReason];
  return WORDS[state.playbackState];
}
