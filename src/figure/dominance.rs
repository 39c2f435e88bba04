//! With which frequencies a mode is learned: over time, and over the scale of
//! the initial weights.

use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::curves::{MEASURED, THEORY, colours};
use super::runs::Finished;
use super::verdict::Note;
use crate::error::{Error, Result};
use crate::plot::{
    Axis, Block, DPI, FULL, Heat, INK, Key, Layer, Marker, PALETTE, PAPER, Panel, Pen, REST, Sign, Stroke,
    picture, range, series,
};
use crate::run::config::ModelKind;
use crate::spectrum::{Energies, Grid};
use crate::stats::spearman;

/// Rows of the heat maps.
const ROWS: usize = 14;

/// Runs and the mode that is looked at.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run directories, or folders of sweeps: all runs of them that have finished
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Which mode, the strongest being 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub mode: usize,
    /// The PNG to write
    #[arg(long, value_name = "PNG")]
    pub out: PathBuf,
}

pub(super) fn draw(args: &Args) -> anyhow::Result<Note> {
    let runs = Finished::all(&args.runs)?;
    let index = args.mode.checked_sub(1).filter(|i| runs.iter().all(|r| *i < r.summary.modes.len()));
    let Some(index) = index else {
        let fewest = runs.iter().map(|r| r.summary.modes.len()).min().unwrap_or(0);
        return Err(Error::input("--mode", format_args!("1 to {fewest}"), args.mode).into());
    };
    let (first, data) = (&runs[0], runs[0].data());
    let of_mode = energies(&first.dir.modes_array("energies")?, index, first)?;
    let listed = of_mode.strongest(ROWS);

    let (mut heat, mut participation) = (Vec::new(), Vec::new());
    let kinds = [ModelKind::Fcnn, ModelKind::Lcnn];
    // The first run of each network is the one that is looked at over time.
    let shown: Vec<_> = kinds.iter().filter_map(|k| runs.iter().find(|r| r.is(*k))).collect();
    for run in &shown {
        let half_time = run.summary.modes[index].measured.t50;
        let snapshots = run.dir.snapshots()?;
        let mut shares = Array2::zeros((listed.len(), snapshots.len()));
        let (mut measured, mut predicted) = (Vec::new(), Vec::new());
        let theory = run.summary.theories.first();
        for (column, step) in snapshots.iter().enumerate() {
            let used = energies(&run.dir.spectra_array(*step, "templates")?, index, run)?;
            let all = used.folded();
            for (row, (k, _)) in listed.iter().enumerate() {
                let energy = all.iter().find(|(other, _)| other == k).map_or(0.0, |(_, e)| *e);
                shares[[row, column]] = energy / used.total().max(f64::MIN_POSITIVE);
            }
            measured.push(used.participation());
            if let Some(theory) = theory {
                let all = run.dir.spectra_array(*step, &format!("participation_{theory}"))?;
                predicted.push(all.as_slice().and_then(|a| a.get(index).copied()).unwrap_or(f64::NAN));
            }
        }
        let steps: Vec<f64> = snapshots.iter().map(|s| *s as f64).collect();
        let scaled = half_time.map_or_else(|| steps.clone(), |t| steps.iter().map(|s| s / t).collect());
        participation.push(ParticipationSeries {
            name: run.name().to_owned(),
            steps: scaled,
            measured,
            theory: theory.map(|_| predicted),
        });
        heat.push(HeatRun { title: run.name().to_owned(), steps, shares, half_time });
    }
    let scales = kinds.iter().filter_map(|kind| scale_series(&runs, *kind, index)).collect::<Vec<_>>();
    let figure = Dominance {
        title_of_mode: format!("mode {} of {data}", args.mode),
        frequencies: listed.iter().map(|(k, _)| k.to_string()).collect(),
        mode_spectrum: listed.iter().map(|(_, share)| *share).collect(),
        heat,
        participation_x_label: "step / half-time of the mode".to_owned(),
        participation,
        scales: scales.clone(),
    };
    save(&figure, &args.out)?;

    let mut note = Note::new(
        3,
        "The dominant-frequency bias",
        "Energy of the template uᵀE, the image that a network uses for one mode, over frequencies (that of the mode's \
         largest |v̂(k)| on top, with their conjugates) and steps, for a fully connected and a convolutional network, beside the mode's own \
         spectrum. Below, how many frequencies the template has (participation ratio), over time and against \
         the scale ε of the initial weights: measured (solid) and predicted (dashed; of a fully connected network \
         the theory knows the part along the mode only).",
    );
    let used = |run: &Finished| {
        run.summary.modes[index].measured.template.as_ref().map_or(f64::NAN, |t| t.participation)
    };
    if let [fcnn, lcnn] = shown.as_slice() {
        note.states("participation ratio of the mode itself", of_mode.participation());
        note.states("of the FCNN's template at half-time", used(fcnn));
        note.states("of the LCNN's template at half-time", used(lcnn));
        note.at_most("participation ratio at half-time, LCNN / FCNN", used(lcnn) / used(fcnn), 1.0 / 3.0);
    }
    for series in scales.iter().filter(|s| s.epsilon.len() >= 3) {
        let rank = spearman(&series.epsilon, &series.measured);
        if series.name == "LCNN" {
            let what = "smaller weights, fewer frequencies: rank correlation of the LCNN's participation ratio with ε";
            note.at_least(what, rank, 0.9);
        }
    }
    Ok(note)
}

