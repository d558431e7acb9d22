//! Posters: small PNG files drawn from an item's name, so that each item has its own, the same each time.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::catalog::{Entry, Kind};
use crate::ids;

/// Blocks across a picture; the left half is mirrored.
const BLOCKS: u32 = 8;
/// No picture is larger, whatever was asked for.
pub(crate) const MAX_SIDE: u32 = 2_000;

/// The size of an original, or none where an item has no such image. `kind` in lower case.
pub(crate) fn size(entry: &Entry, kind: &str) -> Option<(u32, u32)> {
    match (kind, entry.kind) {
        ("primary", Kind::Episode | Kind::View) => Some((640, 360)),
        ("primary", _) => Some((400, 600)),
        ("backdrop", Kind::Movie | Kind::Series) => Some((1280, 720)),
        _ => None,
    }
}

/// The image's tag, which names its content: another one when the picture is another.
pub(crate) fn tag(entry: &Entry, kind: &str) -> Option<String> {
    size(entry, kind)?;
    Some(ids::derived(&format!("{kind}/{}/{}", entry.id, entry.name)))
}

/// A PNG of that size.
pub(crate) fn png(name: &str, width: u32, height: u32) -> Vec<u8> {
    let seed = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let (dark, light) = (colour(seed, 60), colour(seed, 190));
    let mut lines = Vec::with_capacity((width as usize * 3 + 1) * height as usize);
    for y in 0..height {
        lines.push(0); // no filter
        for x in 0..width {
            let column = x * BLOCKS / width;
            let row = y * BLOCKS / height;
            let bit = row * BLOCKS / 2 + column.min(BLOCKS - 1 - column);
            let lit = (seed ^ seed.rotate_left(11)) >> (bit % 32) & 1 == 1;
            lines.extend(if lit { light } else { dark });
        }
    }
    encode(width, height, &lines)
}

/// A colour of the seed's hue and about this brightness.
fn colour(seed: u32, brightness: u8) -> [u8; 3] {
    let [red, green, blue, _] = seed.to_le_bytes();
    [red, green, blue].map(|part| (u16::from(part) / 4 + u16::from(brightness)) as u8)
}

/// Eight bits each of red, green and blue (RFC 2083).
fn encode(width: u32, height: u32, lines: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(13);
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(lines).expect("a vector takes everything");
    let packed = packed.finish().expect("a vector takes everything");
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut png, *b"IHDR", &header);
    chunk(&mut png, *b"IDAT", &packed);
    chunk(&mut png, *b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let mut checksum = flate2::Crc::new();
    checksum.update(&kind);
    checksum.update(data);
    png.extend((data.len() as u32).to_be_bytes());
    png.extend(kind);
    png.extend(data);
    png.extend(checksum.sum().to_be_bytes());
}
