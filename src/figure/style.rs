//! What every figure shares: sizes, colours, ticks and ranges.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Anchor, Lettering, text_width};
use super::viridis::VIRIDIS;
use crate::error::{Error, Result};

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

/// Below a point, centred.
pub const BELOW: Anchor = (HPos::Center, VPos::Top);
/// Left of a point.
pub const LEFT_OF: Anchor = (HPos::Right, VPos::Center);
/// Right of a point.
pub const RIGHT_OF: Anchor = (HPos::Left, VPos::Center);
/// Right of and below a point.
pub const FROM_CORNER: Anchor = (HPos::Left, VPos::Top);

/// The text, cut at its end with "…" where it is wider than `width` pixels.
pub fn fit(text: &str, width: f64, how: Lettering) -> String {
    if text_width(text, how.em, how.bold) <= width {
        return text.to_owned();
    }
    let mut characters: Vec<char> = text.chars().collect();
    while characters.pop().is_some() {
        let shorter: String = characters.iter().collect::<String>().trim_end().to_owned() + "…";
        if text_width(&shorter, how.em, how.bold) <= width {
            return shorter;
        }
    }
    String::new()
}

/// Each text as [`fit`] has it; cut at the beginning where different ones would look
/// alike otherwise.
pub fn fit_apart(texts: &[String], width: f64, how: Lettering) -> Vec<String> {
    let cut: Vec<_> = texts.iter().map(|text| fit(text, width, how)).collect();
    let alike = |i: usize| (0..texts.len()).any(|j| cut[j] == cut[i] && texts[j] != texts[i]);
    let cut_or_end = |i: usize| if alike(i) { fit_end(&texts[i], width, how) } else { cut[i].clone() };
    (0..texts.len()).map(cut_or_end).collect()
}

fn fit_end(text: &str, width: f64, how: Lettering) -> String {
    let mut ends = text.char_indices().skip(1).map(|(at, _)| format!("…{}", text[at..].trim_start()));
    ends.find(|end| text_width(end, how.em, how.bold) <= width).unwrap_or_default()
}

/// The text in lines of at most `width` pixels and at most `most` of them,
/// broken at spaces (not at no-break spaces); what does not fit ends in "…".
pub fn wrap(text: &str, width: f64, most: usize, how: Lettering) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), how.em, how.bold) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.len() > most {
        let rest = lines.split_off(most.saturating_sub(1)).join(" ");
        lines.push(rest);
        lines.truncate(most);
    }
    lines.iter().map(|line| fit(line, width, how)).collect()
}

/// Smallest and largest of the values, NaN passed over; `None` if none is left.
///
/// # Errors
/// [`Error::Input`] naming `place` for an infinite value: no axis holds it.
pub fn range(place: &str, values: impl IntoIterator<Item = f64>) -> Result<Option<(f64, f64)>> {
    let mut found: Option<(f64, f64)> = None;
    for v in values.into_iter().filter(|v| !v.is_nan()) {
        if v.is_infinite() {
            return Err(Error::input(place, "finite numbers (or NaN for a gap)", v));
        }
        found = Some(found.map_or((v, v), |(low, high)| (low.min(v), high.max(v))));
    }
    Ok(found)
}

/// Refuses steps that are negative, not finite or do not ascend.
///
/// # Errors
/// [`Error::Input`] naming `place`.
pub fn ascending(place: &str, steps: &[f64]) -> Result<()> {
    if let Some(bad) = steps.iter().find(|s| !s.is_finite() || **s < 0.0) {
        return Err(Error::input(format!("{place}, steps"), "finite numbers from 0", bad));
    }
    if let Some(pair) = steps.windows(2).find(|w| w[1] <= w[0]) {
        let found = format!("{} after {}", pair[1], pair[0]);
        return Err(Error::input(format!("{place}, steps"), "an ascending series", found));
    }
    Ok(())
}

/// Refuses series of another length than `count`, one value per step, and
/// infinite values.
///
/// # Errors
/// [`Error::Input`] naming `place`.
pub fn series<'a>(place: &str, count: usize, all: impl IntoIterator<Item = &'a Vec<f64>>) -> Result<()> {
    for values in all {
        if values.len() != count {
            return Err(Error::input(place, format!("{count} values, one per step"), values.len()));
        }
        range(place, values.iter().copied())?;
    }
    Ok(())
}