// One plane of `[m, h, w/2+1]`.
fn energies(all: &ndarray::ArrayD<f64>, index: usize, run: &Finished) -> anyhow::Result<Energies> {
    let [_, h, w] = run.dir.shape()?;
    let plane = all.index_axis(ndarray::Axis(0), index).into_dimensionality()?.to_owned();
    Ok(Energies::new(Grid::new(h, w), plane)?)
}

fn scale_series(runs: &[Finished], kind: ModelKind, index: usize) -> Option<ScaleSeries> {
    let mut points: Vec<_> = runs
        .iter()
        .filter(|r| r.is(kind))
        .map(|r| {
            let mode = &r.summary.modes[index];
            let pr = |t: Option<&crate::run::summary::Template>| t.map_or(f64::NAN, |t| t.participation);
            let predicted = mode.predicted.first().map(|p| pr(p.discovery.template.as_ref()));
            (r.config.init.scale, pr(mode.measured.template.as_ref()), predicted, r.name())
        })
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.dedup_by(|a, b| a.0 == b.0);
    Some(ScaleSeries {
        name: points.first()?.3.to_owned(),
        epsilon: points.iter().map(|p| p.0).collect(),
        measured: points.iter().map(|p| p.1).collect(),
        theory: points.iter().map(|p| p.2).collect(),
    })
}

/// The figure of one mode.
#[derive(Clone, Debug)]
struct Dominance {
    /// Heading of the page ("mode 1 of leaves").
    title_of_mode: String,
    /// Label of each row, the mode's dominant frequency first ("(0,1)").
    frequencies: Vec<String>,
    /// Share of the mode's energy in each row, the conjugate's included.
    mode_spectrum: Vec<f64>,
    /// Shares of the template's energy over the steps, one per network.
    heat: Vec<HeatRun>,
    /// What the horizontal axis of the participation ratios measures.
    participation_x_label: String,
    /// Participation ratios over the steps, one per network.
    participation: Vec<ParticipationSeries>,
    /// Participation ratios at half-time, one per network.
    scales: Vec<ScaleSeries>,
}

/// Template of one network.
#[derive(Clone, Debug)]
struct HeatRun {
    /// Heading ("FCNN").
    title: String,
    /// Step of each snapshot, ascending.
    steps: Vec<f64>,
    /// `[frequency, snapshot]`: share of the template's energy.
    shares: Array2<f64>,
    /// Step at which the mode reached half its strength.
    half_time: Option<f64>,
}

