// The time that is burnt into the generated film's pictures; see "The generated film" in tests/jellyfin-sim/README.md.

/**
 * Media time of a picture in milliseconds; null where no time code can be read. Uses nothing from outside itself:
 * it is also handed to the browser as text.
 *
 * @param {Uint8ClampedArray} pixels RGBA, row by row
 */
export function readTimeCode(pixels, width, height) {
  const SQUARES = 32;
  const MIN_CONTRAST = 64;
  const side = width / SQUARES;
  if (side < 4 || height < side) return null;

  // The middle half of a square: scaling and compression blur its edges.
  const level = (square) => {
    let sum = 0;
    let count = 0;
    for (let y = Math.ceil(side / 4); y < (side * 3) / 4; y++) {
      for (let x = Math.ceil((square + 0.25) * side); x < (square + 0.75) * side; x++) {
        sum += pixels[4 * (y * width + x) + 1];
        count += 1;
      }
    }
    return sum / count;
  };
  const white = (level(0) + level(31)) / 2;
  const black = (level(1) + level(30)) / 2;
  if (!(white - black >= MIN_CONTRAST)) return null;

  const number = (from, to) => {
    let value = 0;
    for (let square = from; square <= to; square++) value = 2 * value + (level(square) > (white + black) / 2 ? 1 : 0);
    return value;
  };
  const ms = number(2, 25);
  let checksum = 0b1010;
  for (let nibble = 0; nibble < 6; nibble++) checksum ^= (ms >> (4 * nibble)) & 0xf;
  const framed = number(0, 1) === 0b10 && number(30, 31) === 0b01;
  return framed && number(26, 29) === checksum ? ms : null;
}
