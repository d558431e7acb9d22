// By what ways a party reaches its viewers, in words: what it has, and of the rest why it has not.

import type { Output, Status } from "./api";

/** One way: its name, whether the party has it, and what there is to say of it. */
export interface Way {
  name: string;
  on: boolean;
  text: string;
}

const NAMES: Record<string, string> = { voice: "Voice channel", watch: "Watch page", golive: "Go Live" };

/** All that the installation knows, in its order. `offered` says what a new party could have. */
export function waysOf(status: Pick<Status, "capabilities" | "picture">, offered: Output[]): Way[] {
  return offered.map(({ name, available, reason }) => {
    const on = status.capabilities.includes(name);
    const text = on ? has(name, status) : available ? "not in this party; a new one can have it" : (reason ?? "off");
    return { name: NAMES[name] ?? name, on, text };
  });
}

function has(name: string, { capabilities, picture }: Pick<Status, "capabilities" | "picture">): string {
  switch (name) {
    case "voice":
      // Who does not watch the stream hears nothing.
      return capabilities.includes("golive") ? "the sound is in the stream, beside the picture" : "sound";
    case "watch":
      return "picture and sound, behind a viewer link";
    case "golive":
      if (!picture || picture.picturesSent === 0) return "no picture of this film was sent yet";
      return `${picture.width}×${picture.height}, ${picture.kbitsPerSecond} kbit/s`;
    default:
      return "on";
  }
}
