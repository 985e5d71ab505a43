//! Pictures for demo products: a gradient, a shape and the product's initials, the same for the same name.

use image::{ExtendedColorType, ImageError, codecs::jpeg::JpegEncoder};

/// Width and height in pixels; no larger than the small version that the catalog makes of a picture.
const SIDE: u32 = 320;
/// Pixels to a dot of a letter.
const DOT: i32 = 14;
/// JPEG quality.
const QUALITY: u8 = 85;

type Colour = [u8; 3];

/// The gradient's two ends and the shape.
const PALETTES: [(Colour, Colour, Colour); 8] = [
    ([255, 244, 230], [255, 216, 168], [232, 89, 12]),
    ([231, 245, 255], [165, 216, 255], [25, 113, 194]),
    ([235, 251, 238], [178, 242, 187], [47, 158, 68]),
    ([255, 240, 246], [252, 194, 215], [194, 37, 92]),
    ([243, 240, 255], [208, 191, 255], [103, 65, 217]),
    ([230, 252, 245], [150, 242, 215], [9, 146, 104]),
    ([255, 249, 219], [255, 236, 153], [230, 119, 0]),
    ([248, 249, 250], [206, 212, 218], [73, 80, 87]),
];

/// Capital letters and digits, five dots wide and seven high; a row is five bits.
const GLYPHS: [(char, [u8; 7]); 36] = [
    ('A', [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001]),
    ('B', [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110]),
    ('C', [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110]),
    ('D', [0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110]),
    ('E', [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111]),
    ('F', [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000]),
    ('G', [0b01110, 0b10001, 0b10000, 0b10111, 0b10001, 0b10001, 0b01110]),
    ('H', [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001]),
    ('I', [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('J', [0b00111, 0b00010, 0b00010, 0b00010, 0b00010, 0b10010, 0b01100]),
    ('K', [0b10001, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010, 0b10001]),
    ('L', [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111]),
    ('M', [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001]),
    ('N', [0b10001, 0b11001, 0b10101, 0b10011, 0b10001, 0b10001, 0b10001]),
    ('O', [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('P', [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000]),
    ('Q', [0b01110, 0b10001, 0b10001, 0b10001, 0b10101, 0b10010, 0b01101]),
    ('R', [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001]),
    ('S', [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110]),
    ('T', [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100]),
    ('U', [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('V', [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100]),
    ('W', [0b10001, 0b10001, 0b10001, 0b10101, 0b10101, 0b11011, 0b10001]),
    ('X', [0b10001, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001, 0b10001]),
    ('Y', [0b10001, 0b10001, 0b01010, 0b00100, 0b00100, 0b00100, 0b00100]),
    ('Z', [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b11111]),
    ('0', [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110]),
    ('1', [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('2', [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111]),
    ('3', [0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110]),
    ('4', [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010]),
    ('5', [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110]),
    ('6', [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110]),
    ('7', [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000]),
    ('8', [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110]),
    ('9', [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100]),
];

/// A JPEG for a product called `name`.
///
/// # Errors
/// When it cannot be encoded.
pub fn picture(name: &str) -> Result<Vec<u8>, ImageError> {
    let seed = name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    let (top, bottom, ink) = pick(&PALETTES, seed).copied().unwrap_or_default();
    let shape = seed / 8 % 5;
    let letters: Vec<[u8; 7]> = initials(name).filter_map(glyph).take(2).collect();
    let mut pixels = Vec::new();
    for y in 0..SIDE {
        for x in 0..SIDE {
            // Where we are, from the centre.
            let (dx, dy) = (centred(x), centred(y));
            pixels.extend_from_slice(&if is_letter(&letters, dx, dy) {
                [255, 255, 255]
            } else if is_inside(shape, dx, dy) {
                ink
            } else {
                blend(top, bottom, x / 2 + y / 2)
            });
        }
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode(&pixels, SIDE, SIDE, ExtendedColorType::Rgb8)?;
    Ok(bytes)
}

fn pick<T>(list: &[T], seed: u32) -> Option<&T> {
    usize::try_from(seed).ok().and_then(|seed| list.get(seed % list.len().max(1)))
}

fn centred(at: u32) -> i32 {
    i32::try_from(at).unwrap_or(0) - i32::try_from(SIDE / 2).unwrap_or(0)
}

/// The first letters of the first words.
fn initials(name: &str) -> impl Iterator<Item = char> {
    name.split(|c: char| !c.is_alphanumeric()).filter_map(|word| word.chars().next()).map(|c| c.to_ascii_uppercase())
}

fn glyph(letter: char) -> Option<[u8; 7]> {
    GLYPHS.iter().find(|(known, _)| *known == letter).map(|(_, rows)| *rows)
}

/// Between `from` and `to`, at `step` of `SIDE`.
fn blend(from: Colour, to: Colour, step: u32) -> Colour {
    let mut mixed = from;
    for (channel, end) in mixed.iter_mut().zip(to) {
        let sum = u32::from(*channel) * (SIDE - step.min(SIDE)) + u32::from(end) * step.min(SIDE);
        *channel = u8::try_from(sum / SIDE).unwrap_or(u8::MAX);
    }
    mixed
}

fn is_inside(shape: u32, dx: i32, dy: i32) -> bool {
    let (x, y) = (dx.abs(), dy.abs());
    match shape {
        // A disc.
        0 => x * x + y * y < 120 * 120,
        // A square with round corners.
        1 => x < 108 && y < 108 && (x < 84 || y < 84 || (x - 84).pow(2) + (y - 84).pow(2) < 24 * 24),
        // A diamond.
        2 => x + y < 148,
        // A hexagon.
        3 => x < 120 && x + 2 * y < 240,
        // A cushion.
        _ => x.pow(4) / 10_000 + y.pow(4) / 10_000 < 17_600,
    }
}

fn is_letter(letters: &[[u8; 7]], dx: i32, dy: i32) -> bool {
    let count = i32::try_from(letters.len()).unwrap_or(0);
    // Five dots a letter and one between them.
    let (column, row) = (dx + (6 * count - 1) * DOT / 2, dy + 7 * DOT / 2);
    if column < 0 || row < 0 {
        return false;
    }
    let (column, row) = (column / DOT, row / DOT);
    let rows = usize::try_from(column / 6).ok().and_then(|letter| letters.get(letter));
    let dots = rows.zip(usize::try_from(row).ok()).and_then(|(rows, row)| rows.get(row));
    dots.is_some_and(|dots| column % 6 < 5 && dots >> (4 - column % 6) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_small_jpeg_and_the_same_for_the_same_name() {
        let first = picture("Walnut desk").unwrap();
        assert_eq!(first, picture("Walnut desk").unwrap());
        assert_ne!(first, picture("Brass lamp").unwrap());
        assert!(first.len() < 40_000, "{}", first.len());
        let decoded = image::load_from_memory(&first).unwrap().to_rgb8();
        assert_eq!(decoded.dimensions(), (SIDE, SIDE));
    }

    #[test]
    fn every_letter_has_a_glyph_of_five_dots() {
        for letter in ('A'..='Z').chain('0'..='9') {
            assert!(glyph(letter).unwrap().iter().all(|row| *row < 32), "{letter}");
        }
        assert_eq!(initials("Walnut desk, 160 cm").collect::<String>(), "WD1C");
        for odd in ["", "é è", "日本", "-"] {
            assert!(picture(odd).is_ok(), "{odd}");
        }
    }
}