/// Participation ratio of a template.
#[derive(Clone, Debug)]
struct ParticipationSeries {
    /// Name in the legend; networks of one name share a colour.
    name: String,
    /// Place of each value on the axis, as `participation_x_label` says.
    steps: Vec<f64>,
    /// Measured; NaN leaves a gap.
    measured: Vec<f64>,
    /// Predicted at the same places.
    theory: Option<Vec<f64>>,
}

/// Participation ratio at half-time against the scale of initialisation.
#[derive(Clone, Debug)]
struct ScaleSeries {
    /// Name in the legend; networks of one name share a colour.
    name: String,
    /// Scale of initialisation ε, positive.
    epsilon: Vec<f64>,
    /// Measured; NaN leaves a gap.
    measured: Vec<f64>,
    /// Predicted for the same ε.
    theory: Option<Vec<f64>>,
}

/// Weakest share with a colour of its own.
const FAINTEST: f64 = 1e-3;

/// Draws the mode's spectrum beside the templates' over the steps, and below
/// them the participation ratios.
///
/// # Errors
/// [`Error::Input`] for no frequency, lengths that disagree, negative shares,
/// scales that are not positive and infinite values; [`Error::Io`] if `out`
/// cannot be written. A file that is already there survives both.
fn save(data: &Dominance, out: &Path) -> Result<()> {
    picture(&blocks(data)?, FULL)?.save(out, DPI)
}

fn same_length(place: &str, places: &[f64], measured: &Vec<f64>, theory: Option<&Vec<f64>>) -> Result<()> {
    series(place, places.len(), std::iter::once(measured).chain(theory))?;
    range(place, places.iter().copied()).map(|_| ())
}

fn check(data: &Dominance) -> Result<()> {
    let rows = data.frequencies.len();
    let place = "figure of dominant frequencies";
    if rows == 0 {
        return Err(Error::input(place, "at least one frequency", "none"));
    }
    if data.mode_spectrum.len() != rows {
        let expected = format!("{rows} shares of the mode's energy");
        return Err(Error::input(place, expected, data.mode_spectrum.len()));
    }
    let negative = |v: &&f64| **v < 0.0;
    if let Some(bad) = data.mode_spectrum.iter().find(|v| !v.is_finite() || negative(v)) {
        return Err(Error::input(place, "finite shares from 0", bad));
    }
    for run in &data.heat {
        let place = format!("{place}, {:?}", run.title);
        if run.shares.dim() != (rows, run.steps.len()) {
            let expected = format!("{rows} rows of {} shares", run.steps.len());
            return Err(Error::input(place, expected, format!("{:?}", run.shares.dim())));
        }
        if let Some(bad) = run.shares.iter().find(negative) {
            return Err(Error::input(place, "shares from 0", bad));
        }
        if let Some(bad) = run.half_time.filter(|t| !t.is_finite()) {
            return Err(Error::input(place, "a half-time at a finite step", bad));
        }
    }
    for p in &data.participation {
        same_length(
            &format!("{place}, participation of {:?}", p.name),
            &p.steps,
            &p.measured,
            p.theory.as_ref(),
        )?;
    }
    for s in &data.scales {
        let place = format!("{place}, scales of {:?}", s.name);
        same_length(&place, &s.epsilon, &s.measured, s.theory.as_ref())?;
        if let Some(bad) = s.epsilon.iter().find(|e| !e.is_finite() || **e <= 0.0) {
            return Err(Error::input(place, "finite positive scales", bad));
        }
    }
    Ok(())
}

