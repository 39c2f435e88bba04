//! Learning in stages: mode strengths against gradient-descent steps, measured
//! and predicted.

use std::path::Path;

use crate::error::{Error, Result};
use crate::plot::{
    BELOW, Canvas, DPI, FROM_CORNER, GRID, INK, LABEL, LEFT_OF, Lettering, PALETTE, PAPER, Picture, QUIET,
    REST, RGBColor, RIGHT_OF, SMALL, SUB, TITLE, ascending, fit, letters, mix, pt, range, render, series,
    split_at_gaps, text_width, thin, tick_labels, ticks, wrap,
};

/// One set of axes: one network on one data set.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Heading ("LCNN").
    pub title: String,
    /// A second, quieter line; may be empty.
    pub subtitle: String,
    /// Steps of gradient descent at which the modes were measured, ascending.
    pub steps: Vec<f64>,
    /// One per mode. The first ten get a colour and a place in the legend.
    pub curves: Vec<Curve>,
}

/// The strength of one mode in units of its final value, a/s.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Name in the legend ("mode 1").
    pub label: String,
    /// Remark behind the name ("s = 2.11"); may be empty.
    pub note: String,
    /// a/s at each step; NaN leaves a gap.
    pub measured: Vec<f64>,
    /// The theory's a/s at the same steps, if there is one.
    pub theory: Option<Vec<f64>>,
    /// Step at which the measured a reached s/2, if it did.
    pub half_time: Option<f64>,
    /// Step at which the theory says so.
    pub theory_half_time: Option<f64>,
}

/// Draws the panels side by side into one PNG at `out`.
///
/// The measured curve is solid and wide, the theory dashed on top of it. A dot
/// on the curve marks the measured half-time and a tick on the axis repeats it;
/// a ring marks the theory's. The legend stands below the axes; it is shared if
/// all panels show the same modes.
///
/// # Errors
/// [`Error::Input`] for panels without curves, series of unequal length, steps
/// that do not ascend and infinite values; [`Error::Io`] if `out` cannot be
/// written. A file that is already there survives both.
pub fn draw(panels: &[Panel], out: &Path) -> Result<()> {
    picture(panels)?.save(out, DPI)
}

const MARGIN: f64 = 18.0;
const PANEL_HEIGHT: f64 = 372.0;
/// From the top of a panel to its axes, without the lines of the subtitle.
const HEADER: f64 = 50.0;
const SUBTITLE_LINE: f64 = 30.0;
/// From the axes to the end of the x label.
const FOOTER: f64 = 88.0;
/// Between the rows of panels.
const ROW_GAP: f64 = 26.0;
/// Right of the last axes: half a tick label.
const RIGHT: f64 = 36.0;
/// Left of the axes: y label and tick labels.
const LEFT: f64 = 112.0;
const GAP: f64 = 62.0;
const LEGEND_LINE: f64 = 36.0;
/// Length of the line in a legend entry.
const SWATCH: f64 = 48.0;
pub(super) const MEASURED: f64 = 2.2;
pub(super) const THEORY: f64 = 0.9;
pub(super) const DASH: (f64, f64) = (11.0, 9.0);

/// Colours of mode `i`: the wide measured line and the thin theory over it.
pub(super) fn colours(i: usize, with_theory: bool) -> (RGBColor, RGBColor) {
    let Some(&full) = PALETTE.get(i) else { return (REST, mix(REST, INK, 0.4)) };
    if with_theory { (mix(full, PAPER, 0.45), mix(full, INK, 0.35)) } else { (full, full) }
}

/// Where the axes are and what they show.
struct Axes {
    left: f64,
    top: f64,
    width: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let along = |v: f64, (low, high): (f64, f64)| (v - low) / (high - low);
        (self.left + self.width * along(x, self.x), self.top + PANEL_HEIGHT * (1.0 - along(y, self.y)))
    }

    fn bottom(&self) -> f64 {
        self.top + PANEL_HEIGHT
    }
}

