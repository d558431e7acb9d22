// The dashboard: which parties there are, and one of them to watch and control.

import * as api from "./api";
import { need } from "./dom";
import { openFeed, type Feed } from "./feed";
import { bindKeys } from "./keys";
import { Stage } from "./stage";
import { StatusView } from "./status";
import { Timeline } from "./timeline";

const LIST_MS = 3000;
const TOAST_MS = 6000;

let selected: string | null = null;
let status: api.Status | null = null;
let feed: Feed | null = null;
let toastTimer: number | undefined;

const view = new StatusView();
const timeline = new Timeline((positionMs) => void seekTo(positionMs));
const stage = new Stage((state) => timeline.show(state));

// --- what the user does ---

/** Carries out one wish; says in words why not, if not. */
async function wish(name: string, act: (id: string) => Promise<api.Status>): Promise<void> {
  if (selected === null) return;
  const id = selected;
  try {
    const answer = await act(id);
    if (id === selected) show(answer);
  } catch (error) {
    toast(`Could not ${name}: ${error instanceof Error ? error.message : "unknown reason"}.`);
    if (error instanceof api.Problem && error.status === 401) askForToken();
  }
}

function togglePause(): Promise<void> {
  const action = status?.playbackState === "paused" ? "resume" : "pause";
  return wish(action, (id) => api.control(id, action));
}

function seekTo(positionMs: number): Promise<void> {
  const end = timeline.durationMs ?? Infinity;
  // The very end is refused as beyond it.
  const target = Math.min(Math.max(positionMs, 0), Math.max(end - 1000, 0));
  return wish("seek", (id) => api.seek(id, target));
}

async function jump(seconds: number): Promise<void> {
  const now = timeline.nowMs();
  if (now !== null) await seekTo(now + seconds * 1000);
}

async function copyLink(): Promise<void> {
  if (selected === null) return;
  try {
    const link = new URL(await api.watchLink(selected), location.href).href;
    await navigator.clipboard.writeText(link);
    toast("The link for viewers is in the clipboard.");
  } catch (error) {
    toast(`No link: ${error instanceof Error ? error.message : "unknown reason"}.`);
  }
}

function bindButtons(playAgainItem: unknown): void {
  const on = (id: string, act: () => unknown): void =>
    need(`#${id}`, HTMLButtonElement).addEventListener("click", () => void act());
  on("toggle", togglePause);
  on("skip", () => wish("skip", (id) => api.control(id, "skip")));
  on("stop", () => wish("stop", (id) => api.control(id, "stop")));
  on("share", copyLink);
  on("again", () => wish("play", (id) => api.play(id, playAgainItem)));
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-jump]")) {
    button.addEventListener("click", () => void jump(Number(button.dataset["jump"])));
  }
  bindKeys({ toggle: togglePause, jump, sound: () => stage.toggleSound(), fullscreen: () => stage.toggleFullscreen() });
  view.canPlayAgain = playAgainItem !== null;
}

// --- what the page shows ---

function show(next: api.Status): void {
  status = next;
  view.show(next);
}

function select(id: string): void {
  if (id === selected) return;
  selected = id;
  feed?.close();
  feed = openFeed<api.Status>(() => api.eventsOf(id), "state", show, () => undefined);
  stage.show(() => api.watchLink(id));
}

function clear(): void {
  selected = null;
  feed?.close();
  feed = null;
  stage.clear();
  timeline.clear();
}

async function refresh(): Promise<void> {
  try {
    const [parties, offered] = await Promise.all([api.parties(), api.outputs()]);
    view.offers(offered);
    need("#login", HTMLDialogElement).close();
    view.list(parties, selected, select);
    const known = parties.some((party) => party.sessionId === selected);
    if (!known) clear();
    if (selected === null && parties[0]) select(parties[0].sessionId);
    document.body.dataset["empty"] = String(parties.length === 0);
    document.body.dataset["offline"] = "false";
  } catch (error) {
    if (error instanceof api.Problem && error.status === 401) askForToken();
    else document.body.dataset["offline"] = "true";
  }
}

function toast(text: string): void {
  const element = need("#toast", HTMLElement);
  element.textContent = text;
  element.hidden = false;
  window.clearTimeout(toastTimer);
  toastTimer = window.setTimeout(() => (element.hidden = true), TOAST_MS);
}

// --- signing in ---

function askForToken(): void {
  const dialog = need("#login", HTMLDialogElement);
  if (!dialog.open) dialog.showModal();
}

need("#login form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const input = need("#token", HTMLInputElement);
  const problem = need("#login-problem", HTMLElement);
  api.login(input.value).then(
    () => {
      input.value = "";
      problem.textContent = "";
      void start();
    },
    (error: Error) => (problem.textContent = error instanceof api.Problem && error.status === 401
      ? "This token is not valid."
      : error.message),
  );
});

let started = false;

/** Begins once somebody is signed in; before that only the list is asked for, which says so. */
async function start(): Promise<void> {
  await refresh();
  if (started || need("#login", HTMLDialogElement).open) return;
  started = true;
  bindButtons(await api.demoItem());
  if (status) show(status);
}

void start();
window.setInterval(() => {
  // An open dialog waits for its user.
  if (!need("#login", HTMLDialogElement).open) void refresh();
}, LIST_MS);
