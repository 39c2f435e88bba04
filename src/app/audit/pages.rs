//! The figures, tables and pages of an audit.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::audit::layers;
use crate::audit::page::{Figure, Page};
use crate::audit::report::{self, Audit};
use crate::audit::tables;
use crate::error::Error;
use crate::figure::audit as draw;
use crate::figure::chart::Block;

/// What an audit writes beside its heat map and its kept parts.
const FILES: [&str; 18] = [
    report::FILE,
    "report.html",
    "layers.csv",
    "radial.csv",
    "comparison.csv",
    "bands.csv",
    "modes.csv",
    "classes.csv",
    "shape.csv",
    "layers.png",
    "comparison.png",
    "series.png",
    "first.png",
    "modes.png",
    "heatmap.png",
    "bands.png",
    "classes.png",
    "shape.png",
];

/// Removes what an earlier audit has written into `out`: what is there then belongs
/// together, audit.json coming last.
pub fn clear(out: &Path) -> Result<()> {
    for path in FILES.map(|file| out.join(file)) {
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&path, "remove")(e).into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Tables of the numbers that were measured per layer or frequency.
pub fn tables(audit: &Audit, out: &Path) -> Result<()> {
    layers::write_csv(&out.join("layers.csv"), &audit.layers.layers)?;
    layers::write_radial(&out.join("radial.csv"), &audit.layers.layers)?;
    if let Some(second) = &audit.second {
        layers::write_changes(&out.join("comparison.csv"), &second.comparison.changes)?;
    }
    Ok(tables::write_all(audit, out)?)
}

/// What the audited network is called in headings.
fn name(audit: &Audit) -> String {
    let file = Path::new(&audit.network.weights).file_name().unwrap_or_default().to_string_lossy();
    match &audit.network.architecture {
        // Without the size of the head; all checkpoints of runs have one name.
        Some(known) if audit.network.origin.is_none() => known.clone(),
        Some(known) => format!("{} ({file})", known.split(',').next().unwrap_or(known)),
        None => file.into_owned(),
    }
}

fn blocks(audit: &Audit, figure: &str) -> Option<Vec<Block>> {
    let name = name(audit);
    Some(match figure {
        "layers.png" => draw::layers(&format!("Convolutions of {name}"), &audit.layers),
        "comparison.png" => draw::comparison("From a to b", &audit.second.as_ref()?.comparison),
        "series.png" => {
            let series = audit.series.as_ref()?;
            let steps: Vec<f64> = series.steps.iter().map(|s| *s as f64).collect();
            draw::series(&format!("Convolutions of {name} over training"), &steps, &series.traces)
        }
        "first.png" => draw::first(audit.first.as_ref()?),
        "modes.png" => {
            let heading = format!("Frequencies that {name} reacts to");
            draw::modes(&heading, audit.modes.as_ref(), audit.jacobian.as_ref())
        }
        "heatmap.png" => draw::heatmap(&format!("Fourier heat map of {name}"), audit.heatmap.as_ref()?),
        "bands.png" => draw::bands(&format!("{name} on filtered images"), audit.bands.as_ref()?),
        "classes.png" => {
            let heading = format!("Frequencies of classes, {name}");
            draw::dominance(&heading, audit.class_names(), audit.adcs.as_ref(), audit.dominance.as_ref())
        }
        "shape.png" => draw::shape(&format!("Shape or texture, {name}"), audit.shape.as_ref()?),
        _ => return None,
    })
}

/// Draws all figures into `out`, and puts the report together.
pub fn report(audit: &Audit, out: &Path) -> Result<Page> {
    let mut page = Page {
        title: format!("Frequency audit of {}", name(audit)),
        subtitle: match &audit.images {
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
    let mut all = draw::layers_in_short(&format!("Convolutions of {}", name(&audit)), &audit.layers);
    for figure in ["heatmap.png", "bands.png"] {
        all.extend(blocks(&audit, figure).into_iter().flatten());
    }
    if audit.heatmap.is_none() && audit.bands.is_none() {
        let expected = "an audit with images (a heat map or filtered images)";
        return Err(Error::input(dir.display(), expected, "one of weights alone").into());
    }
    draw::draw(&all, out)?;
    Ok(audit)
}
