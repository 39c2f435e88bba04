//! Discovery time of modes in a convolutional network relative to a fully
//! connected one, over the concentration of the mode.

use std::collections::BTreeMap;
use std::path::Path;

use super::runs::{Finished, Runs};
use super::verdict::Note;
use crate::error::{Error, Result};
use crate::plot::{
    Axis, Block, DPI, INK, Key, Layer, MARKERS, Marker, PALETTE, Panel, Pen, SINGLE, Sign, Stroke, mix,
    picture,
};
use crate::run::config::ModelKind;
use crate::stats::spearman;

/// Error allowed of the predicted ratio of half-times.
const CLOSE: f64 = 0.02;

pub(super) fn draw(args: &Runs) -> anyhow::Result<Note> {
    // Pairs of runs on the same data.
    let mut pairs: BTreeMap<(usize, String), [Option<Finished>; 2]> = BTreeMap::new();
    for run in Finished::all(&args.runs)? {
        let shape = run.dir.shape()?;
        let key = (shape[1] * shape[2], format!("{}×{} {}", shape[1], shape[2], run.config.data.spec));
        let side = usize::from(run.is(ModelKind::Lcnn));
        let place = &mut pairs.entry(key).or_default()[side];
        if let Some(other) = place {
            let found = format!("{} and {}", other.dir.root().display(), run.dir.root().display());
            return Err(Error::input("figure speed", "one run of each network per data set", found).into());
        }
        *place = Some(run);
    }
    let mut sizes: BTreeMap<usize, SpeedSeries> = BTreeMap::new();
    for ((n, key), pair) in pairs {
        let [Some(fcnn), Some(lcnn)] = pair else {
            let expected = "a run of each network on the same data";
            return Err(Error::input("figure speed", expected, format_args!("one only, on {key}")).into());
        };
        let name = key.split(' ').next().unwrap_or_default().to_owned();
        let series = sizes.entry(n).or_insert_with(|| SpeedSeries { name, points: Vec::new() });
        let ratio = |f: Option<f64>, c: Option<f64>| {
            f.zip(c)
                .filter(|(f, c)| *f > 0.0 && *c > 0.0)
                .map(|(f, c)| (c * lcnn.summary.eta) / (f * fcnn.summary.eta))
        };
        for (f, c) in fcnn.summary.modes.iter().zip(&lcnn.summary.modes) {
            // Modes that both have discovered.
            let Some(measured) = ratio(f.measured.t50, c.measured.t50) else { continue };
            let by_theory =
                |m: &crate::run::summary::ModeSummary| m.predicted.first().and_then(|p| p.discovery.t50);
            series.points.push(SpeedPoint {
                rho: c.rho,
                measured,
                theory: ratio(by_theory(f), by_theory(c)),
            });
        }
    }
    let mut data = Speed { sizes: sizes.into_values().collect() };
    for series in &mut data.sizes {
        series.points.sort_by(|a, b| a.rho.total_cmp(&b.rho));
    }
    save(&data, &args.out)?;

    let mut note = Note::new(
        2,
        "How much faster a convolution is",
        "Half-time of a mode in a convolutional network over that in a fully connected one, against its \
         concentration ρ (by default of single modes spread over 1 to many frequencies). Markers: measured; \
         rings: theory, from the same initial weights; dashed: 1/ρ. Data and architecture set the speed \
         together.",
    );
    let points: Vec<_> = data.sizes.iter().flat_map(|s| &s.points).copied().collect();
    if points.iter().all(|p| p.theory.is_some()) {
        let error = |p: &SpeedPoint| p.theory.map_or(f64::NAN, |t| (p.measured / t - 1.0).abs());
        let worst = points.iter().map(error).fold(f64::NAN, f64::max);
        note.at_most(format!("largest error of the predicted ratio, {} modes", points.len()), worst, CLOSE);
    }
    let inverse: Vec<f64> = points.iter().map(|p| 1.0 / p.rho).collect();
    let measured: Vec<f64> = points.iter().map(|p| p.measured).collect();
    note.at_least("rank correlation of the ratio with 1/ρ", spearman(&inverse, &measured), 0.95);
    let (low, high) = points
        .iter()
        .map(|p| p.measured * p.rho)
        .fold((f64::INFINITY, 0f64), |(low, high), x| (low.min(x), high.max(x)));
    note.states("ratio · ρ (1 where the rule of thumb is exact), smallest", low);
    note.states("ratio · ρ, largest", high);
    Ok(note)
}

/// The figure: one series per size of the images.
#[derive(Clone, Debug)]
struct Speed {
    /// Each has a marker and a colour.
    sizes: Vec<SpeedSeries>,
}

/// Modes of images of one size.
#[derive(Clone, Debug)]
struct SpeedSeries {
    /// Name in the legend ("16×16").
    name: String,
    /// One per mode.
    points: Vec<SpeedPoint>,
}

/// One mode.
#[derive(Clone, Copy, Debug)]
struct SpeedPoint {
    /// Concentration ρ of its spectrum, positive.
    rho: f64,
    /// Measured half-time of the LCNN over that of the FCNN, positive; NaN
    /// where one of them did not discover the mode.
    measured: f64,
    /// What the theory says.
    theory: Option<f64>,
}

/// Draws the ratio of half-times over ρ, both logarithmic, with the line 1/ρ.
///
/// # Errors
/// [`Error::Input`] for no point at all and for numbers that are not positive;
/// [`Error::Io`] if `out` cannot be written. A file that is already there
/// survives both.
fn save(data: &Speed, out: &Path) -> Result<()> {
    picture(&blocks(data)?, SINGLE)?.save(out, DPI)
}

