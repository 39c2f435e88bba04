//! Fourier sensitivity: at which frequencies a small change of the image changes the loss.
//!
//! Source: Krishnamachari, Ng & Foo, "Fourier Sensitivity and Regularization of Computer
//! Vision Models", TMLR 2023.
//!
//! # Conventions
//! - J = ∂loss/∂x of each image by itself, the loss being the cross-entropy at its class
//!   and x the *normalised* image that the network sees. Without labels the class is the
//!   network's own answer.
//! - J is averaged over the channels; its energies |Ĵ(k)|² are those of the unitary DFT.
//! - Energies are summed over rings round(√(u² + v²)) of frequencies (u, v) in cycles per
//!   image of N×N. Of images that are not square, N is the longer side, and both
//!   frequencies are counted in cycles per N pixels. Frequency zero is left out.
//! - Each image's rings are divided by their sum; shares are means over images. Images
//!   whose J is zero, or flat, have no shares: they are counted and left out.
//! - Intervals are the mean ± 1.96 standard errors over images, within [0, 1].
//! - Bands: rings below N/6, from N/6 to below N/3, and from N/3 on.

use serde::{Deserialize, Serialize};

use crate::audit::Reference;
use crate::audit::gradient::Estimate;
use crate::stats::Z95;

/// Where the loss reacts to the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// What the loss is held against.
    pub reference: Reference,
    /// Height and width of the images.
    pub size: [usize; 2],
    /// Images that shares are the mean of.
    pub images: usize,
    /// Images left out, as the loss does not react to any frequency but zero.
    pub silent: usize,
    /// Rings of rising radius, from 1.
    pub rings: Vec<Ring>,
    /// Low, middle and high frequencies.
    pub bands: [Band; 3],
}

/// The frequencies of about one radius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ring {
    /// Their radius in cycles per N pixels.
    pub radius: usize,
    /// Their share of the energy.
    pub share: Share,
}

/// A range of radii.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Where it begins, in cycles per N pixels.
    pub from: f64,
    /// Its share of the energy.
    pub share: Share,
}

/// A mean share of the energy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The mean over images.
    pub value: f64,
    /// Its 95 % interval; None of a single image.
    pub interval: Option<[f64; 2]>,
}

impl From<Estimate> for Share {
    fn from(Estimate { value, se }: Estimate) -> Self {
        let interval = se.map(|se| [(value - Z95 * se).max(0.0), (value + Z95 * se).min(1.0)]);
        Self { value, interval }
    }
}

/// Where the bands begin, in cycles per N pixels.
pub fn bands([h, w]: [usize; 2]) -> [f64; 3] {
    let n = h.max(w) as f64;
    [0.0, n / 6.0, n / 3.0]
}

#[cfg(feature = "torch")]
pub use run::measure;

#[cfg(feature = "torch")]
mod run {
    use ndarray::{ArrayView2, Axis};
    use tch::{Kind, Tensor};

    use super::*;
    use crate::audit::Clean;
    use crate::audit::gradient::{chunk, forward, gradient, mean, not_finite};
    use crate::audit::subject::Subject;
    use crate::error::{Error, Lack, Result};
    use crate::progress::Progress;
    use crate::spectrum::{Grid, rfft2};

    /// Energies of a plane by ring, frequency zero left out.
    pub(super) fn by_ring(plane: ArrayView2<f64>) -> Vec<f64> {
        let grid = Grid::new(plane.nrows(), plane.ncols());
        let side = grid.h.max(grid.w) as f64;
        let mut rings = Vec::new();
        for ((r, c), value) in rfft2(plane).indexed_iter() {
            let ring = (grid.radius(grid.frequency(r, c)) * side).round() as usize;
            if rings.len() <= ring {
                rings.resize(ring + 1, 0.0);
            }
            rings[ring] += grid.weight(c) * value.norm_sqr();
        }
        rings[0] = 0.0;
        rings
    }

