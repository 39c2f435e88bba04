//! Charts for the other figures: panels with axes, tables of image tiles,
//! colour bars and legends, stacked on one page.
//!
//! Nothing here knows what is plotted. A [`Block`] takes the width of the page
//! and as much of its height as it needs, so that legends stand between or
//! below the axes and cover nothing.

use ndarray::Array2;
use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Canvas, Lettering, render, text_width};
use super::modes::{BAR, KEY_HEIGHT, draw_bar, draw_cells};
use super::png::Picture;
use super::stages::SWATCH;
use super::style::{
    BELOW, FROM_CORNER, GRID, INK, LABEL, LEFT_OF, PAPER, QUIET, RIGHT_OF, SMALL, TITLE, blue_white_red, fit,
    fit_apart, letters, power_of_ten, pt, range, split_at_gaps, thin, tick_labels, ticks, viridis, wrap,
};
use crate::error::{Error, Result};

/// Width of a page of full text width, pixels.
pub const FULL: f64 = 1500.0;
/// Width of a page with one set of axes.
pub const SINGLE: f64 = 1000.0;

const MARGIN: f64 = 18.0;
const TITLE_LINE: f64 = 36.0;
const LINE: f64 = 30.0;
const LEGEND_LINE: f64 = 36.0;
/// Between the panels of a row.
const GAP: f64 = 30.0;
/// Between blocks.
const BLOCK_GAP: f64 = 16.0;
/// Thickness of the colour bar of a heat map, and its distance from it.
const HEAT_BAR: (f64, f64) = (18.0, 18.0);

/// How a line is inked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// Without gaps: what was measured.
    Solid,
    /// Dashes: theory.
    Dashed,
    /// Short dashes: a second theory.
    Dotted,
}

/// Colour, width in points and stroke of a line.
#[derive(Clone, Copy, Debug)]
pub struct Pen {
    /// Ink.
    pub colour: RGBColor,
    /// Width, points.
    pub width: f64,
    /// Solid or dashed.
    pub stroke: Stroke,
}

impl Pen {
    /// A pen of that colour, width (points) and stroke.
    pub fn new(colour: RGBColor, width: f64, stroke: Stroke) -> Self {
        Self { colour, width, stroke }
    }

    fn draw(self, canvas: &Canvas<'_>, points: &[(f64, f64)]) -> Result<()> {
        let dash = match self.stroke {
            Stroke::Solid => return canvas.line(points, self.colour, pt(self.width)),
            Stroke::Dashed => (11.0, 9.0),
            Stroke::Dotted => (2.5, 6.5),
        };
        canvas.dashes(points, self.colour, pt(self.width), dash)
    }
}

/// Shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Filled disc.
    Dot,
    /// Filled square.
    Square,
    /// Filled triangle, point upwards.
    Triangle,
    /// Filled square on its corner.
    Diamond,
    /// Filled triangle, point downwards.
    Wedge,
    /// Two strokes, ×.
    Cross,
    /// Open circle, wide enough for a filled marker inside.
    Ring,
}

/// Filled shapes in the order in which series get them.
pub const MARKERS: [Marker; 6] =
    [Marker::Dot, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Wedge, Marker::Cross];

impl Marker {
    fn draw(self, canvas: &Canvas<'_>, (x, y): (f64, f64), colour: RGBColor) -> Result<()> {
        // Equal areas look equally large; a rim of paper keeps neighbours apart.
        let shape = |corners: &[(f64, f64)]| {
            let sized = |r: f64| corners.iter().map(|&(dx, dy)| (x + r * dx, y + r * dy)).collect::<Vec<_>>();
            canvas.polygon(&sized(pt(2.6)), PAPER)?;
            canvas.polygon(&sized(pt(2.0)), colour)
        };
        match self {
            Marker::Dot => {
                canvas.dot((x, y), pt(2.5), PAPER)?;
                canvas.dot((x, y), pt(2.0), colour)
            }
            Marker::Square => shape(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            Marker::Triangle => shape(&[(0.0, -1.3), (1.15, 0.75), (-1.15, 0.75)]),
            Marker::Diamond => shape(&[(0.0, -1.3), (1.2, 0.0), (0.0, 1.3), (-1.2, 0.0)]),
            Marker::Wedge => shape(&[(0.0, 1.3), (1.15, -0.75), (-1.15, -0.75)]),
            Marker::Cross => {
                let r = pt(1.8);
                canvas.line(&[(x - r, y - r), (x + r, y + r)], colour, pt(0.9))?;
                canvas.line(&[(x - r, y + r), (x + r, y - r)], colour, pt(0.9))
            }
            Marker::Ring => {
                let circle: Vec<_> = (0..=32)
                    .map(|i| (f64::from(i) / 32.0 * std::f64::consts::TAU).sin_cos())
                    .map(|(s, c)| (x + pt(3.2) * c, y + pt(3.2) * s))
                    .collect();
                canvas.line(&circle, colour, pt(0.7))
            }
        }
    }
}

/// One axis of a panel.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it measures, with its unit; may be empty.
    pub label: String,
    /// Logarithmic: values from 0 downwards have no place on it, unless `zero`
    /// gives one to 0 itself.
    pub log: bool,
    /// On a logarithmic axis: where 0 stands, and the smallest positive value.
    /// The axis is broken between them.
    pub zero: Option<(f64, f64)>,
    /// From left to right or from bottom to top; descending turns the axis
    /// around. `None`: what the data needs.
    pub range: Option<(f64, f64)>,
    /// Places with names of their own instead of numbers.
    pub named: Option<Vec<(f64, String)>>,
    /// Whether it shows tick labels and its label: a panel may share those of
    /// its neighbour.
    pub labelled: bool,
}

impl Axis {
    /// A linear axis over what the data needs.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), log: false, zero: None, range: None, named: None, labelled: true }
    }

    /// A logarithmic one.
    pub fn log(label: impl Into<String>) -> Self {
        Self { log: true, ..Self::linear(label) }
    }

    /// From `low` to `high`.
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// From 0, which gets a tenth of the axis, over `first` (both positive) to
    /// `last`: for a logarithmic axis.
    pub fn from_zero(self, first: f64, last: f64) -> Self {
        let place = first * (first / last).min(0.5).powf(0.1);
        Self { zero: Some((place, first)), ..self }.within(place, last)
    }

    /// With these ticks.
    pub fn named(self, places: Vec<(f64, String)>) -> Self {
        Self { named: Some(places), ..self }
    }

    /// Without numbers and label.
    pub fn unlabelled(self) -> Self {
        Self { labelled: false, ..self }
    }

    /// A value in the coordinate that grows evenly along the axis; NaN where it
    /// has no place.
    fn along(&self, v: f64) -> f64 {
        match self.log {
            false => v,
            true if v > 0.0 => v.log10(),
            true => self.zero.filter(|_| v == 0.0).map_or(f64::NAN, |z| z.0.log10()),
        }
    }

    /// The ends of the axis, in that coordinate. `snug`: no margin (an area
    /// fills its axes).
    fn span(
        &self,
        place: &str,
        values: impl Iterator<Item = f64>,
        reach: Option<(f64, f64)>,
    ) -> Result<(f64, f64)> {
        if let Some((low, high)) = self.range {
            let (from, to) = (self.along(low), self.along(high));
            if !(from.is_finite() && to.is_finite() && from != to && (to - from).is_finite()) {
                return Err(Error::input(place, "an axis with two finite ends", format!("{low} to {high}")));
            }
            return Ok((from, to));
        }
        if let Some(reach) = reach {
            return Ok(reach);
        }
        let found = range(place, values)?;
        let (low, high) = found.unwrap_or((0.0, 1.0));
        let margin = match high - low {
            0.0 if self.log => 0.5,
            0.0 if low == 0.0 => 1.0,
            0.0 => 0.5 * low.abs(),
            wide => 0.04 * wide,
        };
        let (low, high) = if found.is_none() { (low, high) } else { (low - margin, high + margin) };
        if !(high - low).is_finite() || high <= low {
            return Err(Error::input(place, "values that fit on one axis", format!("{low:e} to {high:e}")));
        }
        Ok((low, high))
    }
}

