// A party's status in words, and which buttons make sense in it.

import type { Output, Status } from "./api";
import { need, setIcon } from "./dom";
import { waysOf, type Way } from "./outputs";

export class StatusView {
  readonly #title = need("#title", HTMLElement);
  readonly #chips = need("#chips", HTMLElement);
  readonly #plan = need("#plan", HTMLElement);
  readonly #error = need("#error", HTMLElement);
  readonly #parties = need("#parties", HTMLElement);
  readonly #toggle = need("#toggle", HTMLButtonElement);
  readonly #ways = need("#ways", HTMLElement);
  canPlayAgain = false;
  #offered: Output[] = [];
  #shown: Status | null = null;

  /** What the installation offers; that changes without the party. */
  offers(offered: Output[]): void {
    this.#offered = offered;
    this.#showWays();
  }

  show(status: Status): void {
    this.#shown = status;
    this.#title.textContent = status.currentTitle ?? "No film yet";
    document.title = `${status.currentTitle ?? "Dashboard"} – Orb Stream`;
    this.#chips.replaceChildren(...chipsOf(status).map(([text, kind]) => chip(text, kind)));
    this.#plan.textContent = status.plan ?? "";
    this.#showWays();
    this.#error.textContent = status.lastError ?? "";
    this.#error.hidden = status.lastError === null;
    this.#enable(status.playbackState);
  }

  /** The parties to choose from; a list of one needs no choice. */
  list(parties: Status[], selected: string | null, onSelect: (id: string) => void): void {
    this.#parties.hidden = parties.length < 2;
    this.#parties.replaceChildren(
      ...parties.map((party) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "party";
        button.setAttribute("aria-pressed", String(party.sessionId === selected));
        const name = document.createElement("strong");
        name.textContent = party.currentTitle ?? `Party ${party.sessionId}`;
        const state = document.createElement("span");
        state.textContent = party.playbackState;
        button.append(name, state);
        button.addEventListener("click", () => onSelect(party.sessionId));
        return button;
      }),
    );
  }

  #showWays(): void {
    const ways = this.#shown ? waysOf(this.#shown, this.#offered) : [];
    this.#ways.replaceChildren(...ways.map(wayElement));
  }

  #enable(state: Status["playbackState"]): void {
    const paused = state === "paused";
    const acting = paused || state === "playing" || state === "loading";
    this.#toggle.disabled = !acting;
    setIcon(this.#toggle, paused ? "play" : "pause");
    this.#toggle.setAttribute("aria-label", paused ? "Resume" : "Pause");
    need("#progress", HTMLInputElement).disabled = !acting;
    need("#skip", HTMLButtonElement).disabled = !acting;
    need("#stop", HTMLButtonElement).disabled = state === "stopped";
    for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-jump]")) button.disabled = !acting;
    need("#again", HTMLButtonElement).hidden = acting || !this.canPlayAgain;
  }
}

type Chip = [text: string, kind: "good" | "busy" | "bad" | "plain"];

function chipsOf(status: Status): Chip[] {
  const chips: Chip[] = [];
  const ended = status.playbackState === "ended" && status.endReason ? `: ${status.endReason}` : "";
  chips.push([`${status.playbackState}${ended}`, status.playbackState === "playing" ? "good" : "plain"]);
  const worker = status.workerStatus;
  const kind = worker === "connected" ? "good" : worker === "error" ? "bad" : worker === "disconnected" ? "plain" : "busy";
  chips.push([`voice ${worker}`, kind]);
  const health = status.health;
  if (health && health.framesNulled > 0) chips.push([`${health.framesNulled} frames missed`, "busy"]);
  if (health && health.restarts > 0) chips.push([`${health.restarts} restarts`, "busy"]);
  return chips;
}

function wayElement({ name, on, text }: Way): HTMLElement {
  const element = document.createElement("li");
  element.dataset["on"] = String(on);
  const title = document.createElement("strong");
  title.textContent = name;
  element.append(title, ` ${on ? "on" : "off"}: ${text}`);
  return element;
}

function chip(text: string, kind: string): HTMLElement {
  const element = document.createElement("span");
  element.className = `chip ${kind}`;
  element.textContent = text;
  return element;
}
