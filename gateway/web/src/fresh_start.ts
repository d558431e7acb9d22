// Lets each run of the stream begin in the media buffer as if nothing had been there before.
//
// A run (after a seek, of the next item, of a restarted encoder) has its picture from the key frame before the
// wanted second, and its sound from that second on. Put right behind an older run, its late sound looks like a hole
// to the buffer, which answers a hole in one track by dropping the frames of *every* track up to their next key
// frame (Media Source Extensions, "Coded Frame Processing"): the picture would stand still for up to a
// whole GOP. `abort()` makes the buffer forget what came before; what is buffered and shown stays.

/** The part of a `SourceBuffer` that this needs. */
export type MediaBuffer = Pick<SourceBuffer, "abort" | "timestampOffset" | "updating"> & {
  appendBuffer(data: BufferSource): void;
};

/**
 * Makes `buffer` start afresh before each initialization segment, which is what a run begins with.
 *
 * At the append itself, since only there is it certain that nothing of the run before is still on its way: hls.js
 * queues appends, and tells of them when it queues them.
 */
export function startEachRunAfresh(buffer: MediaBuffer): void {
  const append = buffer.appendBuffer.bind(buffer);
  buffer.appendBuffer = (data) => {
    if (isInitialization(data)) {
      // Refused of a stream that has ended.
      reopen(buffer);
      buffer.abort();
    }
    append(data);
  };
}

/**
 * Makes a stream that was marked as ended go on: to be given an offset, even the same one, opens it. Without effect on
 * one that is open. A buffer that is being changed refuses an offset, but was opened by the change.
 */
export function reopen(buffer: MediaBuffer): void {
  if (!buffer.updating) buffer.timestampOffset = buffer.timestampOffset;
}

/** Whether an ISO BMFF segment is an initialization segment: it begins with `ftyp`, or with `moov` at once. */
export function isInitialization(data: BufferSource): boolean {
  const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
  const type = String.fromCharCode(...bytes.subarray(4, 8));
  return type === "ftyp" || type === "moov";
}
