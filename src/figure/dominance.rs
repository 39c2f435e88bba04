//! Which frequencies a network's template of one mode is made of, over the
//! steps, and how many of them.

use std::path::Path;

use ndarray::Array2;

use super::stages::{MEASURED, THEORY, colours};
use crate::error::{Error, Result};
use crate::plot::{
    Axis, Block, DPI, FULL, Heat, INK, Key, Layer, Marker, PALETTE, PAPER, Panel, Pen, REST, Sign, Stroke,
    picture, range, series,
};

/// The figure of one mode.
#[derive(Clone, Debug)]
pub struct Dominance {
    /// Heading of the page ("mode 1 of leaves").
    pub title_of_mode: String,
    /// Label of each row, the mode's dominant frequency first ("(0,1)").
    pub frequencies: Vec<String>,
    /// Share of the mode's energy in each row, the conjugate's included.
    pub mode_spectrum: Vec<f64>,
    /// Shares of the template's energy over the steps, one per network.
    pub heat: Vec<HeatRun>,
    /// What the horizontal axis of the participation ratios measures.
    pub participation_x_label: String,
    /// Participation ratios over the steps, one per network.
    pub participation: Vec<ParticipationSeries>,
    /// Participation ratios at half-time, one per network.
    pub scales: Vec<ScaleSeries>,
}

/// Template of one network.
#[derive(Clone, Debug)]
pub struct HeatRun {
    /// Heading ("FCNN").
    pub title: String,
    /// Step of each snapshot, ascending.
    pub steps: Vec<f64>,
    /// `[frequency, snapshot]`: share of the template's energy.
    pub shares: Array2<f64>,
    /// Step at which the mode reached half its strength.
    pub half_time: Option<f64>,
}

/// Participation ratio of a template.
#[derive(Clone, Debug)]
pub struct ParticipationSeries {
    /// Name in the legend; networks of one name share a colour.
    pub name: String,
    /// Place of each value on the axis, as `participation_x_label` says.
    pub steps: Vec<f64>,
    /// Measured; NaN leaves a gap.
    pub measured: Vec<f64>,
    /// Predicted at the same places.
    pub theory: Option<Vec<f64>>,
}

/// Participation ratio at half-time against the scale of initialisation.
#[derive(Clone, Debug)]
pub struct ScaleSeries {
    /// Name in the legend; networks of one name share a colour.
    pub name: String,
    /// Scale of initialisation ε, positive.
    pub epsilon: Vec<f64>,
    /// Measured; NaN leaves a gap.
    pub measured: Vec<f64>,
    /// Predicted for the same ε.
    pub theory: Option<Vec<f64>>,
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
pub fn draw(data: &Dominance, out: &Path) -> Result<()> {
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
        refuses(&cases, draw);
    }
}
