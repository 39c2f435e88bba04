//! The same modes in networks of growing depth.

use std::path::Path;

use super::curves;
pub use super::curves::{StageCurve, StagePanel};
use super::stages::colours;
use crate::error::{Error, Result};
use crate::plot::{
    Axis, Block, DPI, FULL, INK, Key, Layer, MARKERS, Marker, PALETTE, Panel, Pen, REST, Sign, Stroke,
    picture, range, tick_labels,
};

/// The figure.
#[derive(Clone, Debug)]
pub struct Depth {
    /// Mode strengths over the steps, one per depth.
    pub panels: Vec<StagePanel>,
    /// Number of layers L, ascending, and the participation ratio of each
    /// mode's template at half-time; NaN where the mode was not discovered.
    pub participation: Vec<(f64, Vec<f64>)>,
    /// Names of the modes, in the order of the participation ratios.
    pub labels: Vec<String>,
    /// Participation ratio of each mode's own spectrum.
    pub mode_participation: Vec<f64>,
}

/// Draws the panels of mode strengths and, over L, the participation ratios.
///
/// # Errors
/// [`Error::Input`] for nothing to draw, lengths that disagree, depths that do
/// not ascend and infinite values; [`Error::Io`] if `out` cannot be written. A
/// file that is already there survives both.
pub fn draw(data: &Depth, out: &Path) -> Result<()> {
    picture(&blocks(data)?, FULL)?.save(out, DPI)
}

fn check(data: &Depth) -> Result<()> {
    let place = "figure of depths";
    if data.panels.is_empty() && data.participation.is_empty() {
        return Err(Error::input(place, "at least one depth", "none"));
    }
    let modes = data.labels.len();
    if data.mode_participation.len() != modes {
        let expected = format!("{modes} participation ratios of modes");
        return Err(Error::input(place, expected, data.mode_participation.len()));
    }
    range(place, data.mode_participation.iter().copied())?;
    for (depth, ratios) in &data.participation {
        if !depth.is_finite() {
            return Err(Error::input(place, "finite depths", depth));
        }
        if ratios.len() != modes {
            let expected = format!("{modes} participation ratios");
            return Err(Error::input(format!("{place}, L = {depth}"), expected, ratios.len()));
        }
        range(place, ratios.iter().copied())?;
    }
    if let Some(pair) = data.participation.windows(2).find(|w| w[1].0 <= w[0].0) {
        let found = format!("{} after {}", pair[1].0, pair[0].0);
        return Err(Error::input(place, "depths in ascending order", found));
    }
    Ok(())
}

/// Participation ratios over L, a line and a shape per mode.
fn participation(data: &Depth, colour_of: impl Fn(usize) -> usize) -> Panel {
    let all = || data.participation.iter().flat_map(|p| &p.1).chain(&data.mode_participation).copied();
    let (low, high) =
        all().filter(|v| !v.is_nan()).fold((f64::INFINITY, 0f64), |(l, h), v| (l.min(v), h.max(v)));
    // Modes of few and of many frequencies on one axis.
    let label = "participation ratio";
    let y = if low > 0.0 && high / low >= 12.0 { Axis::log(label) } else { Axis::linear(label) };
    let depths = data.participation.iter().map(|p| (p.0, tick_labels(&[p.0]).concat()));
    let ends = data.participation.first().map(|f| f.0).zip(data.participation.last().map(|l| l.0));
    let mut x = Axis::linear("number of layers L").named(depths.collect());
    if let Some((first, last)) = ends {
        let margin = (0.08 * (last - first)).max(0.2);
        x = x.within(first - margin, last + margin);
    }
    let mut panel = Panel::new("Frequencies in use at half-time", x, y);
    for (mode, &own) in data.mode_participation.iter().enumerate() {
        let pen = Pen::new(colours(colour_of(mode), true).0, 0.9, Stroke::Dashed);
        if let Some((first, last)) = ends {
            panel.layers.push(Layer::Line(vec![(first - 0.2, own), (last + 0.2, own)], pen));
        }
    }
    for mode in 0..data.labels.len() {
        let colour = colours(colour_of(mode), false).0;
        let points: Vec<_> = data.participation.iter().map(|(l, ratios)| (*l, ratios[mode])).collect();
        panel.layers.push(Layer::Line(points.clone(), Pen::new(colour, 1.0, Stroke::Solid)));
        panel.layers.push(Layer::Points(points, MARKERS[mode % (MARKERS.len() - 1)], colour));
    }
    panel
}

