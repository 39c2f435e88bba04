//! An image and its spectrum side by side: modes, and networks' templates of them.

use ndarray::{Array2, ArrayD, Axis};

use crate::plot::{Bar, Block, Look, Tile, power_of_ten};
use crate::spectrum::{mirror, shift_to_centre};

const DECADES: i32 = 4;

// Image `index` of `[m, c, h, w]`, averaged over channels.
pub(super) fn grey(images: &ArrayD<f64>, index: usize) -> anyhow::Result<Array2<f64>> {
    let image = images.index_axis(Axis(0), index).to_owned();
    let plane = image.mean_axis(Axis(0)).expect("at least one channel");
    Ok(plane.into_dimensionality()?)
}

// Spectrum `index` of `[m, h, w/2+1]` over the full plane, frequency zero in the middle.
pub(super) fn full(energies: &ArrayD<f64>, index: usize, width: usize) -> anyhow::Result<Array2<f64>> {
    let half = energies.index_axis(Axis(0), index).into_dimensionality()?;
    Ok(shift_to_centre(mirror(half, width).view()))
}

/// An image and its spectrum, with the participation ratio under it.
pub(super) fn pair(image: &Array2<f64>, spectrum: &Array2<f64>, ratio: Option<f64>) -> [Option<Tile>; 2] {
    let caption = ratio.filter(|r| r.is_finite()).map_or_else(String::new, |r| format!("PR = {r:.1}"));
    [
        Some(Tile { image: image.clone(), look: Look::Signed, caption: String::new() }),
        Some(Tile { image: spectrum.clone(), look: Look::Decades(DECADES), caption }),
    ]
}

/// What the colours of [`pair`] say.
pub(super) fn bars() -> Block {
    let powers = (0..=DECADES).map(|k| {
        let power = power_of_ten(k - DECADES);
        let text = match k {
            0 => format!("≤{power}"),
            DECADES => "1".to_owned(),
            _ => power,
        };
        (f64::from(k) / f64::from(DECADES), text)
    });
    let signs = [(0.0, "−1".to_owned()), (0.5, "0".to_owned()), (1.0, "1".to_owned())];
    let (image, energy) = ("pixel / largest |pixel| of the image", "energy / largest of the spectrum");
    Block::Bars(vec![
        Bar { label: image.to_owned(), marks: signs.to_vec(), look: Look::Signed },
        Bar { label: energy.to_owned(), marks: powers.collect(), look: Look::Decades(DECADES) },
    ])
}
