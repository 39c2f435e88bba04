//! What `domfreq shortcuts` found, to be looked at: where a class differs from the others,
//! in which frequencies, and the images that show it most.

use std::path::Path;

use ndarray::{Array2, Axis};

use crate::error::Result;
use crate::field::{ImageSet, Targets};
use crate::plot::{Bar, Block, DPI, FULL, Key, Look, Tile, Tiles, picture};
use crate::shortcuts::{Entry, Report};
use crate::spectrum::{self, mirror, shift_to_centre};

/// Classes that are shown where there are more.
const ROWS: usize = 8;
/// Images of a class.
const IMAGES: usize = 6;

/// Draws the first entries of `report`, of which `set` is the set: the alarms, or the first
/// class where there is none.
///
/// # Errors
/// [`crate::Error::Io`] if `out` cannot be written.
pub fn draw(set: &ImageSet, report: &Report, out: &Path) -> Result<()> {
    picture(&blocks(set, report), FULL)?.save(out, DPI)
}

fn blocks(set: &ImageSet, report: &Report) -> Vec<Block> {
    let shown = report.alarms.clamp(1, ROWS);
    let heading = match report.alarms {
        0 => "No alarm; the class with the highest score".to_owned(),
        n if n > shown => format!("The first {shown} of {n} alarms"),
        n => format!("{n} alarm{}", if n == 1 { "" } else { "s" }),
    };
    let Targets::Classes { labels, names } = &set.targets else { return vec![Block::Heading(heading)] };
    let energies = spectrum::mean_energies_by_class(set.images.view(), labels, names.len());
    let counts: Vec<f64> =
        (0..names.len()).map(|k| labels.iter().filter(|l| **l as usize == k).count() as f64).collect();
    let row = |entry: &Entry| -> (String, Vec<Option<Tile>>) {
        let class = names.iter().position(|name| Some(name) == entry.classes.first()).unwrap_or(0);
        let image =
            Tile { image: difference(set, labels, class), look: Look::Signed, caption: String::new() };
        let frequencies: Vec<String> = entry.frequencies.iter().take(2).map(ToString::to_string).collect();
        let ratio = ratio(&energies, &counts, class, set.shape()[2]);
        let spectrum = Tile { image: ratio, look: Look::Signed, caption: frequencies.join(" ") };
        let most = entry
            .most
            .iter()
            .take(IMAGES)
            .map(|&i| Some(Tile { image: grey(set, i), look: Look::Grey, caption: i.to_string() }));
        let label = format!("{}: {}, {:.2}", crate::error::shown(&names[class]), entry.reader, entry.score);
        (label, [Some(image), Some(spectrum)].into_iter().chain(most).collect())
    };
    let mut columns = vec!["mean".to_owned(), "spectrum".to_owned()];
    columns.extend((1..=IMAGES).map(|i| i.to_string()));
    let tiles = Tiles {
        groups: vec![("against the rest".to_owned(), 2), ("images that show it most".to_owned(), IMAGES)],
        columns,
        rows: report.shortcuts[..shown.min(report.shortcuts.len())].iter().map(row).collect(),
        side: 120.0,
    };
    let marks = [(0.0, "−1".to_owned()), (0.5, "0".to_owned()), (1.0, "1".to_owned())];
    let bar = |label: &str| Bar { label: label.to_owned(), marks: marks.to_vec(), look: Look::Signed };
    let notes = [
        "label: class, reader, score (1 is an alarm)",
        "spectra: frequency zero in the middle",
        "under images: their index",
    ];
    let quiet = |note: &str| Key { note: note.to_owned(), ..Key::new(Vec::new(), "") };
    vec![
        Block::Heading(heading),
        Block::Tiles(tiles),
        Block::Bars(vec![
            bar("difference of means / its largest value"),
            bar("log ratio of energies / its largest value"),
        ]),
        Block::Legend(notes.map(quiet).into()),
    ]
}

