//! The overview of an audit, from its folder.

use std::path::PathBuf;

use anyhow::Result;

use super::Note;
use crate::audit::layers::Quantity;
use crate::audit::parts::heatmap::Entry;
use crate::audit::report::Audit;
use crate::error::Error;
use crate::spectrum::{Frequency, Grid};

/// What is drawn.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the audit
    #[arg(value_name = "DIR")]
    pub audit: PathBuf,
    /// The PNG to write
    #[arg(long, value_name = "PNG")]
    pub out: PathBuf,
}

pub fn draw(args: &Args) -> Result<Note> {
    let (dir, out) = (&args.audit, &args.out);
    let audit = Audit::read(dir)?;
    let found = &audit.on_images.found;
    if found.heatmap.is_none() && found.bands.is_none() {
        let expected = "an audit with images (a heat map or filtered images)";
        return Err(Error::input(dir.display(), expected, "one of weights alone").into());
    }
    audit.overview(out)?;
    let mut note = Note::new(
        8,
        "An audit",
        "On which frequencies a trained network lives: its kernels beside random ones of the same shape, its errors \
         when images are disturbed by one frequency at a time (Fourier heat map), and its answers when only some \
         frequencies of the images are left.",
    );
    if let Some(rate) = audit.on_images.images.as_ref().and_then(|i| i.accuracy) {
        note.states(format!("accuracy on {} images", rate.of), rate.share);
    }
    for quantity in [Quantity::Centroid, Quantity::KernelAnisotropy] {
        let (outside, of) = audit.layers.outside(quantity);
        note.states(
            format!("{quantity}: layers outside the middle 95 % of random ones, of {of}"),
            outside as f64,
        );
    }
    if let Some(bands) = &found.bands {
        for (what, curve) in [("low-pass", &bands.low), ("high-pass", &bands.high)] {
            let radius = curve.half_accuracy.or(curve.half_agreement).unwrap_or(f64::NAN);
            note.states(format!("{what} radius (cycles/pixel) half-way between chance and all"), radius);
        }
    }
    if let Some(map) = &found.heatmap {
        let share = |e: &&Entry| e.error.share;
        let worst = map.entries.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
        if let Some(worst) = worst {
            let [_, h, w] = map.shape;
            let radius = Grid::new(h, w).radius(Frequency { row: worst.row, col: worst.col });
            note.states("heat map: error rate at the most harmful frequency", worst.error.share);
            note.states("heat map: radius of that frequency (cycles/pixel)", radius);
        }
        let least = map.entries.iter().map(|e| e.error.share).fold(1.0, f64::min);
        note.states("heat map: error rate at the least harmful frequency", least);
    }
    if let Some(bias) = found.swap.as_ref().and_then(|s| s.known.as_ref()?.bias) {
        note.states("phases decide, where phases and amplitudes are of two classes", bias.share);
    }
    Ok(note)
}
