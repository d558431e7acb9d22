// The viewer's page, `/watch/{session}/{sig}`: the picture and where it is, nothing to control.

import { need } from "./dom";
import { Stage } from "./stage";
import { Timeline } from "./timeline";

const title = need("#title", HTMLElement);
const timeline = new Timeline();
const stage = new Stage((state) => {
  title.textContent = state.title ?? "Watch party";
  document.title = `${state.title ?? "Watch party"} – Orb Stream`;
  timeline.show(state);
});

async function start(): Promise<void> {
  const response = await fetch(`${location.pathname}/state`).catch(() => null);
  if (response !== null && (response.status === 403 || response.status === 404)) {
    const { detail } = (await response.json()) as { detail: string };
    need("#veil", HTMLElement).textContent = detail;
    document.body.dataset["invalid"] = "true";
    return;
  }
  // Anything else mends itself: the feed tries again.
  stage.show(() => location.pathname);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "m") stage.toggleSound();
  if (event.key === "f") stage.toggleFullscreen();
});

void start();
