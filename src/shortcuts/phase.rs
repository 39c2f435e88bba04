//! F: the complex mean of one frequency, for waves that stand at one place.
//!
//! W = C exp(−(μ + B)/2), |W| cut to 2, with μ and B as for [`energy`](super::energy); Z is its
//! complex [class z](super::sums::complex_z), and the statistic the largest
//! [contrast](super::ring::contrast) of |Z − ring mean|.

use std::sync::Arc;

use rustfft::num_complex::Complex;

use super::detector::{Context, Detector, Finding, Kind};
use super::image::Image;
use super::ring::{self, Contrast};
use super::sums::{Sums, complex_z, differences};

pub(super) const KIND: Kind = Kind {
    name: "phase",
    about: "one frequency, with its phase",
    make: |context| Box::new(Phase { context: Arc::clone(context) }),
};

const LEVEL: f64 = 4.8;
const LARGEST: f64 = 2.0;

struct Phase {
    context: Arc<Context>,
}

impl Phase {
    fn contrasts(&self, own: &Sums, total: &Sums) -> Vec<Contrast> {
        let [_, h, w] = self.context.shape;
        complex_z(own, total).chunks_exact(h * w).map(|z| ring::contrast(z, h, w, false)).collect()
    }
}

impl Detector for Phase {
    // All real parts, all imaginary parts.
    fn len(&self) -> usize {
        2 * self.context.reference.len()
    }

    fn values(&self, image: &Image, out: &mut [f64]) {
        let (_, b) = image.excess(&self.context.reference);
        let (re, im) = out.split_at_mut(b.len());
        for (i, (c, b)) in image.spectrum.iter().zip(b).enumerate() {
            let w = c * (-0.5 * (self.context.reference[i] + b)).exp();
            let w = w * (LARGEST / w.norm_sqr().sqrt().max(1e-9)).min(1.0);
            (re[i], im[i]) = (w.re, w.im);
        }
    }

    fn ratio(&self, own: &Sums, total: &Sums) -> f64 {
        self.context.largest(&self.contrasts(own, total)) / LEVEL
    }

    fn masked(&self, own: &Sums, total: &Sums) -> f64 {
        self.context.masked(&self.contrasts(own, total), LEVEL) / LEVEL
    }

    fn finding(&self, [a, b]: &[Sums; 2], total: &[Sums; 2]) -> Finding<'_> {
        let (own, total) = (Sums::total([a, b]), Sums::total(total));
        let found = self.context.strongest(&self.contrasts(&own, &total), LEVEL);
        let (d, half) = (differences(&own, &total), self.context.reference.len());
        let direction = Complex::new(d[found.at], d[half + found.at]);
        Finding::wave(&found, move |values, _| {
            values[found.at] * direction.re + values[half + found.at] * direction.im
        })
    }
}
