//! What is expected of the modes of a data set in a deep network, before it is trained.

use std::path::Path;

use crate::error::Result;
use crate::plot::{
    Axis, Block, DPI, FULL, INK, Key, Layer, MARKERS, Marker, PALETTE, Panel, Pen, REST, Sign, Stroke,
    picture,
};

/// A number and its interval.
pub type Within = (f64, [f64; 2]);

/// The figure, a value per mode everywhere.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Above it.
    pub title: String,
    /// s_α.
    pub strengths: Vec<f64>,
    /// Name and scores F_α of each reader.
    pub readers: Vec<(String, Vec<Within>)>,
    /// Which reader the places are by, and places in the order of discovery, from 1.
    pub places: Option<(String, Vec<Within>)>,
    /// τ by s·ρ over the smallest ([`crate::theory::deep::relative_times`]).
    pub times: Vec<f64>,
    /// The same by the kernel flow; None of a mode that it says nothing of.
    pub kernel: Option<Vec<Option<Within>>>,
}

/// Draws scores over the modes, the expected places, and relative times.
///
/// # Errors
/// [`crate::Error::Input`] for values that are not finite, [`crate::Error::Io`] if `out`
/// cannot be written.
pub fn draw(data: &Expected, out: &Path) -> Result<()> {
    picture(&blocks(data), FULL)?.save(out, DPI)
}

/// Scores below this share of s₁ stand at it.
const LEAST: f64 = 1e-3;

fn blocks(data: &Expected) -> Vec<Block> {
    let (scores, keys) = scores(data);
    let mut row: Vec<Panel> = scores.into_iter().collect();
    let letter = |row: &[Panel]| ["(a)", "(b)", "(c)"][row.len()];
    if let Some((reader, places)) = &data.places {
        let mut panel = by_mode(
            &format!("{} Expected order", letter(&row)),
            Axis::linear("place in the order"),
            places.len(),
        );
        panel.subtitle = format!("by the reader `{reader}`");
        intervals(&mut panel, places.iter().map(|p| Some(*p)));
        row.push(panel);
    }
    let x = Axis::log("τ / the smallest τ");
    let mut panel = by_mode(&format!("{} Relative times", letter(&row)), x, data.times.len());
    let kernel = data.kernel.iter().flatten().copied();
    intervals(&mut panel, kernel);
    let times = data.times.iter().enumerate().map(|(i, tau)| (*tau, (i + 1) as f64));
    panel.layers.push(Layer::Points(times.collect(), BY_DATA.0, BY_DATA.1));
    row.push(panel);
    let mut of_times = vec![Key::new(vec![Sign::Marker(BY_DATA.0, BY_DATA.1)], "τ by s·ρ")];
    if data.kernel.is_some() {
        of_times.push(Key::new(
            vec![Sign::Line(bar(REST)), Sign::Marker(Marker::Dot, INK)],
            "τ by the kernel flow, all draws",
        ));
    }
    let bar =
        Key::new(vec![Sign::Line(bar(REST)), Sign::Marker(Marker::Dot, INK)], "place, 95 % of bootstraps");
    let mut notes: Vec<Key> = data.places.iter().map(|_| bar.clone()).collect();
    notes.extend(of_times);
    vec![
        Block::Heading(data.title.clone()),
        Block::Panels(row, 400.0, 1.0),
        Block::Legend(keys),
        Block::Legend(notes),
    ]
}

/// Times that are known from the data.
const BY_DATA: (Marker, plotters::style::RGBColor) = (MARKERS[3], PALETTE[3]);

fn bar(colour: plotters::style::RGBColor) -> Pen {
    Pen::new(colour, 1.6, Stroke::Solid)
}

// From 1 to `count`, all of them named where there is room.
fn numbered(label: &str, count: usize) -> Axis {
    let axis = Axis::linear(label).within(0.5, count as f64 + 0.5);
    let names = (1..=count).map(|m| (m as f64, m.to_string())).collect();
    if count <= 15 { axis.named(names) } else { axis }
}

// Modes from the top downwards.
fn by_mode(title: &str, x: Axis, modes: usize) -> Panel {
    let y = numbered("mode", modes).within(modes as f64 + 0.5, 0.5);
    Panel::new(title, x, y)
}

