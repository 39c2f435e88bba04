//! `domfreq inspect`: the modes of a data set, without any training.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use ndarray::{Array3, ArrayView1, ArrayView2, Axis};
use serde::Serialize;

use super::{print, print_json, samples, use_threads};
use crate::cli::InspectArgs;
use crate::data::{Samples, Spec};
use crate::disk;
use crate::field::Told;
use crate::figure::modes::{self as picture, ModeRow};
use crate::run::arrays::Npz;
use crate::run::config::DataConfig;
use crate::spectrum::{self, Energies, Frequency, Grid};
use crate::theory::{Mode, Modes};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    data: &'a Spec,
    description: &'a str,
    /// None of a set in one piece.
    split: Option<&'a str>,
    samples: usize,
    classes: usize,
    names: &'a [String],
    shape: [usize; 3],
    normalize: String,
    center: bool,
    scale: &'a [f64],
    decoder: Option<&'a str>,
    #[serde(flatten)]
    told: &'a Told,
    modes: Vec<ModeReport>,
}

#[derive(Serialize)]
struct ModeReport {
    s: f64,
    /// Share of Σs².
    share: f64,
    lambda: f64,
    rho: f64,
    participation: f64,
    /// The frequency of the largest entry |v̂(k)|, which ρ is of.
    dominant: Frequency,
    /// The first of all in that order, each with its and its conjugate's share of the energy.
    strongest: Vec<(Frequency, f64)>,
    /// The fewest frequencies that hold 90 % of the energy.
    dominant_set: Vec<Frequency>,
    /// Energy-weighted mean radial frequency, cycles per pixel.
    centroid: f64,
}

const STRONGEST: usize = 3;
/// Share of the energy that the dominant set holds.
const DOMINANT: f64 = 0.9;
/// Rows of the printed table; `--json` has them all.
const PRINTED: usize = 30;

pub fn run(args: &InspectArgs) -> Result<()> {
    use_threads(args.threads)?;
    let mut config = DataConfig::default();
    args.data.apply(&mut config)?;
    let samples = samples(&config)?;
    let modes = Modes::new(&samples)?;
    let report = Report {
        data: &config.spec,
        description: &samples.source.description,
        split: samples.source.split.as_deref(),
        samples: samples.len(),
        classes: samples.outputs(),
        names: &samples.names,
        shape: samples.shape,
        normalize: config.normalize().to_string(),
        center: samples.centred,
        scale: &samples.scale,
        decoder: samples.source.decoder.as_deref(),
        told: &samples.source.told,
        modes: (0..modes.len()).map(|i| mode_report(&modes, i)).collect(),
    };
    if let Some(dir) = &args.out {
        disk::create_dir(dir)?;
        let (w, title) = (samples.shape[2], title(&report, &config.spec.short()));
        picture::draw(&format!("Modes of {title}"), &mode_rows(&modes), w, &dir.join("modes.png"))?;
        if let Some(labels) = &samples.labels {
            let rows = prototypes(&samples, labels)?;
            write_spectra(&samples, labels, &dir.join("spectra.npz"))?;
            picture::draw_prototypes(
                &format!("Class means of {title}"),
                &rows,
                w,
                &dir.join("prototypes.png"),
            )?;
        }
        disk::write_bytes(&dir.join("inspect.json"), serde_json::to_string_pretty(&report)?.as_bytes())?;
    }
    if args.json { print_json(&report) } else { print(table(&report, &modes).as_bytes()) }
}

fn title(report: &Report, data: &str) -> String {
    let [c, h, w] = report.shape;
    format!("{data}: {} samples, {} classes, {c}×{h}×{w}", report.samples, report.classes)
}

fn mode_report(modes: &Modes, index: usize) -> ModeReport {
    let mode = &modes.list[index];
    ModeReport {
        s: mode.s,
        share: modes.share(index),
        lambda: mode.lambda,
        rho: mode.rho,
        participation: mode.participation,
        dominant: mode.dominant,
        strongest: mode.energies.strongest(STRONGEST),
        dominant_set: mode.energies.dominant_set(DOMINANT),
        centroid: mode.energies.centroid(),
    }
}

fn table(report: &Report, modes: &Modes) -> String {
    let mut text = format!("{}\n", title(report, &report.data.to_string()));
    let center = if report.center { "x and y centred" } else { "not centred" };
    let _ = writeln!(text, "{}; {center}, normalize {}", report.description, report.normalize);
    let _ = writeln!(text);
    let _ = writeln!(
        text,
        "mode         s   share         λ       ρ      PR  strongest frequencies (row, column): share"
    );
    for (i, m) in report.modes.iter().enumerate().take(PRINTED) {
        let frequencies: Vec<_> = m
            .strongest
            .iter()
            .filter(|(_, share)| *share >= 0.005)
            .map(|(f, share)| format!("({},{}) {:.0}%", f.row, f.col, 100.0 * share))
            .collect();
        let _ = writeln!(
            text,
            "{:4} {:9} {:6.2}% {:9} {:7.2} {:7.2}  {}",
            i + 1,
            significant(m.s),
            100.0 * m.share,
            significant(m.lambda),
            m.rho,
            m.participation,
            frequencies.join("  ")
        );
    }
    if modes.len() > PRINTED {
        let _ = writeln!(text, "… and {} more (--json lists all)", modes.len() - PRINTED);
    }
    text
}