    /// Shares of a network on its images, whose answers are `clean`: a forward and a
    /// backward pass over them.
    ///
    /// # Errors
    /// [`Error::Lacking`] for gradients that are not finite, and where the loss reacts to
    /// no image; [`Error::Device`].
    pub fn measure(
        subject: &Subject,
        clean: &Clean,
        progress: impl FnOnce(u64) -> Progress,
    ) -> Result<Sensitivity> {
        let [_, h, w] = subject.net.shape();
        let rows: Vec<usize> = (0..subject.len()).collect();
        let bar = progress(rows.len() as u64);
        let (mut shares, mut silent) = (Vec::new(), 0);
        for part in rows.chunks(chunk(subject)) {
            let (x, logits) = forward(subject, part)?;
            let classes: Vec<i64> = part.iter().map(|&row| i64::from(clean.classes[row])).collect();
            let classes = Tensor::f_from_slice(&classes)?.f_to_device(logits.device())?.f_unsqueeze(1)?;
            let loss = logits.f_log_softmax(1, None::<Kind>)?.f_gather(1, &classes, false)?.f_neg()?;
            for image in gradient(&loss, &x, false)?.outer_iter() {
                let plane = image.mean_axis(Axis(0)).expect("images have channels");
                let rings = by_ring(plane.view());
                let sum: f64 = rings.iter().sum();
                if !sum.is_finite() {
                    return Err(not_finite());
                }
                if sum > 0.0 {
                    shares.push(rings.iter().map(|ring| ring / sum).collect::<Vec<_>>());
                } else {
                    silent += 1;
                }
            }
            bar.inc(part.len() as u64);
        }
        if shares.is_empty() {
            let expected = "a loss that reacts to the images";
            return Err(Error::lacking(Lack::Variation, "network", expected, "gradients of zero"));
        }
        let over_images = |of: &dyn Fn(&[f64]) -> f64| -> Share {
            mean(&shares.iter().map(|image| of(image)).collect::<Vec<_>>()).into()
        };
        let rings = 1..shares[0].len();
        let from = bands([h, w]);
        let band = |i: usize| {
            let inside = |radius: &usize| {
                let radius = *radius as f64;
                radius >= from[i] && from.get(i + 1).is_none_or(|end| radius < *end)
            };
            let inside: Vec<usize> = rings.clone().filter(inside).collect();
            Band { from: from[i], share: over_images(&|image| inside.iter().map(|&ring| image[ring]).sum()) }
        };
        Ok(Sensitivity {
            reference: clean.reference,
            size: [h, w],
            images: shares.len(),
            silent,
            rings: rings
                .clone()
                .map(|radius| Ring { radius, share: over_images(&|image| image[radius]) })
                .collect(),
            bands: [0, 1, 2].map(band),
        })
    }
}

#[cfg(all(test, feature = "torch"))]
mod tests {
    use std::f64::consts::TAU;

    use ndarray::Array2;
    use tch::{Kind, Tensor};

    use super::*;
    use crate::audit::subject::Subject;
    use crate::audit::{Clean, testing};
    use crate::model::convert;
    use crate::progress::Progress;

    fn measured(subject: &Subject) -> crate::Result<Sensitivity> {
        measure(subject, &Clean::new(subject)?, |_| Progress::hidden())
    }

    // Energies by ring from the definition: every frequency of the full plane, one by one.
    fn naive(plane: &Array2<f64>) -> Vec<f64> {
        let (h, w) = plane.dim();
        let side = h.max(w) as f64;
        let mut rings = vec![0.0; 64];
        for u in 0..h {
            for v in 0..w {
                let signed = |k: usize, n: usize| if 2 * k > n { k as f64 - n as f64 } else { k as f64 };
                let (row, col) = (signed(u, h) * side / h as f64, signed(v, w) * side / w as f64);
                let (mut re, mut im) = (0.0, 0.0);
                for ((y, x), value) in plane.indexed_iter() {
                    let phase = TAU * (u as f64 * y as f64 / h as f64 + v as f64 * x as f64 / w as f64);
                    re += value * phase.cos();
                    im -= value * phase.sin();
                }
                if (u, v) != (0, 0) {
                    rings[row.hypot(col).round() as usize] += (re * re + im * im) / (h * w) as f64;
                }
            }
        }
        rings
    }

