//! The picture of a study of forecasts.

use std::collections::BTreeMap;
use std::path::Path;

use super::study::{Study, forecaster, relative};
use crate::error::Result;
use crate::plot::{
    Axis, Block, DPI, FULL, INK, Key, Layer, MARKERS, Marker, PALETTE, Panel, Pen, REST, Sign, Stroke,
    picture,
};

/// Scores below this share of the largest stand at it.
const LEAST: f64 = 1e-3;

pub fn draw(study: &Study, out: &Path) -> Result<()> {
    picture(&blocks(study), FULL)?.save(out, DPI)
}

fn blocks(study: &Study) -> Vec<Block> {
    // A marker and a colour for each data set.
    let mut sets: BTreeMap<&str, usize> = study.cases.iter().map(|c| (c.data.as_str(), 0)).collect();
    sets.values_mut().enumerate().for_each(|(i, at)| *at = i);
    let look = |set: &str| {
        let i = sets[set];
        (MARKERS[(i / PALETTE.len() + i) % MARKERS.len()], PALETTE[i % PALETTE.len()])
    };
    let mut row = vec![order(study, &look), scores(study)];
    row.extend(times(study, &look));
    let mut keys: Vec<Key> = Vec::new();
    for set in sets.keys() {
        let (marker, colour) = look(set);
        keys.push(Key::new(vec![Sign::Marker(marker, colour)], *set));
    }
    let mut notes = vec![
        Key::new(vec![Sign::Marker(Marker::Cross, REST)], "(b) a case"),
        Key::new(
            vec![Sign::Line(BAR), Sign::Marker(Marker::Dot, INK)],
            "(b) mean, 95 % of bootstraps over data sets",
        ),
        Key::new(vec![Sign::Line(CEILING)], "(b) seeds among themselves"),
    ];
    if row.len() > 2 {
        notes
            .push(Key::new(vec![Sign::Line(Pen::new(INK, 0.8, Stroke::Dashed))], "(c) measured = predicted"));
    }
    vec![Block::Panels(row, 460.0, 1.0), Block::Legend(keys), Block::Legend(notes)]
}

const BAR: Pen = Pen { colour: REST, width: 2.2, stroke: Stroke::Solid };
const CEILING: Pen = Pen { colour: INK, width: 0.8, stroke: Stroke::Dashed };

type Look<'a> = &'a dyn Fn(&str) -> (Marker, plotters::style::RGBColor);

fn order(study: &Study, look: Look) -> Panel {
    let x = Axis::log("reader score F / largest of the data set").within(LEAST * 0.8, 1.3);
    let mut panel = Panel::new("(a) Order of discovery", x, Axis::log("discovery time τ (steps)"));
    let count: usize = study.cases.iter().map(|c| c.modes.len()).sum();
    panel.subtitle = format!("{count} modes of {} data sets", study.sets());
    for case in &study.cases {
        let largest = case.modes.iter().map(|m| m.readers[forecaster()]).fold(f64::NAN, f64::max);
        let at = |f: f64| (f / largest).max(LEAST);
        let (marker, colour) = look(&case.data);
        let points = case.modes.iter().filter(|m| m.readers[forecaster()].is_finite());
        let points = points.map(|m| (at(m.readers[forecaster()]), m.tau)).collect();
        panel.layers.push(Layer::Points(points, marker, colour));
    }
    panel
}

fn scores(study: &Study) -> Panel {
    let all = super::study::scores();
    let found: Vec<usize> =
        (0..all.len()).filter(|at| study.mean(|case| case.spearman[*at]).is_finite()).collect();
    let names = found.iter().enumerate().map(|(y, at)| (y as f64, all[*at].name.clone()));
    // The first on top.
    let y = Axis::linear("").within(found.len() as f64 - 0.5, -0.5).named(names.collect());
    let x = Axis::linear("Spearman's correlation with −τ").within(-1.05, 1.05);
    let mut panel = Panel::new("(b) Scores of the data alone", x, y);
    panel.layers.push(Layer::Vertical(0.0, Pen::new(REST, 0.7, Stroke::Solid)));
    let ceiling = study.mean(|case| case.ceiling);
    if ceiling.is_finite() {
        panel.subtitle = format!("seeds agree to {ceiling:.2}");
        panel.layers.push(Layer::Vertical(ceiling, CEILING));
    }
    for (y, at) in found.iter().enumerate() {
        let (y, of) = (y as f64, |case: &super::study::Case| case.spearman[*at]);
        let [low, high] = study.interval(of);
        panel.layers.push(Layer::Line(vec![(low, y), (high, y)], BAR));
        let cases = study.cases.iter().map(of).filter(|v| v.is_finite()).map(|v| (v, y)).collect();
        panel.layers.push(Layer::Points(cases, Marker::Cross, REST));
        panel.layers.push(Layer::Points(vec![(study.mean(of), y)], Marker::Dot, INK));
    }
    panel
}

// Of the kernel flow; None where no run has one.
fn times(study: &Study, look: Look) -> Option<Panel> {
    let with: Vec<_> = study.cases.iter().filter(|c| !relative(&c.modes).is_empty()).collect();
    if with.is_empty() {
        return None;
    }
    let mut panel = Panel::new(
        "(c) Times by the kernel flow",
        Axis::log("τ predicted, one factor per case (steps)"),
        Axis::log("τ measured (steps)"),
    );
    if let Some(share) = study.within(super::FACTOR) {
        panel.subtitle = format!("{:.0} % within a factor of {}", 100.0 * share, super::FACTOR);
    }
    panel.layers.push(Layer::Identity(Pen::new(INK, 0.8, Stroke::Dashed)));
    for case in with {
        let modes = case.modes.iter().filter(|m| (m.kernel / m.tau).is_finite() && m.kernel > 0.0);
        let points = modes.zip(relative(&case.modes)).map(|(m, ratio)| (m.tau * ratio, m.tau)).collect();
        let (marker, colour) = look(&case.data);
        panel.layers.push(Layer::Points(points, marker, colour));
    }
    Some(panel)
}

#[cfg(test)]
mod tests {
    use super::super::study::Case;
    use super::super::study::tests::made;
    use super::*;
    use crate::plot::testing::{counts, shows};

    // All of it at other times than another, that no marker hides one below it.
    fn later(mut case: Case, i: u32) -> Case {
        case.modes.iter_mut().for_each(|m| m.tau *= 1.0 + f64::from(i));
        case
    }

    #[test]
    fn every_data_set_has_its_colour() {
        let mut study = Study {
            cases: (0..7u32)
                .map(|i| later(made(&format!("set {i}"), 9, (i % 2 == 0).then_some((2, 5))), i))
                .collect(),
        };
        let picture = shows("forecast", &blocks(&study), FULL);
        for colour in &PALETTE[..7] {
            assert!(counts(&picture, *colour) > 100, "{colour:?}");
        }
        // Without a kernel flow, with one seed, and with a reader that finds nothing.
        for case in &mut study.cases {
            case.modes.iter_mut().for_each(|m| (m.kernel, m.readers[forecaster()]) = (f64::NAN, -0.1 * m.s));
            case.spearman[3] = f64::NAN;
            case.ceiling = f64::NAN;
        }
        shows("forecast-bare", &blocks(&study), FULL);
    }
}
