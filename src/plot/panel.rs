//! A panel: axes and what is drawn between them.

use ndarray::Array2;
use plotters::style::RGBColor;

use super::axis::{Axis, axis_ticks, borders};
use super::canvas::{Canvas, Lettering, text_width};
use super::check::range;
use super::pen::{Marker, Pen};
use super::polyline::{clip, split_at_gaps, thin};
use super::style::{
    BELOW, FROM_CORNER, GRID, INK, LABEL, LEFT_OF, LINE, PAPER, QUIET, RIGHT_OF, SMALL, TITLE, TITLE_LINE,
    bold, letters, pt, viridis,
};
use super::text::{fit, wrap};
use super::ticks::{Ticks, sparse};
use crate::error::{Error, Result};

/// Thickness of the colour bar of a heat map, and its distance from it.
const HEAT_BAR: (f64, f64) = (18.0, 18.0);

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

/// Something drawn in a panel; the later lies on top.
#[derive(Clone, Debug)]
pub enum Layer {
    /// A line through the points; NaN leaves a gap.
    Line(Vec<(f64, f64)>, Pen),
    /// An area between two lines, given as (x, low, high); NaN leaves a gap.
    Band(Vec<(f64, f64, f64)>, RGBColor),
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
                Layer::Band(points, _) => {
                    range(&place, points.iter().flat_map(|p| [p.0, p.1, p.2]))?;
                    for (x, low, high) in points {
                        let (x, low, high) = (self.x.along(*x), self.y.along(*low), self.y.along(*high));
                        xs.extend((!x.is_nan()).then_some(x));
                        ys.extend([low, high].into_iter().filter(|y| !x.is_nan() && !y.is_nan()));
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

/// A panel with its place on the page.
pub(super) struct Placed<'a> {
    pub panel: &'a Panel,
    x: (f64, f64),
    y: (f64, f64),
    y_ticks: Ticks,
    /// From the left of the panel to its axes.
    pub left_margin: f64,
    pub right_margin: f64,
    pub left: f64,
    pub top: f64,
    pub width: f64,
    height: f64,
}

impl<'a> Placed<'a> {
    pub fn new(panel: &'a Panel, height: f64) -> Result<Self> {
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

    pub fn right(&self) -> f64 {
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

    pub fn header(&self) -> f64 {
        let text = TITLE_LINE * self.titles().len() as f64 + LINE * self.subtitles().len() as f64;
        if text > 0.0 { text + 14.0 } else { 12.0 }
    }

    pub fn footer(&self) -> f64 {
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

    pub fn draw(&self, canvas: &Canvas<'_>, header: f64) -> Result<()> {
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
            Layer::Band(points, colour) => {
                let within = |y: f64| y.clamp(self.top, self.bottom());
                let placed: Vec<_> =
                    points.iter().map(|&(x, low, high)| (self.at((x, low)), self.at((x, high)))).collect();
                for pair in placed.windows(2) {
                    let [(a, b), (c, d)] = [pair[0], pair[1]];
                    let corners = [a, b, d, c];
                    // Beyond the ends of the x axis nothing is drawn; its ends are those of the data.
                    let there = corners.iter().all(|p| !p.0.is_nan() && !p.1.is_nan());
                    if there && a.0 >= self.left - 0.5 && c.0 <= self.right() + 0.5 {
                        canvas.polygon(&corners.map(|(x, y)| (x, within(y))), *colour)?;
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
