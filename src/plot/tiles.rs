//! Small pictures: matrices in colours, tables of them, and colour bars.

use ndarray::Array2;
use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Canvas, text_width};
use super::style::{
    BELOW, FROM_CORNER, INK, LABEL, LEFT_OF, LINE, MARGIN, QUIET, SMALL, TITLE_LINE, blue_white_red, bold,
    grey, letters, pt, viridis,
};
use super::text::{fit, fit_apart};
use crate::error::{Error, Result};

/// What the colours of an image tile say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Blue below 0, red above, white at 0, by the largest absolute value.
    Signed,
    /// From black at 0 to white at 1.
    Grey,
    /// Viridis by the logarithm over so many decades below the largest value.
    Decades(i32),
}

/// A small picture with a line of text under it.
#[derive(Clone, Debug)]
pub struct Tile {
    /// `[row, column]`, finite.
    pub image: Array2<f64>,
    /// Its colours.
    pub look: Look,
    /// Under it; may be empty.
    pub caption: String,
}

impl Tile {
    fn cells(&self) -> Array2<RGBColor> {
        let (low, high) = self
            .image
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
        match self.look {
            Look::Signed => {
                let largest = low.abs().max(high.abs());
                self.image.map(|&v| blue_white_red(if largest > 0.0 { v / largest } else { 0.0 }))
            }
            Look::Grey => self.image.map(|&v| grey(v)),
            Look::Decades(decades) => self.image.map(|&v| {
                let t = 1.0 + (v / high).log10() / f64::from(decades.max(1));
                viridis(if v > 0.0 && t.is_finite() { t } else { 0.0 })
            }),
        }
    }
}

/// A table of tiles.
#[derive(Clone, Debug)]
pub struct Tiles {
    /// Bold headings over groups of columns: text and number of columns.
    pub groups: Vec<(String, usize)>,
    /// Quieter heading of each column.
    pub columns: Vec<String>,
    /// Label and tiles of each row; what is missing is a dash.
    pub rows: Vec<(String, Vec<Option<Tile>>)>,
    /// Side of the square that a tile is fitted into; smaller where the page
    /// does not hold so many.
    pub side: f64,
}

/// A horizontal colour bar with its label above.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it measures.
    pub label: String,
    /// Position from 0 to 1 and text of each tick.
    pub marks: Vec<(f64, String)>,
    /// Its colours.
    pub look: Look,
}

/// Measures of a table of tiles.
pub(super) struct Table {
    label: f64,
    side: f64,
    /// Left end of each column.
    lefts: Vec<f64>,
    pub header: f64,
    pub row: f64,
}

impl Table {
    const BETWEEN: f64 = 14.0;
    const GROUP_GAP: f64 = 34.0;

    pub(super) fn new(tiles: &Tiles, page: f64) -> Self {
        let widest =
            tiles.rows.iter().map(|r| text_width(&r.0, pt(LABEL), true)).fold(0.0, f64::max).min(0.2 * page);
        let label = if widest > 0.0 { widest + 20.0 } else { 0.0 };
        let mut starts = Vec::new();
        let mut column = 0;
        for (_, count) in &tiles.groups {
            starts.push(column);
            column += count;
        }
        let count = tiles.columns.len();
        let gaps: Vec<f64> = (0..count)
            .map(|c| match c {
                0 => 0.0,
                _ if starts.contains(&c) => Self::GROUP_GAP,
                _ => Self::BETWEEN,
            })
            .collect();
        let room = page - 2.0 * MARGIN - label - gaps.iter().sum::<f64>();
        let side = tiles.side.min(room / count.max(1) as f64).max(1.0);
        let total = label + gaps.iter().sum::<f64>() + side * count as f64;
        let mut x = 0.5 * (page - total) + label;
        let lefts = gaps
            .iter()
            .map(|gap| {
                x += gap + side;
                x - side
            })
            .collect();
        let captions = tiles.rows.iter().flat_map(|r| &r.1).flatten().any(|t| !t.caption.is_empty());
        // Wide images need no square.
        let tallest = tiles
            .rows
            .iter()
            .flat_map(|r| &r.1)
            .flatten()
            .map(|t| tile_size(&t.image, side).1)
            .fold(40.0, f64::max);
        let header = if tiles.groups.is_empty() { 0.0 } else { TITLE_LINE + 2.0 } + LINE + 6.0;
        Self { label, side, lefts, header, row: tallest + if captions { 38.0 } else { 0.0 } + 16.0 }
    }

