//! What a deep network makes of the modes of its data: when it discovers them,
//! which score of the data foretells the order, and with which frequencies.

use std::path::Path;

use ndarray::Array2;

use super::super::curves::{self, StagePanel, colours};
use super::super::templates::{self, pair};
use crate::error::{Error, Result};
use crate::plot::{
    Axis, Block, DPI, Heat, INK, Key, Layer, Marker, PALETTE, PAPER, Panel, Pen, QUIET, REST, RGBColor, SUB,
    Sign, Stroke, Tile, Tiles, ascending, picture, range, series, tick_labels, viridis,
};

/// The figure. Panels without data are left out.
#[derive(Clone, Debug)]
pub struct Resnet {
    /// Heading of the page.
    pub title: String,
    /// Strengths of all modes, strongest mode first; its steps span those of the
    /// other panels. Its title is not shown.
    pub strengths: StagePanel,
    /// One per mode.
    pub discoveries: Vec<Discovery>,
    /// Rank correlation of ρ with early discovery; NaN if undefined.
    pub spearman: f64,
    /// How well this and other scores foretell the order of discovery.
    pub scores: Vec<Score>,
    /// Participation ratio of the template of each mode, and of the mode's image.
    pub participation: Vec<(Series, f64)>,
    /// The network's mean squared Jacobian.
    pub jacobian: Option<Jacobian>,
    /// Centroid of each layer's kernels (cycles/pixel), first layer first.
    pub layers: Vec<Series>,
    /// Accuracies (0 to 1), up to three.
    pub accuracy: Vec<Series>,
    /// Templates of some modes at some steps.
    pub templates: Option<Templates>,
}

/// When a mode is discovered.
#[derive(Clone, Copy, Debug)]
pub struct Discovery {
    /// Concentration ρ of its image.
    pub rho: f64,
    /// Discovery time τ in steps, if anything was measured.
    pub tau: Option<f64>,
    /// Whether half of it has ever been known; else τ says little but that it is late.
    pub found: bool,
}

/// How well a score of the modes foretells their order.
#[derive(Clone, Debug)]
pub struct Score {
    /// What it is called ("s·ρ").
    pub name: String,
    /// Rank correlation of high scores with early discovery; NaN if undefined.
    pub correlation: f64,
    /// An interval around it.
    pub interval: Option<(f64, f64)>,
}

/// A number over the steps.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Steps of gradient descent, ascending.
    pub steps: Vec<f64>,
    /// A value at each; NaN leaves a gap.
    pub values: Vec<f64>,
}

/// Radial profile of the Jacobian over the steps.
#[derive(Clone, Debug)]
pub struct Jacobian {
    /// Steps at which it was measured, ascending.
    pub steps: Vec<f64>,
    /// Radius of each ring in cycles/pixel, ascending.
    pub radius: Vec<f64>,
    /// `[ring, step]`: mean energy of the ring's frequencies.
    pub energy: Array2<f64>,
    /// Energy-weighted mean radius at each step, cycles/pixel.
    pub centroid: Vec<f64>,
}

/// Templates of some modes at some steps.
#[derive(Clone, Debug)]
pub struct Templates {
    /// Steps of the columns.
    pub steps: Vec<f64>,
    /// A mode each.
    pub rows: Vec<TemplateRow>,
}

/// A mode and its templates.
#[derive(Clone, Debug)]
pub struct TemplateRow {
    /// Name of the row ("mode 1").
    pub label: String,
    /// v.
    pub mode: Template,
    /// The template at each step.
    pub templates: Vec<Template>,
}

/// An image `[row, column]`, averaged over channels, with its spectrum.
#[derive(Clone, Debug)]
pub struct Template {
    /// Pixels.
    pub image: Array2<f64>,
    /// Energies of the full plane, frequency zero in the middle.
    pub spectrum: Array2<f64>,
    /// Their participation ratio.
    pub participation: f64,
}