// Four significant digits in a fixed column.
fn significant(v: f64) -> String {
    if (0.001..100_000.0).contains(&v.abs()) {
        let digits = (3 - v.abs().log10().floor() as i32).clamp(0, 6) as usize;
        format!("{v:>9.digits$}")
    } else {
        format!("{v:>9.2e}")
    }
}

// With spaces at which the figure does not break the line.
fn unbroken(f: Frequency) -> String {
    f.to_string().replace(' ', "\u{a0}")
}

fn mode_rows(modes: &Modes) -> Vec<ModeRow> {
    let row = |(i, m): (usize, &Mode)| ModeRow {
        label: format!("mode {}", i + 1),
        lines: vec![
            format!("s = {}", significant(m.s).trim()),
            format!("{:.2}\u{a0}% of Σs²", 100.0 * modes.share(i)),
            format!("λ = {}", significant(m.lambda).trim()),
            format!("ρ = {:.2}", m.rho),
            format!("PR = {:.1}", m.participation),
            format!("dominant {}", unbroken(m.dominant)),
        ],
        image: m.v.clone(),
        spectrum: m.energies.values().to_owned(),
    };
    modes.list.iter().enumerate().map(row).collect()
}

/// `spectra.npz` of the prepared images, unitary DFT, half planes: classes
/// `[K, c, h, w/2+1]` (mean energy per class), radius `[rings]` in cycles per pixel
/// and radial `[K, rings]` (mean energy per entry, summed over channels), and
/// orientation `[K, 12]` (share per 15°, from waves along the width).
fn write_spectra(samples: &Samples, labels: &[u32], path: &Path) -> Result<()> {
    let [c, h, w] = samples.shape;
    let images = samples.x.view().into_shape_with_order((samples.len(), c, h, w))?;
    let classes = spectrum::mean_energies_by_class(images, labels, samples.outputs());
    let (mut radius, mut radial, mut orientation) = (Vec::new(), Vec::new(), Vec::new());
    for class in classes.outer_iter() {
        let energies = Energies::new(Grid::new(h, w), class.sum_axis(Axis(0)))?;
        let profile = energies.radial_profile(None);
        radial.extend(profile.mean());
        orientation.extend(energies.orientation_profile(12));
        radius = profile.radius;
    }
    let k = samples.outputs();
    Npz::default()
        .with("classes", classes.view())
        .with("radial", ArrayView2::from_shape((k, radius.len()), &radial)?)
        .with("orientation", ArrayView2::from_shape((k, 12), &orientation)?)
        .with("radius", ArrayView1::from(&radius))
        .write(path)?;
    Ok(())
}

fn prototypes(samples: &Samples, labels: &[u32]) -> Result<Vec<ModeRow>> {
    let [c, h, w] = samples.shape;
    let mut sums = vec![(Array3::<f64>::zeros((c, h, w)), 0usize); samples.outputs()];
    for (x, &label) in samples.x.axis_iter(Axis(0)).zip(labels) {
        let (sum, count) = &mut sums[label as usize];
        sum.iter_mut().zip(x).for_each(|(s, &v)| *s += f64::from(v));
        *count += 1;
    }
    let rows = sums.into_iter().zip(&samples.names).map(|((sum, count), name)| -> Result<ModeRow> {
        let image = sum / count.max(1) as f64;
        let energies = Energies::of_image(image.view())?;
        let strongest: Vec<_> = energies.strongest(STRONGEST).iter().map(|(f, _)| unbroken(*f)).collect();
        Ok(ModeRow {
            label: name.clone(),
            lines: vec![
                format!("{count} samples"),
                format!("PR = {:.1}", energies.participation()),
                format!("strongest {}", strongest.join(" ")),
            ],
            spectrum: energies.values().to_owned(),
            image,
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_significant_digits() {
        assert_eq!(significant(2.10649).trim(), "2.106");
        assert_eq!(significant(276.44).trim(), "276.4");
        assert_eq!(significant(0.0512345).trim(), "0.05123");
        assert_eq!(significant(1.5e-9).trim(), "1.50e-9");
        assert_eq!(significant(0.0).trim(), "0.00e0");
    }
}
