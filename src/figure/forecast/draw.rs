//! The picture of a study of forecasts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Result;
use crate::plot::{
    Axis, Block, DPI, FULL, INK, Key, Layer, MARKERS, Marker, PALETTE, Panel, Pen, REST, Sign, Stroke,
    picture,
};
use crate::stats::quantile;
use crate::study::{Case, Clock, KERNEL, ROOT, Study, forecaster, relative};

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
    let mut letters = 'a'..='z';
    let mut titled = |title: &str| format!("({}) {title}", letters.next().unwrap_or('z'));
    let mut row = vec![order(study, &look, titled("Order of discovery"))];
    let networks = study.networks();
    let found: Vec<usize> = (0..crate::study::scores().len())
        .filter(|at| study.mean(|case| case.spearman[*at]).is_finite())
        .collect();
    let least = least(study, &found);
    if let [_] = networks[..] {
        row.push(scores(study, &found, titled("Scores of the data alone"), least, true));
    }
    let clocks = [&ROOT, &KERNEL].into_iter().filter(|clock| study.within(super::FACTOR, clock).is_some());
    for clock in clocks {
        row.push(times(study, &look, titled("Discovery times"), clock));
    }
    let of = |(i, network): (usize, &&str)| {
        let own = study.of(|name| name == *network);
        scores(&own, &found, titled(network), least, i % PER_ROW == 0)
    };
    let below: Vec<Panel> =
        if networks.len() > 1 { networks.iter().enumerate().map(of).collect() } else { Vec::new() };
    let mut keys: Vec<Key> = Vec::new();
    for set in sets.keys() {
        let (marker, colour) = look(set);
        keys.push(Key::new(vec![Sign::Marker(marker, colour)], *set));
    }
    let mut notes = vec![
        Key::new(vec![Sign::Marker(Marker::Cross, REST)], "a case"),
        Key::new(
            vec![Sign::Line(BAR), Sign::Marker(Marker::Dot, INK)],
            "mean, 95 % of bootstraps over data sets",
        ),
        Key::new(vec![Sign::Line(CEILING)], "seeds among themselves"),
    ];
    notes.push(Key::new(vec![Sign::Line(SAME)], "measured = predicted"));
    let apart = row.split_off(row.len().min(PER_ROW));
    let mut blocks = vec![Block::Panels(row, 460.0, 1.0)];
    if !apart.is_empty() {
        blocks.push(Block::Panels(apart, 460.0, 1.0));
    }
    blocks.push(Block::Legend(keys));
    let mut below = below.into_iter().peekable();
    while below.peek().is_some() {
        blocks.push(Block::Panels(below.by_ref().take(PER_ROW).collect(), 380.0, 1.0));
    }
    blocks.push(Block::Legend(notes));
    blocks
}

/// Networks side by side.
const PER_ROW: usize = 3;

const BAR: Pen = Pen { colour: REST, width: 2.2, stroke: Stroke::Solid };
const SAME: Pen = Pen { colour: REST, width: 1.2, stroke: Stroke::Solid };
const CEILING: Pen = Pen { colour: INK, width: 0.8, stroke: Stroke::Dashed };

type Look<'a> = &'a dyn Fn(&str) -> (Marker, plotters::style::RGBColor);

fn order(study: &Study, look: Look, title: String) -> Panel {
    let x = Axis::log("reader score F / largest of the data set").within(LEAST * 0.8, 1.3);
    // Networks that learn at other speeds are laid over each other.
    let several = study.networks().len() > 1;
    let y = if several { "discovery time τ / median of the case" } else { "discovery time τ (steps)" };
    let mut panel = Panel::new(title, x, Axis::log(y));
    let count: usize = study.cases.iter().map(|c| c.modes.len()).sum();
    panel.subtitle = format!("{count} modes of {} data sets", study.sets());
    for case in &study.cases {
        let largest = case.modes.iter().map(|m| m.readers[forecaster()]).fold(f64::NAN, f64::max);
        let at = |f: f64| (f / largest).max(LEAST);
        let (marker, colour) = look(&case.data);
        let points = case.modes.iter().filter(|m| m.readers[forecaster()].is_finite());
        let taus: Vec<f64> = case.modes.iter().map(|m| m.tau).collect();
        let unit = if several { quantile(&taus, 0.5) } else { 1.0 };
        let points = points.map(|m| (at(m.readers[forecaster()]), m.tau / unit)).collect();
        panel.layers.push(Layer::Points(points, marker, colour));
    }
    panel
}