fn check(panels: &[Panel]) -> Result<()> {
    if panels.is_empty() {
        return Err(Error::input("figure of learning stages", "at least one panel", "none"));
    }
    for panel in panels {
        let place = format!("panel {:?}", panel.title);
        if panel.curves.is_empty() || panel.steps.is_empty() {
            return Err(Error::input(place, "at least one curve and one step", "none"));
        }
        ascending(&place, &panel.steps)?;
        for curve in &panel.curves {
            let place = format!("{place}, {:?}", curve.label);
            series(&place, panel.steps.len(), std::iter::once(&curve.measured).chain(&curve.theory))?;
            for time in curve.half_time.iter().chain(&curve.theory_half_time) {
                if !time.is_finite() || *time < 0.0 {
                    return Err(Error::input(format!("{place}, half-time"), "a finite step from 0", time));
                }
            }
        }
    }
    Ok(())
}

/// Range of a/s over all panels, with a margin. They share it, to be compared.
pub(super) fn strength_range(values: impl Iterator<Item = f64>) -> Result<(f64, f64)> {
    let (low, high) = range("mode strengths", values)?.unwrap_or((0.0, 1.0));
    let margin = 0.05 * (high.max(1.0) - low.min(0.0));
    let (bottom, top) = ((low - margin).min(-0.05), (high + margin).max(1.1));
    if !(top - bottom).is_finite() {
        let found = format!("{low:e} to {high:e}");
        return Err(Error::input("mode strengths", "values that fit on one axis", found));
    }
    // Noise around 0 and 1 stays within the usual frame.
    Ok((if low > -0.04 { -0.05 } else { bottom }, if high < 1.08 { 1.1 } else { top }))
}

/// Name and remark of every mode that has a colour.
fn entries(panel: &Panel) -> Vec<(&str, &str)> {
    panel.curves.iter().take(PALETTE.len()).map(|c| (c.label.as_str(), c.note.as_str())).collect()
}

/// A legend in columns of equal width.
struct Legend<'a> {
    entries: Vec<(&'a str, &'a str)>,
    columns: usize,
    rows: usize,
    pitch: f64,
}

impl<'a> Legend<'a> {
    const SPACE: f64 = 10.0;
    const BETWEEN: f64 = 26.0;

    fn new(panel: &'a Panel, width: f64) -> Self {
        let entries = entries(panel);
        let em = pt(SMALL);
        let widest = entries
            .iter()
            .map(|(label, note)| {
                let note = if note.is_empty() { 0.0 } else { Self::SPACE + text_width(note, em, false) };
                SWATCH + Self::SPACE + text_width(label, em, false) + note
            })
            .fold(0.0, f64::max);
        let pitch = (widest + Self::BETWEEN).min(width + Self::BETWEEN);
        let most = (((width + Self::BETWEEN) / pitch + 1e-9) as usize).max(1);
        let rows = entries.len().div_ceil(most);
        // The fewest columns that keep the rows even.
        let columns = entries.len().div_ceil(rows.max(1)).max(1);
        Self { entries, columns, rows, pitch }
    }

    fn height(&self) -> f64 {
        self.rows as f64 * LEGEND_LINE
    }

    fn width(&self) -> f64 {
        self.columns as f64 * self.pitch - Self::BETWEEN
    }

    /// `tinted`: lines leave room for a theory; `dashed`: there is one.
    fn draw(
        &self,
        canvas: &Canvas<'_>,
        (left, top): (f64, f64),
        (tinted, dashed): (bool, bool),
    ) -> Result<()> {
        for (i, (label, note)) in self.entries.iter().enumerate() {
            let x = left + self.pitch * (i % self.columns) as f64;
            let y = top + LEGEND_LINE * ((i / self.columns) as f64 + 0.5);
            let (measured, theory) = colours(i, tinted);
            swatch(canvas, (x, y), Some(measured), dashed.then_some(theory))?;
            let start = x + SWATCH + Self::SPACE;
            let room = self.pitch - Self::BETWEEN - SWATCH - Self::SPACE;
            let name = fit(label, room, letters(SMALL, INK));
            canvas.text(&name, (start, y), RIGHT_OF, letters(SMALL, INK))?;
            let after = text_width(&name, pt(SMALL), false) + Self::SPACE;
            let note = fit(note, room - after, letters(SMALL, QUIET));
            canvas.text(&note, (start + after, y), RIGHT_OF, letters(SMALL, QUIET))?;
        }
        Ok(())
    }
}