/// Runs of consecutive points without a NaN in them.
pub fn split_at_gaps(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<Vec<(f64, f64)>> {
    let mut runs = vec![Vec::new()];
    for (x, y) in points {
        if x.is_nan() || y.is_nan() {
            runs.push(Vec::new());
        } else if let Some(run) = runs.last_mut() {
            run.push((x, y));
        }
    }
    runs.retain(|r| !r.is_empty());
    runs
}

/// A line that runs to the right, in pixels, without the points nobody would
/// see: of those in each half pixel the first, the last, the highest and the
/// lowest stay, so that no peak is lost.
pub fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let column = |x: f64| (2.0 * x).floor();
    points
        .chunk_by(|a, b| column(a.0) == column(b.0))
        .flat_map(|group| {
            let by_height = |&a: &usize, &b: &usize| group[a].1.total_cmp(&group[b].1);
            let low = (0..group.len()).min_by(by_height).unwrap_or(0);
            let high = (0..group.len()).max_by(by_height).unwrap_or(0);
            let mut keep = [0, low, high, group.len() - 1];
            keep.sort_unstable();
            let mut last = None;
            keep.into_iter()
                .filter(move |&i| last.replace(i) != Some(i))
                .map(|i| group[i])
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Round positions inside `low..=high`, about `count` of them, 1, 2 or 5 times
/// a power of ten apart. Empty for a range that is empty or not finite.
pub fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) || count == 0 {
        return Vec::new();
    }
    let rough = span / count as f64;
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * decade).into_iter().find(|s| *s >= 0.999 * rough);
    let Some(step) = step.filter(|s| s.is_normal()) else { return Vec::new() };
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    // No round position inside, or steps lost in the rounding of the ends.
    if !(0.0..=4.0 * count as f64).contains(&(last - first)) || first.abs() > 1e15 {
        return Vec::new();
    }
    (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect()
}

/// Labels of [`ticks`]: the same number of decimals for all, thin spaces
/// between thousands, a true minus sign.
pub fn tick_labels(ticks: &[f64]) -> Vec<String> {
    let largest = ticks.iter().fold(0f64, |m, t| m.max(t.abs()));
    let step = ticks.windows(2).map(|w| w[1] - w[0]).next().unwrap_or(largest);
    ticks
        .iter()
        .map(|&t| {
            if largest >= 1e7 || (largest > 0.0 && largest < 1e-3) {
                return scientific(t, largest);
            }
            let decimals = if step > 0.0 { (-step.log10().floor()).max(0.0) as usize } else { 0 };
            let plain = format!("{:.decimals$}", t.abs());
            let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
            let mut text = String::new();
            if t < 0.0 {
                text.push('−');
            }
            for (i, digit) in whole.chars().enumerate() {
                if i > 0 && whole.len() > 4 && (whole.len() - i).is_multiple_of(3) {
                    text.push('\u{2009}');
                }
                text.push(digit);
            }
            if !fraction.is_empty() {
                text.push('.');
                text.push_str(fraction);
            }
            text
        })
        .collect()
}

fn scientific(t: f64, largest: f64) -> String {
    if t == 0.0 {
        return "0".to_owned();
    }
    let exponent = largest.log10().floor();
    let digits = format!("{:.1}", t / 10f64.powf(exponent)).replace('-', "−");
    format!("{}×{}", digits.strip_suffix(".0").unwrap_or(&digits), power_of_ten(exponent as i32))
}

/// "10⁻³" for −3: the labels of a logarithm drawn on a linear axis.
pub fn power_of_ten(exponent: i32) -> String {
    let raised = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        // The others are contiguous: ⁰ is U+2070, ⁴ is U+2074.
        d => char::from_u32(0x2070 + d.to_digit(10).unwrap_or(0)).unwrap_or(d),
    };
    "10".chars().chain(exponent.to_string().chars().map(raised)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_by_hand() {
        assert_eq!(ticks(0.0, 3000.0, 5), [0.0, 1000.0, 2000.0, 3000.0]);
        assert_eq!(tick_labels(&ticks(0.0, 3000.0, 6)), ["0", "500", "1000", "1500", "2000", "2500", "3000"]);
        assert_eq!(tick_labels(&ticks(-0.05, 1.1, 6)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(tick_labels(&ticks(-1.0, 1.0, 4)), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(tick_labels(&ticks(0.0, 123_456.0, 3)), ["0", "50\u{2009}000", "100\u{2009}000"]);
        assert_eq!(tick_labels(&ticks(0.0, 3e8, 3)), ["0", "1×10⁸", "2×10⁸", "3×10⁸"]);
        assert_eq!(tick_labels(&[-16.0]), ["−16"]);
        assert_eq!(tick_labels(&[0.0]), ["0"]);
        for (low, high) in [(1.0, 1.0), (2.0, 1.0), (0.0, f64::INFINITY), (f64::NAN, 1.0), (-1e308, 1e308)] {
            assert!(ticks(low, high, 5).is_empty(), "{low} {high}");
        }
        assert_eq!([power_of_ten(0), power_of_ten(-4), power_of_ten(123)], ["10⁰", "10⁻⁴", "10¹²³"]);
    }

    #[test]
    fn ranges_pass_over_gaps_and_refuse_infinity() {
        assert_eq!(range("x", [2.0, f64::NAN, -1.0]).unwrap(), Some((-1.0, 2.0)));
        assert_eq!(range("x", [f64::NAN]).unwrap(), None);
        let error = range("mode 3", [0.0, f64::NEG_INFINITY]).unwrap_err().to_string();
        assert!(error.contains("mode 3") && error.contains("-inf"), "{error}");
    }

    #[test]
    fn series_splits_at_gaps() {
        let series = [(0.0, f64::NAN), (1.0, 1.0), (2.0, 2.0), (3.0, f64::NAN), (4.0, f64::NAN), (5.0, 5.0)];
        assert_eq!(split_at_gaps(series), [vec![(1.0, 1.0), (2.0, 2.0)], vec![(5.0, 5.0)]]);
        assert!(split_at_gaps([]).is_empty());
    }

    #[test]
    fn thinning_keeps_a_spike() {
        let line: Vec<_> = (0..100_000)
            .map(|i| (f64::from(i) * 1e-3, if i == 54_321 { 9.0 } else { (f64::from(i) * 0.7).sin() }))
            .collect();
        let thinned = thin(&line);
        assert!(thinned.len() <= 4 * 200, "{}", thinned.len());
        assert!(thinned.contains(&line[54_321]));
    }

    #[test]
    fn text_is_cut_and_wrapped_to_its_width() {
        let how = letters(SMALL, INK);
        let width = |t: &str| text_width(t, how.em, how.bold);
        assert_eq!(fit("short", 1000.0, how), "short");
        let cut = fit("a rather long title", width("a rather l…") + 0.5, how);
        assert_eq!(cut, "a rather l…");
        assert_eq!(fit("word", 1.0, how), "");
        let names = ["n02102040", "n02102047", "cat", "a rather long title"].map(ToOwned::to_owned);
        let room = width("…2102040") + 0.5;
        assert_eq!(fit_apart(&names, room, how)[..3], ["…2102040", "…2102047", "cat"]);
        assert_eq!(fit_apart(&names, room, how)[3], fit(&names[3], room, how));
        assert_eq!(fit_apart(&names, 1.0, how), ["", "", "", ""]);
        let room = width("one two") + 0.5;
        assert_eq!(wrap("one two three four", room, 3, how), ["one two", "three", "four"]);
        let lines = wrap("one two three four", room, 2, how);
        assert_eq!((lines.len(), lines[0].as_str()), (2, "one two"));
        assert!(lines[1].ends_with('…') && width(&lines[1]) <= room);
        assert!(wrap("", room, 2, how).is_empty());
    }

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

    proptest! {
        #[test]
        fn ticks_are_few_even_and_inside(low in -1e6f64..1e6, span in 1e-6f64..1e9, count in 1usize..12) {
            let found = ticks(low, low + span, count);
            prop_assert!(found.len() <= count + 1, "{found:?}");
            prop_assert_eq!(tick_labels(&found).len(), found.len());
            for pair in found.windows(2) {
                prop_assert!(pair[0] < pair[1]);
            }
            for t in &found {
                let slack = 1e-6 * span + 1e-9 * low.abs();
                prop_assert!(*t >= low - slack && *t <= low + span + slack);
            }
        }

        #[test]
        fn thinning_keeps_ends_and_extremes(values in prop::collection::vec(-1e3f64..1e3, 1..400), step in 0.01f64..3.0) {
            let line: Vec<_> = values.iter().enumerate().map(|(i, v)| (i as f64 * step, *v)).collect();
            let thinned = thin(&line);
            prop_assert_eq!(thinned.first(), line.first());
            prop_assert_eq!(thinned.last(), line.last());
            let extremes = |l: &[(f64, f64)]| range("line", l.iter().map(|p| p.1)).unwrap();
            prop_assert_eq!(extremes(&thinned), extremes(&line));
            prop_assert!(thinned.windows(2).all(|w| w[0].0 < w[1].0), "runs to the right, nothing twice");
        }

        #[test]
        fn what_is_fitted_fits(text in "\\PC{0,30}", width in 1.0f64..300.0) {
            let how = letters(SMALL, INK);
            let cut = fit(&text, width, how);
            prop_assert!(text_width(&cut, how.em, how.bold) <= width);
            prop_assert!(wrap(&text, width, 3, how).len() <= 3);
        }
    }
}