/// Width of the page, pixels: four panels side by side.
const WIDE: f64 = 2100.0;
const STEP: &str = "gradient-descent step";
/// Modes whose own participation ratio stands beside the template's; the others
/// are in the background.
const LEVELS: usize = 3;
const OTHER: Pen = Pen { colour: REST, width: 0.6, stroke: Stroke::Solid };
/// Layers named in the legend.
const NAMED: usize = 5;

/// Draws the curves of the modes, the order of their discovery, the frequencies
/// of templates, Jacobian and kernels, accuracies and a table of templates.
///
/// # Errors
/// [`Error::Input`] for no mode, series of unequal length, steps that do not
/// ascend, infinite values and negative energies; [`Error::Io`] if `out` cannot
/// be written. A file that is already there survives both.
pub fn draw(data: &Resnet, out: &Path) -> Result<()> {
    picture(&blocks(data)?, WIDE)?.save(out, DPI)
}

fn check(data: &Resnet) -> Result<()> {
    let place = "figure of a deep network";
    let modes = data.strengths.curves.len();
    if modes == 0 || data.discoveries.len() != modes {
        let found = format!("{modes} curves and {} discoveries", data.discoveries.len());
        return Err(Error::input(place, "at least one mode", found));
    }
    range(place, data.discoveries.iter().flat_map(|d| [d.rho, d.tau.unwrap_or(f64::NAN)]))?;
    let all = data.participation.iter().map(|p| &p.0).chain(&data.layers).chain(&data.accuracy);
    for line in all {
        let place = format!("{place}, {:?}", line.name);
        ascending(&place, &line.steps)?;
        series(&place, line.steps.len(), [&line.values])?;
    }
    if let Some(jacobian) = &data.jacobian {
        let place = format!("{place}, Jacobian");
        series(&place, jacobian.steps.len(), [&jacobian.centroid])?;
        if let Some(bad) = jacobian.energy.iter().find(|e| **e < 0.0) {
            return Err(Error::input(place, "energies from 0", bad));
        }
    }
    for row in data.templates.iter().flat_map(|t| &t.rows) {
        let (steps, found) = (data.templates.as_ref().map_or(0, |t| t.steps.len()), row.templates.len());
        if found != steps {
            let place = format!("{place}, {:?}", row.label);
            return Err(Error::input(place, format!("a template at each of {steps} steps"), found));
        }
    }
    Ok(())
}

fn line(steps: &[f64], values: &[f64], pen: Pen) -> Layer {
    Layer::Line(steps.iter().copied().zip(values.iter().copied()).collect(), pen)
}

fn colour(mode: usize) -> RGBColor {
    colours(mode, false).0
}

/// The height of a curve at `x`, by linear interpolation.
fn height(steps: &[f64], values: &[f64], x: f64) -> f64 {
    let next = steps.partition_point(|s| *s < x).min(steps.len() - 1);
    let Some(before) = next.checked_sub(1) else { return values[next] };
    let share = (x - steps[before]) / (steps[next] - steps[before]);
    values[before] + share * (values[next] - values[before])
}

/// The first and the last positive step, where the axis is logarithmic.
fn decades(data: &Resnet) -> Option<(f64, f64)> {
    let steps = &data.strengths.steps;
    let (first, last) = (steps.iter().copied().find(|s| *s > 0.0)?, steps.last().copied()?);
    (data.strengths.log_x && last > first).then_some((first, last))
}

/// The axis of steps, longer by `beyond` of its length than what was measured.
fn step_axis(data: &Resnet, beyond: f64) -> Axis {
    let start = data.strengths.steps.first().copied().unwrap_or(0.0);
    match decades(data) {
        Some((first, last)) => {
            let end = last * (last / first).powf(beyond);
            let axis = Axis::log(STEP);
            if start > 0.0 { axis.within(first, end) } else { axis.starting_at_zero(first, end) }
        }
        None => {
            let last = data.strengths.steps.last().copied().filter(|s| *s > 0.0).unwrap_or(1.0);
            Axis::linear(STEP).within(0.0, last * (1.0 + beyond))
        }
    }
}