fn blocks(data: &Depth) -> Result<Vec<Block>> {
    check(data)?;
    let [modes, mut kinds] = curves::legends(&data.panels);
    // The modes' colours are those of the curves, where there are any.
    let colour_of = |mode: usize| {
        let known = modes.iter().position(|k| k.text == data.labels[mode]);
        known.unwrap_or(if modes.is_empty() { mode } else { PALETTE.len() })
    };
    let per_row = match data.panels.len() {
        0 | 1 => 1,
        2 => 2,
        3 => 3,
        _ => 4,
    };
    let mut drawn = curves::panels(&data.panels, per_row)?.into_iter().peekable();
    let mut blocks = Vec::new();
    while drawn.peek().is_some() {
        let share = if per_row == 1 { 0.66 } else { 1.0 };
        blocks.push(Block::Panels(drawn.by_ref().take(per_row).collect(), 300.0, share));
    }
    let names: Vec<Key> = if modes.is_empty() {
        let key = |(i, name): (usize, &String)| {
            Key::new(vec![Sign::Line(Pen::new(colours(i, false).0, 1.0, Stroke::Solid))], name)
        };
        data.labels.iter().enumerate().map(key).collect()
    } else {
        modes.clone()
    };
    blocks.push(Block::Legend(names));
    blocks.push(Block::Legend(std::mem::take(&mut kinds)));
    if !data.participation.is_empty() {
        blocks.push(Block::Panels(vec![participation(data, colour_of)], 300.0, 0.66));
        let line = Sign::Line(Pen::new(INK, 1.0, Stroke::Solid));
        let template = vec![line, Sign::Marker(Marker::Dot, INK)];
        let own = vec![Sign::Line(Pen::new(REST, 0.9, Stroke::Dashed))];
        blocks.push(Block::Legend(vec![
            Key::new(template, "the network's template"),
            Key::new(own, "the mode v itself"),
        ]));
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::super::curves::tests::stage;
    use super::*;
    use crate::plot::testing::{counts, refuses, shows};

    fn data() -> Depth {
        let depth = |l: i32| {
            let shrunk = |own: f64| 1.0 + (own - 1.0) * 0.55f64.powi(l - 1);
            (f64::from(l), vec![shrunk(14.0), shrunk(9.0), if l > 3 { f64::NAN } else { shrunk(30.0) }])
        };
        Depth {
            panels: (1..=4).map(|l| stage(&format!("L = {l}"), 3, &["gradient flow"], false)).collect(),
            participation: (1..=4).map(depth).collect(),
            labels: (1..=3).map(|m| format!("mode {m}")).collect(),
            mode_participation: vec![14.0, 9.0, 30.0],
        }
    }

    #[test]
    fn every_mode_has_its_line() {
        let picture = shows("depth", &blocks(&data()).unwrap(), FULL);
        assert_eq!(picture.width, 1500);
        for mode in 0..3 {
            assert!(counts(&picture, colours(mode, true).0) > 500, "curve {mode}");
            assert!(counts(&picture, colours(mode, false).0) > 200, "participation {mode}");
        }
    }

    #[test]
    fn odd_data_draw() {
        let with = |change: &dyn Fn(&mut Depth)| {
            let mut data = data();
            change(&mut data);
            picture(&blocks(&data).unwrap(), FULL).unwrap();
        };
        for count in 0..4 {
            with(&|d| d.panels.truncate(count));
            with(&|d| d.participation.truncate(count));
        }
        with(&|d| d.participation.iter_mut().for_each(|p| p.1.fill(f64::NAN)));
        with(&|d| d.mode_participation.fill(f64::NAN));
        with(&|d| d.mode_participation.fill(0.0));
        with(&|d| d.labels[1] = "another".to_owned());
        with(&|d| d.panels = vec![d.panels[0].clone(); 9]);
    }

    #[test]
    fn bad_data_are_refused_and_leave_no_file() {
        let with = |change: &dyn Fn(&mut Depth)| {
            let mut data = data();
            change(&mut data);
            data
        };
        let none =
            Depth { panels: vec![], participation: vec![], labels: vec![], mode_participation: vec![] };
        let cases = [
            (none, "at least one depth"),
            (with(&|d| d.participation[1].1.truncate(1)), "3 participation ratios"),
            (with(&|d| d.mode_participation.truncate(1)), "3 participation ratios"),
            (with(&|d| d.participation[1].0 = 1.0), "ascending"),
            (with(&|d| d.participation[1].0 = f64::NAN), "finite depths"),
            (with(&|d| d.participation[1].1[0] = f64::INFINITY), "finite"),
            (with(&|d| d.panels[1].curves[0].measured[4] = f64::INFINITY), "finite"),
        ];
        refuses(&cases, draw);
    }
}
