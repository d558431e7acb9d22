//! The time of a frame as black and white squares that survive scaling and hard compression.
//!
//! The row stands at the top of the picture, over its whole width: 32 squares, each `width / 32`
//! wide and as high. From the left:
//!
//! | squares | meaning |
//! | --- | --- |
//! | 0, 1 | white, black: the levels of this picture |
//! | 2–25 | the frame's media time in milliseconds, 24 bits, most significant first, white = 1 |
//! | 26–29 | checksum: all six nibbles of the time and 0b1010, exclusive or, most significant first |
//! | 30, 31 | black, white: the levels again, so that a shifted or cut row is noticed |

/// Squares in a row.
pub(crate) const SQUARES: usize = 32;

/// The largest time that fits: 4 h 39 min.
pub(crate) const MAX_MS: u64 = (1 << 24) - 1;

/// White and black must differ by this much (of 255) to be told apart.
const MIN_CONTRAST: f32 = 64.0;

/// Keeps an all-black or all-white row from being a valid time.
const CHECKSUM_SALT: u64 = 0b1010;

/// The squares of one row, `true` = white. `ms` is at most [`MAX_MS`].
pub(crate) fn squares(ms: u64) -> [bool; SQUARES] {
    let word = (0b10 << 30) | ((ms & MAX_MS) << 6) | (checksum(ms) << 2) | 0b01;
    std::array::from_fn(|i| (word >> (SQUARES - 1 - i)) & 1 == 1)
}

fn checksum(ms: u64) -> u64 {
    (0..6).fold(CHECKSUM_SALT, |sum, nibble| {
        sum ^ ((ms >> (4 * nibble)) & 0xf)
    })
}

/// Reads the media time in milliseconds from a picture, `None` when there is no readable row.
///
/// `pixels` is the whole picture row by row, top first, without padding: one byte a pixel (luma), three
/// (RGB) or four (RGBA), told apart by the length. The picture may have been scaled as long as its aspect
/// ratio was kept and nothing was added at its edges; squares of 6 pixels (192 wide) are enough.
pub fn read_time_code(pixels: &[u8], width: usize, height: usize) -> Option<u64> {
    let bytes_per_pixel = pixels.len().checked_div(width * height)?;
    if !matches!(bytes_per_pixel, 1 | 3 | 4) || pixels.len() != width * height * bytes_per_pixel {
        return None;
    }
    let square = width as f32 / SQUARES as f32;
    if square < 4.0 || (height as f32) < square {
        return None;
    }
    // The middle half of each square: its edges are blurred.
    let middle = |index: usize| {
        let from = (index as f32 + 0.25) * square;
        from.ceil() as usize..(from + square / 2.0).ceil() as usize
    };
    let level = |index: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for y in middle(0) {
            for x in middle(index) {
                let at = (y * width + x) * bytes_per_pixel;
                // Green is most of luma, and the squares are grey: one channel will do.
                sum += f32::from(pixels[at + bytes_per_pixel.min(3) / 2]);
                count += 1.0;
            }
        }
        sum / count
    };
    let white = f32::midpoint(level(0), level(31));
    let black = f32::midpoint(level(1), level(30));
    if white - black < MIN_CONTRAST {
        return None;
    }
    let threshold = f32::midpoint(white, black);
    let word = (0..SQUARES).fold(0u64, |word, i| {
        (word << 1) | u64::from(level(i) > threshold)
    });
    let ms = (word >> 6) & MAX_MS;
    let whole = word >> 30 == 0b10 && word & 0b11 == 0b01;
    (whole && (word >> 2) & 0xf == checksum(ms)).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(ms: u64, width: usize, height: usize, channels: usize) -> Vec<u8> {
        let squares = squares(ms);
        let mut pixels = vec![90; width * height * channels];
        for y in 0..width / SQUARES {
            for x in 0..width {
                let white = squares[x * SQUARES / width];
                let at = (y * width + x) * channels;
                pixels[at..at + channels].fill(if white { 230 } else { 20 });
            }
        }
        pixels
    }

    #[test]
    fn reads_what_was_drawn() {
        for ms in [0, 1, 42, 999, 1_000, 5_420_000, MAX_MS] {
            for channels in [1, 3, 4] {
                for (width, height) in [(1280, 720), (640, 360), (426, 240), (192, 108)] {
                    let pixels = picture(ms, width, height, channels);
                    assert_eq!(
                        read_time_code(&pixels, width, height),
                        Some(ms),
                        "{width} {channels}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_row_is_no_time() {
        let size = 640 * 360;
        assert_eq!(read_time_code(&vec![0; size], 640, 360), None);
        assert_eq!(read_time_code(&vec![255; size], 640, 360), None);
        assert_eq!(
            read_time_code(&picture(1, 640, 360, 1)[..size - 1], 640, 360),
            None
        );
        assert_eq!(read_time_code(&[], 0, 0), None);
        assert_eq!(read_time_code(&[0], 1, 1), None);
    }

    #[test]
    fn one_wrong_square_is_noticed() {
        for wrong in 2..30 {
            let mut pixels = picture(123_456, 640, 360, 1);
            for y in 0..20 {
                for pixel in &mut pixels[y * 640 + wrong * 20..][..20] {
                    *pixel = 250 - *pixel;
                }
            }
            assert_eq!(read_time_code(&pixels, 640, 360), None, "square {wrong}");
        }
    }
}