fn strengths(data: &Resnet) -> Result<Option<Panel>> {
    let panel = curves::panels(std::slice::from_ref(&data.strengths), 1)?.pop();
    Ok(panel.map(|mut panel| {
        panel.title = "(a) Mode strengths".to_owned();
        panel.x = step_axis(data, 0.0);
        for layer in &mut panel.layers {
            match layer {
                // Modes without a colour of their own are the background.
                Layer::Line(_, pen) if pen.colour == REST => *pen = OTHER,
                _ => {}
            }
        }
        for (mode, found) in data.discoveries.iter().enumerate().rev() {
            let curve = &data.strengths.curves[mode].measured;
            let at = found.tau.filter(|_| found.found).map(|t| (t, height(&data.strengths.steps, curve, t)));
            panel.layers.push(Layer::Points(at.into_iter().collect(), Marker::Dot, colour(mode)));
        }
        panel.weight = 1.25;
        panel
    }))
}

fn order(data: &Resnet) -> Panel {
    let x = Axis { label: "discovery time τ (steps)".to_owned(), ..step_axis(data, 0.05) };
    let mut panel = Panel::new("(b) Order of discovery", x, Axis::linear("concentration ρ of the mode"));
    if data.spearman.is_finite() {
        let said = format!("{:.2}", data.spearman).replace('-', "−");
        panel.subtitle = format!("Spearman of ρ with early discovery: {said}");
    }
    for (mode, found) in data.discoveries.iter().enumerate().rev() {
        let marker = if found.found { Marker::Dot } else { Marker::Ring };
        let at = found.tau.map(|tau| (tau, found.rho));
        panel.layers.push(Layer::Points(at.into_iter().collect(), marker, colour(mode)));
    }
    panel
}

fn scores(data: &Resnet) -> Panel {
    let names = data.scores.iter().enumerate().map(|(i, s)| (i as f64, s.name.clone()));
    // The first on top.
    let y = Axis::linear("").within(data.scores.len() as f64 - 0.5, -0.5).named(names.collect());
    let x = Axis::linear("correlation with early discovery").within(-1.05, 1.05);
    let mut panel = Panel::new("(c) Forecasts of the order", x, y);
    panel.subtitle = format!("{} modes, by their discovery times τ", data.discoveries.len());
    panel.layers.push(Layer::Vertical(0.0, Pen::new(REST, 0.7, Stroke::Solid)));
    for (i, score) in data.scores.iter().enumerate() {
        let y = i as f64;
        if let Some((low, high)) = score.interval {
            panel.layers.push(Layer::Line(vec![(low, y), (high, y)], Pen::new(REST, 2.2, Stroke::Solid)));
        }
        panel.layers.push(Layer::Points(vec![(score.correlation, y)], Marker::Dot, INK));
    }
    panel
}

fn participation(data: &Resnet) -> Panel {
    let y = Axis::log("participation ratio");
    let mut panel = Panel::new("(d) Templates", step_axis(data, 0.0), y);
    let ends = data.strengths.steps.first().zip(data.strengths.steps.last());
    for (mode, (template, own)) in data.participation.iter().enumerate().rev() {
        let pen = if mode < LEVELS { Pen::new(colour(mode), 1.5, Stroke::Solid) } else { OTHER };
        panel.layers.push(line(&template.steps, &template.values, pen));
        if let Some((first, last)) = ends.filter(|_| mode < LEVELS) {
            let level = vec![(*first, *own), (*last, *own)];
            panel.layers.push(Layer::Line(level, Pen::new(colour(mode), 0.9, Stroke::Dashed)));
        }
    }
    panel
}

