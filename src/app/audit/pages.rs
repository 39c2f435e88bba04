//! The figures, tables and pages of an audit.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::audit::page::{Figure, Page};
use crate::audit::report::{self, Audit, Network, OnImages};
use crate::audit::tables;
use crate::audit::{layers, pair};
use crate::disk;
use crate::error::Error;
use crate::figure::audit as draw;
use crate::figure::chart::Block;

/// What an audit writes beside its heat map, its kept parts and its tables of images.
const FILES: [&str; 17] = [
    report::FILE,
    "report.html",
    "layers.csv",
    "radial.csv",
    "comparison.csv",
    "pair.csv",
    "series.csv",
    "layers.png",
    "comparison.png",
    "pair.png",
    "series.png",
    "first.png",
    "modes.png",
    "heatmap.png",
    "bands.png",
    "classes.png",
    "shape.png",
];

/// Where what is found of the second network on images is kept and drawn.
pub fn second(out: &Path) -> PathBuf {
    out.join("second")
}

/// Removes what an earlier audit has written into `out`, or left half-written: what is
/// there then belongs together, audit.json coming last.
pub fn clear(out: &Path) -> Result<()> {
    for dir in [out.to_path_buf(), second(out)] {
        for path in FILES.iter().chain(&tables::ON_IMAGES).map(|file| dir.join(file)) {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(&path, "remove")(e).into());
                }
                _ => {}
            }
        }
        for dir in [&dir, &dir.join("parts")] {
            if dir.exists() {
                disk::sweep_old(dir)?;
            }
        }
    }
    Ok(())
}

/// Tables of the numbers that were measured per layer or frequency.
pub fn tables(audit: &Audit, out: &Path) -> Result<()> {
    layers::write_csv(&out.join("layers.csv"), &audit.layers.layers)?;
    layers::write_radial(&out.join("radial.csv"), &audit.layers.layers)?;
    if let Some(series) = &audit.series {
        tables::write_series(series, &out.join("series.csv"))?;
    }
    if let Some(b) = &audit.second {
        layers::write_changes(&out.join("comparison.csv"), &b.comparison.changes)?;
        if let Some(pair) = &b.pair {
            let numbers = pair::numbers(&audit.on_images, &b.on_images, pair);
            tables::write_pair(&numbers, &out.join("pair.csv"))?;
        }
        if b.on_images.images.is_some() {
            tables::write_all(&b.on_images, &second(out))?;
        }
    }
    Ok(tables::write_all(&audit.on_images, out)?)
}

/// What the audited network is called in headings.
fn name(network: &Network) -> String {
    let file = Path::new(&network.weights).file_name().unwrap_or_default().to_string_lossy();
    match &network.architecture {
        // Without the size of the head; all checkpoints of runs have one name.
        Some(known) if network.origin.is_none() => known.clone(),
        Some(known) => format!("{} ({file})", known.split(',').next().unwrap_or(known)),
        None => file.into_owned(),
    }
}

/// The run that a checkpoint is of, RUN/ckpt/step-N/weights.safetensors.
fn run(network: &Network) -> Option<String> {
    let run = Path::new(&network.weights).ancestors().nth(3).filter(|_| network.origin.is_none())?;
    Some(run.file_name()?.to_string_lossy().into_owned())
}

fn blocks(audit: &Audit, figure: &str) -> Option<Vec<Block>> {
    let name = name(&audit.network);
    Some(match figure {
        "layers.png" => draw::layers(&format!("Convolutions of {name}"), &audit.layers),
        "comparison.png" => draw::comparison("From a to b", &audit.second.as_ref()?.comparison),
        "pair.png" => {
            let b = audit.second.as_ref()?;
            let whose = |network: &Network| match run(network) {
                Some(run) => format!("{} of {run}", self::name(network)),
                None => self::name(network),
            };
            let heading = format!("a: {}; b: {}", whose(&audit.network), whose(&b.network));
            draw::pair(&heading, &audit.on_images, &b.on_images)?
        }
        "series.png" => {
            let series = audit.series.as_ref()?;
            let steps: Vec<f64> = series.steps.iter().map(|s| *s as f64).collect();
            draw::series(&format!("Convolutions of {name} over training"), &steps, &series.traces)
        }
        _ => return on_images(&name, &audit.on_images, figure),
    })
}

