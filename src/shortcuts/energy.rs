//! E: the log energy of one frequency.
//!
//! E = clip(D − B, −3, 6) with D = L − μ, L = ln(|C|² + 2e-6) of an opponent plane, μ the median
//! over the classes of their mean of L, and B the ring mean of D in the image: it sees a
//! frequency that stands out of its neighbourhood, whatever its phase, and not that a class is
//! sharper than another. Z is its [class z](super::sums::class_z), and the statistic the largest
//! [contrast](super::ring::contrast) of Z over planes and frequencies of at least 1.9 cycles per
//! image, positive side.

use std::sync::Arc;

use rustfft::num_complex::Complex;

use super::detector::{Context, Detector, Finding, Kind};
use super::image::Image;
use super::ring::{self, Contrast};
use super::sums::{Sums, class_z};

pub(super) const KIND: Kind = Kind {
    name: "energy",
    about: "one frequency",
    make: |context| Box::new(Energy { context: Arc::clone(context) }),
};

const LEVEL: f64 = 5.0;
/// Standard deviation of E below which a plane has nothing to show.
const DEAD: f64 = 1e-3;
const CLIP: (f64, f64) = (-3.0, 6.0);

struct Energy {
    context: Arc<Context>,
}

impl Energy {
    // Of every plane.
    fn contrasts(&self, own: &Sums, total: &Sums) -> Vec<Contrast> {
        let [_, h, w] = self.context.shape;
        let z: Vec<_> = class_z(own, total).into_iter().map(|z| Complex::new(z, 0.0)).collect();
        let spread =
            total.sum.chunks_exact(h * w).zip(total.squares.chunks_exact(h * w)).map(|(sum, squares)| {
                let n = total.count * (h * w) as f64;
                let mean = sum.iter().sum::<f64>() / n;
                (squares.iter().sum::<f64>() / n - mean * mean).max(0.0).sqrt()
            });
        z.chunks_exact(h * w)
            .zip(spread)
            .map(|(z, spread)| {
                let mut found = ring::contrast(z, h, w, true);
                if spread < DEAD {
                    found.t.fill(0.0);
                }
                found
            })
            .collect()
    }
}

impl Detector for Energy {
    fn len(&self) -> usize {
        self.context.reference.len()
    }

    fn values(&self, image: &Image, out: &mut [f64]) {
        let (d, b) = image.excess(&self.context.reference);
        for ((out, d), b) in out.iter_mut().zip(d).zip(b) {
            *out = (d - b).clamp(CLIP.0, CLIP.1);
        }
    }

    fn ratio(&self, own: &Sums, total: &Sums) -> f64 {
        self.context.largest(&self.contrasts(own, total)) / LEVEL
    }

    fn masked(&self, own: &Sums, total: &Sums) -> f64 {
        self.context.masked(&self.contrasts(own, total), LEVEL) / LEVEL
    }

    fn finding(&self, [a, b]: &[Sums; 2], total: &[Sums; 2]) -> Finding<'_> {
        let contrasts = self.contrasts(&Sums::total([a, b]), &Sums::total(total));
        let found = self.context.strongest(&contrasts, LEVEL);
        Finding::wave(&found, move |values, _| values[found.at])
    }
}
