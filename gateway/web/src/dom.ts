// Finding elements of the page, their icons, and times as people read them.

/** The element, which the page's own HTML is known to have. */
export function need<T extends Element>(selector: string, type: new () => T): T {
  const element = document.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${selector}`);
  return element;
}

/** Shows another of `icons.svg` in a button. */
export function setIcon(button: HTMLButtonElement, name: string): void {
  button.querySelector("use")?.setAttribute("href", `/assets/icons.svg#${name}`);
}

/** `1:23:45`, or `3:07`. */
export function clock(ms: number): string {
  const total = Math.max(Math.floor(ms / 1000), 0);
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}