fn jacobian(data: &Resnet, jacobian: &Jacobian) -> Panel {
    let largest: Vec<f64> =
        jacobian.energy.columns().into_iter().map(|c| c.iter().copied().fold(0.0, f64::max)).collect();
    let values = Array2::from_shape_fn(jacobian.energy.dim(), |(r, c)| jacobian.energy[[r, c]] / largest[c]);
    let lowest = values.iter().copied().filter(|v| *v > 0.0).fold(1.0, f64::min);
    let floor = 10f64.powf(lowest.log10().floor().clamp(-4.0, -1.0));
    let y = Axis::linear("radial frequency (cycles/pixel)");
    let mut panel = Panel::new("(e) Mean squared Jacobian", step_axis(data, 0.0), y);
    panel.layers.push(Layer::Heat(Heat {
        x: jacobian.steps.clone(),
        y: jacobian.radius.clone(),
        values,
        limits: (floor, 1.0),
        log: true,
        bar: Some("energy / largest of the step".to_owned()),
    }));
    // A rim of paper: seen on dark and on bright cells.
    panel.layers.push(line(&jacobian.steps, &jacobian.centroid, Pen::new(PAPER, 2.2, Stroke::Solid)));
    panel.layers.push(line(&jacobian.steps, &jacobian.centroid, Pen::new(INK, 1.0, Stroke::Solid)));
    panel
}

/// Those whose centroid moves, with the colour of their depth. Kernels of one
/// pixel have all frequencies alike, whatever they learn.
fn moving(data: &Resnet) -> Vec<(&Series, Pen)> {
    let moves = |layer: &&Series| {
        let (low, high) =
            layer.values.iter().fold((f64::INFINITY, 0f64), |(low, high), v| (low.min(*v), high.max(*v)));
        layer.values.len() < 2 || high - low > 1e-6 * high
    };
    let moving: Vec<&Series> = data.layers.iter().filter(moves).collect();
    let deepest = moving.len().saturating_sub(1).max(1) as f64;
    let pen = |i: usize| {
        // The brightest colours are lost on paper.
        let colour = viridis(0.9 * i as f64 / deepest);
        Pen::new(colour, if i == 0 { 2.2 } else { 1.0 }, Stroke::Solid)
    };
    moving.into_iter().enumerate().map(|(i, layer)| (layer, pen(i))).collect()
}

fn kernels(data: &Resnet) -> Panel {
    let y = Axis::linear("centroid (cycles/pixel)");
    let mut panel = Panel::new("(f) Kernels", step_axis(data, 0.0), y);
    for (layer, pen) in moving(data).into_iter().rev() {
        panel.layers.push(line(&layer.steps, &layer.values, pen));
    }
    panel
}

const ACCURACY: [(RGBColor, f64, Stroke); 3] =
    [(INK, 1.3, Stroke::Solid), (PALETTE[6], 1.3, Stroke::Dashed), (PALETTE[6], 1.3, Stroke::Dotted)];

fn accuracy_pens(data: &Resnet) -> impl Iterator<Item = (&Series, Pen)> {
    data.accuracy.iter().zip(ACCURACY.map(|(colour, width, stroke)| Pen::new(colour, width, stroke)))
}

fn accuracy(data: &Resnet) -> Panel {
    let y = Axis::linear("accuracy").within(0.0, 1.0);
    let mut panel = Panel::new("(g) Accuracy", step_axis(data, 0.0), y);
    for (of, pen) in accuracy_pens(data) {
        panel.layers.push(line(&of.steps, &of.values, pen));
    }
    panel
}

fn table(templates: &Templates) -> Tiles {
    let mut groups = vec![("mode of the data".to_owned(), 2)];
    let mut columns = vec![format!("v{SUB}α"), format!("|v̂{SUB}α|²")];
    for step in &templates.steps {
        groups.push((format!("step {}", tick_labels(&[*step]).concat()), 2));
        columns.extend(["template".to_owned(), "its spectrum".to_owned()]);
    }
    let pair = |t: &Template| pair(&t.image, &t.spectrum, Some(t.participation));
    let row = |row: &TemplateRow| -> (String, Vec<Option<Tile>>) {
        let tiles = std::iter::once(&row.mode).chain(&row.templates).flat_map(pair);
        (row.label.clone(), tiles.collect())
    };
    Tiles { groups, columns, rows: templates.rows.iter().map(row).collect(), side: 140.0 }
}

