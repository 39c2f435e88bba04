//! What came out of a sweep, over one of its keys: means over seeds and their intervals.

use std::path::PathBuf;

use super::verdict::Note;
use crate::error::{Error, Result, nearest};
use crate::plot::{
    Axis, Block, DPI, FULL, Key, Layer, MARKERS, PALETTE, PAPER, Panel, Pen, SINGLE, Sign, Stroke, mix,
    picture,
};
use crate::stats::Spread;
use crate::sweep::collect::{Cell, is_seed};
use crate::sweep::{Collected, State, Sweep};

/// A planned sweep, and what to draw of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the sweep
    #[arg(value_name = "DIR")]
    pub sweep: PathBuf,
    /// A key that varies, such as train.eta
    #[arg(long, value_name = "KEY")]
    pub x: String,
    /// Columns of the table that `sweep collect` writes, such as modes.1.measured.t50: a panel for each
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', required = true)]
    pub y: Vec<String>,
    /// The PNG to write
    #[arg(long, value_name = "PNG")]
    pub out: PathBuf,
}

/// Curves of one panel.
struct Curve {
    name: String,
    /// x, mean, ends of the 95 % interval of the mean (NaN of one seed).
    points: Vec<(f64, f64, f64, f64)>,
}

pub(super) fn draw(args: &Args) -> anyhow::Result<Note> {
    let sweep = Sweep::open(&args.sweep)?;
    let found = Collected::new(&sweep)?;
    let place = args.sweep.display().to_string();
    let keys = &sweep.plan.keys;
    let x = 3 + position(keys, &args.x).ok_or_else(|| wrong("--x", keys, &args.x, &place))?;
    let names = &found.runs.names;
    let columns = args
        .y
        .iter()
        .map(|name| {
            let known = &names[3 + keys.len()..];
            let at = position(known, name).ok_or_else(|| wrong("--y", known, name, &place))?;
            Ok(3 + keys.len() + at)
        })
        .collect::<Result<Vec<usize>>>()?;
    let places = Places::new(&found, x);
    let fixed: Vec<usize> =
        (0..keys.len()).filter(|&i| 3 + i != x && !is_seed(&keys[i])).map(|i| 3 + i).collect();
    let panels: Vec<(String, Vec<Curve>)> =
        columns.iter().map(|&y| (names[y].clone(), curves(&found, &places, x, y, &fixed))).collect();
    let blocks = blocks(&panels, &args.x, &places);
    picture(&blocks, if panels.len() > 1 { FULL } else { SINGLE })?.save(&args.out, DPI)?;

    let seeds = keys.iter().any(|key| is_seed(key));
    let mut note = Note::new(
        20,
        &format!("Sweep {}", sweep.plan.name),
        if seeds {
            "Means over seeds; bands: Student's 95 % interval of the mean."
        } else {
            "One run per point: no seed varies in this sweep."
        },
    );
    let finished = found.states.iter().filter(|s| s.state == State::Finished).count();
    note.states("finished runs", finished as f64);
    note.states("runs that are not there", (found.states.len() - finished) as f64);
    Ok(note)
}

fn position(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|other| other == name)
}

fn wrong(flag: &str, known: &[String], name: &str, place: &str) -> Error {
    let nearest = nearest(known.iter().map(String::as_str), name).map(|(name, _)| name);
    let expected = match (flag, nearest) {
        ("--x", Some(nearest)) => format!("a key that varies: {} (nearest: `{nearest}`)", known.join(", ")),
        (_, Some(nearest)) => format!("a column of `domfreq sweep collect {place}` (nearest: `{nearest}`)"),
        _ => "a sweep with keys that vary, and with runs that have finished".to_owned(),
    };
    Error::input(format!("{flag}, {place}"), expected, format_args!("`{name}`"))
}

/// Where values of the key are on the axis.
struct Places {
    /// Values that are no numbers, in the order of the sweep.
    names: Option<Vec<String>>,
    log: bool,
}

/// Largest over smallest value from which an axis is logarithmic.
const DECADES: f64 = 50.0;

impl Places {
    fn new(found: &Collected, x: usize) -> Self {
        let mut names: Vec<String> = Vec::new();
        let (mut low, mut high, mut numeric) = (f64::INFINITY, f64::NEG_INFINITY, true);
        for row in &found.runs.rows {
            if let Cell::Number(v) = row[x] {
                (low, high) = (low.min(v), high.max(v));
            } else {
                numeric = false;
            }
            let text = row[x].text();
            if !names.contains(&text) {
                names.push(text);
            }
        }
        Self { names: (!numeric).then_some(names), log: numeric && low > 0.0 && high / low >= DECADES }
    }

    fn of(&self, cell: &Cell) -> f64 {
        match (&self.names, cell) {
            (None, Cell::Number(v)) => *v,
            (Some(names), cell) => {
                names.iter().position(|n| *n == cell.text()).map_or(f64::NAN, |i| i as f64)
            }
            _ => f64::NAN,
        }
    }
}

