//! Predicted against measured half-times, of all modes of all runs.

use std::collections::BTreeMap;
use std::path::Path;

use super::runs::{Finished, Runs};
use super::verdict::Note;
use crate::error::{Error, Result};
use crate::plot::{
    Axis, Block, DPI, INK, Key, Layer, MARKERS, PALETTE, Panel, Pen, SINGLE, Sign, Stroke, picture,
};
use crate::stats::{pearson, spearman};

pub(super) fn draw(args: &Runs) -> anyhow::Result<Note> {
    let runs = Finished::all(&args.runs)?;
    let mut groups: BTreeMap<String, (usize, Vec<(f64, f64)>)> = BTreeMap::new();
    for run in &runs {
        let group = groups.entry(format!("{}, {}", run.data(), run.name())).or_default();
        for mode in &run.summary.modes {
            group.0 += 1;
            let predicted = mode.predicted.first().and_then(|p| p.discovery.t50);
            if let (Some(p), Some(m)) = (predicted, mode.measured.t50)
                && p > 0.0
                && m > 0.0
            {
                group.1.push((p, m));
            }
        }
    }
    let all: Vec<(f64, f64)> = groups.values().flat_map(|(_, points)| points).copied().collect();
    let (predicted, measured): (Vec<f64>, Vec<f64>) = all.iter().copied().unzip();
    let ln = |v: &[f64]| v.iter().map(|x| x.ln()).collect::<Vec<_>>();
    let data = Order {
        spearman: spearman(&predicted, &measured),
        pearson: pearson(&ln(&predicted), &ln(&measured)),
        groups: groups
            .iter()
            .map(|(name, (_, points))| OrderGroup { name: name.clone(), points: points.clone() })
            .collect(),
    };
    save(&data, &args.out)?;

    let mut note = Note::new(
        6,
        "The order of discovery, from the data alone",
        "Half-times of all modes of several data sets in fully connected and convolutional networks: predicted \
         from data and initial weights before training, and measured. The line is where both agree. \
         Correlations are over all modes learned (Pearson's of the logarithms).",
    );
    let modes: usize = groups.values().map(|(count, _)| count).sum();
    note.at_least(
        format!("Spearman's correlation, {} of {modes} modes learned", all.len()),
        data.spearman,
        0.95,
    );
    note.at_least("Pearson's correlation of the logarithms", data.pearson, 0.95);
    for (name, (count, points)) in &groups {
        let (p, m): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        if p.len() > 2 {
            note.states(
                format!("{name}: Spearman's correlation, {} of {count} modes", p.len()),
                spearman(&p, &m),
            );
        }
        let off: Vec<f64> = points.iter().map(|(p, m)| (p / m).ln().abs()).collect();
        if !off.is_empty() {
            let typical = off.iter().sum::<f64>() / off.len() as f64;
            note.states(format!("{name}: typical factor between prediction and measurement"), typical.exp());
        }
    }
    Ok(note)
}

/// The figure: predicted and measured half-times and how well they agree.
#[derive(Clone, Debug)]
struct Order {
    /// Each has a marker and a colour.
    groups: Vec<OrderGroup>,
    /// Rank correlation; NaN if it is not defined.
    spearman: f64,
    /// Linear correlation; NaN if it is not defined.
    pearson: f64,
}

/// Modes of one network and data set.
#[derive(Clone, Debug)]
struct OrderGroup {
    /// Name in the legend ("leaves, LCNN").
    name: String,
    /// (predicted, measured) half-time of each mode in steps, positive; NaN
    /// where the mode was not discovered.
    points: Vec<(f64, f64)>,
}

/// Draws measured over predicted half-times, both logarithmic and of one range,
/// with the diagonal.
///
/// # Errors
/// [`Error::Input`] for no point at all and for times that are not positive;
/// [`Error::Io`] if `out` cannot be written. A file that is already there
/// survives both.
fn save(data: &Order, out: &Path) -> Result<()> {
    picture(&blocks(data)?, SINGLE)?.save(out, DPI)
}

