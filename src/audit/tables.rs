//! Tables of what an audit found on images, beside those of
//! [`layers`](super::layers).

use std::path::Path;

use super::Rate;
use super::adcs::Adcs;
use super::bands::Bands;
use super::dominance::Dominance;
use super::gradient::{Estimate, ModeUses, SquaredJacobian};
use super::heatmap::HeatMap;
use super::pair::{Measured, Number};
use super::profile::Profile;
use super::report::{OnImages, Series};
use super::shape::ShapeBias;
use super::swap::Swap;
use super::table::{Cell, write};
use crate::error::Result;

/// The tables there may be of images.
pub const ON_IMAGES: [&str; 9] = [
    "first.csv",
    "modes.csv",
    "jacobian.csv",
    "frequencies.csv",
    "bands.csv",
    "adcs.csv",
    "classes.csv",
    "swap.csv",
    "shape.csv",
];

fn rate(rate: Option<Rate>) -> [Cell<'static>; 3] {
    let [low, high] = rate.map_or([None; 2], |r| r.interval.map(Some));
    [rate.map(|r| r.share).into(), low.into(), high.into()]
}

fn measured(found: Measured) -> [Cell<'static>; 3] {
    let [low, high] = found.interval.map_or([None; 2], |interval| interval.map(Some));
    [Cell::Number(found.value), low.into(), high.into()]
}

fn estimate(found: Estimate) -> [Cell<'static>; 2] {
    [Cell::Number(found.value), found.se.into()]
}

/// Writes what there is into `dir`, each table whole or not at all: [`ON_IMAGES`].
/// Radii are in cycles per pixel, frequencies in cycles per image; every share has its
/// 95 % interval, `_se` is a standard error.
///
/// # Errors
/// [`crate::Error::Io`].
pub fn write_all(found: &OnImages, dir: &Path) -> Result<()> {
    let names = found.class_names();
    let [first, modes, jacobian, frequencies, bands, adcs, classes, swap, shape] =
        ON_IMAGES.map(|file| dir.join(file));
    found.first.iter().try_for_each(|f| write_first(f, &first))?;
    found.modes.iter().try_for_each(|f| write_modes(f, &modes))?;
    found.jacobian.iter().try_for_each(|f| write_jacobian(f, &jacobian))?;
    found.heatmap.iter().try_for_each(|f| write_frequencies(f, &frequencies))?;
    found.bands.iter().try_for_each(|f| write_bands(f, &bands))?;
    found.adcs.iter().try_for_each(|f| write_adcs(f, names, &adcs))?;
    found.dominance.iter().try_for_each(|f| write_classes(f, names, &classes))?;
    found.swap.iter().try_for_each(|f| write_swap(f, &swap))?;
    found.shape.iter().try_for_each(|f| write_shape(f, &shape))
}

/// A line per principal component of image patches.
fn write_first(first: &Profile, path: &Path) -> Result<()> {
    let rows = (0..first.lambda.len()).map(|i| {
        let numbers = [first.lambda[i], first.measured[i], first.predicted[i]];
        let mut row = vec![Cell::from(i + 1)];
        row.extend(numbers.map(Cell::Number));
        row
    });
    write(path, &["component", "lambda", "measured", "predicted"], rows)
}

/// A line per mode.
fn write_modes(modes: &ModeUses, path: &Path) -> Result<()> {
    let header = [
        "mode",
        "s",
        "rho",
        "strength",
        "participation",
        "centroid",
        "used_participation",
        "used_centroid",
        "overlap",
        "on_dominant",
        "cosine",
    ];
    let rows = modes.modes.iter().enumerate().map(|(i, m)| {
        let used = m.template.as_ref();
        vec![
            (i + 1).into(),
            Cell::Number(m.s),
            Cell::Number(m.rho),
            m.strength.map(|a| a.value).into(),
            Cell::Number(m.participation),
            Cell::Number(m.centroid),
            used.map(|t| t.participation.value).into(),
            used.map(|t| t.centroid.value).into(),
            used.map(|t| t.overlap.value).into(),
            used.map(|t| t.on_dominant.value).into(),
            used.map(|t| t.cosine.value).into(),
        ]
    });
    write(path, &header, rows)
}

/// A line per ring of radial frequency.
fn write_jacobian(jacobian: &SquaredJacobian, path: &Path) -> Result<()> {
    let rows = jacobian.radial.iter().map(|ring| {
        let mut row = vec![Cell::Number(ring.radius), ring.entries.into()];
        row.extend(estimate(ring.energy));
        row.push(Cell::Number(ring.share));
        row
    });
    write(path, &["radius", "entries", "energy", "energy_se", "share"], rows)
}

/// A line per frequency of the heat map, from the parts of it as well.
fn write_frequencies(map: &HeatMap, path: &Path) -> Result<()> {
    let header = ["row", "col", "error", "error_low", "error_high", "distance", "distance_se"];
    let rows = map.entries.iter().map(|entry| {
        let mut row: Vec<_> = [entry.row, entry.col].map(|k| Cell::Number(f64::from(k))).into();
        row.extend(rate(Some(entry.error)));
        row.extend([Cell::Number(entry.distance), entry.distance_se.into()]);
        row
    });
    write(path, &header, rows)
}

