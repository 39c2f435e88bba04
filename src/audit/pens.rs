//! How all figures of an audit are drawn: pens, intervals, axes.

use std::path::Path;

use ndarray::Array2;

use super::Rate;
use super::chapter::class_name;
use crate::error::Result;
use crate::plot::{
    Axis, Bar, Block, DPI, FULL, Heat, INK, Key, Layer, Look, Marker, PALETTE, Panel, Pen, REST, Sign,
    Stroke, Tile, Tiles, picture, power_of_ten,
};
use crate::spectrum::{Frequency, Grid, mirror, shift_to_centre};

/// The label of a radial axis.
pub const RADIUS: &str = "radial frequency (cycles/pixel)";
/// What was measured.
pub const MEASURED: Pen = Pen { colour: PALETTE[0], width: 1.3, stroke: Stroke::Solid };
/// What stands beside it.
pub const OTHER: Pen = Pen { colour: PALETTE[1], width: 1.3, stroke: Stroke::Solid };
/// Intervals.
pub const DRAWN: Pen = Pen { colour: REST, width: 2.6, stroke: Stroke::Solid };
/// Levels to compare with.
pub const LEVEL: Pen = Pen { colour: INK, width: 0.8, stroke: Stroke::Dashed };
/// The level of chance.
const CHANCE: Pen = Pen { colour: REST, width: 0.8, stroke: Stroke::Dashed };

/// Writes a page of blocks to `out`.
///
/// # Errors
/// [`crate::Error::Input`] for numbers that cannot be drawn, [`crate::Error::Io`].
pub fn draw(blocks: &[Block], out: &Path) -> Result<()> {
    picture(blocks, FULL)?.save(out, DPI)
}

/// The panel with a title.
pub fn title(mut panel: Panel, text: &str) -> Panel {
    panel.title = text.to_owned();
    panel
}

/// What others have measured.
pub const PUBLISHED: Sign = Sign::Marker(Marker::Diamond, PALETTE[2]);

/// A vertical bar for each (x, \[low, high\]).
pub fn bars(all: impl IntoIterator<Item = (f64, [f64; 2])>, pen: Pen) -> impl Iterator<Item = Layer> {
    all.into_iter().map(move |(x, [low, high])| Layer::Line(vec![(x, low), (x, high)], pen))
}

/// Measured points on a line of a given width.
pub fn dotted(points: Vec<(f64, f64)>, width: f64, pen: Pen, marker: Marker) -> [Layer; 2] {
    [Layer::Line(points.clone(), Pen { width, ..pen }), Layer::Points(points, marker, pen.colour)]
}

/// Answers to changed images, by how much they are changed: accuracy where labels are, agreement with the answers to
/// whole images, and the levels of whole images and of chance.
pub fn answers(panel: &mut Panel, points: &[(f64, Option<Rate>, Rate)], whole: Option<Rate>, chance: f64) {
    panel.layers.extend(whole.map(|rate| Layer::Horizontal(rate.share, LEVEL)));
    panel.layers.push(Layer::Horizontal(chance, CHANCE));
    let agreement = points.iter().map(|(x, _, agreement)| (*x, *agreement)).collect::<Vec<_>>();
    rates(panel, &agreement, OTHER, Marker::Square);
    let accuracy = points.iter().filter_map(|(x, accuracy, _)| Some((*x, (*accuracy)?))).collect::<Vec<_>>();
    rates(panel, &accuracy, MEASURED, Marker::Dot);
}

/// Shares with their intervals, on a line.
fn rates(panel: &mut Panel, all: &[(f64, Rate)], pen: Pen, marker: Marker) {
    let intervals = all.iter().map(|(x, rate)| (*x, rate.interval));
    panel.layers.extend(bars(intervals, Pen { width: 0.8, ..pen }));
    panel.layers.extend(dotted(all.iter().map(|(x, rate)| (*x, rate.share)).collect(), 0.7, pen, marker));
}

/// The keys of [`answers`].
pub fn answer_keys(labelled: bool) -> Vec<Key> {
    let agreement = vec![Sign::Line(OTHER), Sign::Marker(Marker::Square, OTHER.colour)];
    let mut keys = Vec::new();
    keys.extend(labelled.then(|| measured("accuracy, with 95 % interval")));
    keys.push(Key::new(agreement, "same answer as to the whole image"));
    keys.extend(labelled.then(|| Key::new(vec![Sign::Line(LEVEL)], "accuracy on whole images")));
    keys.push(Key::new(vec![Sign::Line(CHANCE)], "chance"));
    keys
}

