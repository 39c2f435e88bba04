//! `domfreq inspect`: the modes of a data set, without any training.

use std::fmt::Write as _;

use anyhow::Result;
use ndarray::{Array3, Axis};
use serde::Serialize;

use super::{print, print_json, samples, use_threads};
use crate::cli::InspectArgs;
use crate::data::{Samples, Spec};
use crate::disk;
use crate::figure::modes::{self as picture, ModeRow};
use crate::run::config::DataConfig;
use crate::spectrum::{Energies, Frequency};
use crate::theory::{Mode, Modes};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    data: &'a str,
    description: &'a str,
    samples: usize,
    classes: usize,
    names: &'a [String],
    shape: [usize; 3],
    normalize: String,
    center: bool,
    scale: &'a [f64],
    decoder: Option<&'a str>,
    skipped: usize,
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
    dominant: [i32; 2],
    /// The strongest frequencies with their shares of the energy.
    strongest: Vec<([i32; 2], f64)>,
}

const STRONGEST: usize = 3;
/// Rows of the pictures: what can still be told apart on a page.
const PICTURED: usize = 10;
/// Rows of the printed table; `--json` has them all.
const PRINTED: usize = 30;

pub fn run(args: &InspectArgs) -> Result<()> {
    use_threads(args.threads);
    let mut config = DataConfig::default();
    args.data.apply(&mut config);
    let samples = samples(&mut config)?;
    let modes = Modes::new(&samples)?;
    let report = Report {
        data: &config.spec,
        description: &samples.source.description,
        samples: samples.len(),
        classes: samples.outputs(),
        names: &samples.names,
        shape: samples.shape,
        normalize: config.normalize.map(|n| n.to_string()).unwrap_or_default(),
        center: samples.centred,
        scale: &samples.scale,
        decoder: samples.source.decoder.as_deref(),
        skipped: samples.source.skipped,
        modes: (0..modes.len()).map(|i| mode_report(&modes, i)).collect(),
    };
    if let Some(dir) = &args.out {
        disk::create_dir(dir)?;
        let (w, title) = (samples.shape[2], title(&report, &config.spec.parse::<Spec>()?.short()));
        picture::draw(&format!("Modes of {title}"), &mode_rows(&modes), w, &dir.join("modes.png"))?;
        if let Some(labels) = &samples.labels {
            let rows = prototypes(&samples, labels)?;
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
    let strongest = mode.energies.strongest(STRONGEST);
    ModeReport {
        s: mode.s,
        share: modes.share(index),
        lambda: mode.lambda,
        rho: mode.rho,
        participation: mode.participation,
        dominant: [mode.dominant.row, mode.dominant.col],
        strongest: strongest.into_iter().map(|(f, share)| ([f.row, f.col], share)).collect(),
    }
}

fn table(report: &Report, modes: &Modes) -> String {
    let mut text = format!("{}\n", title(report, report.data));
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
            .map(|([r, c], share)| format!("({r},{c}) {:.0}%", 100.0 * share))
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
    modes.list.iter().enumerate().take(PICTURED).map(row).collect()
}

fn prototypes(samples: &Samples, labels: &[u32]) -> Result<Vec<ModeRow>> {
    let [c, h, w] = samples.shape;
    let shown = samples.outputs().min(PICTURED);
    let mut sums = vec![(Array3::<f64>::zeros((c, h, w)), 0usize); shown];
    for (x, &label) in samples.x.axis_iter(Axis(0)).zip(labels) {
        if let Some((sum, count)) = sums.get_mut(label as usize) {
            sum.iter_mut().zip(x).for_each(|(s, &v)| *s += f64::from(v));
            *count += 1;
        }
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