// The scores that are `found` in any network; `names` beside it, or only in the panel to the left.
fn scores(study: &Study, found: &[usize], title: String, least: f64, names: bool) -> Panel {
    let all = crate::study::scores();
    let named =
        |(y, at): (usize, &usize)| (y as f64, if names { all[*at].name.clone() } else { String::new() });
    // The first on top.
    let y = Axis::linear("").within(found.len() as f64 - 0.5, -0.5);
    let y = y.named(found.iter().enumerate().map(named).collect());
    let x = Axis::linear("Spearman's correlation with −τ").within(least, 1.05);
    let mut panel = Panel::new(title, x, y);
    panel.layers.push(Layer::Vertical(0.0, Pen::new(REST, 0.7, Stroke::Solid)));
    let ceiling = study.mean(|case| case.ceiling);
    if ceiling.is_finite() {
        panel.subtitle = format!("seeds agree to {ceiling:.2}");
        panel.layers.push(Layer::Vertical(ceiling, CEILING));
    }
    for (y, at) in found.iter().enumerate() {
        let (y, of) = (y as f64, |case: &Case| case.spearman[*at]);
        if study.mean(of).is_nan() {
            continue;
        }
        let [low, high] = study.interval(of);
        panel.layers.push(Layer::Line(vec![(low, y), (high, y)], BAR));
        let cases = study.cases.iter().map(of).filter(|v| v.is_finite()).map(|v| (v, y)).collect();
        panel.layers.push(Layer::Points(cases, Marker::Cross, REST));
        panel.layers.push(Layer::Points(vec![(study.mean(of), y)], Marker::Dot, INK));
    }
    panel
}

// Where the axes of correlations begin: the same for all networks.
fn least(study: &Study, found: &[usize]) -> f64 {
    let mut values = study.cases.iter().flat_map(|c| found.iter().map(|at| c.spearman[*at]));
    if values.any(|v| v < 0.0) { -1.05 } else { -0.05 }
}

fn times(study: &Study, look: Look, title: String, clock: &Clock) -> Panel {
    let x = Axis::log(format!("τ by {}, one factor per case (steps)", clock.name));
    let mut panel = Panel::new(title, x, Axis::log("τ measured (steps)"));
    if let Some(share) = study.within(super::FACTOR, clock) {
        panel.subtitle = format!("{:.0} % within a factor of {}", 100.0 * share, super::FACTOR);
    }
    panel.layers.push(Layer::Identity(SAME));
    for case in &study.cases {
        let ratios = relative(&case.modes, clock);
        let points = case.modes.iter().zip(ratios).filter_map(|(m, ratio)| Some((m.tau * ratio?, m.tau)));
        let points: Vec<_> = points.collect();
        if !points.is_empty() {
            let (marker, colour) = look(&case.data);
            panel.layers.push(Layer::Points(points, marker, colour));
        }
    }
    panel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{counts, shows};
    use crate::study::tests::made;

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

    #[test]
    fn every_network_has_its_panel() {
        let mut cases: Vec<Case> = (0..4u32).map(|i| later(made(&format!("set {i}"), 9, None), i)).collect();
        cases[2].network = "resnet20".to_owned();
        cases[3].network = "cnn without batch norm".to_owned();
        let blocks = blocks(&Study { cases });
        let panels: Vec<usize> = blocks
            .iter()
            .filter_map(|b| if let Block::Panels(all, ..) = b { Some(all.len()) } else { None })
            .collect();
        // The order, times by the theory and by the kernel; a panel per network.
        assert_eq!(panels, [3, 3]);
        shows("forecast-networks", &blocks, FULL);
    }
}
