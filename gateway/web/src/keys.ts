// The keyboard: space, arrows, m, f.

export interface KeyActions {
  toggle(): unknown;
  jump(seconds: number): unknown;
  sound(): unknown;
  fullscreen(): unknown;
}

export function bindKeys(actions: KeyActions): void {
  // Else a button that was clicked with a pointer keeps the focus, and takes the next space, which means pause.
  // `detail` is 0 of a click by the keyboard, which needs the focus.
  document.addEventListener("click", ({ target, detail }) => {
    const button = target instanceof Element ? target.closest("button") : null;
    if (detail > 0) button?.blur();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || belongsElsewhere(event)) return;
    const act = actionOf(event, actions);
    if (act === null) return;
    event.preventDefault();
    act();
  });
}

function actionOf(event: KeyboardEvent, actions: KeyActions): (() => unknown) | null {
  const seconds = event.shiftKey ? 30 : 10;
  switch (event.key) {
    case " ":
      return event.repeat ? null : () => actions.toggle();
    case "ArrowLeft":
      return () => actions.jump(-seconds);
    case "ArrowRight":
      return () => actions.jump(seconds);
    case "m":
      return () => actions.sound();
    case "f":
      return () => actions.fullscreen();
    default:
      return null;
  }
}

/** Text fields keep their keys, and a focused button its space. The progress bar's arrows are ours. */
function belongsElsewhere({ target, key }: KeyboardEvent): boolean {
  if (target instanceof HTMLButtonElement) return key === " ";
  return target instanceof HTMLInputElement && target.type !== "range";
}
