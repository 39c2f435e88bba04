//! One image, and what several detectors need of it.

use std::cell::OnceCell;

use ndarray::ArrayView2;
use rustfft::num_complex::Complex;

use super::ring;
use crate::spectrum::rfft2;

/// Beside an energy: about the variance of rounding to 1/255.
pub(super) const FLOOR: f64 = 2e-6;

/// An image `[c, h, w]`.
pub(super) struct Image<'a> {
    pub shape: [usize; 3],
    /// k for k/255.
    pub bytes: &'a [u8],
    /// x − its 3×3 mean, of pixels x in [0, 1].
    pub residual: Vec<f32>,
    /// Opponent planes less their mean, unitary DFT, full planes `[c, h, w]`.
    pub spectrum: Vec<Complex<f64>>,
    /// L = ln(|C|² + 2e-6) of these.
    pub log: Vec<f64>,
    excess: OnceCell<(Vec<f64>, Vec<f64>)>,
}

impl<'a> Image<'a> {
    pub fn new(bytes: &'a [u8], shape: [usize; 3]) -> Self {
        let x: Vec<f32> = bytes.iter().map(|&b| f32::from(b) / 255.0).collect();
        let (spectrum, log) = spectra(bytes, shape);
        Self { residual: residual(&x, shape), shape, bytes, spectrum, log, excess: OnceCell::new() }
    }

    /// D = L − `reference`, 0 at frequency 0, and B, its mean over the ring of every cell. The
    /// reference is that of the set, the same in every call.
    pub fn excess(&self, reference: &[f64]) -> &(Vec<f64>, Vec<f64>) {
        self.excess.get_or_init(|| self.without(reference))
    }

    fn without(&self, reference: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let [_, h, w] = self.shape;
        let mut d: Vec<f64> = self.log.iter().zip(reference).map(|(l, mu)| l - mu).collect();
        let mut b = vec![0.0; d.len()];
        for (d, b) in d.chunks_exact_mut(h * w).zip(b.chunks_exact_mut(h * w)) {
            d[0] = 0.0;
            ring::mean(d, h, w, b);
        }
        (d, b)
    }
}

/// Orthonormal opponent planes (R + G + B)/√3, (R − G)/√2, (R + G − 2B)/√6; of one channel
/// itself. In [0, 1] per channel, `[c, h, w]`.
pub(super) fn opponent(bytes: &[u8], [c, h, w]: [usize; 3]) -> Vec<f64> {
    let n = h * w;
    let mut planes: Vec<f64> = bytes.iter().map(|&b| f64::from(b)).collect();
    if c == 3 {
        for p in 0..n {
            // Whole numbers: a grey image has no colour to the last bit.
            let (r, g, b) = (planes[p], planes[n + p], planes[2 * n + p]);
            planes[p] = (r + g + b) / 3f64.sqrt();
            planes[n + p] = (r - g) / 2f64.sqrt();
            planes[2 * n + p] = (r + g - 2.0 * b) / 6f64.sqrt();
        }
    }
    planes.iter_mut().for_each(|v| *v /= 255.0);
    planes
}

/// L = ln(|C|² + 2e-6) of the opponent planes, full planes `[c, h, w]`, and C itself.
pub(super) fn spectra(bytes: &[u8], shape: [usize; 3]) -> (Vec<Complex<f64>>, Vec<f64>) {
    let [_, h, w] = shape;
    let planes = opponent(bytes, shape);
    let zero = Complex::new(0.0, 0.0);
    let (mut spectrum, mut log) = (vec![zero; planes.len()], vec![0.0; planes.len()]);
    for ((plane, c), l) in
        planes.chunks_exact(h * w).zip(spectrum.chunks_exact_mut(h * w)).zip(log.chunks_exact_mut(h * w))
    {
        let mean = plane.iter().sum::<f64>() / (h * w) as f64;
        let centred: Vec<f64> = plane.iter().map(|v| v - mean).collect();
        let centred = ArrayView2::from_shape((h, w), &centred).expect("a plane has the shape of the image");
        for ((r, s), &z) in rfft2(centred).indexed_iter() {
            let energy = (z.norm_sqr() + FLOOR).ln();
            let (at, conjugate) = (r * w + s, (h - r) % h * w + (w - s) % w);
            (c[conjugate], l[conjugate]) = (z.conj(), energy);
            (c[at], l[at]) = (z, energy);
        }
        c[0] = zero;
        l[0] = FLOOR.ln();
    }
    (spectrum, log)
}

/// x `[c, h, w]` less its 3×3 mean, pixels at the edge repeated beyond it.
pub(super) fn residual(x: &[f32], [_, h, w]: [usize; 3]) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    let mut rows = vec![0.0; h * w];
    for (plane, out) in x.chunks_exact(h * w).zip(out.chunks_exact_mut(h * w)) {
        for (y, sums) in rows.chunks_exact_mut(w).enumerate() {
            let line = |y: usize| &plane[y * w..(y + 1) * w];
            let (above, here, below) = (line(y.saturating_sub(1)), line(y), line((y + 1).min(h - 1)));
            for (x, sum) in sums.iter_mut().enumerate() {
                *sum = above[x] + here[x] + below[x];
            }
        }
        for (y, out) in out.chunks_exact_mut(w).enumerate() {
            let (sums, line) = (&rows[y * w..(y + 1) * w], &plane[y * w..(y + 1) * w]);
            for (x, out) in out.iter_mut().enumerate() {
                let sum = sums[x.saturating_sub(1)] + sums[x] + sums[(x + 1).min(w - 1)];
                *out = line[x] - sum / 9.0;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_and_opponent_planes_by_hand() {
        let mut x = vec![0.0; 16];
        x[5] = 9.0;
        let r = residual(&x, [1, 4, 4]);
        // One pixel from the corner: within 3×3 of it −1, itself 8; the corner sees it once.
        assert_eq!((r[5], r[0], r[1], r[10], r[15], r[3]), (8.0, -1.0, -1.0, -1.0, 0.0, 0.0));
        x = vec![0.0; 16];
        x[0] = 9.0;
        // The corner counts four times in its own mean.
        assert_eq!(residual(&x, [1, 4, 4])[..2], [5.0, -2.0]);
        let planes = opponent(&[255, 0, 0], [3, 1, 1]);
        let want = [3f64, 2.0, 6.0].map(|v| 1.0 / v.sqrt());
        assert!(planes.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-15));
        assert_eq!(opponent(&[77, 77, 77], [3, 1, 1])[1..], [0.0, 0.0]);
    }

    #[test]
    fn a_wave_has_one_frequency_and_its_conjugate() {
        let (h, w) = (12, 16);
        let wave = |i: usize| {
            let phase = 2.0 * (i / w) as f64 / h as f64 - 3.0 * (i % w) as f64 / w as f64;
            (127.5 + 100.0 * (std::f64::consts::TAU * phase).cos()).round() as u8
        };
        let bytes: Vec<u8> = (0..h * w).map(wave).collect();
        let (c, l) = spectra(&bytes, [1, h, w]);
        let mut order: Vec<usize> = (0..h * w).collect();
        order.sort_by(|a, b| l[*b].total_cmp(&l[*a]));
        order.truncate(2);
        order.sort_unstable();
        assert_eq!(order, [2 * w + 13, 10 * w + 3]);
        assert_eq!((c[order[0]], c[0].norm()), (c[order[1]].conj(), 0.0));
    }
}
