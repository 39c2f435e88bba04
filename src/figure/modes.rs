//! Images and their spectra: the modes of a data set, or its class prototypes.

use std::path::Path;

use ndarray::{Array2, Array3, Axis};
use plotters::style::text_anchor::{HPos, VPos};

use crate::error::{Error, Result};
use crate::plot::{
    BELOW, Canvas, DPI, FROM_CORNER, INK, KEY_HEIGHT, LABEL, LEFT_OF, Lettering, Picture, QUIET, RGBColor,
    SMALL, SUB, TITLE, blue_white_red, draw_bar, draw_cells, letters, power_of_ten, pt, range, render,
    text_width, tick_labels, viridis, wrap,
};
use crate::spectrum::{mirror, shift_to_centre};

/// An image, its spectrum and what there is to say about them.
#[derive(Clone, Debug)]
pub struct ModeRow {
    /// Heading ("mode 1", a class name).
    pub label: String,
    /// Facts beside the pictures ("s = 2.11 (38 %)"), one per line; long ones
    /// are wrapped at spaces, not at no-break spaces.
    pub lines: Vec<String>,
    /// `[c, H, W]`.
    pub image: Array3<f64>,
    /// Energy of each frequency of the half plane `[H, W/2 + 1]`: |DFT|² with
    /// the unitary DFT, summed over channels, conjugates *not* added in.
    pub spectrum: Array2<f64>,
}

/// Draws modes v_α and their spectra |v̂_α|² into one PNG at `out`, two columns
/// of them from the fourth on. `width_of_image` is the images' W, which the half
/// plane alone does not tell. At most twelve rows are drawn, and the figure says
/// so if there are more.
///
/// Images with one channel are blue where negative and red where positive, each
/// scaled by its own largest |v|; with three they are colours around grey,
/// scaled likewise; any other number of channels stands as tiles. Spectra are on
/// the signed frequency grid, zero in the middle, on one logarithmic scale.
///
/// # Errors
/// [`Error::Input`] for no rows, shapes that disagree and values that are not
/// finite (or negative, in a spectrum); [`Error::Io`] if `out` cannot be
/// written. A file that is already there survives both.
pub fn draw(title: &str, rows: &[ModeRow], width_of_image: usize, out: &Path) -> Result<()> {
    picture(title, rows, width_of_image, &Kind::Modes)?.save(out, DPI)
}

/// Draws class prototypes (class means) and their spectra like [`draw`]. Images
/// without a negative pixel are shown as they are, from 0 to the brightest pixel
/// of the whole figure; others like modes.
///
/// # Errors
/// Those of [`draw`].
pub fn draw_prototypes(title: &str, rows: &[ModeRow], width_of_image: usize, out: &Path) -> Result<()> {
    picture(title, rows, width_of_image, &Kind::Prototypes)?.save(out, DPI)
}

enum Kind {
    Modes,
    Prototypes,
}

const MOST_ROWS: usize = 12;
const DECADES: i32 = 4;
const MARGIN: f64 = 20.0;
/// Side of the square that an image or a spectrum is fitted into.
const SLOT: f64 = 182.0;
/// Between image and spectrum: row-frequency ticks and their label.
const BETWEEN: f64 = 100.0;
const TEXT_GAP: f64 = 22.0;
const TEXT_WIDTH: f64 = 230.0;
const CELL: f64 = 2.0 * SLOT + BETWEEN + TEXT_GAP + TEXT_WIDTH;
const COLUMN_GAP: f64 = 28.0;
/// Below a spectrum: column-frequency ticks and their label.
const AXIS: f64 = 66.0;
const NAME_LINE: f64 = 33.0;
const LINE: f64 = 29.0;
/// Left end of a colour bar: its first tick label hangs over.
const KEY_INSET: f64 = MARGIN + 30.0;