/// x, and a value of each seed.
type Seeds = (f64, Vec<f64>);

fn curves(found: &Collected, places: &Places, x: usize, y: usize, fixed: &[usize]) -> Vec<Curve> {
    let mut curves: Vec<(String, Vec<Seeds>)> = Vec::new();
    for row in &found.runs.rows {
        let name = fixed.iter().map(|&at| row[at].text()).collect::<Vec<_>>().join(", ");
        let at = curves.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
            curves.push((name, Vec::new()));
            curves.len() - 1
        });
        // A curve without a number has its colour all the same.
        let Cell::Number(value) = row[y] else { continue };
        let (points, x) = (&mut curves[at].1, places.of(&row[x]));
        match points.iter_mut().find(|(other, _)| *other == x) {
            Some((_, values)) => values.push(value),
            None => points.push((x, vec![value])),
        }
    }
    let point = |(x, values): Seeds| {
        let Spread { mean, interval: [low, high], .. } = Spread::of(&values);
        (x, mean, low, high)
    };
    curves
        .into_iter()
        .map(|(name, points)| {
            let mut points: Vec<_> = points.into_iter().map(point).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Curve { name, points }
        })
        .collect()
}

fn blocks(panels: &[(String, Vec<Curve>)], x: &str, places: &Places) -> Vec<Block> {
    let mut drawn = Vec::new();
    let mut keys = Vec::new();
    for (i, (name, curves)) in panels.iter().enumerate() {
        let mut axis = if places.log { Axis::log(x) } else { Axis::linear(x) };
        if let Some(names) = &places.names {
            let at = names.iter().enumerate().map(|(i, name)| (i as f64, name.clone())).collect();
            axis = axis.named(at).within(-0.5, names.len() as f64 - 0.5);
        }
        let mut panel = Panel::new(name.clone(), axis, Axis::linear(name.clone()));
        for (c, curve) in curves.iter().enumerate() {
            let (colour, marker) = (PALETTE[c % PALETTE.len()], MARKERS[c % MARKERS.len()]);
            let line: Vec<(f64, f64)> = curve.points.iter().map(|p| (p.0, p.1)).collect();
            let pen = Pen::new(colour, 1.0, Stroke::Solid);
            // Names of values have nothing between them.
            if places.names.is_none() {
                let band = curve.points.iter().map(|p| (p.0, p.2, p.3)).collect();
                panel.layers.push(Layer::Band(band, mix(colour, PAPER, 0.8)));
                panel.layers.push(Layer::Line(line.clone(), pen));
            } else {
                for p in &curve.points {
                    panel.layers.push(Layer::Line(vec![(p.0, p.2), (p.0, p.3)], pen));
                }
            }
            panel.layers.push(Layer::Points(line, marker, colour));
            if i == 0 && !(curve.name.is_empty() && curves.len() == 1) {
                keys.push(Key::new(vec![Sign::Marker(marker, colour)], &curve.name));
            }
        }
        drawn.push(panel);
    }
    let mut blocks = Block::rows(drawn, 2, 380.0, 1.0);
    blocks.extend((!keys.is_empty()).then_some(Block::Legend(keys)));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{counts, shows};

    fn curve(name: &str, shift: f64, spread: f64) -> Curve {
        let point = |i: i32| {
            let x = 1e-3 * 3f64.powi(i);
            let y = shift + f64::from(i * i);
            (x, y, y - spread, y + spread)
        };
        Curve { name: name.to_owned(), points: (0..5).map(point).collect() }
    }

    #[test]
    fn bands_lie_around_their_lines() {
        let panels = vec![
            ("modes.1.measured.t50".to_owned(), vec![curve("fcnn", 0.0, 3.0), curve("lcnn", 12.0, 2.0)]),
            ("accuracy".to_owned(), vec![curve("fcnn", 1.0, f64::NAN), curve("lcnn", 5.0, 1.0)]),
        ];
        let places = Places { names: None, log: true };
        let picture = shows("sweep", &blocks(&panels, "train.eta", &places), FULL);
        for colour in [PALETTE[0], PALETTE[1], mix(PALETTE[0], PAPER, 0.8)] {
            assert!(counts(&picture, colour) > 300, "{colour:?}");
        }
    }

    #[test]
    fn values_that_are_names_stand_side_by_side() {
        let points = (0..3).map(|i| (f64::from(i), 1.0, 0.5, 1.5)).collect();
        let panels = vec![("accuracy".to_owned(), vec![Curve { name: String::new(), points }])];
        let names = ["leaves", "shapes", "textures"].map(str::to_owned).to_vec();
        shows(
            "sweep-names",
            &blocks(&panels, "data.spec", &Places { names: Some(names), log: false }),
            SINGLE,
        );
    }
}