    pub(super) fn draw(&self, canvas: &Canvas<'_>, tiles: &Tiles, top: f64) -> Result<()> {
        let mut column = 0;
        for (name, count) in &tiles.groups {
            if let (Some(&left), Some(&last)) = (self.lefts.get(column), self.lefts.get(column + count - 1)) {
                let width = last + self.side - left;
                let at = (left + 0.5 * width, top);
                canvas.text(&fit(name, width + Self::BETWEEN, bold(LABEL)), at, BELOW, bold(LABEL))?;
            }
            column += count;
        }
        let quiet = letters(SMALL, QUIET);
        let heads = top + self.header - LINE - 6.0;
        let names = fit_apart(&tiles.columns, self.side + 0.5 * Self::BETWEEN, quiet);
        for (name, left) in names.iter().zip(&self.lefts) {
            let at = (left + 0.5 * self.side, heads);
            canvas.text(name, at, BELOW, quiet)?;
        }
        for (i, (label, row)) in tiles.rows.iter().enumerate() {
            let y = top + self.header + self.row * i as f64;
            let (height, left) =
                (0.5 * self.side.min(self.row), self.lefts.first().copied().unwrap_or(MARGIN));
            let name = fit(label, self.label - 10.0, bold(LABEL));
            canvas.text(&name, (left - 20.0, y + height), LEFT_OF, bold(LABEL))?;
            for (tile, &left) in row.iter().zip(&self.lefts) {
                let Some(tile) = tile else {
                    let at = (left + 0.5 * self.side, y + height);
                    canvas.text("–", at, (HPos::Center, VPos::Center), letters(LABEL, QUIET))?;
                    continue;
                };
                let size = tile_size(&tile.image, self.side);
                draw_cells(canvas, &tile.cells(), (left + 0.5 * (self.side - size.0), y), size)?;
                let caption = fit(&tile.caption, self.side + Self::BETWEEN, letters(SMALL, INK));
                let at = (left + 0.5 * self.side, y + size.1 + 11.0);
                canvas.text(&caption, at, BELOW, letters(SMALL, INK))?;
            }
        }
        Ok(())
    }
}

/// Size of a picture that fits a square.
fn tile_size(image: &Array2<f64>, side: f64) -> (f64, f64) {
    let (h, w) = image.dim();
    let cell = side / h.max(w).max(1) as f64;
    // A strip of one pixel among a thousand is still a strip.
    ((cell * w as f64).max(2.0), (cell * h as f64).max(2.0))
}

pub(super) fn check_tiles(tiles: &Tiles) -> Result<()> {
    for (label, row) in &tiles.rows {
        for tile in row.iter().flatten() {
            let place = format!("figure tile of {label:?}");
            if tile.image.is_empty() {
                return Err(Error::input(place, "an image", "no pixel"));
            }
            if let Some(bad) = tile.image.iter().find(|v| !v.is_finite()) {
                return Err(Error::input(place, "finite pixels", bad));
            }
            let negative = tile.image.iter().find(|v| **v < 0.0);
            if let (Look::Decades(_), Some(bad)) = (tile.look, negative) {
                return Err(Error::input(place, "energies from 0", bad));
            }
        }
    }
    Ok(())
}

/// Height of a colour bar with its texts.
pub const KEY_HEIGHT: f64 = 98.0;
/// Width and thickness of a colour bar.
pub const BAR: (f64, f64) = (380.0, 20.0);

fn index(share: f64, count: usize) -> usize {
    ((share * count as f64) as usize).min(count - 1)
}

/// Cells of equal size in their colours, framed.
///
/// # Errors
/// See [`Canvas::line`]; so for [`draw_bar`].
pub fn draw_cells(
    canvas: &Canvas<'_>,
    cells: &Array2<RGBColor>,
    corner: (f64, f64),
    size: (f64, f64),
) -> Result<()> {
    let (h, w) = cells.dim();
    canvas.paint(corner, size, |u, v| cells[[index(v, h), index(u, w)]])?;
    canvas.frame(corner, size, INK, pt(0.4))
}

/// A colour bar with its label above and ticks (position 0..=1, text) below.
pub fn draw_bar(
    canvas: &Canvas<'_>,
    (x, y): (f64, f64),
    label: &str,
    marks: &[(f64, String)],
    colour: impl Fn(f64) -> RGBColor,
) -> Result<()> {
    canvas.text(label, (x, y), FROM_CORNER, letters(SMALL, INK))?;
    let top = y + 32.0;
    canvas.paint((x, top), BAR, |u, _| colour(u))?;
    canvas.frame((x, top), BAR, INK, pt(0.4))?;
    for (t, text) in marks {
        let at = x + t * BAR.0;
        canvas.line(&[(at, top + BAR.1), (at, top + BAR.1 + 7.0)], INK, pt(0.4))?;
        canvas.text(text, (at, top + BAR.1 + 13.0), BELOW, letters(SMALL, INK))?;
    }
    Ok(())
}