fn check(rows: &[ModeRow], width: usize) -> Result<()> {
    let Some(first) = rows.first() else {
        return Err(Error::input("figure of images and spectra", "at least one row", "none"));
    };
    let (c, h, _) = first.image.dim();
    for row in rows {
        let place = format!("figure row {:?}", row.label);
        if row.image.dim() != (c, h, width) || row.image.is_empty() {
            let found = format!("{:?}", row.image.dim());
            return Err(Error::input(format!("{place}, image"), format!("shape ({c}, {h}, {width})"), found));
        }
        if row.spectrum.dim() != (h, width / 2 + 1) {
            let expected = format!("shape ({h}, {}), half of the plane", width / 2 + 1);
            let found = format!("{:?}", row.spectrum.dim());
            return Err(Error::input(format!("{place}, spectrum"), expected, found));
        }
        if let Some(bad) = row.image.iter().find(|v| !v.is_finite()) {
            return Err(Error::input(format!("{place}, image"), "finite pixels", bad));
        }
        if let Some(bad) = row.spectrum.iter().find(|v| !v.is_finite() || **v < 0.0) {
            return Err(Error::input(format!("{place}, spectrum"), "finite energies from 0", bad));
        }
    }
    Ok(())
}

/// How pixels become colours.
enum Palette {
    /// Divided by the image's largest |v|, zero in the middle.
    Signed,
    /// From 0 to this value.
    Positive(f64),
}

impl Palette {
    /// Brightness in 0..=1 (positive) or sign and size in −1..=1 (signed).
    fn scale(&self, image: &Array3<f64>) -> f64 {
        let largest = match self {
            Palette::Signed => image.iter().fold(0f64, |m, v| m.max(v.abs())),
            Palette::Positive(top) => *top,
        };
        if largest > 0.0 { largest } else { 1.0 }
    }

    fn single(&self, t: f64) -> RGBColor {
        match self {
            Palette::Signed => blue_white_red(t),
            Palette::Positive(_) => {
                let grey = (t.clamp(0.0, 1.0) * 255.0).round() as u8;
                RGBColor(grey, grey, grey)
            }
        }
    }

    fn channel(&self, t: f64) -> u8 {
        let level = match self {
            Palette::Signed => 0.5 + 0.5 * t,
            Palette::Positive(_) => t,
        };
        (level.clamp(0.0, 1.0) * 255.0).round() as u8
    }
}

/// Size of an H × W picture that fits a slot.
fn size_of(h: usize, w: usize) -> (f64, f64) {
    let cell = SLOT / h.max(w) as f64;
    (cell * w as f64, cell * h as f64)
}

/// Its upper left corner in the slot at (x, y): centred, at the top.
fn corner_of(size: (f64, f64), (x, y): (f64, f64)) -> (f64, f64) {
    (x + 0.5 * (SLOT - size.0), y)
}

fn draw_image(canvas: &Canvas<'_>, image: &Array3<f64>, palette: &Palette, slot: (f64, f64)) -> Result<()> {
    let (channels, h, w) = image.dim();
    let scale = palette.scale(image);
    let size = size_of(h, w);
    let corner = corner_of(size, slot);
    if channels == 3 {
        let level = |k: usize, at: (usize, usize)| palette.channel(image[[k, at.0, at.1]] / scale);
        let colours = Array2::from_shape_fn((h, w), |at| RGBColor(level(0, at), level(1, at), level(2, at)));
        return draw_cells(canvas, &colours, corner, size);
    }
    // Tiles in a square, left to right and top to bottom.
    let side = (1..).find(|s| s * s >= channels).unwrap_or(1);
    let tile = (size.0 / side as f64, size.1 / side as f64);
    for (k, plane) in image.axis_iter(Axis(0)).enumerate() {
        let at = (corner.0 + tile.0 * (k % side) as f64, corner.1 + tile.1 * (k / side) as f64);
        draw_cells(canvas, &plane.map(|v| palette.single(v / scale)), at, tile)?;
    }
    Ok(())
}

/// Signed frequencies that get a tick on an axis of `n`: quarters of it. Past
/// two digits the lowest would run into its neighbour.
fn frequency_ticks(n: usize) -> Vec<i64> {
    let n = n as i64;
    let (low, high) = (-(n / 2), (n - 1) / 2);
    let step = (n / 4).max(1);
    (low / step..=high / step)
        .map(|i| i * step)
        .filter(|f| (low..=high).contains(f) && (n < 100 || *f > low))
        .collect()
}

