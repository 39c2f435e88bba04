//! How many planted cues are found, over their norm.

use std::path::Path;

use crate::error::Result;
use crate::plot::{
    Axis, Block, DPI, FULL, Key, Layer, MARKERS, PALETTE, Panel, Pen, QUIET, Sign, Stroke, picture,
};
use crate::shortcuts::Calibration;

/// Cues that are found in similar ways.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Waves and bands", &["cosine", "cosine-random", "bands"]),
    ("Places", &["patch", "patch-random", "watermark", "border"]),
    ("Noise and traces", &["ar", "blocks", "blur", "jpeg"]),
    ("Tones", &["tint", "brightness"]),
];

/// Draws the shares found of each cue: a row of panels for each part of the class.
///
/// # Errors
/// [`crate::Error::Io`] if `out` cannot be written.
pub fn draw(calibration: &Calibration, out: &Path) -> Result<()> {
    picture(&blocks(calibration), FULL)?.save(out, DPI)
}

fn blocks(calibration: &Calibration) -> Vec<Block> {
    let mut shares: Vec<f64> = calibration.doses.iter().map(|dose| dose.share).collect();
    shares.sort_by(|a, b| b.total_cmp(a));
    shares.dedup();
    let mut norms: Vec<f64> = calibration.doses.iter().map(|dose| dose.norm).collect();
    norms.sort_by(f64::total_cmp);
    norms.dedup();
    let tried = |cue: &str| calibration.doses.iter().any(|dose| dose.cue == cue);
    let mut blocks = Vec::new();
    for (row, share) in shares.iter().enumerate() {
        let mut panels = Vec::new();
        let mut keys = Vec::new();
        for (title, cues) in GROUPS.iter().filter(|(_, cues)| cues.iter().any(|cue| tried(cue))) {
            let mut x = Axis::log("L2 norm of the cue");
            x.named = Some(norms.iter().map(|norm| (*norm, norm.to_string())).collect());
            let mut y = Axis::linear(if panels.is_empty() { "share of draws found first" } else { "" });
            y.range = Some((-0.04, 1.04));
            let mut panel = Panel::new(*title, x, y);
            for (i, cue) in cues.iter().filter(|cue| tried(cue)).enumerate() {
                let points: Vec<(f64, f64)> = norms
                    .iter()
                    .filter_map(|norm| {
                        let of = |d: &&crate::shortcuts::Dose| {
                            d.cue == **cue && d.norm == *norm && d.share == *share
                        };
                        calibration.doses.iter().find(of).map(|dose| (*norm, dose.found.share))
                    })
                    .collect();
                let (colour, marker) = (PALETTE[i % PALETTE.len()], MARKERS[i % MARKERS.len()]);
                let pen = Pen::new(colour, 1.2, Stroke::Solid);
                panel.layers.push(Layer::Line(points.clone(), pen));
                panel.layers.push(Layer::Points(points, marker, colour));
                keys.push(Key {
                    note: format!("({})", title.to_lowercase()),
                    ..Key::new(vec![Sign::Line(pen), Sign::Marker(marker, colour)], *cue)
                });
            }
            panel.layers.push(Layer::Horizontal(0.95, Pen::new(QUIET, 0.6, Stroke::Dashed)));
            panels.push(panel);
        }
        let part = match *share {
            1.0 => "Cue in all images of one class".to_owned(),
            part => format!("Cue in {:.0} % of one class", 100.0 * part),
        };
        blocks.push(Block::Heading(part));
        blocks.push(Block::Panels(panels, 300.0, 1.0));
        if row + 1 == shares.len() {
            blocks.push(Block::Legend(keys));
        }
    }
    let alarms = &calibration.false_alarms;
    let mut note = format!(
        "{} draws per point, {} images each; dashed: 95 %",
        calibration.design.draws, calibration.design.images
    );
    if alarms.of > 0 {
        note += &format!("; alarms where nothing is planted: {} of {}", alarms.count, alarms.of);
    }
    blocks.push(Block::Legend(vec![Key { note, ..Key::new(Vec::new(), "") }]));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{counts, shows};
    use crate::shortcuts::{Design, Dose};
    use crate::stats::Rate;

    fn calibration() -> Calibration {
        let mut doses = Vec::new();
        for (i, cue) in GROUPS.iter().flat_map(|(_, cues)| *cues).enumerate() {
            for (j, norm) in [0.25, 0.5, 1.0, 2.0].into_iter().enumerate() {
                for (k, share) in [1.0, 0.3].into_iter().enumerate() {
                    let found = Rate::new(((i + 3 * j) / (1 + k)).min(10) as u64, 10);
                    doses.push(Dose { cue: (*cue).to_owned(), norm, share, found, located: None });
                }
            }
        }
        Calibration {
            told: Vec::new(),
            design: Design {
                cues: Vec::new(),
                norms: vec![0.25, 0.5, 1.0, 2.0],
                shares: vec![1.0, 0.3],
                draws: 10,
                subsets: 40,
                images: 4000,
                seed: 0,
            },
            doses,
            false_alarms: Rate::new(1, 40),
            untouched: vec![0.5; 40],
        }
    }

    #[test]
    fn every_cue_has_its_curve() {
        let all: Vec<&str> = GROUPS.iter().flat_map(|(_, cues)| cues.iter().copied()).collect();
        assert!(crate::data::planted::CUE_NAMES.iter().all(|cue| all.contains(cue)) && all.len() == 13);
        let picture = shows("doses", &blocks(&calibration()), FULL);
        assert!(PALETTE[..4].iter().all(|colour| counts(&picture, *colour) > 200));
    }

    #[test]
    fn one_cue_and_one_norm_draw() {
        let mut one = calibration();
        one.doses.truncate(1);
        picture(&blocks(&one), FULL).unwrap();
    }
}
