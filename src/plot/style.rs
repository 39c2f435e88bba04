//! What every figure shares: sizes, colours and lettering.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Anchor, Lettering};
use super::viridis::VIRIDIS;

/// Resolution: 1500 pixels are a text width of 16 cm on paper.
pub const DPI: f64 = 240.0;

/// Pixels of a length in points (1/72 inch).
pub fn pt(points: f64) -> f64 {
    points * DPI / 72.0
}

/// Font size of titles, points.
pub const TITLE: f64 = 8.5;
/// Font size of axis labels and legends, points.
pub const LABEL: f64 = 7.5;
/// Font size of tick labels and notes, points.
pub const SMALL: f64 = 7.0;

/// Around the page.
pub(super) const MARGIN: f64 = 18.0;
/// Height of a line of a title.
pub(super) const TITLE_LINE: f64 = 36.0;
/// Height of a line of quieter text.
pub(super) const LINE: f64 = 30.0;

/// Page.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Text and axes.
pub const INK: RGBColor = RGBColor(34, 34, 34);
/// Secondary text.
pub const QUIET: RGBColor = RGBColor(90, 90, 90);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(225, 225, 225);
/// Whatever has no colour of its own.
pub const REST: RGBColor = RGBColor(176, 176, 176);

/// Colours of up to ten modes. The first six are Okabe and Ito's, the others
/// were added so that any two differ (by 0.06 or more in OKLab) for normal
/// sight and for simulated protanopia, deuteranopia and tritanopia.
pub const PALETTE: [RGBColor; 10] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x5a, 0x1a, 0x8b),
    RGBColor(0x8a, 0x15, 0x38),
    RGBColor(0x00, 0x00, 0x00),
    RGBColor(0x5c, 0x5c, 0x00),
];

/// `colour` mixed with a share (0 to 1) of `other`.
pub fn mix(colour: RGBColor, other: RGBColor, share: f64) -> RGBColor {
    let channel = |a: u8, b: u8| (f64::from(a) * (1.0 - share) + f64::from(b) * share).round() as u8;
    RGBColor(channel(colour.0, other.0), channel(colour.1, other.1), channel(colour.2, other.2))
}

/// Viridis at `t` in 0..=1, clamped.
pub fn viridis(t: f64) -> RGBColor {
    let [_, r, g, b] = VIRIDIS[(t.clamp(0.0, 1.0) * 255.0).round() as usize].to_be_bytes();
    RGBColor(r, g, b)
}

/// Black at 0, white at 1.
pub fn grey(t: f64) -> RGBColor {
    let level = (255.0 * t.clamp(0.0, 1.0)).round() as u8;
    RGBColor(level, level, level)
}

/// ColorBrewer's RdBu, reversed: −1 is dark blue, 0 white, 1 dark red; clamped.
/// Safe for red-green blindness.
pub fn blue_white_red(t: f64) -> RGBColor {
    const ANCHORS: [u32; 11] = [
        0x053061, 0x2166ac, 0x4393c3, 0x92c5de, 0xd1e5f0, 0xf7f7f7, 0xfddbc7, 0xf4a582, 0xd6604d, 0xb2182b,
        0x67001f,
    ];
    let position = (t.clamp(-1.0, 1.0) + 1.0) * 5.0;
    let below = (position.floor() as usize).min(9);
    let colour = |i: usize| {
        let [_, r, g, b] = u32::to_be_bytes(ANCHORS[i]);
        RGBColor(r, g, b)
    };
    mix(colour(below), colour(below + 1), position - below as f64)
}

/// Regular lettering of a size in points.
pub fn letters(points: f64, colour: RGBColor) -> Lettering {
    Lettering { em: pt(points), colour, bold: false, upwards: false }
}

pub(super) fn bold(points: f64) -> Lettering {
    Lettering { bold: true, ..letters(points, INK) }
}

/// Below a point, centred.
pub const BELOW: Anchor = (HPos::Center, VPos::Top);
/// Left of a point.
pub const LEFT_OF: Anchor = (HPos::Right, VPos::Center);
/// Right of a point.
pub const RIGHT_OF: Anchor = (HPos::Left, VPos::Center);
/// Right of and below a point.
pub const FROM_CORNER: Anchor = (HPos::Left, VPos::Top);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_maps_have_the_right_ends() {
        assert_eq!(viridis(0.0), RGBColor(0x44, 0x01, 0x54));
        assert_eq!(viridis(7.0), RGBColor(0xfd, 0xe7, 0x25));
        assert_eq!(viridis(-1.0), viridis(0.0));
        assert_eq!(blue_white_red(0.0), RGBColor(0xf7, 0xf7, 0xf7));
        assert_eq!(blue_white_red(-2.0), RGBColor(0x05, 0x30, 0x61));
        assert_eq!(blue_white_red(1.0), RGBColor(0x67, 0x00, 0x1f));
    }

    fn linear(c: RGBColor) -> [f64; 3] {
        [c.0, c.1, c.2].map(|v| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn times(m: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        m.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
    }

    /// Björn Ottosson's OKLab of linear sRGB.
    fn oklab(rgb: [f64; 3]) -> [f64; 3] {
        let cones = times(
            &[
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ],
            rgb.map(|v| v.clamp(0.0, 1.0)),
        );
        times(
            &[
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ],
            cones.map(f64::cbrt),
        )
    }

    #[test]
    fn palette_is_told_apart_by_everyone_and_stands_out_from_paper() {
        // Machado, Oliveira & Fernandes (2009), severity 1.
        let sights: [(&str, [[f64; 3]; 3]); 4] = [
            ("normal", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
            (
                "protanopia",
                [
                    [0.152286, 1.052583, -0.204868],
                    [0.114503, 0.786281, 0.099216],
                    [-0.003882, -0.048116, 1.051998],
                ],
            ),
            (
                "deuteranopia",
                [
                    [0.367322, 0.860646, -0.227968],
                    [0.280085, 0.672501, 0.047413],
                    [-0.011820, 0.042940, 0.968881],
                ],
            ),
            (
                "tritanopia",
                [
                    [1.255528, -0.076749, -0.178779],
                    [-0.078411, 0.930809, 0.147602],
                    [0.004733, 0.691367, 0.303900],
                ],
            ),
        ];
        for (i, &a) in PALETTE.iter().enumerate() {
            let [r, g, b] = linear(a);
            let contrast = 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05);
            assert!(contrast > 2.0, "{a:?} on paper: {contrast}");
            for &b in &PALETTE[..i] {
                for (name, sight) in &sights {
                    let (p, q) = (oklab(times(sight, linear(a))), oklab(times(sight, linear(b))));
                    let distance = (0..3).map(|k| (p[k] - q[k]).powi(2)).sum::<f64>().sqrt();
                    assert!(distance > 0.06, "{a:?} and {b:?}, {name}: {distance}");
                }
            }
        }
    }
}