/// The key of measured points on a line.
pub fn measured(text: &str) -> Key {
    Key::new(vec![Sign::Line(MEASURED), Sign::Marker(Marker::Dot, MEASURED.colour)], text)
}

/// A plane of frequencies, zero in the middle, `reach` to each side, with a colour bar.
pub fn map(name: &str, values: Array2<f64>, reach: [usize; 2], bar: &str, limits: (f64, f64)) -> Panel {
    let axis = |r: usize| (0..=2 * r).map(|i| i as f64 - r as f64).collect::<Vec<_>>();
    // Rows downwards, as images have them.
    let bottom = reach[0] as f64 + 0.5;
    let y = Axis::linear("row frequency (cycles/image)").within(bottom, -bottom);
    let mut panel = Panel::new(name, Axis::linear("column frequency (cycles/image)"), y);
    panel.layers.push(Layer::Heat(Heat {
        x: axis(reach[1]),
        y: axis(reach[0]),
        values,
        limits,
        log: false,
        bar: Some(bar.to_owned()),
    }));
    panel
}

/// Ends of a colour scale over what is there.
pub fn limits(values: &Array2<f64>) -> (f64, f64) {
    let there = values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = there.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if low < high { (low, high) } else { (low.min(0.0), low.max(0.0) + 1.0) }
}

/// A value per distinct frequency as a plane, frequency zero in the middle.
pub fn plane(grid: Grid, frequencies: &[Frequency], values: &[f64]) -> Array2<f64> {
    let mut half = Array2::zeros(grid.half_shape());
    for (&k, &value) in frequencies.iter().zip(values) {
        let (r, c) = grid.entry(k);
        half[[r, c]] = value;
        // In columns that are their own conjugate both entries are stored.
        if (2 * c) % grid.w == 0 {
            half[[(grid.h - r) % grid.h, c]] = value;
        }
    }
    shift_to_centre(mirror(half.view(), grid.w).view())
}

/// Most classes that a figure shows.
pub const SHOWN: usize = 10;

/// A row of maps, one of each class: a value per distinct frequency, signed.
pub fn maps<'a>(
    names: &[String],
    what: &str,
    grid: Grid,
    frequencies: &[Frequency],
    of: impl Iterator<Item = (u32, &'a [f64])>,
) -> [Block; 2] {
    let (columns, tiles): (Vec<_>, Vec<_>) = of
        .take(SHOWN)
        .map(|(class, values)| {
            let image = plane(grid, frequencies, values);
            let tile = Tile { image, look: Look::Signed, caption: String::new() };
            (class_name(names, class), Some(tile))
        })
        .unzip();
    // Room for names where there are few.
    let side = if columns.len() <= 6 { 170.0 } else { 120.0 };
    let rows = vec![(what.to_owned(), tiles)];
    [Block::Tiles(Tiles { groups: Vec::new(), columns, rows, side }), Block::Bars(vec![signed()])]
}

/// A colour bar over `decades` powers of ten.
pub fn decades(label: &str, decades: i32) -> Bar {
    let marks = (0..=decades).map(|d| (f64::from(d) / f64::from(decades), power_of_ten(d - decades)));
    Bar { label: label.to_owned(), marks: marks.collect(), look: Look::Decades(decades) }
}

/// The colour bar of tiles with signed values, each over its largest.
pub fn signed() -> Bar {
    Bar {
        label: "value / largest of the tile".to_owned(),
        marks: vec![(0.0, "−1".to_owned()), (0.5, "0".to_owned()), (1.0, "1".to_owned())],
        look: Look::Signed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn every_frequency_is_at_both_of_its_places() {
        // 4 rows, 3 columns: column 0 is its own conjugate, column 1 the partner of 2.
        let grid = Grid::new(4, 3);
        let all = grid.frequencies();
        let value = |k: Frequency| f64::from(10 * k.row + k.col);
        let values: Vec<f64> = all.iter().map(|k| value(*k)).collect();
        let plane = plane(grid, &all, &values);
        // Rows −2 … 1, columns −1 … 1; (row, −1) is the conjugate of (−row, 1).
        let expected = array![[21.0, 20.0, 21.0], [11.0, 10.0, -9.0], [1.0, 0.0, 1.0], [-9.0, 10.0, 11.0]];
        assert_eq!(plane, expected);
    }

    #[test]
    fn colour_scales_have_two_ends() {
        assert_eq!(limits(&array![[1.0, f64::NAN], [3.0, 2.0]]), (1.0, 3.0));
        assert_eq!(limits(&array![[2.0, 2.0]]), (0.0, 3.0));
        assert_eq!(limits(&array![[-2.0]]), (-2.0, 1.0));
    }
}