/// A matrix in the colours of viridis; NaN is grey.
#[derive(Clone, Debug)]
pub struct Heat {
    /// Middle of each column on the x axis, ascending.
    pub x: Vec<f64>,
    /// Middle of each row on the y axis, ascending.
    pub y: Vec<f64>,
    /// `[row, column]`.
    pub values: Array2<f64>,
    /// Values of the darkest and the brightest colour.
    pub limits: (f64, f64),
    /// Colours by the logarithm of the value.
    pub log: bool,
    /// Label of a colour bar on the right, if there is to be one.
    pub bar: Option<String>,
}

impl Heat {
    fn scale(&self, v: f64) -> f64 {
        let to = |v: f64| if self.log { v.max(0.0).log10() } else { v };
        (to(v) - to(self.limits.0)) / (to(self.limits.1) - to(self.limits.0))
    }

    fn colour(&self, v: f64) -> RGBColor {
        let t = self.scale(v);
        if v.is_nan() || t.is_nan() { GRID } else { viridis(t) }
    }

    fn check(&self, place: &str, axes: (&Axis, &Axis)) -> Result<()> {
        if self.values.dim() != (self.y.len(), self.x.len()) {
            let expected = format!("{} rows of {} values", self.y.len(), self.x.len());
            return Err(Error::input(place, expected, format!("{:?}", self.values.dim())));
        }
        let (low, high) = self.limits;
        if !(low.is_finite() && high.is_finite() && low < high && (!self.log || low > 0.0)) {
            return Err(Error::input(place, "ascending limits of the colours", format!("{low} to {high}")));
        }
        range(place, self.values.iter().copied())?;
        for (centres, axis) in [(&self.x, axes.0), (&self.y, axes.1)] {
            if let Some(bad) = centres.iter().find(|v| !v.is_finite()) {
                return Err(Error::input(place, "finite places of the rows and columns", bad));
            }
            if let Some(pair) = centres.windows(2).find(|w| axis.along(w[1]) <= axis.along(w[0])) {
                let found = format!("{} after {}", pair[1], pair[0]);
                return Err(Error::input(place, "rows and columns in ascending order", found));
            }
        }
        Ok(())
    }
}

/// Borders of cells around ascending middles: half-way between neighbours, in
/// the coordinate of the axis. Middles without a place (0 on a logarithmic axis)
/// come first and get no cell: the returned offset is how many there are.
fn borders(axis: &Axis, middles: &[f64]) -> (usize, Vec<f64>) {
    let at: Vec<f64> = middles.iter().map(|&v| axis.along(v)).collect();
    let skipped = at.iter().take_while(|v| v.is_nan()).count();
    let at = &at[skipped..];
    let (Some(&first), Some(&last)) = (at.first(), at.last()) else { return (skipped, Vec::new()) };
    let half = |i: usize| at.get(i..i + 2).map_or(0.5, |w| 0.5 * (w[1] - w[0]));
    let mut found = vec![first - half(0)];
    found.extend(at.windows(2).map(|w| 0.5 * (w[0] + w[1])));
    found.push(last + half(at.len().saturating_sub(2)));
    (skipped, found)
}

/// Something drawn in a panel; the later lies on top.
#[derive(Clone, Debug)]
pub enum Layer {
    /// A line through the points; NaN leaves a gap.
    Line(Vec<(f64, f64)>, Pen),
    /// A marker at every point without a NaN.
    Points(Vec<(f64, f64)>, Marker, RGBColor),
    /// A line across the whole panel at this x.
    Vertical(f64, Pen),
    /// A line across the whole panel at this y.
    Horizontal(f64, Pen),
    /// y = x.
    Identity(Pen),
    /// Bars from the left end of the axis to x, around y, as high as this share
    /// of one unit: (y, x).
    Bars(Vec<(f64, f64)>, f64, RGBColor),
    /// A matrix of colours.
    Heat(Heat),
}

/// One set of axes.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Heading; may be empty.
    pub title: String,
    /// A second, quieter line; may be empty.
    pub subtitle: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Width of the axes in proportion to the others of the row.
    pub weight: f64,
    /// What it shows.
    pub layers: Vec<Layer>,
}

impl Panel {
    /// An empty panel.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self { title: title.into(), subtitle: String::new(), x, y, weight: 1.0, layers: Vec::new() }
    }

    fn heat(&self) -> Option<&Heat> {
        self.layers.iter().find_map(|l| if let Layer::Heat(h) = l { Some(h) } else { None })
    }

    /// The ends of both axes.
    fn spans(&self) -> Result<((f64, f64), (f64, f64))> {
        let place = format!("figure panel {:?}", self.title);
        let (mut xs, mut ys): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut reach = (None, None);
        for layer in &self.layers {
            match layer {
                Layer::Line(points, _) | Layer::Points(points, ..) => {
                    range(&place, points.iter().flat_map(|p| [p.0, p.1]))?;
                    // A point without a place on one axis does not stretch the other.
                    let placed = points.iter().map(|p| (self.x.along(p.0), self.y.along(p.1)));
                    for (x, y) in placed.filter(|p| !p.0.is_nan() && !p.1.is_nan()) {
                        xs.push(x);
                        ys.push(y);
                    }
                }
                Layer::Bars(bars, thickness, _) => {
                    range(&place, bars.iter().flat_map(|b| [b.0, b.1]))?;
                    xs.extend(bars.iter().map(|b| self.x.along(b.1)));
                    ys.extend(bars.iter().flat_map(|b| [b.0 - 0.5 * thickness, b.0 + 0.5 * thickness]));
                }
                Layer::Heat(heat) => {
                    heat.check(&place, (&self.x, &self.y))?;
                    let ends = |axis: &Axis, middles: &[f64]| {
                        let (_, found) = borders(axis, middles);
                        found.first().copied().zip(found.last().copied())
                    };
                    reach = (ends(&self.x, &heat.x), ends(&self.y, &heat.y));
                }
                Layer::Vertical(at, _) | Layer::Horizontal(at, _) if at.is_infinite() => {
                    return Err(Error::input(place, "a reference line at a finite value", at));
                }
                Layer::Vertical(..) | Layer::Horizontal(..) | Layer::Identity(_) => {}
            }
        }
        let x = self.x.span(&format!("{place}, x axis"), xs.into_iter(), reach.0)?;
        let y = self.y.span(&format!("{place}, y axis"), ys.into_iter(), reach.1)?;
        Ok((x, y))
    }
}

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

