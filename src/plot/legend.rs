//! Legends: signs and what they stand for, in even columns.

use plotters::style::RGBColor;

use super::canvas::{Canvas, text_width};
use super::pen::{Marker, Pen};
use super::style::{INK, MARGIN, QUIET, RIGHT_OF, SMALL, letters, pt};
use super::text::fit;
use crate::error::Result;

/// Height of a row.
pub(super) const ROW: f64 = 36.0;
const GAP: f64 = 28.0;
/// Length of the line in an entry.
const SWATCH: f64 = 48.0;

/// A piece of a legend entry's sign.
#[derive(Clone, Copy, Debug)]
pub enum Sign {
    /// A stretch of line.
    Line(Pen),
    /// A marker in the middle.
    Marker(Marker, RGBColor),
    /// An upright stroke.
    Upright(Pen),
}

/// An entry of a legend.
#[derive(Clone, Debug)]
pub struct Key {
    /// Drawn one over the other.
    pub signs: Vec<Sign>,
    /// What they stand for.
    pub text: String,
    /// A quieter remark behind; may be empty.
    pub note: String,
}

impl Key {
    /// An entry without a remark.
    pub fn new(signs: Vec<Sign>, text: impl Into<String>) -> Self {
        Self { signs, text: text.into(), note: String::new() }
    }

    fn swatch(&self) -> f64 {
        match self.signs[..] {
            [] => 0.0,
            _ if self.signs.iter().any(|s| matches!(s, Sign::Line(_))) => SWATCH,
            _ => 24.0,
        }
    }

    fn width(&self) -> f64 {
        let note = if self.note.is_empty() { 0.0 } else { 10.0 + text_width(&self.note, pt(SMALL), false) };
        self.swatch() + 10.0 + text_width(&self.text, pt(SMALL), false) + note
    }
}

/// A legend that knows its columns.
pub(super) struct Arranged {
    columns: usize,
    pub rows: usize,
    /// Width of each column, and of all if they stand in one row.
    widths: Vec<f64>,
}

/// As many columns as the width holds; in more than one row the columns are of
/// the width of their widest entry and the rows even.
pub(super) fn arrange(keys: &[Key], width: f64) -> Arranged {
    let natural: Vec<f64> = keys.iter().map(|k| k.width().min(width)).collect();
    let total = |w: &[f64]| w.iter().sum::<f64>() + GAP * w.len().saturating_sub(1) as f64;
    for rows in 1..=keys.len() {
        let columns = keys.len().div_ceil(rows);
        let widths: Vec<f64> = (0..columns)
            .map(|c| natural.iter().skip(c).step_by(columns).copied().fold(0.0, f64::max))
            .collect();
        if total(&widths) <= width || columns == 1 {
            return Arranged { columns, rows: keys.len().div_ceil(columns), widths };
        }
    }
    Arranged { columns: 1, rows: 0, widths: Vec::new() }
}

pub(super) fn draw(canvas: &Canvas<'_>, keys: &[Key], top: f64, page: f64) -> Result<()> {
    let arranged = arrange(keys, page - 2.0 * MARGIN);
    let total = arranged.widths.iter().sum::<f64>() + GAP * arranged.widths.len().saturating_sub(1) as f64;
    for (i, key) in keys.iter().enumerate() {
        let column = i % arranged.columns;
        let before: f64 = arranged.widths[..column].iter().map(|w| w + GAP).sum();
        let x = 0.5 * (page - total) + before;
        let y = top + ROW * ((i / arranged.columns) as f64 + 0.5);
        let swatch = key.swatch();
        for sign in &key.signs {
            match sign {
                Sign::Line(pen) => {
                    let inset = 0.5 * pt(pen.width);
                    pen.draw(canvas, &[(x + inset, y), (x + swatch - inset, y)])?;
                }
                Sign::Marker(marker, colour) => marker.draw(canvas, (x + 0.5 * swatch, y), *colour)?,
                Sign::Upright(pen) => {
                    pen.draw(canvas, &[(x + 0.5 * swatch, y - 11.0), (x + 0.5 * swatch, y + 11.0)])?
                }
            }
        }
        let start = x + swatch + 10.0;
        let room = arranged.widths[column] - swatch - 10.0 + 0.5;
        let name = fit(&key.text, room, letters(SMALL, INK));
        canvas.text(&name, (start, y), RIGHT_OF, letters(SMALL, INK))?;
        let after = text_width(&name, pt(SMALL), false) + 10.0;
        let note = fit(&key.note, room - after, letters(SMALL, QUIET));
        canvas.text(&note, (start + after, y), RIGHT_OF, letters(SMALL, QUIET))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legends_break_into_even_rows() {
        let keys: Vec<Key> = (0..8).map(|i| Key::new(vec![], "x".repeat(10 + i % 2))).collect();
        assert_eq!(arrange(&keys, 1e6).rows, 1);
        let width = keys.iter().map(|k| k.width() + GAP).sum::<f64>() - GAP;
        let two = arrange(&keys, 0.9 * width);
        assert_eq!((two.rows, two.columns), (2, 4));
        let narrow = arrange(&keys, 1.0);
        assert_eq!((narrow.rows, narrow.columns), (8, 1));
    }
}
