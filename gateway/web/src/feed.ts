// Server-sent events that come back by themselves. The browser's own EventSource gives up at the first answer
// that is not 200, such as the 503 of a gateway that restarts.

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 5000;

export interface Feed {
  close(): void;
}

/**
 * @param address asked for at each attempt, so that a link that has expired can be replaced
 * @param name of the events that are taken; a stream may have others. "message": those without a name
 * @param onEvent each event's data
 * @param onConnected true at the first event, false when the stream is lost
 */
export function openFeed<T>(
  address: () => string | Promise<string>,
  name: "message" | "state",
  onEvent: (data: T) => void,
  onConnected: (connected: boolean) => void,
): Feed {
  let source: EventSource | null = null;
  let timer: number | undefined;
  let delayMs = FIRST_DELAY_MS;
  let closed = false;

  const retry = (): void => {
    source?.close();
    source = null;
    onConnected(false);
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void connect(), delayMs);
    delayMs = Math.min(delayMs * 2, MAX_DELAY_MS);
  };
  const connect = async (): Promise<void> => {
    try {
      const url = await address();
      if (closed) return;
      source = new EventSource(url);
      source.addEventListener(name, (event: MessageEvent<string>) => {
        delayMs = FIRST_DELAY_MS;
        onConnected(true);
        onEvent(JSON.parse(event.data) as T);
      });
      source.onerror = retry;
    } catch {
      if (!closed) retry();
    }
  };
  void connect();
  return {
    close() {
      closed = true;
      window.clearTimeout(timer);
      source?.close();
    },
  };
}