fn on_images(name: &str, found: &OnImages, figure: &str) -> Option<Vec<Block>> {
    Some(match figure {
        "first.png" => draw::first(found.first.as_ref()?),
        "modes.png" => {
            let heading = format!("Frequencies that {name} reacts to");
            draw::modes(&heading, found.modes.as_ref(), found.jacobian.as_ref())
        }
        "heatmap.png" => draw::heatmap(&format!("Fourier heat map of {name}"), found.heatmap.as_ref()?),
        "bands.png" => draw::bands(&format!("{name} on filtered images"), found.bands.as_ref()?),
        "classes.png" => {
            let heading = format!("Frequencies of classes, {name}");
            draw::dominance(&heading, found.class_names(), found.adcs.as_ref(), found.dominance.as_ref())
        }
        "shape.png" => draw::shape(&format!("Shape or texture, {name}"), found.shape.as_ref()?),
        _ => return None,
    })
}

/// Draws all figures into `out`, and puts the report together.
pub fn report(audit: &Audit, out: &Path) -> Result<Page> {
    let mut page = Page {
        title: format!("Frequency audit of {}", name(&audit.network)),
        subtitle: match &audit.on_images.images {
            Some(images) => format!("{} images of {}", images.count, images.spec),
            None => "by its weights alone".to_owned(),
        },
        conventions: report::conventions(),
        made: format!("Made by {}, seed {}.", audit.version, audit.seed),
        ..Page::default()
    };
    if audit.quick {
        page.subtitle += "; a quick audit, with wider intervals than a full one";
    }
    for part in audit.parts() {
        let mut section = part.section;
        if let Some((file, caption)) = part.figure
            && let Some(blocks) = blocks(audit, file)
        {
            let png = out.join(file);
            draw::draw(&blocks, &png)?;
            section.figure = Some(Figure::read(&png, caption)?);
        }
        page.findings.extend(part.findings);
        page.sections.push(section);
    }
    if let Some(b) = &audit.second {
        // The page has what is different; b's own figures are files beside it.
        for file in b.on_images.parts().iter().filter_map(|part| part.figure.as_ref()).map(|(file, _)| file) {
            if let Some(blocks) = on_images(&name(&b.network), &b.on_images, file) {
                draw::draw(&blocks, &second(out).join(file))?;
            }
        }
    }
    Ok(page)
}

/// The findings for a terminal.
pub fn lines(page: &Page, out: &Path) -> String {
    let mut text = format!("{}\n{}\n\n", page.title, page.subtitle);
    for finding in &page.findings {
        let _ = writeln!(text, "- {finding}");
    }
    let _ = writeln!(text, "\nreport: {}", out.join("report.html").display());
    text
}

/// One page with what an audit found first of all: kernels, heat map, filtered images.
pub fn overview(dir: &Path, out: &Path) -> Result<Audit> {
    let audit = Audit::read(dir)?;
    let mut all = draw::layers_in_short(&format!("Convolutions of {}", name(&audit.network)), &audit.layers);
    for figure in ["heatmap.png", "bands.png"] {
        all.extend(blocks(&audit, figure).into_iter().flatten());
    }
    if audit.on_images.heatmap.is_none() && audit.on_images.bands.is_none() {
        let expected = "an audit with images (a heat map or filtered images)";
        return Err(Error::input(dir.display(), expected, "one of weights alone").into());
    }
    draw::draw(&all, out)?;
    Ok(audit)
}
