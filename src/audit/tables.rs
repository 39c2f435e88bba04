//! Tables of what an audit found on images, beside those of
//! [`layers`](super::layers).

use std::path::Path;

use super::Rate;
use super::report::Audit;
use super::table::{Cell, write};
use crate::error::Result;

fn rate(rate: Option<Rate>) -> [Cell<'static>; 3] {
    let [low, high] = rate.map_or([None; 2], |r| r.interval.map(Some));
    [rate.map(|r| r.share).into(), low.into(), high.into()]
}

/// Writes what there is into `dir`, each table whole or not at all: `bands.csv` (a
/// line per filter: above and upto in cycles per pixel, the frequencies and energy
/// that pass, accuracy and agreement with the answer to the whole image, each with
/// its 95 % interval), `modes.csv` (a line per mode), `classes.csv` (a line per class
/// and share of the plane kept; 1 for whole images) and `shape.csv` (a line per class
/// of the shape).
///
/// # Errors
/// [`crate::Error::Io`].
pub fn write_all(audit: &Audit, dir: &Path) -> Result<()> {
    if let Some(bands) = &audit.bands {
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
        write(&dir.join("bands.csv"), &header, rows)?;
    }
    if let Some(modes) = &audit.modes {
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
        write(&dir.join("modes.csv"), &header, rows)?;
    }
    if let Some(found) = &audit.dominance {
        let names = audit.class_names();
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
        let rows = found.classes.iter().flat_map(|class| {
            let whole = (1.0, class.positives);
            let all = std::iter::once(whole).chain(class.reduced.iter().map(|r| (r.share, r.positives)));
            let name = names.get(class.class as usize).map(String::as_str);
            all.map(move |(share, positives)| {
                let class = name.map_or(Cell::Number(f64::from(class.class)), Cell::Text);
                let mut row = vec![class, Cell::Number(share)];
                row.extend(rate(Some(positives.right)));
                row.extend(rate(Some(positives.wrong)));
                row
            })
        });
        write(&dir.join("classes.csv"), &header, rows)?;
    }
    if let Some(found) = &audit.shape {
        let header = ["class", "shape", "texture", "other", "bias", "bias_low", "bias_high"];
        let rows = found.by_shape.iter().map(|class| {
            let decided = &class.decided;
            let mut row = vec![Cell::Text(&class.name)];
            row.extend([decided.shape, decided.texture, decided.other].map(|n| Cell::from(n as usize)));
            row.extend(rate(decided.bias));
            row
        });
        write(&dir.join("shape.csv"), &header, rows)?;
    }
    Ok(())
}