/// Draws the spectrum with its two frequency axes; `scale` maps an energy to
/// 0..=1.
fn draw_spectrum(
    canvas: &Canvas<'_>,
    plane: &Array2<f64>,
    scale: &impl Fn(f64) -> f64,
    slot: (f64, f64),
) -> Result<()> {
    let (h, w) = plane.dim();
    let size = size_of(h, w);
    let corner = corner_of(size, slot);
    draw_cells(canvas, &plane.map(|&e| viridis(scale(e))), corner, size)?;
    let small = letters(SMALL - 0.5, INK);
    let cell = size.0 / w as f64;
    let mark = |f: i64| tick_labels(&[f as f64]).concat();
    for f in frequency_ticks(w) {
        let x = corner.0 + cell * ((f + (w / 2) as i64) as f64 + 0.5);
        let y = corner.1 + size.1;
        canvas.line(&[(x, y), (x, y + 7.0)], INK, pt(0.4))?;
        canvas.text(&mark(f), (x, y + 13.0), BELOW, small)?;
    }
    let mut widest = 0f64;
    for f in frequency_ticks(h) {
        let y = corner.1 + cell * ((f + (h / 2) as i64) as f64 + 0.5);
        canvas.line(&[(corner.0 - 7.0, y), (corner.0, y)], INK, pt(0.4))?;
        canvas.text(&mark(f), (corner.0 - 13.0, y), LEFT_OF, small)?;
        widest = widest.max(text_width(&mark(f), small.em, false));
    }
    let label = letters(SMALL - 0.5, QUIET);
    let middle = (corner.0 + 0.5 * size.0, corner.1 + 0.5 * size.1);
    canvas.text("column frequency", (middle.0, corner.1 + size.1 + 40.0), BELOW, label)?;
    let upwards = Lettering { upwards: true, ..label };
    canvas.text(
        "row frequency",
        (corner.0 - 13.0 - widest - 9.0, middle.1),
        (HPos::Center, VPos::Bottom),
        upwards,
    )
}

/// What the pictures of a figure have in common.
struct Common {
    palette: Palette,
    /// Power of ten at the upper end of the colours of the spectra.
    top: i32,
    /// What is shown ("class mean"), its symbol and that of its spectrum.
    subject: &'static str,
    symbol: String,
    energy: String,
    /// What the energies sum to, or their unit.
    unit: &'static str,
}

impl Common {
    fn new(rows: &[ModeRow], kind: &Kind) -> Result<Self> {
        let place = "figure of images and spectra";
        let pixels = range(place, rows.iter().flat_map(|r| &r.image).copied())?;
        let energies = range(place, rows.iter().flat_map(|r| &r.spectrum).copied())?;
        let palette = match (kind, pixels) {
            (Kind::Prototypes, Some((low, high))) if low >= 0.0 => Palette::Positive(high),
            _ => Palette::Signed,
        };
        // The margin keeps an exact power of ten at the top one.
        let top = match energies {
            Some((_, high)) if high > 0.0 => (high.log10() - 1e-9).ceil() as i32,
            _ => 0,
        };
        Ok(match kind {
            Kind::Modes => Self {
                palette,
                top,
                subject: "mode image",
                symbol: format!("v{SUB}α"),
                energy: format!("|v̂{SUB}α|²"),
                unit: "all sum to 1",
            },
            Kind::Prototypes => Self {
                palette,
                top,
                subject: "class mean",
                symbol: "x".to_owned(),
                energy: "|x̂|²".to_owned(),
                unit: "unitary DFT, pixel units²",
            },
        })
    }

    /// Place of an energy on the colour scale, 0 to 1 (and below, for weaker).
    fn scale(&self, energy: f64) -> f64 {
        if energy > 0.0 { (energy.log10() - f64::from(self.top - DECADES)) / f64::from(DECADES) } else { 0.0 }
    }

    /// The key to the colours of the images.
    fn draw_image_key(&self, canvas: &Canvas<'_>, at: (f64, f64), channels: usize) -> Result<()> {
        let symbol = &self.symbol;
        let notes = match (&self.palette, channels) {
            (Palette::Signed, 3) => [
                format!("{symbol} in RGB around grey = 0,"),
                format!("scaled by max |{symbol}| of each image"),
            ],
            (Palette::Positive(top), 3) => {
                [format!("{symbol} in RGB,"), format!("channels from 0 to {top:.3}")]
            }
            (Palette::Signed, _) => {
                let marks = [(0.0, "−1".to_owned()), (0.5, "0".to_owned()), (1.0, "1".to_owned())];
                let label = format!("{symbol} / max |{symbol}| of each image");
                return draw_bar(canvas, at, &label, &marks, |u| blue_white_red(2.0 * u - 1.0));
            }
            (Palette::Positive(top), _) => {
                let half = format!("{:.3}", 0.5 * top);
                let marks = [(0.0, "0".to_owned()), (0.5, half), (1.0, format!("{top:.3}"))];
                let label = format!("pixel value {symbol}");
                return draw_bar(canvas, at, &label, &marks, |u| self.palette.single(u));
            }
        };
        for (i, note) in notes.iter().enumerate() {
            canvas.text(note, (at.0, at.1 + LINE * i as f64), FROM_CORNER, letters(SMALL, INK))?;
        }
        Ok(())
    }