fn quiet(note: &str) -> Key {
    Key { note: note.to_owned(), ..Key::new(Vec::new(), "") }
}

fn above(data: &Resnet) -> Vec<Vec<Key>> {
    let solid = |colour| Sign::Line(Pen::new(colour, 1.6, Stroke::Solid));
    let all = data.strengths.curves.iter().enumerate();
    let mut modes: Vec<Key> =
        all.clone().take(PALETTE.len()).map(|(i, c)| Key::new(vec![solid(colour(i))], &c.label)).collect();
    let others = data.strengths.curves.len().saturating_sub(PALETTE.len());
    if others > 0 {
        modes.push(Key::new(vec![Sign::Line(OTHER)], format!("{others} more")));
    }
    let mut kinds = vec![Key::new(
        vec![Sign::Marker(Marker::Dot, INK)],
        "(a, b) discovery time τ: exp of the area above a/s in ln t",
    )];
    if data.discoveries.iter().any(|d| !d.found) {
        kinds.push(Key::new(vec![Sign::Marker(Marker::Ring, INK)], "(b) of modes never known by half"));
    }
    if data.scores.iter().any(|s| s.interval.is_some()) {
        let bar = Sign::Line(Pen::new(REST, 2.2, Stroke::Solid));
        kinds.push(Key::new(
            vec![bar, Sign::Marker(Marker::Dot, INK)],
            "(c) Spearman's, 95 % of bootstraps over modes",
        ));
    }
    vec![modes, kinds]
}