/// What the colours of an image tile say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Grey from the smallest to the largest value.
    Grey,
    /// Blue below 0, red above, white at 0, by the largest absolute value.
    Signed,
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
        // Halves: the difference of two finite numbers may not be finite.
        let share = move |v: f64, low: f64, high: f64| {
            let t = (0.5 * v - 0.5 * low) / (0.5 * high - 0.5 * low);
            if t.is_finite() { t } else { 0.0 }
        };
        match self.look {
            Look::Grey => self.image.map(|&v| {
                let level = (share(v, low, high).clamp(0.0, 1.0) * 255.0).round() as u8;
                RGBColor(level, level, level)
            }),
            Look::Signed => {
                let largest = low.abs().max(high.abs());
                self.image.map(|&v| blue_white_red(if largest > 0.0 { v / largest } else { 0.0 }))
            }
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

/// A strip of the page.
#[derive(Clone, Debug)]
pub enum Block {
    /// A bold heading.
    Heading(String),
    /// Panels side by side: their axes' height, and the share of the page's
    /// width that they take in its middle.
    Panels(Vec<Panel>, f64, f64),
    /// A table of image tiles.
    Tiles(Tiles),
    /// Colour bars side by side.
    Bars(Vec<Bar>),
    /// A legend.
    Legend(Vec<Key>),
}

/// Ticks of an axis, in its even coordinate.
struct Ticks {
    major: Vec<(f64, String)>,
    minor: Vec<f64>,
}

/// Powers of ten that are written out.
const PLAIN: std::ops::RangeInclusive<i32> = -3..=4;

/// "0.02", "5", "20 000" for m·10^k.
fn plain(mantissa: u32, exponent: i32) -> String {
    let value = f64::from(mantissa) * 10f64.powi(exponent);
    if exponent >= 0 { tick_labels(&[value]).concat() } else { format!("{value:.*}", -exponent as usize) }
}

/// "10⁶", "2×10⁶".
fn scientific(mantissa: u32, exponent: i32) -> String {
    let power = power_of_ten(exponent);
    if mantissa == 1 { power } else { format!("{mantissa}×{power}") }
}

/// Ticks of a logarithmic axis from `low` to `high`, both exponents of ten.
fn log_ticks(low: f64, high: f64, count: usize) -> Ticks {
    let (first, last) = ((low - 1e-9).ceil() as i64, (high + 1e-9).floor() as i64);
    let inside = |v: f64| (low - 1e-9..=high + 1e-9).contains(&v);
    let mantissas = |from: i64, to: i64| {
        (from..=to).flat_map(|k| (1..10u32).map(move |m| (m, k as i32))).map(|(m, k)| {
            let at = f64::from(m).log10() + f64::from(k);
            (m, k, at)
        })
    };
    let all: Vec<_> = if high - low < 3.0 {
        mantissas(first - 1, last).filter(|t| inside(t.2)).collect()
    } else {
        Vec::new()
    };
    // The densest of these that leaves room for its labels.
    let named = |set: &[u32]| all.iter().filter(|t| set.contains(&t.0)).count();
    let set = [&[1, 2, 5][..], &[1, 3], &[1]].into_iter().find(|s| named(s) <= count + 1).unwrap_or(&[1]);
    if last - first >= 2 || high - low >= 3.0 || (set.len() == 1 && last > first) {
        let step = ((last - first + 1) as usize).div_ceil(count.max(2)).max(1);
        // Plain numbers only if all of them are.
        let (lowest, highest) = (first as i32, last as i32);
        let far = !PLAIN.contains(&lowest) || !PLAIN.contains(&highest);
        let write = |k: i32| if far { power_of_ten(k) } else { plain(1, k) };
        let major = (lowest..=highest).step_by(step).map(|k| (f64::from(k), write(k))).collect();
        let minor = if step > 1 {
            (first..=last).map(|k| k as f64).collect()
        } else if high - low <= 8.0 {
            mantissas(first - 1, last).filter(|t| t.0 > 1).map(|t| t.2).filter(|&v| inside(v)).collect()
        } else {
            Vec::new()
        };
        return Ticks { major, minor };
    }
    // Two labels do not show that the axis is logarithmic, nor where it is.
    if high - low >= 1.0 || (high - low >= 0.4 && named(set) >= 3) {
        let named: Vec<_> = all.iter().filter(|t| set.contains(&t.0)).collect();
        // Plain numbers only if all of them are.
        let far = named.iter().any(|t| !PLAIN.contains(&t.1));
        let write = |m, k| if far { scientific(m, k) } else { plain(m, k) };
        let major = named.iter().map(|&&(m, k, at)| (at, write(m, k))).collect();
        return Ticks { major, minor: all.iter().map(|t| t.2).collect() };
    }
    let values = ticks(10f64.powf(low), 10f64.powf(high), count);
    let major = values.iter().map(|v| v.log10()).zip(tick_labels(&values));
    Ticks { major: major.filter(|t| t.0.is_finite()).collect(), minor: Vec::new() }
}

/// About `count` ticks of an axis that spans `span`.
fn axis_ticks(axis: &Axis, span: (f64, f64), count: usize) -> Ticks {
    let (low, high) = (span.0.min(span.1), span.0.max(span.1));
    if let Some(places) = &axis.named {
        let placed = places.iter().map(|(v, name)| (axis.along(*v), name.clone()));
        return Ticks { major: placed.filter(|p| p.0 >= low && p.0 <= high).collect(), minor: Vec::new() };
    }
    if let Some((place, first)) = axis.zero.filter(|_| axis.log) {
        let mut found = log_ticks(first.log10(), high, count);
        found.major.insert(0, (place.log10(), "0".to_owned()));
        return found;
    }
    if axis.log {
        return log_ticks(low, high, count);
    }
    let values = ticks(low, high, count);
    Ticks { major: values.iter().copied().zip(tick_labels(&values)).collect(), minor: Vec::new() }
}

/// The largest regular selection of labels, the first among them, that do not
/// touch; `extent` is how much of the axis each takes.
fn sparse(places: &[f64], extent: &[f64]) -> usize {
    (1..places.len().max(2))
        .find(|&step| {
            let kept: Vec<usize> = (0..places.len()).step_by(step).collect();
            kept.windows(2)
                .all(|w| (places[w[1]] - places[w[0]]).abs() >= 0.5 * (extent[w[0]] + extent[w[1]]) + 12.0)
        })
        .unwrap_or(places.len().max(1))
}

fn bold(points: f64) -> Lettering {
    Lettering { bold: true, ..letters(points, INK) }
}

/// A panel with its place on the page.
struct Placed<'a> {
    panel: &'a Panel,
    x: (f64, f64),
    y: (f64, f64),
    y_ticks: Ticks,
    /// From the left of the panel to its axes.
    left_margin: f64,
    right_margin: f64,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl<'a> Placed<'a> {
    fn new(panel: &'a Panel, height: f64) -> Result<Self> {
        let (x, y) = panel.spans()?;
        let y_ticks = axis_ticks(&panel.y, y, (height / 52.0) as usize + 1);
        let widest = |labels: &mut dyn Iterator<Item = &str>| {
            labels.map(|l| text_width(l, pt(SMALL), false)).fold(0.0, f64::max)
        };
        let left_margin = if panel.y.labelled {
            let label = if panel.y.label.is_empty() { 0.0 } else { 40.0 };
            label + widest(&mut y_ticks.major.iter().map(|t| t.1.as_str())) + 18.0
        } else {
            10.0
        };
        let right_margin = match panel.heat().map(|h| (h, &h.bar)) {
            Some((heat, Some(_))) => {
                let marks = heat_marks(heat);
                HEAT_BAR.0 + HEAT_BAR.1 + 14.0 + widest(&mut marks.iter().map(|m| m.1.as_str())) + 44.0
            }
            _ => 26.0,
        };
        let (left, top, width) = (0.0, 0.0, 0.0);
        Ok(Self { panel, x, y, y_ticks, left_margin, right_margin, left, top, width, height })
    }

    /// Place of even coordinates; far outside still within what pixels can be.
    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let along = |v: f64, (low, high): (f64, f64)| ((v - low) / (high - low)).clamp(-1e5, 1e5);
        (self.left + self.width * along(x, self.x), self.top + self.height * (1.0 - along(y, self.y)))
    }

    /// Place of values; NaN where there is none.
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = (self.panel.x.along(x), self.panel.y.along(y));
        if x.is_nan() || y.is_nan() { (f64::NAN, f64::NAN) } else { self.place(x, y) }
    }

    fn right(&self) -> f64 {
        self.left + self.width
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }

    fn titles(&self) -> Vec<String> {
        wrap(&self.panel.title, self.width + 0.8 * self.right_margin, 2, bold(TITLE))
    }

    fn subtitles(&self) -> Vec<String> {
        wrap(&self.panel.subtitle, self.width + 0.8 * self.right_margin, 3, letters(SMALL, QUIET))
    }

    fn x_label(&self) -> Vec<String> {
        let shown = if self.panel.x.labelled { self.panel.x.label.as_str() } else { "" };
        wrap(shown, self.width + 2.0 * self.right_margin.min(self.left_margin), 2, letters(LABEL, INK))
    }

    fn header(&self) -> f64 {
        let text = TITLE_LINE * self.titles().len() as f64 + LINE * self.subtitles().len() as f64;
        if text > 0.0 { text + 14.0 } else { 12.0 }
    }

    fn footer(&self) -> f64 {
        let lines = self.x_label().len() as f64;
        match (self.panel.x.labelled, lines > 0.0) {
            (true, true) => 58.0 + LINE * lines,
            (true, false) => 50.0,
            (false, _) => 14.0,
        }
    }

    /// The parts of a line of pixels within the axes.
    fn clipped(&self, points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        clip(points, (self.left, self.top - 0.5), (self.right(), self.bottom() + 0.5))
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        let slack = 0.5;
        x >= self.left - slack
            && x <= self.right() + slack
            && y >= self.top - slack
            && y <= self.bottom() + slack
    }

    fn draw(&self, canvas: &Canvas<'_>, header: f64) -> Result<()> {
        let (top, bottom, left, right) = (self.top - header, self.bottom(), self.left, self.right());
        let titles = self.titles();
        for (i, line) in titles.iter().enumerate() {
            canvas.text(line, (left, top + TITLE_LINE * i as f64), FROM_CORNER, bold(TITLE))?;
        }
        let below = top + TITLE_LINE * titles.len() as f64;
        for (i, line) in self.subtitles().iter().enumerate() {
            canvas.text(line, (left, below + LINE * i as f64), FROM_CORNER, letters(SMALL, QUIET))?;
        }
        self.draw_ticks(canvas)?;
        for layer in &self.panel.layers {
            self.draw_layer(canvas, layer)?;
        }
        if let Some(heat) = self.panel.heat() {
            canvas.frame((left, self.top), (self.width, self.height), INK, pt(0.4))?;
            self.draw_heat_bar(canvas, heat)?;
            return self.draw_break(canvas);
        }
        // The axes last: a curve at the edge must not eat into them.
        canvas.line(&[(left, self.top), (left, bottom), (right, bottom)], INK, pt(0.6))?;
        self.draw_break(canvas)
    }

    /// Two strokes across the x axis between 0 and the first positive value.
    fn draw_break(&self, canvas: &Canvas<'_>) -> Result<()> {
        let Some((place, first)) = self.panel.x.zero else { return Ok(()) };
        let (x, y) = self.place(0.5 * (place.log10() + first.log10()), self.y.0);
        canvas.line(&[(x - 2.5, y), (x + 2.5, y)], PAPER, pt(1.0))?;
        [x - 4.0, x + 4.0]
            .iter()
            .try_for_each(|x| canvas.line(&[(x - 3.0, y + 7.0), (x + 3.0, y - 7.0)], INK, pt(0.5)))
    }

    /// Ticks of the x axis, where they are, and which of them get a label: every
    /// so many-th. As many as leave room for the labels of all.
    fn x_ticks(&self) -> (Ticks, Vec<f64>, usize) {
        // Labels of decades are short.
        let room = if self.panel.x.log { 65.0 } else { 90.0 };
        let mut count = (self.width / room) as usize + 1;
        loop {
            let found = axis_ticks(&self.panel.x, self.x, count);
            let places: Vec<f64> = found.major.iter().map(|t| self.place(t.0, self.y.0).0).collect();
            let widths: Vec<f64> = found.major.iter().map(|t| text_width(&t.1, pt(SMALL), false)).collect();
            let step = sparse(&places, &widths);
            if step == 1 || count <= 2 || self.panel.x.named.is_some() {
                return (found, places, step);
            }
            count -= 1;
        }
    }

    fn draw_ticks(&self, canvas: &Canvas<'_>) -> Result<()> {
        let (bottom, left, right) = (self.bottom(), self.left, self.right());
        let small = letters(SMALL, INK);
        let levels: Vec<f64> = self.y_ticks.major.iter().map(|t| self.place(self.x.0, t.0).1).collect();
        // The height of a line of figures and capitals.
        let step = sparse(&levels, &vec![0.7 * pt(SMALL); levels.len()]);
        for (i, (&y, (_, label))) in levels.iter().zip(&self.y_ticks.major).enumerate() {
            let named = i % step == 0;
            if named && self.panel.y.named.is_none() {
                canvas.line(&[(left, y), (right, y)], GRID, pt(0.4))?;
            }
            if self.panel.y.labelled && named {
                canvas.line(&[(left - 8.0, y), (left, y)], INK, pt(0.5))?;
                canvas.text(label, (left - 15.0, y), LEFT_OF, small)?;
            }
        }
        let (x_ticks, places, step) = self.x_ticks();
        for (i, (&x, (_, label))) in places.iter().zip(&x_ticks.major).enumerate() {
            if self.panel.x.log {
                canvas.line(&[(x, self.top), (x, bottom)], GRID, pt(0.4))?;
            }
            canvas.line(&[(x, bottom), (x, bottom + 8.0)], INK, pt(0.5))?;
            if self.panel.x.labelled && i % step == 0 {
                canvas.text(label, (x, bottom + 17.0), BELOW, small)?;
            }
        }
        for &minor in &x_ticks.minor {
            let (x, _) = self.place(minor, self.y.0);
            canvas.line(&[(x, bottom), (x, bottom + 5.0)], INK, pt(0.35))?;
        }
        if self.panel.y.labelled {
            for &minor in &self.y_ticks.minor {
                let (_, y) = self.place(self.x.0, minor);
                canvas.line(&[(left - 5.0, y), (left, y)], INK, pt(0.35))?;
            }
            let upwards = Lettering { upwards: true, ..letters(LABEL, INK) };
            let room = self.height + 60.0;
            let middle = (self.left - self.left_margin, 0.5 * (self.top + bottom));
            canvas.text(&fit(&self.panel.y.label, room, upwards), middle, BELOW, upwards)?;
        }
        for (i, line) in self.x_label().iter().enumerate() {
            let at = (0.5 * (left + right), bottom + 54.0 + LINE * i as f64);
            canvas.text(line, at, BELOW, letters(LABEL, INK))?;
        }
        Ok(())
    }

    fn draw_layer(&self, canvas: &Canvas<'_>, layer: &Layer) -> Result<()> {
        let stroke = |ends: [(f64, f64); 2], pen: &Pen| {
            self.clipped(&ends).iter().try_for_each(|piece| pen.draw(canvas, piece))
        };
        match layer {
            Layer::Line(points, pen) => {
                for run in split_at_gaps(points.iter().map(|&p| self.at(p))) {
                    let run = if run.is_sorted_by(|a, b| a.0 <= b.0) { thin(&run) } else { run };
                    for piece in self.clipped(&run) {
                        pen.draw(canvas, &piece)?;
                    }
                }
                Ok(())
            }
            Layer::Points(points, marker, colour) => points
                .iter()
                .map(|&p| self.at(p))
                .filter(|&p| self.holds(p))
                .try_for_each(|p| marker.draw(canvas, p, *colour)),
            Layer::Vertical(at, pen) => {
                let x = self.panel.x.along(*at);
                if x.is_nan() {
                    Ok(())
                } else {
                    stroke([self.place(x, self.y.0), self.place(x, self.y.1)], pen)
                }
            }
            Layer::Horizontal(at, pen) => {
                let y = self.panel.y.along(*at);
                if y.is_nan() {
                    Ok(())
                } else {
                    stroke([self.place(self.x.0, y), self.place(self.x.1, y)], pen)
                }
            }
            Layer::Identity(pen) => {
                // Straight only where both axes are of a kind: sampled otherwise.
                let value = |t: f64| {
                    let v = self.x.0 + t * (self.x.1 - self.x.0);
                    if self.panel.x.log { 10f64.powf(v) } else { v }
                };
                let count = if self.panel.x.log == self.panel.y.log { 1 } else { 200 };
                let points = (0..=count).map(|i| value(f64::from(i) / f64::from(count)));
                for run in split_at_gaps(points.map(|v| self.at((v, v)))) {
                    for piece in self.clipped(&run) {
                        pen.draw(canvas, &piece)?;
                    }
                }
                Ok(())
            }
            Layer::Bars(bars, thickness, colour) => {
                for &(y, x) in bars {
                    let (end, _) = self.place(self.panel.x.along(x), y);
                    let (end, middle) = (end.clamp(self.left, self.right()), self.place(self.x.0, y).1);
                    let high = (thickness / (self.y.1 - self.y.0)).abs() * self.height;
                    let upper = (middle - 0.5 * high).max(self.top);
                    let lower = (middle + 0.5 * high).min(self.bottom());
                    if end - self.left >= 0.5 && lower > upper {
                        canvas.paint((self.left, upper), (end - self.left, lower - upper), |_, _| *colour)?;
                    }
                }
                Ok(())
            }
            Layer::Heat(heat) => self.draw_heat(canvas, heat),
        }
    }

    fn draw_heat(&self, canvas: &Canvas<'_>, heat: &Heat) -> Result<()> {
        let (skipped_columns, columns) = borders(&self.panel.x, &heat.x);
        let (skipped_rows, rows) = borders(&self.panel.y, &heat.y);
        let colours = heat.values.map(|&v| heat.colour(v));
        let cell = |borders: &[f64], v: f64| {
            let below = borders.partition_point(|b| *b <= v);
            (below > 0 && below < borders.len()).then(|| below - 1)
        };
        canvas.paint((self.left, self.top), (self.width, self.height), |u, v| {
            let x = self.x.0 + u * (self.x.1 - self.x.0);
            let y = self.y.1 + v * (self.y.0 - self.y.1);
            match (cell(&rows, y), cell(&columns, x)) {
                (Some(r), Some(c)) => colours[[r + skipped_rows, c + skipped_columns]],
                _ => PAPER,
            }
        })
    }

    fn draw_heat_bar(&self, canvas: &Canvas<'_>, heat: &Heat) -> Result<()> {
        let Some(label) = &heat.bar else { return Ok(()) };
        let (x, w) = (self.right() + HEAT_BAR.1, HEAT_BAR.0);
        canvas.paint((x, self.top), (w, self.height), |_, v| viridis(1.0 - v))?;
        canvas.frame((x, self.top), (w, self.height), INK, pt(0.4))?;
        let mut widest = 0f64;
        for (t, text) in heat_marks(heat) {
            let y = self.top + self.height * (1.0 - t);
            canvas.line(&[(x + w, y), (x + w + 7.0, y)], INK, pt(0.4))?;
            canvas.text(&text, (x + w + 13.0, y), RIGHT_OF, letters(SMALL, INK))?;
            widest = widest.max(text_width(&text, pt(SMALL), false));
        }
        let upwards = Lettering { upwards: true, ..letters(LABEL, INK) };
        let at = (x + w + 13.0 + widest + 14.0, self.top + 0.5 * self.height);
        canvas.text(&fit(label, self.height + 60.0, upwards), at, BELOW, upwards)
    }
}