    fn draw_spectrum_key(&self, canvas: &Canvas<'_>, at: (f64, f64)) -> Result<()> {
        let marks: Vec<(f64, String)> = (0..=DECADES)
            .map(|k| {
                let power = power_of_ten(self.top - DECADES + k);
                (f64::from(k) / f64::from(DECADES), if k == 0 { format!("≤{power}") } else { power })
            })
            .collect();
        let label = format!("energy {} at a frequency ({})", self.energy, self.unit);
        draw_bar(canvas, at, &label, &marks, viridis)
    }
}

fn picture(title: &str, all: &[ModeRow], width_of_image: usize, kind: &Kind) -> Result<Picture> {
    check(all, width_of_image)?;
    let rows = &all[..all.len().min(MOST_ROWS)];
    let common = Common::new(rows, kind)?;
    let (channels, h, w) = rows[0].image.dim();

    let columns = if rows.len() > 3 { 2 } else { 1 };
    let per_column = rows.len().div_ceil(columns);
    let width = 2.0 * MARGIN + CELL * columns as f64 + COLUMN_GAP * (columns as f64 - 1.0);
    let heading = if rows.len() < all.len() {
        format!("{title} (the first {} of {})", rows.len(), all.len())
    } else {
        title.to_owned()
    };
    let bold = Lettering { bold: true, ..letters(TITLE, INK) };
    let heading = wrap(&heading, width - 2.0 * MARGIN, 2, bold);

    let name = Lettering { bold: true, ..letters(LABEL, INK) };
    let fact = letters(SMALL, INK);
    let beside: Vec<(Vec<String>, Vec<String>)> = rows
        .iter()
        .map(|r| {
            let facts = r.lines.iter().flat_map(|l| wrap(l, TEXT_WIDTH, 3, fact)).collect();
            (wrap(&r.label, TEXT_WIDTH, 2, name), facts)
        })
        .collect();
    let text_height = |(names, facts): &(Vec<String>, Vec<String>)| {
        NAME_LINE * names.len() as f64 + 8.0 + LINE * facts.len() as f64
    };
    let tallest = beside.iter().map(text_height).fold(0.0, f64::max);
    let row_height = (size_of(h, w).1 + AXIS).max(tallest) + 22.0;

    let top = MARGIN + 38.0 * heading.len() as f64 + 40.0;
    let keys = top + per_column as f64 * row_height + 4.0;
    let (first_key, second_key) = if columns == 1 {
        ((KEY_INSET, keys), (KEY_INSET, keys + KEY_HEIGHT))
    } else {
        ((KEY_INSET, keys), (KEY_INSET + CELL + COLUMN_GAP, keys))
    };
    let note = second_key.1 + KEY_HEIGHT + 4.0;
    let height = note + LINE + MARGIN - 8.0;

    render(width as usize, height.ceil() as usize, |canvas| {
        for (i, line) in heading.iter().enumerate() {
            canvas.text(line, (MARGIN, MARGIN + 38.0 * i as f64), FROM_CORNER, bold)?;
        }
        for column in 0..columns {
            let x = MARGIN + column as f64 * (CELL + COLUMN_GAP) + 0.5 * SLOT;
            let above = (HPos::Center, VPos::Bottom);
            let quiet = letters(SMALL, QUIET);
            canvas.text(common.subject, (x, top - 12.0), above, quiet)?;
            let spectrum = format!("spectrum {}", common.energy);
            canvas.text(&spectrum, (x + SLOT + BETWEEN, top - 12.0), above, quiet)?;
        }
        for (i, (row, (names, facts))) in rows.iter().zip(&beside).enumerate() {
            // Down the first column, then down the second.
            let x = MARGIN + (i / per_column) as f64 * (CELL + COLUMN_GAP);
            let y = top + (i % per_column) as f64 * row_height;
            draw_image(canvas, &row.image, &common.palette, (x, y))?;
            let plane = shift_to_centre(mirror(row.spectrum.view(), width_of_image).view());
            draw_spectrum(canvas, &plane, &|e| common.scale(e), (x + SLOT + BETWEEN, y))?;
            let x = x + 2.0 * SLOT + BETWEEN + TEXT_GAP;
            for (k, line) in names.iter().enumerate() {
                canvas.text(line, (x, y + NAME_LINE * k as f64), FROM_CORNER, name)?;
            }
            let y = y + NAME_LINE * names.len() as f64 + 8.0;
            for (k, line) in facts.iter().enumerate() {
                canvas.text(line, (x, y + LINE * k as f64), FROM_CORNER, fact)?;
            }
        }
        common.draw_image_key(canvas, first_key, channels)?;
        common.draw_spectrum_key(canvas, second_key)?;
        let explained = "frequencies in cycles per image";
        canvas.text(explained, (KEY_INSET, note), FROM_CORNER, letters(SMALL, QUIET))
    })
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn ticks_are_frequencies_of_the_grid() {
        assert_eq!(frequency_ticks(32), [-16, -8, 0, 8]);
        assert_eq!(frequency_ticks(28), [-14, -7, 0, 7]);
        assert_eq!(frequency_ticks(224), [-56, 0, 56]);
        assert_eq!(frequency_ticks(9), [-4, -2, 0, 2, 4]);
        assert_eq!(frequency_ticks(3), [-1, 0, 1]);
        assert_eq!(frequency_ticks(2), [-1, 0]);
        assert_eq!(frequency_ticks(1), [0]);
    }

    fn row(c: usize, h: usize, w: usize) -> ModeRow {
        ModeRow {
            label: "mode 1".to_owned(),
            lines: vec!["s = 2.11".to_owned()],
            image: Array3::from_shape_fn((c, h, w), |(k, r, x)| ((k + 2 * r + 3 * x) as f64).sin()),
            spectrum: Array2::from_shape_fn((h, w / 2 + 1), |(r, x)| ((r + x) as f64).exp()),
        }
    }

    /// Top of the pictures under a title of one line.
    const TOP: f64 = MARGIN + 38.0 + 40.0;

    fn colour_at(picture: &Picture, (x, y): (f64, f64)) -> [u8; 3] {
        picture.pixel(x as usize, y as usize)
    }

    #[test]
    fn pictures_stand_the_right_way_up() {
        // 6 × 8, one strong pixel above left, one strong frequency (1, 2).
        let mut one = row(1, 6, 8);
        one.image.fill(0.0);
        one.image[[0, 0, 1]] = 1.0;
        one.image[[0, 5, 7]] = -1.0;
        one.spectrum.fill(0.0);
        one.spectrum[[1, 2]] = 1.0;
        let picture = picture("title", &[one], 8, &Kind::Modes).unwrap();
        let cell = SLOT / 8.0;
        let pixel = |r: f64, c: f64| colour_at(&picture, (MARGIN + (c + 0.5) * cell, TOP + (r + 0.5) * cell));
        let rgb = |RGBColor(r, g, b): RGBColor| [r, g, b];
        assert_eq!(pixel(0.0, 1.0), rgb(blue_white_red(1.0)));
        assert_eq!(pixel(5.0, 7.0), rgb(blue_white_red(-1.0)));
        assert_eq!(pixel(1.0, 0.0), rgb(blue_white_red(0.0)));
        // Frequency zero is at row 3, column 4.
        let left = MARGIN + SLOT + BETWEEN;
        let frequency =
            |r: f64, c: f64| colour_at(&picture, (left + (c + 4.5) * cell, TOP + (r + 3.5) * cell));
        assert_eq!(frequency(1.0, 2.0), rgb(viridis(1.0)));
        assert_eq!(frequency(-1.0, -2.0), rgb(viridis(1.0)));
        for (r, c) in [(-1.0, 2.0), (1.0, -2.0), (2.0, 1.0), (0.0, 0.0)] {
            assert_eq!(frequency(r, c), rgb(viridis(0.0)), "{r} {c}");
        }
    }

    #[test]
    fn scale_of_the_spectra_spans_four_decades() {
        let mut one = row(1, 4, 4);
        one.spectrum.fill(1e-2);
        one.spectrum[[0, 0]] = 1.0;
        let common = Common::new(&[one], &Kind::Modes).unwrap();
        assert_eq!(common.top, 0);
        assert_eq!([1.0, 1e-2, 1e-4, 0.0].map(|e| common.scale(e)), [1.0, 0.5, 0.0, 0.0]);
        assert!(common.scale(1e-9) < 0.0);
        let mut dark = row(1, 4, 4);
        dark.spectrum.fill(0.0);
        assert_eq!(Common::new(&[dark], &Kind::Modes).unwrap().scale(0.0), 0.0);
    }

    #[test]
    fn prototypes_are_shown_as_they_are() {
        let mut means = row(3, 5, 4);
        means.image.fill(0.0);
        means.image[[0, 0, 0]] = 0.8;
        means.image[[2, 0, 0]] = 0.4;
        let picture = picture("title", &[means], 4, &Kind::Prototypes).unwrap();
        let cell = SLOT / 5.0;
        let left = MARGIN + 0.5 * (SLOT - 4.0 * cell);
        assert_eq!(colour_at(&picture, (left + 0.5 * cell, TOP + 0.5 * cell)), [255, 0, 128]);
        assert_eq!(colour_at(&picture, (left + 1.5 * cell, TOP + 0.5 * cell)), [0, 0, 0]);
    }

    #[test]
    fn all_shapes_and_channels_stay_on_the_page() {
        for (c, h, w) in [(1, 1, 1), (3, 3, 4), (1, 40, 7), (2, 4, 5), (5, 9, 16), (1, 230, 224)] {
            for count in [1, 4, 15] {
                let mut rows = vec![row(c, h, w); count];
                rows[0].lines = vec!["many words ".repeat(9); 4];
                rows[0].label = "a-name-without-a-single-space-in-it".to_owned();
                for kind in [Kind::Modes, Kind::Prototypes] {
                    let picture = picture(&"long title ".repeat(30), &rows, w, &kind).unwrap();
                    for y in 0..picture.height {
                        for x in [0, 1, 2, 3, picture.width - 3, picture.width - 2, picture.width - 1] {
                            assert_eq!(picture.pixel(x, y), [255; 3], "{c}×{h}×{w}, {count} rows: {x}, {y}");
                        }
                    }
                    let last = picture.height - 1;
                    assert!((0..picture.width).all(|x| picture.pixel(x, last) == [255; 3]));
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error_and_spares_the_file() {
        let with = |change: &dyn Fn(&mut ModeRow)| {
            let mut rows = vec![row(1, 4, 6), row(1, 4, 6)];
            change(&mut rows[1]);
            rows
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("figure.png");
        std::fs::write(&path, "before").unwrap();
        let cases: Vec<(Vec<ModeRow>, usize, &str)> = vec![
            (vec![], 6, "at least one row"),
            (with(&|_| ()), 7, "shape (1, 4, 7)"),
            (with(&|r| r.image = Array3::zeros((1, 6, 4))), 6, "shape (1, 4, 6)"),
            (with(&|r| r.spectrum = Array2::zeros((4, 6))), 6, "shape (4, 4)"),
            (with(&|r| r.image[[0, 1, 1]] = f64::NAN), 6, "finite"),
            (with(&|r| r.spectrum[[1, 1]] = f64::INFINITY), 6, "finite"),
            (with(&|r| r.spectrum[[1, 1]] = -1.0), 6, "from 0"),
            (vec![row(1, 0, 0)], 0, "shape"),
        ];
        for (rows, width, word) in cases {
            for result in [draw("t", &rows, width, &path), draw_prototypes("t", &rows, width, &path)] {
                let error = result.unwrap_err();
                assert!(matches!(error, Error::Input { .. }) && error.to_string().contains(word), "{error}");
                assert_eq!(std::fs::read(&path).unwrap(), b"before");
            }
        }
        draw("t", &with(&|_| ()), 6, &path).unwrap();
        assert_eq!(&std::fs::read(&path).unwrap()[1..4], b"PNG");
    }
}