/// The spectrum of the mode and the heat maps, one frequency per row.
fn spectra(data: &Dominance) -> Vec<Panel> {
    let rows = data.frequencies.len();
    let names = data.frequencies.iter().enumerate().map(|(i, f)| (i as f64, f.clone()));
    // The strongest on top.
    let y = Axis::linear("frequency (row, column)").within(rows as f64 - 0.5, -0.5).named(names.collect());
    let shares = Axis::log("share of energy").within(FAINTEST, 1.0);
    let mut spectrum = Panel::new("mode", shares, y.clone());
    spectrum.subtitle = "its own spectrum".to_owned();
    spectrum.weight = 0.7;
    let bars = data.mode_spectrum.iter().enumerate().map(|(i, &s)| (i as f64, s)).collect();
    spectrum.layers.push(Layer::Bars(bars, 0.72, PALETTE[0]));
    let mut panels = vec![spectrum];
    for (i, run) in data.heat.iter().enumerate() {
        let mut panel = Panel::new(&run.title, Axis::linear("gradient-descent step"), y.clone().unlabelled());
        panel.subtitle = "spectrum of the template".to_owned();
        let last = i + 1 == data.heat.len();
        panel.layers.push(Layer::Heat(Heat {
            x: run.steps.clone(),
            y: (0..rows).map(|r| r as f64).collect(),
            values: run.shares.clone(),
            limits: (FAINTEST, 1.0),
            log: true,
            bar: last.then(|| "share of the template's energy".to_owned()),
        }));
        if let Some(t) = run.half_time {
            // A rim of paper: seen on dark and on bright cells.
            panel.layers.push(Layer::Vertical(t, Pen::new(PAPER, 2.0, Stroke::Solid)));
            panel.layers.push(Layer::Vertical(t, Pen::new(INK, 0.9, Stroke::Solid)));
        }
        panels.push(panel);
    }
    panels
}

/// A series as its panel draws it: name, places, measured, theory.
type Series<'a> = (&'a str, &'a [f64], &'a [f64], Option<&'a Vec<f64>>);