fn blocks(data: &Speed) -> Result<Vec<Block>> {
    let mut rhos: Vec<f64> = Vec::new();
    for series in &data.sizes {
        for point in &series.points {
            let place = format!("figure of speeds, {:?}", series.name);
            if !(point.rho.is_finite() && point.rho > 0.0) {
                return Err(Error::input(place, "a finite positive concentration", point.rho));
            }
            for ratio in std::iter::once(point.measured).chain(point.theory) {
                if ratio.is_infinite() || ratio <= 0.0 {
                    return Err(Error::input(place, "a finite positive ratio (or NaN)", ratio));
                }
            }
            rhos.push(point.rho);
        }
    }
    let (low, high) =
        (rhos.iter().fold(f64::INFINITY, |m, r| m.min(*r)), rhos.iter().fold(0f64, |m, r| m.max(*r)));
    if rhos.is_empty() {
        return Err(Error::input("figure of speeds", "at least one mode", "none"));
    }

    let mut panel = Panel::new(
        "Half-time of a mode: LCNN relative to FCNN",
        Axis::log("concentration ρ of the mode"),
        Axis::log("half-time LCNN / half-time FCNN"),
    );
    // Straight on these axes; a little beyond the points on either side.
    let (low, high) = (low / 1.25, high * 1.25);
    let law = Pen::new(INK, 0.8, Stroke::Dashed);
    panel.layers.push(Layer::Line(vec![(low, 1.0 / low), (high, 1.0 / high)], law));
    let mut keys = Vec::new();
    for (i, series) in data.sizes.iter().enumerate() {
        let (colour, marker) = (PALETTE[i % PALETTE.len()], MARKERS[i % MARKERS.len()]);
        let measured = series.points.iter().map(|p| (p.rho, p.measured)).collect();
        panel.layers.push(Layer::Points(measured, marker, colour));
        keys.push(Key::new(vec![Sign::Marker(marker, colour)], &series.name));
    }
    // Rings over all dots: they leave the dot in the middle to be seen.
    for (i, series) in data.sizes.iter().enumerate() {
        let theory = series.points.iter().filter_map(|p| p.theory.map(|t| (p.rho, t))).collect();
        let colour = mix(PALETTE[i % PALETTE.len()], INK, 0.35);
        panel.layers.push(Layer::Points(theory, Marker::Ring, colour));
    }
    let mut kinds = vec![Key::new(vec![Sign::Marker(Marker::Dot, INK)], "measured")];
    if data.sizes.iter().flat_map(|s| &s.points).any(|p| p.theory.is_some()) {
        kinds.push(Key::new(vec![Sign::Marker(Marker::Ring, INK)], "theory"));
    }
    kinds.push(Key::new(vec![Sign::Line(law)], "1/ρ"));
    Ok(vec![Block::Panels(vec![panel], 520.0, 1.0), Block::Legend(keys), Block::Legend(kinds)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{counts, refuses, shows};

    fn data() -> Speed {
        let series = |name: &str, scale: f64, count: i32| SpeedSeries {
            name: name.to_owned(),
            points: (0..count)
                .map(|i| {
                    let rho = scale * 0.08 * 1.35f64.powi(i);
                    let wobble = 1.0 + 0.06 * f64::from(i * 7 % 5 - 2);
                    SpeedPoint { rho, measured: wobble / rho, theory: Some(1.02 / rho) }
                })
                .collect(),
        };
        Speed { sizes: vec![series("8×8", 1.0, 8), series("16×16", 0.6, 7), series("32×32", 0.35, 7)] }
    }

    #[test]
    fn every_size_has_its_colour() {
        let picture = shows("speed", &blocks(&data()).unwrap(), SINGLE);
        assert_eq!(picture.width, 1000);
        for (colour, least) in [(PALETTE[0], 300), (PALETTE[1], 300), (PALETTE[2], 300)] {
            assert!(counts(&picture, colour) > least, "{colour:?}");
        }
    }

    #[test]
    fn odd_data_draw() {
        let one = |rho, measured, theory| Speed {
            sizes: vec![SpeedSeries {
                name: "n".to_owned(),
                points: vec![SpeedPoint { rho, measured, theory }],
            }],
        };
        for data in [one(1.0, 1.0, None), one(0.5, f64::NAN, None), one(1e-300, 1e300, Some(1e290))] {
            picture(&blocks(&data).unwrap(), SINGLE).unwrap();
        }
        let mut with_empty = data();
        with_empty.sizes[0].points.clear();
        picture(&blocks(&with_empty).unwrap(), SINGLE).unwrap();
    }

    #[test]
    fn bad_data_are_refused_and_leave_no_file() {
        let with = |change: &dyn Fn(&mut SpeedPoint)| {
            let mut data = data();
            change(&mut data.sizes[1].points[2]);
            data
        };
        let cases = [
            (Speed { sizes: vec![] }, "at least one mode"),
            (with(&|p| p.rho = 0.0), "positive concentration"),
            (with(&|p| p.rho = f64::NAN), "positive concentration"),
            (with(&|p| p.measured = -1.0), "positive ratio"),
            (with(&|p| p.theory = Some(f64::INFINITY)), "positive ratio"),
        ];
        refuses(&cases, save);
    }
}