fn swatch(
    canvas: &Canvas<'_>,
    (x, y): (f64, f64),
    solid: Option<RGBColor>,
    dashed: Option<RGBColor>,
) -> Result<()> {
    let inset = 0.5 * pt(MEASURED);
    let ends = [(x + inset, y), (x + SWATCH - inset, y)];
    if let Some(colour) = solid {
        canvas.line(&ends, colour, pt(MEASURED))?;
    }
    if let Some(colour) = dashed {
        // Three dashes, whole.
        let unit = (ends[1].0 - ends[0].0) / 5.0;
        canvas.dashes(&ends, colour, pt(THEORY), (1.16 * unit, 0.76 * unit))?;
    }
    Ok(())
}

pub(super) fn measured_mark(canvas: &Canvas<'_>, at: (f64, f64), colour: RGBColor) -> Result<()> {
    canvas.dot(at, pt(2.3), PAPER)?;
    canvas.dot(at, pt(1.8), colour)
}

/// A ring that stays visible around a dot in the same place.
pub(super) fn theory_mark(canvas: &Canvas<'_>, (x, y): (f64, f64), colour: RGBColor) -> Result<()> {
    let circle: Vec<_> = (0..=32)
        .map(|i| (f64::from(i) / 32.0 * std::f64::consts::TAU).sin_cos())
        .map(|(s, c)| (x + pt(3.0) * c, y + pt(3.0) * s))
        .collect();
    canvas.line(&circle, colour, pt(0.7))
}

/// An entry of the key.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Solid,
    Dashed,
    Dot,
    Ring,
}

/// Explains lines and marks, as far as they occur.
fn key_entries(panels: &[Panel]) -> Vec<(Sign, &'static str)> {
    let curves = || panels.iter().flat_map(|p| &p.curves);
    let mut entries = vec![(Sign::Solid, "measured")];
    if curves().any(|c| c.theory.is_some()) {
        entries.push((Sign::Dashed, "theory"));
    }
    if curves().any(|c| c.half_time.is_some()) {
        entries.push((Sign::Dot, "half-time (a = s/2)"));
    }
    if curves().any(|c| c.theory_half_time.is_some()) {
        entries.push((Sign::Ring, "half-time of the theory"));
    }
    entries
}

/// Draws the key in one line around `middle`.
fn draw_key(canvas: &Canvas<'_>, panels: &[Panel], (middle, y): (f64, f64)) -> Result<()> {
    let icon = |sign: Sign| if matches!(sign, Sign::Solid | Sign::Dashed) { SWATCH } else { 24.0 };
    let length = |sign: Sign, text: &str| icon(sign) + Legend::SPACE + text_width(text, pt(SMALL), false);
    let entries = key_entries(panels);
    let total: f64 = entries.iter().map(|(sign, text)| length(*sign, text) + Legend::BETWEEN).sum();
    let mut x = middle - 0.5 * (total - Legend::BETWEEN);
    for (sign, text) in entries {
        match sign {
            Sign::Solid => swatch(canvas, (x, y), Some(REST), None)?,
            Sign::Dashed => swatch(canvas, (x, y), None, Some(INK))?,
            Sign::Dot => measured_mark(canvas, (x + 12.0, y), INK)?,
            Sign::Ring => theory_mark(canvas, (x + 12.0, y), INK)?,
        }
        canvas.text(text, (x + icon(sign) + Legend::SPACE, y), RIGHT_OF, letters(SMALL, QUIET))?;
        x += length(sign, text) + Legend::BETWEEN;
    }
    Ok(())
}

