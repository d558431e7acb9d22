// The progress bar, which runs on between two states.

import { clock, need } from "./dom";
import { channelMs, type PartyState, type Received } from "./sync";

const REDRAW_MS = 250;

export class Timeline {
  readonly #bar = need("#progress", HTMLInputElement);
  readonly #position = need("#position", HTMLElement);
  readonly #duration = need("#duration", HTMLElement);
  #received: Received | null = null;
  #dragging = false;

  /** @param onSeek where the user wants to be; absent on a page that only watches */
  constructor(onSeek?: (positionMs: number) => void) {
    this.#bar.disabled = onSeek === undefined;
    this.#bar.addEventListener("input", () => {
      this.#dragging = true;
      this.#position.textContent = clock(Number(this.#bar.value));
    });
    this.#bar.addEventListener("change", () => {
      this.#dragging = false;
      onSeek?.(Number(this.#bar.value));
    });
    window.setInterval(() => this.#draw(), REDRAW_MS);
  }

  show(state: PartyState): void {
    this.#received = { state, atMs: performance.now() };
    this.#draw();
  }

  clear(): void {
    this.#received = null;
    this.#draw();
  }

  /** Where the channel is now; null without a party. */
  nowMs(): number | null {
    return this.#received && channelMs(this.#received, performance.now());
  }

  get durationMs(): number | null {
    return this.#received?.state.durationMs ?? null;
  }

  #draw(): void {
    const now = this.nowMs() ?? 0;
    const duration = this.durationMs;
    this.#duration.textContent = duration === null ? "–:––" : clock(duration);
    if (this.#dragging) return;
    this.#bar.max = String(duration ?? Math.max(now, 1));
    this.#bar.value = String(now);
    this.#bar.style.setProperty("--played", `${duration ? (100 * now) / duration : 0}%`);
    this.#bar.setAttribute("aria-valuetext", clock(now));
    this.#position.textContent = clock(now);
  }
}
