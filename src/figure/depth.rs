//! Convolution layers: the more of them, the fewer frequencies.

use std::path::Path;

use super::curves::{self, StagePanel, colours};
use super::runs::{Finished, Runs};
use super::verdict::Note;
use crate::error::{Error, Result};
use crate::plot::{
    Axis, Block, DPI, FULL, INK, Key, Layer, MARKERS, Marker, PALETTE, Panel, Pen, REST, Sign, Stroke,
    picture, range, tick_labels,
};
use crate::run::config::ModelKind;

/// Share of one layer's frequencies that deeper networks may use.
const SPARSER: f64 = 0.5;
/// Modes shown.
const SHOWN: usize = 5;

pub(super) fn draw(args: &Runs) -> anyhow::Result<Note> {
    let mut runs = Finished::all(&args.runs)?;
    if let Some(run) = runs.iter().find(|r| !r.is(ModelKind::Lcnn)) {
        let found = run.dir.root().display().to_string();
        return Err(Error::input("figure depth", "convolutional networks", found).into());
    }
    runs.sort_by_key(|r| r.config.model.layers);
    let count = runs.iter().map(|r| r.summary.modes.len()).min().unwrap_or(0).min(SHOWN);
    let used = |run: &Finished| -> Vec<f64> {
        run.summary.modes[..count]
            .iter()
            .map(|m| m.measured.template.as_ref().map_or(f64::NAN, |t| t.participation))
            .collect()
    };
    let participation: Vec<(f64, Vec<f64>)> =
        runs.iter().map(|r| (r.config.model.layers as f64, used(r))).collect();
    let panels = runs.iter().map(|r| r.panel(format!("L = {}", r.config.model.layers), count, false));
    let data = Depth {
        panels: panels.collect(),
        participation: participation.clone(),
        labels: (1..=count).map(|i| format!("mode {i}")).collect(),
        mode_participation: runs[0].summary.modes[..count].iter().map(|m| m.participation).collect(),
    };
    save(&data, &args.out)?;

    let mut note = Note::new(
        5,
        "Depth",
        "Linear networks of L convolution layers and a dense one: strengths of the modes over \
         training, with the gradient flow (dashed), and how many frequencies the template of each mode has at \
         its half-time. Of modes with many frequencies of equal strength deep networks take one, 2 being the \
         participation ratio of a single cosine, and they take it more suddenly (Gunasekar et al. 2018).",
    );
    for (run, (layers, used)) in runs.iter().zip(&participation) {
        let learned: Vec<f64> = used.iter().copied().filter(|p| p.is_finite()).collect();
        let mean = (learned.iter().map(|p| p.ln()).sum::<f64>() / learned.len() as f64).exp();
        note.states(format!("L = {layers}: geometric mean of the participation ratios at half-time"), mean);
        let flow = run.summary.theories.iter().position(|t| t == "flow");
        if let Some(t) = flow {
            let errors = run.summary.modes[..count].iter().filter_map(|m| m.predicted[t].max_error);
            // Where nothing was learned yet there is nothing to agree on.
            let worst = if learned.is_empty() { f64::NAN } else { errors.fold(f64::NAN, f64::max) };
            note.at_most(
                format!("L = {layers}: max |a − flow|/s, {} modes learned", learned.len()),
                worst,
                0.02,
            );
        }
    }
    // Over the modes that every depth has learned.
    let common: Vec<usize> =
        (0..count).filter(|i| participation.iter().all(|(_, used)| used[*i].is_finite())).collect();
    let mean = |used: &[f64]| common.iter().map(|i| used[*i].ln()).sum::<f64>() / common.len() as f64;
    for (layers, used) in participation.iter().skip(1) {
        let ratio = if common.is_empty() { f64::NAN } else { (mean(used) - mean(&participation[0].1)).exp() };
        let what = format!("L = {layers}: participation ratio relative to L = {}", participation[0].0);
        note.at_most(format!("{what}, mean over {} modes", common.len()), ratio, SPARSER);
    }
    Ok(note)
}

/// The figure.
#[derive(Clone, Debug)]
struct Depth {
    /// Mode strengths over the steps, one per depth.
    panels: Vec<StagePanel>,
    /// Number of layers L, ascending, and the participation ratio of each
    /// mode's template at half-time; NaN where the mode was not discovered.
    participation: Vec<(f64, Vec<f64>)>,
    /// Names of the modes, in the order of the participation ratios.
    labels: Vec<String>,
    /// Participation ratio of each mode's own spectrum.
    mode_participation: Vec<f64>,
}

/// Draws the panels of mode strengths and, over L, the participation ratios.
///
/// # Errors
/// [`Error::Input`] for nothing to draw, lengths that disagree, depths that do
/// not ascend and infinite values; [`Error::Io`] if `out` cannot be written. A
/// file that is already there survives both.
fn save(data: &Depth, out: &Path) -> Result<()> {
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
    let share = if per_row == 1 { 0.66 } else { 1.0 };
    let mut blocks = Block::rows(curves::panels(&data.panels, per_row)?, per_row, 300.0, share);
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
        refuses(&cases, save);
    }
}