/// Position from 0 to 1 and text of the ticks of a heat map's colour bar.
fn heat_marks(heat: &Heat) -> Vec<(f64, String)> {
    let axis = if heat.log { Axis::log("") } else { Axis::linear("") };
    let (low, high) = (axis.along(heat.limits.0), axis.along(heat.limits.1));
    let found = axis_ticks(&axis, (low, high), 5).major;
    found.into_iter().map(|(v, text)| ((v - low) / (high - low), text)).collect()
}

/// The parts of a polyline inside a rectangle (Liang and Barsky).
fn clip(points: &[(f64, f64)], low: (f64, f64), high: (f64, f64)) -> Vec<Vec<(f64, f64)>> {
    let inside = |p: &(f64, f64)| p.0 >= low.0 && p.0 <= high.0 && p.1 >= low.1 && p.1 <= high.1;
    if points.iter().all(inside) {
        return if points.is_empty() { Vec::new() } else { vec![points.to_vec()] };
    }
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut open = false;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut enter, mut leave) = (0f64, 1f64);
        for (step, room) in
            [(-dx, from.0 - low.0), (dx, high.0 - from.0), (-dy, from.1 - low.1), (dy, high.1 - from.1)]
        {
            if step == 0.0 {
                if room < 0.0 {
                    leave = -1.0;
                }
            } else if step < 0.0 {
                enter = enter.max(room / step);
            } else {
                leave = leave.min(room / step);
            }
        }
        if enter > leave {
            open = false;
            continue;
        }
        let at = |t: f64| (from.0 + t * dx, from.1 + t * dy);
        match pieces.last_mut() {
            Some(piece) if open && enter == 0.0 => piece.push(at(leave)),
            _ => pieces.push(vec![at(enter), at(leave)]),
        }
        open = leave == 1.0;
    }
    pieces
}