/// A line per filter: the radii that pass are above and upto; share of the frequencies
/// and of the energy that pass; accuracy, and agreement with the answer to the whole
/// image.
fn write_bands(bands: &Bands, path: &Path) -> Result<()> {
    let header = [
        "filter",
        "above",
        "upto",
        "frequencies",
        "energy",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "agreement",
        "agreement_low",
        "agreement_high",
    ];
    let curves = [("low-pass", &bands.low), ("high-pass", &bands.high), ("band-pass", &bands.bands)];
    let rows = curves.into_iter().flat_map(|(name, curve)| {
        curve.points.iter().map(move |p| {
            let mut row = vec![Cell::Text(name)];
            row.extend([p.above, p.upto, p.frequencies, p.energy].map(Cell::Number));
            row.extend(rate(p.accuracy));
            row.extend(rate(Some(p.agreement)));
            row
        })
    });
    write(path, &header, rows)
}

fn class(names: &[String], class: u32) -> Cell<'_> {
    names.get(class as usize).map_or(Cell::Number(f64::from(class)), |name| Cell::Text(name))
}

/// A line per class and frequency.
fn write_adcs(adcs: &Adcs, names: &[String], path: &Path) -> Result<()> {
    let rows = adcs.classes.iter().zip(&adcs.values).flat_map(|(&of, values)| {
        adcs.frequencies.iter().zip(values).map(move |(k, &value)| {
            let mut row = vec![class(names, of)];
            row.extend([f64::from(k.row), f64::from(k.col), value].map(Cell::Number));
            row
        })
    });
    write(path, &["class", "row", "col", "adcs"], rows)
}

/// A line per class and share of the plane that is kept; 1 for whole images.
fn write_classes(found: &Dominance, names: &[String], path: &Path) -> Result<()> {
    let header = [
        "class",
        "share",
        "true_positives",
        "true_low",
        "true_high",
        "false_positives",
        "false_low",
        "false_high",
    ];
    let rows = found.classes.iter().flat_map(|of| {
        let whole = std::iter::once((1.0, of.positives));
        whole.chain(of.reduced.iter().map(|r| (r.share, r.positives))).map(move |(share, positives)| {
            let mut row = vec![class(names, of.class), Cell::Number(share)];
            row.extend(rate(Some(positives.right)));
            row.extend(rate(Some(positives.wrong)));
            row
        })
    });
    write(path, &header, rows)
}

/// A line for all pairs, and one for those of which the network knows both donors.
fn write_swap(swap: &Swap, path: &Path) -> Result<()> {
    let mut header = vec!["pairs"];
    header.extend(["phase", "phase_low", "phase_high", "amplitude", "amplitude_low", "amplitude_high"]);
    header.extend(["other", "other_low", "other_high", "bias", "bias_low", "bias_high"]);
    let lines = [("all", Some(&swap.all)), ("known", swap.known.as_ref())];
    let rows = lines.into_iter().filter_map(|(name, shares)| {
        let shares = shares?;
        let mut row = vec![Cell::Text(name)];
        let rates = [Some(shares.phase), Some(shares.amplitude), Some(shares.other), shares.bias];
        row.extend(rates.into_iter().flat_map(rate));
        Some(row)
    });
    write(path, &header, rows)
}

/// A line per class of the shape.
fn write_shape(shape: &ShapeBias, path: &Path) -> Result<()> {
    let header = ["class", "shape", "texture", "other", "bias", "bias_low", "bias_high"];
    let rows = shape.by_shape.iter().map(|class| {
        let decided = &class.decided;
        let mut row = vec![Cell::Text(&class.name)];
        row.extend([decided.shape, decided.texture, decided.other].map(|n| Cell::from(n as usize)));
        row.extend(rate(decided.bias));
        row
    });
    write(path, &header, rows)
}

/// Writes what two networks have measured alike: a line per number.
///
/// # Errors
/// [`crate::Error::Io`].
pub fn write_pair(numbers: &[Number], path: &Path) -> Result<()> {
    let mut header = vec!["number", "unit", "a", "a_low", "a_high", "b", "b_low", "b_high"];
    header.extend(["difference", "difference_low", "difference_high"]);
    let rows = numbers.iter().map(|number| {
        let mut row = vec![Cell::Text(number.name), Cell::Text(number.unit)];
        row.extend([number.a, number.b, number.difference].into_iter().flat_map(measured));
        row
    });
    write(path, &header, rows)
}

/// Writes the convolutions over a run: a line per layer and step. Cells of layers
/// without a spectrum are empty.
///
/// # Errors
/// [`crate::Error::Io`].
pub fn write_series(series: &Series, path: &Path) -> Result<()> {
    let mut header = vec!["name", "step", "energy", "centroid", "anisotropy", "kernel_anisotropy"];
    header.extend(["dominant_share", "participation"]);
    let rows = series.traces.iter().flat_map(|trace| {
        series.steps.iter().enumerate().map(move |(i, &step)| {
            let numbers = [
                &trace.energy,
                &trace.centroid,
                &trace.anisotropy,
                &trace.kernel_anisotropy,
                &trace.dominant_share,
                &trace.participation,
            ];
            let mut row = vec![Cell::Text(&trace.name), Cell::Number(step as f64)];
            row.extend(numbers.map(|values| Cell::from(values.get(i).copied().flatten())));
            row
        })
    });
    write(path, &header, rows)
}