fn lines(mut panel: Panel, names: &[&str], series: &[Series<'_>], with_theory: bool) -> Panel {
    let colour = |name: &str| colours(names.iter().position(|n| *n == name).unwrap_or(0), with_theory);
    let line = |x: &[f64], y: &[f64]| x.iter().copied().zip(y.iter().copied()).collect::<Vec<_>>();
    for (name, places, measured, _) in series {
        let pen = Pen::new(colour(name).0, MEASURED, Stroke::Solid);
        panel.layers.push(Layer::Line(line(places, measured), pen));
    }
    for (name, places, _, theory) in series {
        if let Some(theory) = theory {
            let pen = Pen::new(colour(name).1, THEORY, Stroke::Dashed);
            panel.layers.push(Layer::Line(line(places, theory), pen));
        }
    }
    panel
}

fn blocks(data: &Dominance) -> Result<Vec<Block>> {
    check(data)?;
    let height = (34.0 * data.frequencies.len() as f64).clamp(240.0, 560.0);
    let mut blocks = Vec::new();
    if !data.title_of_mode.is_empty() {
        blocks.push(Block::Heading(data.title_of_mode.clone()));
    }
    blocks.push(Block::Panels(spectra(data), height, 1.0));
    if data.heat.iter().any(|h| h.half_time.is_some()) {
        let mark = vec![Sign::Upright(Pen::new(INK, 0.9, Stroke::Solid))];
        blocks.push(Block::Legend(vec![Key::new(mark, "half-time of the mode")]));
    }

    let over_steps: Vec<Series<'_>> = data
        .participation
        .iter()
        .map(|p| (p.name.as_str(), &p.steps[..], &p.measured[..], p.theory.as_ref()))
        .collect();
    let over_scales: Vec<Series<'_>> = data
        .scales
        .iter()
        .map(|s| (s.name.as_str(), &s.epsilon[..], &s.measured[..], s.theory.as_ref()))
        .collect();
    let all = || over_steps.iter().chain(&over_scales);
    let mut names: Vec<&str> = Vec::new();
    for (name, ..) in all() {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let with_theory = all().any(|s| s.3.is_some());
    let mut below = Vec::new();
    if !over_steps.is_empty() {
        let (x, y) = (Axis::linear(&data.participation_x_label), Axis::log("participation ratio"));
        below.push(lines(Panel::new("Frequencies in use", x, y), &names, &over_steps, with_theory));
    }
    if !over_scales.is_empty() {
        let x = Axis::log("scale of initialisation ε");
        let panel = Panel::new("Frequencies in use at half-time", x, Axis::log("participation ratio"));
        let mut panel = lines(panel, &names, &over_scales, with_theory);
        // Few runs: each is seen as one.
        for (name, places, measured, _) in &over_scales {
            let mode = names.iter().position(|n| n == name).unwrap_or(0);
            let points = places.iter().copied().zip(measured.iter().copied()).collect();
            panel.layers.push(Layer::Points(points, Marker::Dot, colours(mode, with_theory).1));
        }
        below.push(panel);
    }
    if below.is_empty() {
        return Ok(blocks);
    }
    let share = if below.len() == 1 { 0.66 } else { 1.0 };
    blocks.push(Block::Panels(below, 300.0, share));
    let keys = names.iter().enumerate().map(|(i, name)| {
        let (colour, over) = colours(i, with_theory);
        let mut signs = vec![Sign::Line(Pen::new(colour, MEASURED, Stroke::Solid))];
        if with_theory {
            signs.push(Sign::Line(Pen::new(over, THEORY, Stroke::Dashed)));
        }
        Key::new(signs, *name)
    });
    let mut keys: Vec<Key> = keys.collect();
    keys.push(Key::new(vec![Sign::Line(Pen::new(REST, MEASURED, Stroke::Solid))], "measured"));
    if with_theory {
        keys.push(Key::new(vec![Sign::Line(Pen::new(INK, THEORY, Stroke::Dashed))], "theory"));
    }
    blocks.push(Block::Legend(keys));
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{counts, refuses, shows};
    use crate::plot::viridis;

    fn data() -> Dominance {
        let rows = 12;
        let energy: Vec<f64> = (0..rows).map(|i| 0.55f64.powi(i)).collect();
        let total: f64 = energy.iter().sum();
        let steps: Vec<f64> = (0..60).map(|i| f64::from(i) * 40.0).collect();
        let run = |title: &str, power: f64, half: f64| {
            let mut shares = Array2::from_shape_fn((rows as usize, 60), |(r, t)| {
                let grown = (4.0 * (steps[t] / half - 0.5)).exp();
                1.0 + grown * (energy[r] / total).powf(power) * 12.0
            });
            for mut column in shares.columns_mut() {
                let sum = column.sum();
                column /= sum;
            }
            HeatRun { title: title.to_owned(), steps: steps.clone(), shares, half_time: Some(half) }
        };
        let series = |name: &str, top: f64, level: f64| {
            let steps: Vec<f64> = (0..80).map(|i| f64::from(i) / 30.0).collect();
            let at = |f: f64| {
                steps.iter().map(|x| level + (top - level) / (1.0 + (4.0 * (x - f)).exp())).collect()
            };
            ParticipationSeries {
                name: name.to_owned(),
                measured: at(0.5),
                theory: Some(at(0.52)),
                steps: steps.clone(),
            }
        };
        let scale = |name: &str, level: f64| {
            let epsilon = vec![1e-4, 3e-4, 1e-3, 3e-3, 1e-2];
            let measured = epsilon.iter().map(|e: &f64| level + 2.0 * (e * 300.0).min(3.0)).collect();
            let theory = Some(epsilon.iter().map(|e: &f64| level + 2.1 * (e * 300.0).min(3.0)).collect());
            ScaleSeries { name: name.to_owned(), epsilon, measured, theory }
        };
        Dominance {
            title_of_mode: "mode 1 of leaves, 16×16".to_owned(),
            frequencies: (0..rows).map(|i| format!("({},{})", i / 4, i % 4)).collect(),
            mode_spectrum: energy.iter().map(|e| e / total).collect(),
            heat: vec![
                run("FCNN, 64 hidden units", 1.0, 1300.0),
                run("LCNN, 1 full-size kernel", 2.0, 600.0),
            ],
            participation_x_label: "step / half-time".to_owned(),
            participation: vec![series("FCNN", 11.0, 3.2), series("LCNN", 10.0, 1.6)],
            scales: vec![scale("FCNN", 3.2), scale("LCNN", 1.5)],
        }
    }

    #[test]
    fn every_part_is_there() {
        let picture = shows("dominance", &blocks(&data()).unwrap(), FULL);
        assert_eq!(picture.width, 1500);
        assert!(counts(&picture, PALETTE[0]) > 5000, "bars");
        assert!(counts(&picture, viridis(0.0)) > 20, "the dark end of the colours");
        for mode in 0..2 {
            assert!(counts(&picture, colours(mode, true).0) > 500, "curve {mode}");
            assert!(counts(&picture, colours(mode, true).1) > 50, "theory {mode}");
        }
    }

    #[test]
    fn odd_data_draw() {
        let with = |change: &dyn Fn(&mut Dominance)| {
            let mut data = data();
            change(&mut data);
            picture(&blocks(&data).unwrap(), FULL).unwrap();
        };
        with(&|d| d.heat.clear());
        with(&|d| d.participation.clear());
        with(&|d| {
            d.participation.clear();
            d.scales.clear();
        });
        with(&|d| d.heat[0].shares.fill(f64::NAN));
        with(&|d| d.heat[0].shares.fill(0.0));
        with(&|d| d.mode_spectrum.fill(0.0));
        with(&|d| {
            d.heat[0].steps = vec![7.0];
            d.heat[0].shares = Array2::ones((12, 1));
        });
        with(&|d| {
            d.heat[0].steps.clear();
            d.heat[0].shares = Array2::ones((12, 0));
        });
        with(&|d| d.participation[0].measured.fill(f64::NAN));
        with(&|d| {
            d.scales[0] = ScaleSeries { name: String::new(), epsilon: vec![], measured: vec![], theory: None }
        });
        with(&|d| {
            // More rows than labels have room.
            d.frequencies = (0..300).map(|i| format!("(0,{i})")).collect();
            d.mode_spectrum = vec![1.0 / 300.0; 300];
            for run in &mut d.heat {
                run.shares = Array2::from_elem((300, run.steps.len()), 1.0 / 300.0);
            }
        });
    }

    #[test]
    fn bad_data_are_refused_and_leave_no_file() {
        let with = |change: &dyn Fn(&mut Dominance)| {
            let mut data = data();
            change(&mut data);
            data
        };
        let cases = [
            (with(&|d| d.frequencies.clear()), "at least one frequency"),
            (with(&|d| d.mode_spectrum.truncate(3)), "12 shares"),
            (with(&|d| d.mode_spectrum[1] = -0.1), "from 0"),
            (with(&|d| d.heat[0].shares = Array2::ones((12, 3))), "12 rows of 60"),
            (with(&|d| d.heat[1].shares[[0, 0]] = f64::INFINITY), "finite"),
            (with(&|d| d.heat[1].shares[[0, 0]] = -1.0), "from 0"),
            (with(&|d| d.heat[1].steps[3] = 0.0), "ascending"),
            (with(&|d| d.heat[1].half_time = Some(f64::NAN)), "finite step"),
            (with(&|d| d.participation[0].steps.truncate(2)), "2 values"),
            (with(&|d| d.participation[0].measured[2] = f64::NEG_INFINITY), "finite"),
            (with(&|d| d.scales[0].epsilon[0] = 0.0), "positive"),
            (with(&|d| d.scales[0].theory = Some(vec![1.0])), "5 values"),
        ];
        refuses(&cases, save);
    }
}