// Mean over the channels of image `i`.
fn grey(set: &ImageSet, i: usize) -> Array2<f64> {
    let image = set.images.index_axis(Axis(0), i).mapv(f64::from);
    image.sum_axis(Axis(0)) / set.shape()[0] as f64
}

// Mean image of a class less that of the others, mean over channels.
fn difference(set: &ImageSet, labels: &[u32], class: usize) -> Array2<f64> {
    let [_, h, w] = set.shape();
    let (mut own, mut rest) = (Array2::<f64>::zeros((h, w)), Array2::<f64>::zeros((h, w)));
    let (mut n_own, mut n_rest) = (0.0f64, 0.0f64);
    for (image, label) in set.images.outer_iter().zip(labels) {
        let (sum, n) =
            if *label as usize == class { (&mut own, &mut n_own) } else { (&mut rest, &mut n_rest) };
        for plane in image.outer_iter() {
            sum.zip_mut_with(&plane, |s, v| *s += f64::from(*v));
        }
        *n += image.len_of(Axis(0)) as f64;
    }
    own / n_own.max(1.0) - rest / n_rest.max(1.0)
}

// Logarithm of the mean energy of a class over that of the others, the channels together.
fn ratio(energies: &ndarray::Array4<f64>, counts: &[f64], class: usize, w: usize) -> Array2<f64> {
    let of = |k: usize| energies.index_axis(Axis(0), k).sum_axis(Axis(0));
    let own = of(class);
    let mut rest = Array2::<f64>::zeros(own.dim());
    for k in (0..counts.len()).filter(|k| *k != class) {
        rest.scaled_add(counts[k], &of(k));
    }
    let total: f64 = counts.iter().enumerate().filter(|(k, _)| *k != class).map(|(_, n)| n).sum();
    rest /= total.max(1.0);
    // Of blank planes there is no ratio.
    let floor = 1e-12 * (own.sum() + rest.sum()).max(f64::MIN_POSITIVE);
    let log = ndarray::Zip::from(&own).and(&rest).map_collect(|a, b| ((a + floor) / (b + floor)).ln());
    shift_to_centre(mirror(log.view(), w).view())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, Options};
    use crate::plot::testing::shows;
    use crate::shortcuts;

    fn set(cue: &str) -> ImageSet {
        let spec = format!("planted:{cue},classes=2,over=leaves:count=240,classes=4,channels=3,size=16");
        data::load(&spec.parse().unwrap(), &Options::default()).unwrap()
    }

    #[test]
    fn a_planted_patch_and_a_wave_are_where_they_were_put() {
        let patch = set("cue=patch,norm=2");
        let Targets::Classes { labels, .. } = &patch.targets else { unreachable!() };
        let image = difference(&patch, labels, 2);
        // The square of 4 pixels, a pixel from the edges at the bottom right.
        let energy = |rows: std::ops::Range<usize>, cols: std::ops::Range<usize>| -> f64 {
            image
                .indexed_iter()
                .filter(|((r, c), _)| rows.contains(r) && cols.contains(c))
                .map(|(_, v)| v * v)
                .sum()
        };
        assert!(energy(11..15, 11..15) > 0.5 * energy(0..16, 0..16));
        let wave = set("cue=cosine,frequency=3/5,norm=2");
        let Targets::Classes { labels, names } = &wave.targets else { unreachable!() };
        let energies = spectrum::mean_energies_by_class(wave.images.view(), labels, names.len());
        let found = ratio(&energies, &[60.0; 4], 2, 16);
        let largest = found.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert!([(11, 13), (5, 3)].contains(&largest), "{largest:?}");
    }

    #[test]
    fn alarms_are_drawn_and_sets_without_one_too() {
        for cue in ["cue=patch,norm=2", "cue=patch,norm=2,as=clean"] {
            let set = set(cue);
            let report = shortcuts::search(&set, shortcuts::Options::default()).unwrap();
            shows("cues", &blocks(&set, &report), FULL);
        }
    }
}
