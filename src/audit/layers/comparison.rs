//! Two networks' convolutions in the report.

use super::{Change, Comparison, csv};
use crate::audit::chapter::{Chapter, Picture, Words, cell};
use crate::audit::pens::{LEVEL, MEASURED, dotted};
use crate::page::Table;
use crate::plot::{Axis, Block, Layer, Marker, Panel};

/// The files of the chapter: its table, its figure.
pub const FILES: [&str; 2] = ["comparison.csv", "comparison.png"];

/// The chapter on what is different in b, whose file is `weights`.
pub fn chapter<'a>(weights: &str, comparison: &'a Comparison) -> Chapter<'a> {
    let (section, findings) = words(weights, comparison).section("Against the second network");
    let caption = "What is different in b, layer by layer.".to_owned();
    let figure = Some(Picture { file: FILES[1], caption, blocks: figure(comparison) });
    Chapter { section, findings, figure, tables: vec![(FILES[0], csv::changes(&comparison.changes))] }
}

fn words(weights: &str, comparison: &Comparison) -> Words {
    let mut text = vec![format!(
        "b is {}; {} convolutions are in both, {} only in a, {} only in b, {} of another shape.",
        weights,
        comparison.changes.len(),
        comparison.only_a.len(),
        comparison.only_b.len(),
        comparison.misshapen.len()
    )];
    let moved: Vec<f64> = comparison.changes.iter().filter_map(|c| c.centroid).collect();
    let mut findings = Vec::new();
    if !moved.is_empty() {
        let up = moved.iter().filter(|c| **c > 0.0).count();
        let mean = moved.iter().sum::<f64>() / moved.len() as f64;
        let line = format!(
            "From a to b the centroid rises in {up} of {} convolutions; it changes by {mean:+.4} cycles per pixel on average.",
            moved.len()
        )
        .replace(" -", " −");
        text.push(line.clone());
        findings.push(line);
    }
    let head = ["layer", "‖W_b − W_a‖/‖W_a‖", "centroid", "kernel anisotropy", "dominant share", "distance"];
    let rows = comparison.changes.iter().map(|c| {
        vec![
            c.name.clone(),
            cell(c.relative, 3),
            cell(c.centroid, 4),
            cell(c.kernel_anisotropy, 3),
            cell(c.dominant_share, 3),
            cell(c.distance, 3),
        ]
    });
    let table = Some(Table {
        caption: "b − a; distance: share of the energy that is at other frequencies.".to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    });
    Words { text, findings, table }
}

fn figure(found: &Comparison) -> Vec<Block> {
    let line = |name: &str, y: &str, of: fn(&Change) -> Option<f64>, zero: bool| {
        let points: Vec<_> = found
            .changes
            .iter()
            .enumerate()
            .filter_map(|(i, change)| Some(((i + 1) as f64, of(change)?)))
            .collect();
        let mut panel = Panel::new(name, Axis::linear("common convolution, first to last"), Axis::linear(y));
        if zero {
            panel.layers.push(Layer::Horizontal(0.0, LEVEL));
        }
        panel.layers.extend(dotted(points, 0.6, MEASURED, Marker::Dot));
        panel
    };
    let panels = vec![
        line("(a) Weights", "‖W_b − W_a‖ / ‖W_a‖", |c| c.relative, false),
        line("(b) Centroid, b − a", "cycles/pixel", |c| c.centroid, true),
        line("(c) Spectra", "total variation distance", |c| c.distance, false),
    ];
    vec![Block::Heading("From a to b".to_owned()), Block::Panels(panels, 300.0, 1.0)]
}