fn draw_panel(
    canvas: &Canvas<'_>,
    panel: &Panel,
    axes: &Axes,
    subtitle: &[String],
    header: f64,
    (first, with_theory): (bool, bool),
) -> Result<()> {
    let title = Lettering { bold: true, ..letters(TITLE, INK) };
    let right = axes.left + axes.width;
    let bottom = axes.bottom();
    let top = axes.top - header;
    canvas.text(&fit(&panel.title, axes.width, title), (axes.left, top), FROM_CORNER, title)?;
    for (i, line) in subtitle.iter().enumerate() {
        let y = top + 36.0 + SUBTITLE_LINE * i as f64;
        canvas.text(line, (axes.left, y), FROM_CORNER, letters(SMALL, QUIET))?;
    }

    let levels = ticks(axes.y.0, axes.y.1, 6);
    for (&level, label) in levels.iter().zip(tick_labels(&levels)) {
        let (_, y) = axes.at(0.0, level);
        canvas.line(&[(axes.left, y), (right, y)], GRID, pt(0.4))?;
        if first {
            canvas.text(&label, (axes.left - 16.0, y), LEFT_OF, letters(SMALL, INK))?;
        }
        canvas.line(&[(axes.left - 8.0, y), (axes.left, y)], INK, pt(0.5))?;
    }
    let (_, half) = axes.at(0.0, 0.5);
    canvas.line(&[(axes.left, half), (right, half)], REST, pt(0.7))?;

    let places = ticks(axes.x.0, axes.x.1, (axes.width / 135.0) as usize + 1);
    for (&place, label) in places.iter().zip(tick_labels(&places)) {
        let (x, _) = axes.at(place, axes.y.0);
        canvas.line(&[(x, bottom), (x, bottom + 8.0)], INK, pt(0.5))?;
        canvas.text(&label, (x, bottom + 17.0), BELOW, letters(SMALL, INK))?;
    }
    let middle = axes.left + 0.5 * axes.width;
    let x_label = ["gradient-descent step (weight updates)", "gradient-descent step"]
        .into_iter()
        .find(|l| text_width(l, pt(LABEL), false) <= axes.width)
        .unwrap_or("step");
    canvas.text(x_label, (middle, bottom + 54.0), BELOW, letters(LABEL, INK))?;

    let path = |values: &[f64]| -> Vec<Vec<(f64, f64)>> {
        let points = panel.steps.iter().copied().zip(values.iter().copied());
        let runs = split_at_gaps(points);
        runs.into_iter().map(|r| thin(&r.iter().map(|p| axes.at(p.0, p.1)).collect::<Vec<_>>())).collect()
    };
    // Later modes first, so that the strongest lie on top.
    let ordered = || panel.curves.iter().enumerate().rev();
    for (i, curve) in ordered() {
        for run in path(&curve.measured) {
            canvas.line(&run, colours(i, with_theory).0, pt(MEASURED))?;
        }
    }
    for (i, curve) in ordered() {
        for run in curve.theory.iter().flat_map(|t| path(t)) {
            canvas.dashes(&run, colours(i, with_theory).1, pt(THEORY), DASH)?;
        }
    }
    for (i, curve) in ordered() {
        let inside = |t: &f64| *t <= axes.x.1;
        let colour = colours(i, with_theory).1;
        if let Some(t) = curve.half_time.filter(inside) {
            let (x, y) = axes.at(t, 0.5);
            canvas.line(&[(x, bottom - 13.0), (x, bottom)], colour, pt(1.1))?;
            measured_mark(canvas, (x, y), colour)?;
        }
        if let Some(t) = curve.theory_half_time.filter(inside) {
            theory_mark(canvas, axes.at(t, 0.5), colour)?;
        }
    }
    // The axes last: a curve at the edge must not eat into them.
    canvas.line(&[(axes.left, axes.top), (axes.left, bottom), (right, bottom)], INK, pt(0.6))
}