fn intervals(panel: &mut Panel, values: impl Iterator<Item = Option<Within>>) {
    for (i, value) in values.enumerate() {
        let Some((middle, [low, high])) = value else { continue };
        let y = (i + 1) as f64;
        panel.layers.push(Layer::Line(vec![(low, y), (high, y)], bar(REST)));
        panel.layers.push(Layer::Points(vec![(middle, y)], Marker::Dot, INK));
    }
}

fn scores(data: &Expected) -> (Option<Panel>, Vec<Key>) {
    let floor = LEAST * data.strengths.first().copied().unwrap_or(1.0);
    let dashed = Pen::new(INK, 0.9, Stroke::Dashed);
    let mut keys = vec![Key::new(vec![Sign::Line(dashed)], "strength s")];
    if data.readers.is_empty() {
        return (None, Vec::new());
    }
    let modes = data.strengths.len();
    let x = numbered("mode", modes);
    let mut panel = Panel::new("(a) What readers have of each mode", x, Axis::log("F and s (units of s)"));
    let line = data.strengths.iter().enumerate().map(|(i, s)| ((i + 1) as f64, *s)).collect();
    panel.layers.push(Layer::Line(line, dashed));
    let count = data.readers.len() as f64;
    for (r, (name, values)) in data.readers.iter().enumerate() {
        let (marker, colour) = (MARKERS[r % MARKERS.len()], PALETTE[r % PALETTE.len()]);
        let beside = 0.5 * (r as f64 - 0.5 * (count - 1.0)) / count;
        for (i, (middle, [low, high])) in values.iter().enumerate() {
            let x = (i + 1) as f64 + beside;
            panel.layers.push(Layer::Line(vec![(x, low.max(floor)), (x, high.max(floor))], bar(colour)));
            panel.layers.push(Layer::Points(vec![(x, middle.max(floor))], marker, colour));
        }
        keys.push(Key::new(vec![Sign::Marker(marker, colour)], format!("F, {name}")));
    }
    panel.weight = 1.4;
    (Some(panel), keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{counts, refuses, shows};

    fn made(modes: usize) -> Expected {
        let strengths: Vec<f64> = (0..modes).map(|i| 2.0 * 0.6f64.powi(i as i32)).collect();
        let score = |share: f64| {
            let within = |s: &f64| (share * s, [0.8 * share * s, 1.2 * share * s]);
            strengths.iter().map(within).collect::<Vec<_>>()
        };
        let readers = [("means", 1e-4), ("autocorrelation", 0.2), ("convolutions", 0.5)];
        let place = |i: usize| ((i + 1) as f64, [(i + 1) as f64, (i + 2).min(modes) as f64]);
        let tau = |i: usize| {
            (i != 2).then(|| (1.5f64.powi(i as i32), [1.3f64.powi(i as i32), 1.7f64.powi(i as i32)]))
        };
        Expected {
            title: "resnet8 on leaves".to_owned(),
            readers: readers.map(|(name, share)| (name.to_owned(), score(share))).into(),
            strengths,
            places: Some(("autocorrelation".to_owned(), (0..modes).map(place).collect())),
            times: (0..modes).map(|i| 1.4f64.powi(i as i32)).collect(),
            kernel: Some((0..modes).map(tau).collect()),
        }
    }

    #[test]
    fn every_reader_has_its_colour() {
        let picture = shows("expected", &blocks(&made(9)), FULL);
        for colour in &PALETTE[..4] {
            assert!(counts(&picture, *colour) > 200, "{colour:?}");
        }
        shows("expected-kernel", &blocks(&Expected { readers: vec![], places: None, ..made(40) }), FULL);
        picture_of(&Expected { kernel: None, ..made(1) });
    }

    fn picture_of(data: &Expected) {
        picture(&blocks(data), FULL).unwrap();
    }

    #[test]
    fn bad_numbers_are_refused() {
        let mut bad = made(4);
        bad.readers[1].1[2].0 = f64::INFINITY;
        refuses(&[(bad, "finite")], draw);
    }
}