fn blocks(data: &Order) -> Result<Vec<Block>> {
    let (mut low, mut high, mut count) = (f64::INFINITY, 0f64, 0);
    for group in &data.groups {
        for &(predicted, measured) in &group.points {
            for time in [predicted, measured] {
                if time.is_infinite() || time <= 0.0 {
                    let place = format!("figure of the order of discovery, {:?}", group.name);
                    return Err(Error::input(place, "finite positive half-times (or NaN)", time));
                }
            }
            if !predicted.is_nan() && !measured.is_nan() {
                (low, high) = (low.min(predicted).min(measured), high.max(predicted).max(measured));
                count += 1;
            }
        }
    }
    if data.groups.iter().all(|g| g.points.is_empty()) {
        return Err(Error::input("figure of the order of discovery", "at least one mode", "none"));
    }
    // One range for both axes, so that the diagonal is one.
    let (low, high) = if count == 0 { (1.0, 10.0) } else { (low / 1.3, high * 1.3) };
    let axis = |label: &str| {
        let axis = Axis::log(label);
        // Half-times at the edge of what a number holds get no margin.
        if low > 0.0 && high.is_finite() { axis.within(low, high) } else { axis }
    };
    let mut panel = Panel::new(
        "Order of discovery",
        axis("predicted half-time t₅₀ (steps)"),
        axis("measured half-time (steps)"),
    );
    let said = |name: &str, v: f64| {
        if v.is_finite() {
            format!("{name} {}", format!("{v:.3}").replace('-', "−"))
        } else {
            format!("{name} undefined")
        }
    };
    let modes = if count == 1 { "mode" } else { "modes" };
    panel.subtitle = format!(
        "{count} {modes}; correlation: {}, {}",
        said("Spearman", data.spearman),
        said("Pearson", data.pearson)
    );
    let diagonal = Pen::new(INK, 0.8, Stroke::Dashed);
    panel.layers.push(Layer::Identity(diagonal));
    let mut keys = Vec::new();
    for (i, group) in data.groups.iter().enumerate() {
        let (marker, colour) = (MARKERS[i % MARKERS.len()], PALETTE[i % PALETTE.len()]);
        panel.layers.push(Layer::Points(group.points.clone(), marker, colour));
        keys.push(Key::new(vec![Sign::Marker(marker, colour)], &group.name));
    }
    let line = vec![Key::new(vec![Sign::Line(diagonal)], "measured = predicted")];
    Ok(vec![Block::Panels(vec![panel], 640.0, 0.86), Block::Legend(keys), Block::Legend(line)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{counts, refuses, shows};

    fn data() -> Order {
        let names = ["leaves, FCNN", "leaves, LCNN", "digits, FCNN", "digits, LCNN"];
        let group = |(g, name): (usize, &&str)| OrderGroup {
            name: (*name).to_owned(),
            points: (0..6u32)
                .map(|i| {
                    let predicted = 90.0 * (1.0 + g as f64) * 1.8f64.powi(i as i32);
                    (predicted, predicted * (1.0 + 0.08 * (f64::from(i) * 1.7 + g as f64).sin()))
                })
                .collect(),
        };
        Order { groups: names.iter().enumerate().map(group).collect(), spearman: 0.991, pearson: -0.97 }
    }

    #[test]
    fn every_group_has_its_colour() {
        let picture = shows("order", &blocks(&data()).unwrap(), SINGLE);
        for colour in &PALETTE[..4] {
            assert!(counts(&picture, *colour) > 200, "{colour:?}");
        }
    }

    #[test]
    fn odd_data_draw() {
        let nan = f64::NAN;
        for points in
            [vec![(5.0, 5.0)], vec![(nan, 3.0)], vec![(1e-308, 1e308)], vec![(nan, nan), (1.0, 2.0)]]
        {
            let group = OrderGroup { name: "g".to_owned(), points };
            let data = Order { groups: vec![group], spearman: nan, pearson: f64::INFINITY };
            picture(&blocks(&data).unwrap(), SINGLE).unwrap();
        }
        let mut many = data();
        many.groups = (0..20).flat_map(|_| many.groups.clone()).take(20).collect();
        picture(&blocks(&many).unwrap(), SINGLE).unwrap();
    }

    #[test]
    fn bad_data_are_refused_and_leave_no_file() {
        let with = |point| {
            let mut data = data();
            data.groups[1].points[2] = point;
            data
        };
        let none = Order { groups: vec![], spearman: 0.0, pearson: 0.0 };
        let cases = [
            (none, "at least one mode"),
            (with((0.0, 1.0)), "positive half-times"),
            (with((1.0, f64::INFINITY)), "positive half-times"),
            (with((1.0, -3.0)), "positive half-times"),
        ];
        refuses(&cases, save);
    }
}