    #[test]
    fn rings_are_those_of_the_definition() {
        for (h, w) in [(8, 8), (7, 7), (8, 12), (5, 9)] {
            let plane = Array2::from_shape_fn((h, w), |(y, x)| ((y * 7 + x * x * 3 + 1) % 11) as f64);
            let (found, expected) = (run::by_ring(plane.view()), naive(&plane));
            for (ring, energy) in found.iter().enumerate() {
                assert!((energy - expected[ring]).abs() < 1e-10 * (1.0 + expected[ring]), "{h}×{w} {ring}");
            }
            assert!(expected[found.len()..].iter().all(|e| *e == 0.0));
        }
    }

    #[test]
    fn a_network_of_one_frequency_is_sensitive_to_that_one() {
        // The frequency (−2, 3) of 8×12: 3√2 cycles per 12 pixels, the ring 4, which is N/3.
        let found = measured(&testing::waves(20, true)).unwrap();
        assert_eq!((found.images, found.silent, found.size), (20, 0, [8, 12]));
        for ring in &found.rings {
            let expected = f64::from(u8::from(ring.radius == 4));
            assert!((ring.share.value - expected).abs() < 1e-10, "{ring:?}");
        }
        assert_eq!(found.bands.map(|b| b.from), [0.0, 2.0, 4.0]);
        assert_eq!(found.bands.map(|b| b.share.value.round()), [0.0, 0.0, 1.0]);
        let [low, high] = found.bands[2].share.interval.unwrap();
        assert!(low > 1.0 - 1e-9 && high <= 1.0);
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Sensitivity>(&text).unwrap(), found);
        // Without labels the loss is that of its own answers.
        let own = measured(&testing::waves(20, false)).unwrap();
        assert_eq!(own.reference, Reference::Predictions);
        assert!((own.rings[3].share.value - 1.0).abs() < 1e-10);
    }

    #[test]
    fn shares_are_those_of_finite_differences() {
        let subject = testing::random(3, 3);
        let found = measured(&subject).unwrap();
        let x = subject.normalised(&subject.pixels).unwrap().contiguous();
        let classes = Tensor::from_slice(&[0i64, 1, 2]).unsqueeze(1);
        let loss = |x: &Tensor| {
            let logits = tch::no_grad(|| subject.net.forward(x).unwrap());
            -logits.log_softmax(1, Kind::Double).gather(1, &classes, false)
        };
        let mut planes = vec![Array2::<f64>::zeros((8, 10)); 3];
        for p in 0..240i64 {
            let moved = |step: f64| {
                let moved = x.copy();
                let _ = moved.view([3, 240]).narrow(1, p, 1).g_add_scalar_(step);
                loss(&moved)
            };
            let slope = convert::matrix(&((moved(1e-6) - moved(-1e-6)) / 2e-6)).unwrap();
            let (y, x) = (p as usize % 80 / 10, p as usize % 10);
            planes.iter_mut().zip(slope.column(0)).for_each(|(plane, slope)| plane[[y, x]] += slope / 3.0);
        }
        let shares: Vec<Vec<f64>> = planes
            .iter()
            .map(|plane| {
                let rings = naive(plane);
                let sum: f64 = rings.iter().sum();
                rings.into_iter().map(|ring| ring / sum).collect()
            })
            .collect();
        for ring in &found.rings {
            let own: Vec<f64> = shares.iter().map(|image| image[ring.radius]).collect();
            let mean = own.iter().sum::<f64>() / 3.0;
            // A kink of ReLU within the step shows as a difference.
            assert!((ring.share.value - mean).abs() < 1e-4, "{ring:?} {mean}");
            let se = (own.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
            let high = ring.share.interval.unwrap()[1];
            assert!((high - (mean + 1.96 * se).min(1.0)).abs() < 1e-3, "{ring:?} {se}");
        }
        let sum = |shares: &mut dyn Iterator<Item = Share>| shares.map(|s| s.value).sum::<f64>();
        assert!((sum(&mut found.rings.iter().map(|r| r.share)) - 1.0).abs() < 1e-12);
        assert!((sum(&mut found.bands.iter().map(|b| b.share)) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_network_that_does_not_react_lacks_something() {
        let subject = testing::waves(4, true);
        let _ = tch::no_grad(|| subject.net.known().unwrap().entries()[1].tensor.shallow_clone().fill_(0.0));
        let error = measured(&subject).unwrap_err();
        assert!(matches!(error, crate::Error::Lacking { .. }), "{error}");
        assert!(error.to_string().contains("gradients of zero"), "{error}");
    }
}