fn picture(panels: &[Panel]) -> Result<Picture> {
    check(panels)?;
    let columns = match panels.len() {
        1 => 1,
        2 | 4 => 2,
        _ => 3,
    };
    let width: f64 = if columns == 1 { 1000.0 } else { 1500.0 };
    let inner = (width - LEFT - RIGHT - 2.0 * MARGIN - GAP * (columns as f64 - 1.0)) / columns as f64;
    let curves = panels.iter().flat_map(|p| &p.curves);
    let y = strength_range(curves.flat_map(|c| c.measured.iter().chain(c.theory.iter().flatten())).copied())?;
    let has_theory = |p: &Panel| p.curves.iter().any(|c| c.theory.is_some());
    let any_theory = panels.iter().any(has_theory);

    let subtitles: Vec<Vec<String>> =
        panels.iter().map(|p| wrap(&p.subtitle, inner, 3, letters(SMALL, QUIET))).collect();
    let header = HEADER + SUBTITLE_LINE * subtitles.iter().map(Vec::len).max().unwrap_or(0) as f64;

    let shared = panels.iter().all(|p| entries(p) == entries(&panels[0]));
    let legends: Vec<Legend<'_>> = if shared {
        vec![Legend::new(&panels[0], width - 2.0 * MARGIN)]
    } else {
        panels.iter().map(|p| Legend::new(p, inner)).collect()
    };
    // Top of each row of panels and, last, of what comes below them all.
    let mut tops = vec![MARGIN];
    for row in panels.chunks(columns) {
        let start = (tops.len() - 1) * columns;
        let own = if shared { &[] } else { &legends[start..start + row.len()] };
        let tallest = own.iter().map(Legend::height).fold(0.0, f64::max);
        tops.push(tops[tops.len() - 1] + header + PANEL_HEIGHT + FOOTER + tallest + ROW_GAP);
    }
    let below = tops[tops.len() - 1] - ROW_GAP + 8.0;
    let key = below + if shared { legends[0].height() } else { 0.0 };
    let height = key + LEGEND_LINE + MARGIN - 8.0;

    render(width as usize, height.ceil() as usize, |canvas| {
        for (i, panel) in panels.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let last = panel.steps.iter().fold(0f64, |m, s| m.max(*s));
            let axes = Axes {
                left: MARGIN + LEFT + column as f64 * (inner + GAP),
                top: tops[row] + header,
                width: inner,
                x: (0.0, last.max(1.0)),
                y,
            };
            draw_panel(canvas, panel, &axes, &subtitles[i], header, (column == 0, any_theory))?;
            if column == 0 {
                let middle = axes.top + 0.5 * PANEL_HEIGHT;
                let upwards = Lettering { upwards: true, ..letters(LABEL, INK) };
                let label = format!("mode strength a{SUB}α / s{SUB}α");
                canvas.text(&label, (MARGIN, middle), BELOW, upwards)?;
            }
            if !shared {
                let top = axes.bottom() + FOOTER + 4.0;
                legends[i].draw(canvas, (axes.left, top), (any_theory, has_theory(panel)))?;
            }
        }
        if shared {
            let left = 0.5 * (width - legends[0].width());
            legends[0].draw(canvas, (left, below), (any_theory, any_theory))?;
        }
        draw_key(canvas, panels, (0.5 * width, key + 0.5 * LEGEND_LINE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(label: &str, measured: Vec<f64>) -> Curve {
        Curve {
            label: label.to_owned(),
            note: "s = 1".to_owned(),
            measured,
            theory: None,
            half_time: None,
            theory_half_time: None,
        }
    }

    fn panel(curves: Vec<Curve>) -> Panel {
        let steps = (0..curves[0].measured.len()).map(|i| i as f64).collect();
        Panel { title: "net".to_owned(), subtitle: String::new(), steps, curves }
    }

    fn logistic(rate: f64) -> Vec<f64> {
        (0..200).map(|i| 1.0 / (1.0 + 999.0 * (-rate * f64::from(i)).exp())).collect()
    }

    /// Axes of the first panel in a figure of `columns` without subtitles.
    fn first_axes(columns: f64, width: f64) -> (usize, usize, usize, usize) {
        let inner = (width - LEFT - RIGHT - 2.0 * MARGIN - GAP * (columns - 1.0)) / columns;
        let (left, top) = (MARGIN + LEFT, MARGIN + HEADER);
        (left as usize, top as usize, (left + inner) as usize, (top + PANEL_HEIGHT) as usize)
    }

    fn count(picture: &Picture, area: (usize, usize, usize, usize), colour: RGBColor) -> usize {
        let wanted = [colour.0, colour.1, colour.2];
        (area.1..area.3).map(|y| (area.0..area.2).filter(|&x| picture.pixel(x, y) == wanted).count()).sum()
    }

    #[test]
    fn curve_runs_at_its_height() {
        // Constant 1 on an axis from −0.05 to 1.1, two measurements.
        let picture = picture(&[panel(vec![curve("mode 1", vec![1.0, 1.0])])]).unwrap();
        let (left, top, right, bottom) = first_axes(1.0, 1000.0);
        let x = (left + right) / 2;
        let full = PALETTE[0];
        let rows: Vec<usize> =
            (top..bottom).filter(|&y| picture.pixel(x, y) == [full.0, full.1, full.2]).collect();
        let wanted = top as f64 + PANEL_HEIGHT * (0.1 / 1.15);
        let middle = rows.iter().sum::<usize>() as f64 / rows.len() as f64 + 0.5;
        assert!((middle - wanted).abs() < 1.0, "{middle} {wanted}");
        assert!((rows.len() as f64 - pt(MEASURED)).abs() < 2.0, "{}", rows.len());
    }

    #[test]
    fn measured_and_theory_are_both_seen_where_they_coincide() {
        let mut same = curve("mode 1", logistic(0.08));
        same.theory = Some(same.measured.clone());
        let picture = picture(&[panel(vec![same])]).unwrap();
        let area = first_axes(1.0, 1000.0);
        let (wide, thin) = colours(0, true);
        let (measured, theory) = (count(&picture, area, wide), count(&picture, area, thin));
        assert!(measured > 1000 && theory > 200, "{measured} {theory}");
    }

    #[test]
    fn legend_is_covered_by_nothing() {
        // The same names and times, calm data and wild: below the axes, and
        // beside them on the right, the two figures agree to the last pixel.
        let names = ["mode 1", "mode 2", "mode 3"];
        let figure = |data: &dyn Fn(usize) -> Vec<f64>| {
            let curves = || (0..3).map(|i| curve(names[i], data(i))).collect();
            picture(&[panel(curves()), panel(curves())]).unwrap()
        };
        let calm = figure(&|_| vec![0.0; 200]);
        let wild = figure(&|i| (0..200).map(|t| 40.0 * (0.3 * (t + i) as f64).sin()).collect());
        assert_eq!((calm.width, calm.height), (wild.width, wild.height));
        let bottom = (MARGIN + HEADER + PANEL_HEIGHT + 8.0) as usize;
        let below = 3 * calm.width * bottom;
        assert_eq!(calm.rgb[below..], wild.rgb[below..]);
        assert_ne!(calm.rgb[..below], wild.rgb[..below]);
        for colour in PALETTE.into_iter().take(3) {
            let all = (0, bottom, calm.width, calm.height);
            assert!(count(&calm, all, colour) > 50, "{colour:?} is in the legend");
        }
    }

    #[test]
    fn key_and_legend_stay_on_the_page() {
        let mut wide = panel((0..10).map(|i| curve(&"long name ".repeat(i), logistic(0.05))).collect());
        for c in &mut wide.curves {
            c.note = "a very long note ".repeat(20);
            c.theory = Some(c.measured.clone());
            (c.half_time, c.theory_half_time) = (Some(90.0), Some(91.0));
        }
        wide.title = "title ".repeat(60);
        wide.subtitle = "subtitle ".repeat(60);
        for panels in 1..=7 {
            let picture = picture(&vec![wide.clone(); panels]).unwrap();
            for y in 0..picture.height {
                for x in
                    [0, 1, 2, 3, picture.width - 4, picture.width - 3, picture.width - 2, picture.width - 1]
                {
                    assert_eq!(picture.pixel(x, y), [255; 3], "{panels} panels, column {x}, row {y}");
                }
            }
            for row in [0, 1, picture.height - 2, picture.height - 1] {
                assert!((0..picture.width).all(|x| picture.pixel(x, row) == [255; 3]), "{panels}, {row}");
            }
        }
    }

    #[test]
    fn key_names_what_there_is() {
        let texts = |c: Curve| key_entries(&[panel(vec![c])]).into_iter().map(|e| e.1).collect::<Vec<_>>();
        assert_eq!(texts(curve("m", vec![0.0, 1.0])), ["measured"]);
        let mut full = curve("m", vec![0.0, 1.0]);
        full.half_time = Some(0.5);
        assert_eq!(texts(full.clone()), ["measured", "half-time (a = s/2)"]);
        full.theory = Some(vec![0.0, 1.0]);
        full.theory_half_time = Some(0.4);
        assert_eq!(texts(full).len(), 4);
    }

    #[test]
    fn half_time_is_marked_on_curve_and_axis() {
        let mut marked = curve("mode 1", (0..=100).map(|i| f64::from(i) / 100.0).collect());
        let before = picture(&[panel(vec![marked.clone()])]).unwrap();
        marked.half_time = Some(50.0);
        let after = picture(&[panel(vec![marked])]).unwrap();
        let (left, top, right, bottom) = first_axes(1.0, 1000.0);
        let changed: Vec<_> = (top..bottom)
            .flat_map(|y| (left..right).map(move |x| (x, y)))
            .filter(|&(x, y)| before.pixel(x, y) != after.pixel(x, y))
            .collect();
        let middle = (left + right) as f64 / 2.0;
        let half = top as f64 + PANEL_HEIGHT * (0.6 / 1.15);
        assert!(!changed.is_empty());
        for (x, y) in changed {
            let near = |v: usize, to: f64| (v as f64 - to).abs() < 12.0;
            assert!(near(x, middle) && (near(y, half) || y > bottom - 16), "{x} {y}");
        }
        assert_eq!(after.pixel(middle as usize, bottom - 6), [PALETTE[0].0, PALETTE[0].1, PALETTE[0].2]);
    }

    #[test]
    fn gaps_single_points_and_many_modes_draw() {
        let nan = f64::NAN;
        for measured in [vec![0.3], vec![nan], vec![nan; 5], vec![0.1, nan, 0.5, nan, nan, 0.9]] {
            let mut c = curve("m", measured.clone());
            c.theory = Some(measured);
            assert!(picture(&[panel(vec![c])]).is_ok());
        }
        let lone = picture(&[panel(vec![curve("m", vec![nan, 0.5, nan])])]).unwrap();
        assert!(count(&lone, first_axes(1.0, 1000.0), PALETTE[0]) > 10, "a lone point is a dot");
        let many = (0..14).map(|i| curve("m", logistic(0.02 + 0.01 * f64::from(i)))).collect();
        let figure = picture(&[panel(many)]).unwrap();
        assert!(count(&figure, first_axes(1.0, 1000.0), REST) > 100, "modes past the palette are grey");
        // Long series, values that overshoot, values hard to hold on an axis.
        let long = (0..200_000).map(|i| (f64::from(i) * 1e-3).sin() * 3.0).collect();
        assert!(picture(&[panel(vec![curve("m", long)])]).is_ok());
        assert!(picture(&[panel(vec![curve("m", vec![-1e300, 1e300])])]).is_ok());
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error_and_spares_the_file() {
        let good = || panel(vec![curve("mode 1", vec![0.0, 0.5, 1.0])]);
        let with = |change: &dyn Fn(&mut Panel)| {
            let mut p = good();
            change(&mut p);
            vec![p]
        };
        let cases: Vec<(Vec<Panel>, &str)> = vec![
            (vec![], "at least one panel"),
            (with(&|p| p.curves.clear()), "at least one curve"),
            (with(&|p| p.curves[0].measured[1] = f64::INFINITY), "finite"),
            (with(&|p| p.curves[0].theory = Some(vec![0.0, f64::NEG_INFINITY, 1.0])), "finite"),
            (with(&|p| p.curves[0].theory = Some(vec![0.0])), "3 values"),
            (with(&|p| p.steps[2] = f64::NAN), "finite"),
            (with(&|p| p.steps[2] = f64::INFINITY), "finite"),
            (with(&|p| p.steps[1] = 5.0), "ascending"),
            (with(&|p| p.curves[0].half_time = Some(f64::INFINITY)), "finite"),
            (with(&|p| p.curves[0].measured = vec![-f64::MAX, 0.0, f64::MAX]), "one axis"),
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("figure.png");
        std::fs::write(&path, "before").unwrap();
        for (panels, word) in cases {
            let error = draw(&panels, &path).unwrap_err();
            assert!(matches!(error, Error::Input { .. }) && error.to_string().contains(word), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), b"before");
        }
        draw(&[good()], &path).unwrap();
        assert_eq!(&std::fs::read(&path).unwrap()[1..4], b"PNG");
    }
}