/// A legend that knows its columns.
struct Arranged {
    columns: usize,
    rows: usize,
    /// Width of each column, and of all if they stand in one row.
    widths: Vec<f64>,
}

const KEY_GAP: f64 = 28.0;

/// As many columns as the width holds; in more than one row the columns are of
/// the width of their widest entry and the rows even.
fn arrange(keys: &[Key], width: f64) -> Arranged {
    let natural: Vec<f64> = keys.iter().map(|k| k.width().min(width)).collect();
    let total = |w: &[f64]| w.iter().sum::<f64>() + KEY_GAP * w.len().saturating_sub(1) as f64;
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

fn draw_legend(canvas: &Canvas<'_>, keys: &[Key], top: f64, page: f64) -> Result<()> {
    let arranged = arrange(keys, page - 2.0 * MARGIN);
    let total =
        arranged.widths.iter().sum::<f64>() + KEY_GAP * arranged.widths.len().saturating_sub(1) as f64;
    for (i, key) in keys.iter().enumerate() {
        let column = i % arranged.columns;
        let before: f64 = arranged.widths[..column].iter().map(|w| w + KEY_GAP).sum();
        let x = 0.5 * (page - total) + before;
        let y = top + LEGEND_LINE * ((i / arranged.columns) as f64 + 0.5);
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

/// Measures of a table of tiles.
struct Table {
    label: f64,
    side: f64,
    /// Left end of each column.
    lefts: Vec<f64>,
    header: f64,
    row: f64,
}

impl Table {
    const BETWEEN: f64 = 14.0;
    const GROUP_GAP: f64 = 34.0;

    fn new(tiles: &Tiles, page: f64) -> Self {
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

    fn draw(&self, canvas: &Canvas<'_>, tiles: &Tiles, top: f64) -> Result<()> {
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

fn check_tiles(tiles: &Tiles) -> Result<()> {
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

/// A block that knows its height, and where.
enum Prepared<'a> {
    Heading(&'a str),
    Panels(Vec<Placed<'a>>, f64),
    Tiles(&'a Tiles, Table),
    Bars(&'a [Bar]),
    Legend(&'a [Key]),
}

fn prepare(block: &Block, width: f64) -> Result<(Prepared<'_>, f64)> {
    Ok(match block {
        Block::Heading(text) => (Prepared::Heading(text), TITLE_LINE + 4.0),
        Block::Panels(panels, height, share) => {
            let placed: Result<Vec<_>> = panels.iter().map(|p| Placed::new(p, *height)).collect();
            let mut placed = placed?;
            let room = (width - 2.0 * MARGIN) * share;
            let margins: f64 = placed.iter().map(|p| p.left_margin + p.right_margin).sum();
            let gaps = GAP * placed.len().saturating_sub(1) as f64;
            let weights: f64 = panels.iter().map(|p| p.weight).sum();
            let mut x = 0.5 * (width - room);
            for p in &mut placed {
                p.left = x + p.left_margin;
                p.width = ((room - margins - gaps) * p.panel.weight / weights).max(40.0);
                x = p.right() + p.right_margin + GAP;
            }
            let header = placed.iter().map(Placed::header).fold(0.0, f64::max);
            let footer = placed.iter().map(Placed::footer).fold(0.0, f64::max);
            (Prepared::Panels(placed, header), header + height + footer)
        }
        Block::Tiles(tiles) => {
            check_tiles(tiles)?;
            let table = Table::new(tiles, width);
            let height = table.header + table.row * tiles.rows.len() as f64;
            (Prepared::Tiles(tiles, table), height)
        }
        Block::Bars(bars) => (Prepared::Bars(bars), if bars.is_empty() { 0.0 } else { KEY_HEIGHT }),
        Block::Legend(keys) => {
            (Prepared::Legend(keys), LEGEND_LINE * arrange(keys, width - 2.0 * MARGIN).rows as f64)
        }
    })
}

/// Draws the blocks one below the other on a page of this width.
///
/// # Errors
/// [`Error::Input`] for what cannot be drawn: infinite values, values that fit
/// on no axis, matrices without a column for every place.
pub fn picture(blocks: &[Block], width: f64) -> Result<Picture> {
    let prepared: Result<Vec<_>> = blocks.iter().map(|b| prepare(b, width)).collect();
    let mut prepared: Vec<_> = prepared?.into_iter().filter(|p| p.1 > 0.0).collect();
    let mut tops = Vec::new();
    let mut y = MARGIN;
    for (i, (block, height)) in prepared.iter().enumerate() {
        tops.push(y);
        // Lines of one legend belong together.
        let next = prepared.get(i + 1).map(|p| &p.0);
        y += height
            + match (block, next) {
                (_, None) | (Prepared::Legend(_), Some(Prepared::Legend(_))) => 0.0,
                // What follows a legend is another subject, and so are more axes.
                (Prepared::Legend(_), Some(_)) => 2.0 * BLOCK_GAP,
                (Prepared::Panels(..), Some(Prepared::Panels(..))) => 2.0 * BLOCK_GAP,
                _ => BLOCK_GAP,
            };
    }
    let height = y + MARGIN - 4.0;
    render(width as usize, height.max(2.0 * MARGIN).ceil() as usize, |canvas| {
        for ((block, _), &top) in prepared.iter_mut().zip(&tops) {
            match block {
                Prepared::Heading(text) => {
                    let line = fit(text, width - 2.0 * MARGIN, bold(TITLE));
                    canvas.text(&line, (MARGIN, top), FROM_CORNER, bold(TITLE))?;
                }
                Prepared::Panels(panels, header) => {
                    for p in panels {
                        p.top = top + *header;
                        p.draw(canvas, *header)?;
                    }
                }
                Prepared::Tiles(tiles, table) => table.draw(canvas, tiles, top)?,
                Prepared::Bars(bars) => {
                    let pitch = (width - 2.0 * MARGIN) / bars.len() as f64;
                    for (i, bar) in bars.iter().enumerate() {
                        let x = MARGIN + pitch * i as f64 + 0.5 * (pitch - BAR.0).max(0.0);
                        draw_bar(canvas, (x, top), &bar.label, &bar.marks, |u| match bar.look {
                            Look::Grey => {
                                let level = (u * 255.0).round() as u8;
                                RGBColor(level, level, level)
                            }
                            Look::Signed => blue_white_red(2.0 * u - 1.0),
                            Look::Decades(_) => viridis(u),
                        })?;
                    }
                }
                Prepared::Legend(keys) => draw_legend(canvas, keys, top, width)?,
            }
        }
        Ok(())
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::style::{DPI, PALETTE};
    use super::*;

    /// Draws and checks what holds for every figure: the rim of the page stays
    /// free. With DOMFREQ_FIGURES set, the drawing also goes to that directory,
    /// to be looked at.
    pub fn shows(name: &str, blocks: &[Block], width: f64) -> Picture {
        let picture = picture(blocks, width).unwrap();
        if let Some(dir) = std::env::var_os("DOMFREQ_FIGURES") {
            picture.save(&Path::new(&dir).join(format!("{name}.png")), DPI).unwrap();
        }
        free_rim(&picture);
        picture
    }

    fn free_rim(picture: &Picture) {
        let (w, h) = (picture.width, picture.height);
        for y in 0..h {
            assert!((0..4).chain(w - 4..w).all(|x| picture.pixel(x, y) == [255; 3]), "row {y}");
        }
        assert!((0..w).all(|x| [0, 1, h - 2, h - 1].iter().all(|&y| picture.pixel(x, y) == [255; 3])));
    }

    /// Pixels of exactly this colour.
    pub fn counts(picture: &Picture, colour: RGBColor) -> usize {
        picture.rgb.chunks_exact(3).filter(|p| *p == [colour.0, colour.1, colour.2]).count()
    }

    /// Every case is an error that holds its words, leaves no file where there
    /// was none and spares one that was there.
    pub fn refuses<T>(cases: &[(T, &str)], draw: impl Fn(&T, &Path) -> Result<()>) {
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (dir.path().join("new.png"), dir.path().join("old.png"));
        std::fs::write(&old, "before").unwrap();
        for (data, words) in cases {
            for path in [&new, &old] {
                let error = draw(data, path).unwrap_err();
                assert!(matches!(error, Error::Input { .. }), "{error}");
                assert!(error.to_string().contains(words), "{words:?} is not in {error}");
            }
            assert_eq!(std::fs::read(&old).unwrap(), b"before");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    fn texts(t: &Ticks) -> Vec<&str> {
        t.major.iter().map(|t| t.1.as_str()).collect()
    }

    #[test]
    fn logarithmic_ticks_by_hand() {
        assert_eq!(texts(&log_ticks(-2.0, 1.0, 6)), ["0.01", "0.1", "1", "10"]);
        assert_eq!(texts(&log_ticks(0.0, 4.1, 6)), ["1", "10", "100", "1000", "10\u{2009}000"]);
        assert_eq!(texts(&log_ticks(-7.0, -3.9, 6)), ["10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴"]);
        assert_eq!(texts(&log_ticks(-0.8, 0.5, 6)), ["0.2", "0.5", "1", "2"]);
        assert_eq!(texts(&log_ticks(5.1, 6.2, 6)), ["2×10⁵", "5×10⁵", "10⁶"]);
        assert_eq!(texts(&log_ticks(1.0, 1.2, 4)), ["10", "12", "14"]);
        assert_eq!(texts(&log_ticks(0.0, 0.5, 5)), ["1.0", "1.5", "2.0", "2.5", "3.0"]);
        assert_eq!(texts(&log_ticks(0.0, 300.0, 5)).len(), 5);
        let minor = log_ticks(0.0, 2.0, 6).minor;
        assert_eq!(minor.len(), 16);
        assert!(minor.iter().all(|m| (0.0..=2.0).contains(m)));
        assert!(log_ticks(f64::NAN, f64::NAN, 5).major.is_empty());
    }

    #[test]
    fn lines_are_cut_at_the_axes() {
        let cut = |points: &[(f64, f64)]| clip(points, (0.0, 0.0), (10.0, 10.0));
        assert_eq!(cut(&[(1.0, 1.0), (2.0, 2.0)]), [vec![(1.0, 1.0), (2.0, 2.0)]]);
        assert_eq!(cut(&[(-5.0, 5.0), (15.0, 5.0)]), [vec![(0.0, 5.0), (10.0, 5.0)]]);
        // Out above and in again.
        let there_and_back = cut(&[(0.0, 5.0), (5.0, 15.0), (10.0, 5.0)]);
        assert_eq!(there_and_back, [vec![(0.0, 5.0), (2.5, 10.0)], vec![(7.5, 10.0), (10.0, 5.0)]]);
        assert!(cut(&[(-1.0, -1.0), (-1.0, 20.0)]).is_empty());
        assert!(cut(&[]).is_empty() && cut(&[(20.0, 20.0)]).is_empty());
    }

    #[test]
    fn cells_meet_half_way() {
        assert_eq!(borders(&Axis::linear(""), &[0.0, 2.0, 6.0]), (0, vec![-1.0, 1.0, 4.0, 8.0]));
        assert_eq!(borders(&Axis::log(""), &[0.0, 1.0, 100.0]), (1, vec![-1.0, 1.0, 3.0]));
        assert_eq!(borders(&Axis::linear(""), &[3.0]), (0, vec![2.5, 3.5]));
        assert_eq!(borders(&Axis::log(""), &[0.0]), (1, vec![]));
        let from_zero = Axis::log("").from_zero(1.0, 1e10);
        assert_eq!(borders(&from_zero, &[0.0, 1.0, 100.0]), (0, vec![-1.5, -0.5, 1.0, 3.0]));
    }

    #[test]
    fn a_logarithmic_axis_that_starts_at_zero() {
        let axis = Axis::log("").from_zero(100.0, 1e4);
        let span = axis.span("", std::iter::empty(), None).unwrap();
        let found = axis_ticks(&axis, span, 6);
        assert_eq!(texts(&found), ["0", "100", "1000", "10\u{2009}000"]);
        assert!((axis.along(0.0) - 1.8).abs() < 1e-12 && found.major[0].0 == axis.along(0.0));
        assert!(found.minor.iter().all(|m| *m >= 2.0), "nothing between 0 and the first value");
        assert!(axis.along(-1.0).is_nan() && Axis::log("").along(0.0).is_nan());
        // One positive value only.
        let span = Axis::log("").from_zero(5.0, 5.0).span("", std::iter::empty(), None).unwrap();
        assert!(span.0 < span.1);
    }

    proptest! {
        #[test]
        fn logarithmic_ticks_are_few_and_inside(low in -300f64..300.0, span in 1e-9f64..300.0, count in 1usize..12) {
            let found = log_ticks(low, low + span, count);
            prop_assert!(found.major.len() <= count.max(2) + 1, "{:?}", texts(&found));
            let slack = 1e-6 * span + 1e-8;
            for at in found.major.iter().map(|t| t.0).chain(found.minor) {
                prop_assert!(at >= low - slack && at <= low + span + slack, "{at}");
            }
            prop_assert!(found.major.windows(2).all(|w| w[0].0 < w[1].0));
        }

        #[test]
        fn what_is_cut_lies_inside(points in prop::collection::vec((-30f64..30.0, -30f64..30.0), 0..20)) {
            for piece in clip(&points, (-10.0, -5.0), (10.0, 5.0)) {
                prop_assert!(!piece.is_empty());
                for (x, y) in piece {
                    prop_assert!(x.abs() <= 10.0 + 1e-9 && y.abs() <= 5.0 + 1e-9, "{x} {y}");
                }
            }
        }
    }

    fn one(layers: Vec<Layer>, x: Axis, y: Axis) -> Result<Picture> {
        let panel = Panel { layers, ..Panel::new("title", x, y) };
        picture(&[Block::Panels(vec![panel], 300.0, 1.0)], 600.0)
    }

    #[test]
    fn line_and_point_stand_where_the_axes_say() {
        let pen = Pen::new(PALETTE[0], 2.0, Stroke::Solid);
        let x = || Axis::log("x").within(1.0, 100.0).unlabelled();
        let y = || Axis::linear("y").within(0.0, 4.0).unlabelled();
        let picture = one(
            vec![
                Layer::Horizontal(1.0, pen),
                Layer::Points(vec![(10.0, 3.0), (f64::NAN, 1.0), (0.0, 2.0)], Marker::Square, PALETTE[1]),
            ],
            x(),
            y(),
        )
        .unwrap();
        let (left, right, top) = (MARGIN + 10.0, 600.0 - MARGIN - 26.0, MARGIN + TITLE_LINE + 14.0);
        let at =
            |u: f64, v: f64| picture.pixel((left + u * (right - left)) as usize, (top + v * 300.0) as usize);
        let rgb = |c: RGBColor| [c.0, c.1, c.2];
        assert_eq!(at(0.3, 0.75), rgb(PALETTE[0]));
        assert_eq!(at(0.5, 0.25), rgb(PALETTE[1]));
        assert_eq!(at(0.3, 0.25), [255; 3].map(|_: u8| at(0.3, 0.25)[0]), "nothing coloured elsewhere");
        // Values beyond the axes leave no ink beyond them.
        let wild =
            one(vec![Layer::Line(vec![(1.0, -1e300), (3.0, 1e300), (1e9, 7.0)], pen)], x(), y()).unwrap();
        for y in 0..wild.height {
            for x in (0..left as usize - 6).chain(right as usize + 6..wild.width) {
                assert_ne!(wild.pixel(x, y), rgb(PALETTE[0]), "{x} {y}");
            }
        }
    }

    #[test]
    fn heat_map_has_its_first_row_where_the_axis_says() {
        let heat = Heat {
            x: vec![0.0, 1.0],
            y: vec![0.0, 1.0],
            values: ndarray::array![[1.0, 0.0], [0.5, f64::NAN]],
            limits: (0.0, 1.0),
            log: false,
            bar: None,
        };
        let y = Axis::linear("").within(1.5, -0.5).unlabelled();
        let picture = one(vec![Layer::Heat(heat)], Axis::linear("").unlabelled(), y).unwrap();
        let at = |u: f64, v: f64| {
            let (left, right, top) = (MARGIN + 10.0, 600.0 - MARGIN - 26.0, MARGIN + TITLE_LINE + 14.0);
            let p = picture.pixel((left + u * (right - left)) as usize, (top + v * 300.0) as usize);
            RGBColor(p[0], p[1], p[2])
        };
        assert_eq!(at(0.25, 0.25), viridis(1.0));
        assert_eq!(at(0.75, 0.25), viridis(0.0));
        assert_eq!(at(0.25, 0.75), viridis(0.5));
        assert_eq!(at(0.75, 0.75), GRID);
    }

    #[test]
    fn odd_data_draw() {
        let nan = f64::NAN;
        let pen = Pen::new(INK, 1.0, Stroke::Dashed);
        let series: Vec<Vec<(f64, f64)>> = vec![
            vec![],
            vec![(1.0, 1.0)],
            vec![(nan, nan); 3],
            vec![(5.0, 2.0); 4],
            vec![(-1.0, 0.0), (0.0, -3.0)],
            vec![(1e-300, 1e-300), (1e300, 1e300)],
            vec![(1.0, 1.0), (1.0 + 1e-15, 1.0 - 1e-16)],
        ];
        for points in series {
            for (x, y) in [
                (Axis::linear("x"), Axis::linear("y")),
                (Axis::log("x"), Axis::log("y")),
                (Axis::log("x"), Axis::linear("y").within(1.0, -1.0)),
            ] {
                let layers = vec![
                    Layer::Line(points.clone(), pen),
                    Layer::Points(points.clone(), Marker::Triangle, INK),
                    Layer::Identity(pen),
                    Layer::Vertical(nan, pen),
                    Layer::Horizontal(-1.0, pen),
                ];
                free_rim(&one(layers, x, y).unwrap());
            }
        }
        picture(&[], 300.0).unwrap();
        picture(&[Block::Legend(vec![]), Block::Bars(vec![]), Block::Panels(vec![], 10.0, 1.0)], 300.0)
            .unwrap();
    }

    #[test]
    fn long_words_and_many_entries_stay_on_the_page() {
        let word = "a very long name ".repeat(12);
        let axis = || Axis::linear(&word);
        let mut panel = Panel::new(&word, axis(), axis());
        panel.subtitle = word.clone();
        panel
            .layers
            .push(Layer::Line(vec![(0.0, 0.0), (123_456.0, 1e9)], Pen::new(INK, 1.0, Stroke::Dotted)));
        let line = Sign::Line(Pen::new(INK, 1.0, Stroke::Solid));
        let keys = |count: usize, text: &str| (0..count).map(|_| Key::new(vec![line], text)).collect();
        let blocks = [
            Block::Panels(vec![panel; 3], 250.0, 1.0),
            Block::Legend(keys(3, &word)),
            Block::Legend(keys(23, "mode 12")),
        ];
        free_rim(&picture(&blocks, FULL).unwrap());
    }

    #[test]
    fn legends_break_into_even_rows() {
        let keys: Vec<Key> = (0..8).map(|i| Key::new(vec![], "x".repeat(10 + i % 2))).collect();
        assert_eq!(arrange(&keys, 1e6).rows, 1);
        let width = keys.iter().map(|k| k.width() + KEY_GAP).sum::<f64>() - KEY_GAP;
        let two = arrange(&keys, 0.9 * width);
        assert_eq!((two.rows, two.columns), (2, 4));
        let narrow = arrange(&keys, 1.0);
        assert_eq!((narrow.rows, narrow.columns), (8, 1));
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let x = || Axis::linear("x");
        let fails = |layer: Layer, x: Axis, words: &str| {
            let error = one(vec![layer], x, Axis::linear("y")).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("title"), "{error}");
        };
        let pen = Pen::new(INK, 1.0, Stroke::Solid);
        fails(Layer::Line(vec![(f64::INFINITY, 0.0)], pen), x(), "finite");
        fails(Layer::Points(vec![(0.0, f64::NEG_INFINITY)], Marker::Dot, INK), x(), "finite");
        fails(Layer::Line(vec![(-f64::MAX, 0.0), (f64::MAX, 0.0)], pen), x(), "fit on one axis");
        fails(Layer::Vertical(f64::INFINITY, pen), x(), "finite");
        fails(Layer::Horizontal(1.0, pen), x().within(2.0, 2.0), "two finite ends");
        fails(Layer::Horizontal(1.0, pen), Axis::log("x").within(0.0, 2.0), "two finite ends");
        let heat = |x: Vec<f64>, limits| {
            Layer::Heat(Heat { x, y: vec![0.0], values: Array2::ones((1, 2)), limits, log: true, bar: None })
        };
        fails(heat(vec![0.0], (0.1, 1.0)), x(), "1 rows of 1");
        fails(heat(vec![1.0, 0.0], (0.1, 1.0)), x(), "ascending");
        fails(heat(vec![0.0, 1.0], (0.0, 1.0)), x(), "limits");
    }
}
