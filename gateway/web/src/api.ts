// Calls to the gateway, as the page makes them: by cookie, with the header that shows that it is the page.

import type { EndReason } from "./sync";

/** The status object of the worker contract; the fields that the page shows. */
export interface Status {
  sessionId: string;
  workerStatus: "connecting" | "connected" | "reconnecting" | "disconnected" | "error";
  playbackState: "idle" | "loading" | "playing" | "paused" | "ended" | "stopped";
  currentTitle: string | null;
  positionMs: number;
  durationSeconds: number | null;
  lastError: string | null;
  endReason: EndReason | null;
  plan: string | null;
  health: { framesSent: number; framesNulled: number; framesLate: number; restarts: number } | null;
  /** Names of outputs that this party has. */
  capabilities: string[];
  /** Of the picture in the voice channel; missing while there is none. */
  picture?: { picturesSent: number; width: number; height: number; kbitsPerSecond: number };
}

/** A way by which viewers get a party; whether a new one could have it, and else why not. */
export interface Output {
  name: string;
  available: boolean;
  reason: string | null;
}

/** A refusal, in words. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

async function call<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, headers: { "X-Orb-Page": "1" } };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await fetch(path, init).catch(() => {
    throw new Problem(0, "unreachable", "the server cannot be reached");
  });
  const text = await response.text();
  if (response.ok) return (text === "" ? undefined : JSON.parse(text)) as T;
  throw problemOf(response.status, text);
}

function problemOf(status: number, text: string): Problem {
  try {
    const { code, detail } = JSON.parse(text) as { code: string; detail: string };
    return new Problem(status, code, detail);
  } catch {
    return new Problem(status, "unknown", `the server answered ${status}`);
  }
}

const session = (id: string): string => `/sessions/${encodeURIComponent(id)}`;
const party = (id: string): string => `/api/v1/parties/${encodeURIComponent(id)}`;

export const login = (token: string): Promise<void> => call("POST", "/login", { token });

export const parties = async (): Promise<Status[]> =>
  (await call<{ parties: Status[] }>("GET", "/api/v1/parties")).parties;

export const outputs = async (): Promise<Output[]> =>
  (await call<{ outputs: Output[] }>("GET", "/api/v1/capabilities")).outputs;

export const eventsOf = (id: string): string => `${party(id)}/events`;

export type Action = "pause" | "resume" | "skip" | "stop";

export const control = (id: string, action: Action): Promise<Status> =>
  call("POST", `${session(id)}/control`, { action });

export const seek = (id: string, positionMs: number): Promise<Status> =>
  call("POST", `${session(id)}/control`, { action: "seek", positionSeconds: positionMs / 1000 });

export const play = (id: string, item: unknown): Promise<Status> => call("POST", `${session(id)}/play`, item);

/** A viewer's link of this page, as a path or an absolute address. */
export const watchLink = async (id: string): Promise<string> =>
  (await call<{ url: string }>("POST", `${party(id)}/watch-links`, {})).url;

/** What "Play again" repeats; null where there is no such thing. */
export async function demoItem(): Promise<unknown> {
  try {
    return await call<unknown>("GET", "/api/v1/demo-item");
  } catch {
    return null;
  }
}