fn below(data: &Resnet) -> Vec<Vec<Key>> {
    let (mut spectra, mut layers, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    if !data.participation.is_empty() {
        let template = |width, stroke| vec![Sign::Line(Pen::new(QUIET, width, stroke))];
        spectra.push(Key::new(template(1.5, Stroke::Solid), "(d) template"));
        spectra.push(Key::new(template(0.9, Stroke::Dashed), "image v of the mode"));
        if data.participation.len() > LEVELS {
            spectra.push(Key::new(vec![Sign::Line(OTHER)], "templates of other modes"));
        }
    }
    if data.jacobian.is_some() {
        let centroid = Sign::Line(Pen::new(INK, 1.0, Stroke::Solid));
        spectra.push(Key::new(vec![centroid], "(e) centroid (energy-weighted mean frequency)"));
    }
    let name = |(i, (of, pen)): (usize, (&Series, Pen))| {
        let panel = if i == 0 { "(g) " } else { "" };
        Key::new(vec![Sign::Line(pen)], format!("{panel}{}", of.name))
    };
    let accuracies = accuracy_pens(data).enumerate().map(name).collect();
    let moving = moving(data);
    if !moving.is_empty() {
        let mut shown: Vec<usize> = (0..NAMED).map(|i| i * (moving.len() - 1) / (NAMED - 1)).collect();
        shown.dedup();
        let key = |(layer, pen): &(&Series, Pen)| Key::new(vec![Sign::Line(*pen)], &layer.name);
        layers.extend(shown.iter().map(|i| key(&moving[*i])));
        let mut said = format!("(f) {} layers, coloured by depth", moving.len());
        let still = data.layers.len() - moving.len();
        if still > 0 {
            said += &format!("; {still} of constant centroid (kernels of one pixel) left out");
        }
        notes.push(quiet(&said));
    }
    vec![spectra, accuracies, notes, layers]
}

fn blocks(data: &Resnet) -> Result<Vec<Block>> {
    check(data)?;
    let mut blocks = vec![Block::Heading(data.title.clone())];
    let mut row: Vec<Panel> = strengths(data)?.into_iter().collect();
    row.push(order(data));
    if !data.scores.is_empty() {
        row.push(scores(data));
    }
    blocks.push(Block::Panels(row, 400.0, 1.0));
    blocks.extend(above(data).into_iter().map(Block::Legend));

    let mut row = Vec::new();
    if !data.participation.is_empty() {
        row.push(participation(data));
    }
    row.extend(data.jacobian.iter().map(|j| jacobian(data, j)));
    if !data.layers.is_empty() {
        row.push(kernels(data));
    }
    if !data.accuracy.is_empty() {
        row.push(accuracy(data));
    }
    let share = (0.33 * row.len() as f64).min(1.0);
    blocks.push(Block::Panels(row, 340.0, share));
    blocks.extend(below(data).into_iter().map(Block::Legend));

    if let Some(templates) = data.templates.as_ref().filter(|t| !t.rows.is_empty()) {
        blocks.push(Block::Heading(format!("(h) Templates u{SUB}αᵀE of the mean Jacobian E")));
        blocks.push(Block::Tiles(table(templates)));
        blocks.push(templates::bars());
        let notes =
            ["PR: participation ratio of the spectrum above", "spectra: frequency zero in the middle"];
        blocks.push(Block::Legend(notes.map(quiet).into()));
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::curves::tests::stage;
    use crate::plot::testing::{counts, refuses, shows};

    fn over(name: &str, steps: &[f64], f: impl Fn(f64) -> f64) -> Series {
        Series { name: name.to_owned(), steps: steps.to_vec(), values: steps.iter().map(|s| f(*s)).collect() }
    }

    fn data(modes: usize) -> Resnet {
        let strengths = stage("", modes, &[], true);
        let steps = strengths.steps.clone();
        let probes: Vec<f64> = steps.iter().copied().step_by(8).collect();
        let discovery = |i: usize| Discovery {
            rho: 16.0 / (1.0 + 0.1 * i as f64) + (i as f64 * 2.1).sin(),
            tau: Some(if i % 5 == 4 { 3800.0 } else { (475.0 * (1.0 + 0.7 * i as f64)).min(3900.0) }),
            found: i % 5 != 4,
        };
        let score = |(i, name): (usize, &&str)| {
            let correlation = 0.9 - 0.4 * i as f64;
            let interval = (i != 3).then_some((correlation - 0.3, (correlation + 0.1).min(1.0)));
            Score { name: (*name).to_owned(), correlation, interval }
        };
        let template = |wide: f64| Template {
            image: Array2::from_shape_fn((16, 16), |(r, c)| (wide * (r as f64 + 2.0 * c as f64)).sin()),
            spectrum: Array2::from_shape_fn((16, 16), |(r, c)| {
                (-(r as f64 - 8.0).hypot(c as f64 - 8.0) / wide).exp()
            }),
            participation: 10.0 * wide,
        };
        let row = |i: usize| TemplateRow {
            label: format!("mode {}", i + 1),
            mode: template(0.3),
            templates: vec![template(1.5), template(0.9), template(0.4)],
        };
        let layer = |l: usize| {
            let still = l == 4;
            over(&format!("layer{l}"), &probes, |s| {
                if still { 0.38 } else { 0.35 - 0.01 * (l + 1) as f64 * s / (s + 500.0) }
            })
        };
        Resnet {
            title: "Deep network on photos".to_owned(),
            discoveries: (0..modes).map(discovery).collect(),
            spearman: -0.714,
            scores: ["s", "s·ρ", "s/√λ", "−PR of v", "ρ"].iter().enumerate().map(score).collect(),
            participation: (0..modes)
                .map(|i| {
                    (
                        over("mode", &probes, |s| (20.0 + 90.0 / (1.0 + s / 500.0)) * (1.0 + 0.2 * i as f64)),
                        60.0 + 9.0 * i as f64,
                    )
                })
                .collect(),
            jacobian: Some(Jacobian {
                radius: (0..12).map(|r| f64::from(r) / 16.0).collect(),
                energy: Array2::from_shape_fn((12, probes.len()), |(r, c)| (-0.02 * (r * c) as f64).exp()),
                centroid: probes.iter().map(|s| 0.3 - 0.1 * s / 4000.0).collect(),
                steps: probes.clone(),
            }),
            layers: (0..14).map(layer).collect(),
            accuracy: vec![
                over("training", &steps, |s| 0.95 - 0.8 / (1.0 + s / 300.0)),
                over("test", &probes, |s| 0.9 - 0.8 / (1.0 + s / 300.0)),
                over("test, averaged", &probes, |s| if s < 500.0 { f64::NAN } else { 0.92 }),
            ],
            templates: Some(Templates { steps: vec![0.0, 400.0, 3975.0], rows: (0..3).map(row).collect() }),
            strengths,
        }
    }

    #[test]
    fn every_panel_is_there() {
        let picture = shows("resnet", &blocks(&data(9)).unwrap(), WIDE);
        assert_eq!(picture.width, 2100);
        for mode in 0..9 {
            assert!(counts(&picture, colour(mode)) > 300, "mode {mode}");
        }
        assert!(counts(&picture, viridis(1.0)) > 200, "Jacobian");
        assert!(counts(&picture, ACCURACY[1].0) > 300, "test accuracy");
        assert_eq!(moving(&data(9)).len(), 13, "kernels of one pixel have no centroid to speak of");
        shows("resnet-many", &blocks(&data(99)).unwrap(), WIDE);
    }

    #[test]
    fn odd_data_draw() {
        let with = |change: &dyn Fn(&mut Resnet)| {
            let mut data = data(3);
            data.templates = None;
            change(&mut data);
            picture(&blocks(&data).unwrap(), WIDE).unwrap();
        };
        with(&|d| d.scores.clear());
        with(&|d| d.participation.clear());
        with(&|d| d.participation[0].1 = f64::NAN);
        with(&|d| d.participation[0].0.values.fill(0.0));
        with(&|d| d.jacobian = None);
        with(&|d| d.templates = Some(Templates { steps: vec![], rows: vec![] }));
        with(&|d| d.layers.truncate(1));
        with(&|d| (d.layers.clear(), d.accuracy.clear(), d.participation.clear(), d.jacobian = None).0);
        with(&|d| d.strengths.log_x = false);
        with(&|d| d.jacobian.iter_mut().for_each(|j| j.energy.fill(0.0)));
        with(&|d| d.discoveries.iter_mut().for_each(|d| (d.tau, d.rho) = (None, f64::NAN)));
        with(&|d| (d.scores.iter_mut().for_each(|s| s.correlation = f64::NAN), d.spearman = f64::NAN).0);
        with(&|d| {
            // The first row only, at step 0.
            d.strengths.steps.truncate(1);
            d.strengths.curves.iter_mut().for_each(|c| c.measured.truncate(1));
        });
        with(&|d| {
            // No step 0.
            d.strengths.steps.iter_mut().for_each(|s| *s += 1.0);
        });
    }

    #[test]
    fn bad_data_are_refused_and_leave_no_file() {
        let with = |change: &dyn Fn(&mut Resnet)| {
            let mut data = data(3);
            change(&mut data);
            data
        };
        let cases = [
            (with(&|d| d.strengths.curves.clear()), "at least one mode"),
            (with(&|d| d.discoveries.truncate(2)), "2 discoveries"),
            (with(&|d| d.discoveries[1].tau = Some(f64::INFINITY)), "finite"),
            (with(&|d| d.layers[2].values.truncate(2)), "20 values"),
            (with(&|d| d.accuracy[1].steps[3] = 0.0), "ascending"),
            (with(&|d| d.jacobian.iter_mut().for_each(|j| j.energy[[1, 1]] = -1.0)), "energies from 0"),
            (with(&|d| d.templates.iter_mut().for_each(|t| t.steps.truncate(1))), "each of 1 steps"),
            (with(&|d| d.strengths.steps[5] = 0.0), "ascending"),
        ];
        refuses(&cases, draw);
    }
}
