//! Linear networks as plain arrays: weights, how they are drawn, and the
//! end-to-end map they make. Theory starts from these; so does training, which
//! copies them to tensors.
//!
//! - FCNN: ŷ = W2 W1 x.
//! - LCNN of depth L: h⁰ = x, h^l_m = Σ_c w^l_{m,c} ⋆ h^{l−1}_c for l = 1…L,
//!   ŷ_j = Σ_m ⟨W2_{j,m}, h^L_m⟩. ⋆ is cross-correlation,
//!   (w ⋆ x)(p) = Σ_q w(q) x(p + q − o), with o = 0 for kernels of the images'
//!   size and o = ⌊r/2⌋ for smaller ones, as PyTorch centres them. Positions
//!   outside wrap around (circular padding) or count as zero.
//!
//! With circular padding and unitary DFTs the end-to-end map is, per frequency,
//! Ê(k) = n^{L/2} Ŵ2(k) ŵ^L(k) … ŵ¹(k), a product of small matrices.

pub(crate) mod checks;
mod start;

use ndarray::{Array2, Array4, ArrayView4, s};
use rustfft::num_complex::Complex;

use crate::spectrum;

pub use start::{Draw, Layout, Start};

/// Where a convolution looks beyond the edge of its input.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// On the other side.
    #[default]
    Circular,
    /// At zeros.
    Zero,
}

/// Weights of a linear network.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// Fully connected.
    Fcnn {
        /// W1 `[h, d]`.
        w1: Array2<f64>,
        /// W2 `[K, h]`.
        w2: Array2<f64>,
    },
    /// Convolutional.
    Lcnn {
        /// Kernels of layer l `[M, c, r_h, r_w]`, of later layers `[M, M, r_h, r_w]`.
        kernels: Vec<Array4<f64>>,
        /// Dense layer `[K, M, H, W]`.
        dense: Array4<f64>,
        /// Beyond the edge.
        padding: Padding,
    },
}

impl Weights {
    /// End-to-end map E `[K, d]`: ŷ = E x.
    pub fn end_to_end(&self) -> Array2<f64> {
        match self {
            Weights::Fcnn { w1, w2 } => w2.dot(w1),
            Weights::Lcnn { kernels, dense, padding: Padding::Circular } => circular_map(kernels, dense),
            Weights::Lcnn { kernels, dense, padding: Padding::Zero } => zero_padded_map(kernels, dense),
        }
    }

    /// Number of convolution layers; 0 for a fully connected network.
    pub fn depth(&self) -> usize {
        match self {
            Weights::Fcnn { .. } => 0,
            Weights::Lcnn { kernels, .. } => kernels.len(),
        }
    }
}

/// Row and column of the kernel entry that meets the position itself.
pub fn origin(kernel: (usize, usize), image: (usize, usize)) -> (usize, usize) {
    if kernel == image { (0, 0) } else { (kernel.0 / 2, kernel.1 / 2) }
}

/// Kernels `[M, c, r_h, r_w]` on the grid of the images, their origin at (0, 0):
/// `[M, c, H, W]`.
pub fn on_grid(kernels: ArrayView4<f64>, (h, w): (usize, usize)) -> Array4<f64> {
    let (m, c, rh, rw) = kernels.dim();
    let (top, left) = origin((rh, rw), (h, w));
    let mut grid = Array4::zeros((m, c, h, w));
    for ((m, c, r, s), &value) in kernels.indexed_iter() {
        grid[[m, c, (r + h - top) % h, (s + w - left) % w]] = value;
    }
    grid
}

/// Unitary half-plane DFT of every plane.
pub(crate) fn transform(planes: ArrayView4<f64>) -> Array4<Complex<f64>> {
    let (a, b, h, w) = planes.dim();
    let mut out = Array4::zeros((a, b, h, w / 2 + 1));
    for i in 0..a {
        for j in 0..b {
            out.slice_mut(s![i, j, .., ..]).assign(&spectrum::rfft2(planes.slice(s![i, j, .., ..])));
        }
    }
    out
}

fn circular_map(kernels: &[Array4<f64>], dense: &Array4<f64>) -> Array2<f64> {
    let (k, _, h, w) = dense.dim();
    let root = ((h * w) as f64).sqrt();
    let mut map = transform(dense.view());
    for layer in kernels.iter().rev() {
        let kernel = transform(on_grid(layer.view(), (h, w)).view());
        let (m, c, ..) = kernel.dim();
        let mut next = Array4::zeros((k, c, h, w / 2 + 1));
        for (j, m, c) in (0..k).flat_map(|j| (0..m).flat_map(move |m| (0..c).map(move |c| (j, m, c)))) {
            let product =
                &map.slice(s![j, m, .., ..]) * &kernel.slice(s![m, c, .., ..]) * Complex::from(root);
            let mut target = next.slice_mut(s![j, c, .., ..]);
            target += &product;
        }
        map = next;
    }
    let c = map.dim().1;
    let mut flat = Array2::zeros((k, c * h * w));
    for j in 0..k {
        for ch in 0..c {
            let plane = spectrum::irfft2(map.slice(s![j, ch, .., ..]), w);
            flat.slice_mut(s![j, ch * h * w..(ch + 1) * h * w])
                .assign(&plane.into_shape_with_order(h * w).expect("a plane of n pixels"));
        }
    }
    flat
}

// Layer by layer from the outputs back: each is a transposed convolution.
fn zero_padded_map(kernels: &[Array4<f64>], dense: &Array4<f64>) -> Array2<f64> {
    let (k, _, h, w) = dense.dim();
    let mut map = dense.clone();
    for layer in kernels.iter().rev() {
        let (m, c, rh, rw) = layer.dim();
        let (top, left) = origin((rh, rw), (h, w));
        let mut next = Array4::zeros((k, c, h, w));
        for (m, c, r, s) in (0..m)
            .flat_map(|m| (0..c).map(move |c| (m, c)))
            .flat_map(|(m, c)| (0..rh).flat_map(move |r| (0..rw).map(move |s| (m, c, r, s))))
        {
            let weight = layer[[m, c, r, s]];
            // Position p of the output sees p + (r, s) − origin of the input.
            for p in 0..h {
                let Some(row) = (p + r).checked_sub(top).filter(|&row| row < h) else { continue };
                for q in 0..w {
                    let Some(column) = (q + s).checked_sub(left).filter(|&column| column < w) else {
                        continue;
                    };
                    for j in 0..k {
                        next[[j, c, row, column]] += weight * map[[j, m, p, q]];
                    }
                }
            }
        }
        map = next;
    }
    let c = map.dim().1;
    map.into_shape_with_order((k, c * h * w)).expect("made here in standard order")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::Modes;
    use crate::theory::tests_support::random_samples;

    // h^l_m(p) = Σ_c Σ_q w_{m,c}(q) h^{l−1}_c(p + q − o), ŷ_j = Σ_m ⟨W2_{j,m}, h_m⟩, term by term.
    fn naive(weights: &Weights, x: &Array2<f64>, c: usize) -> Array2<f64> {
        let Weights::Lcnn { kernels, dense, padding } = weights else { panic!("another network") };
        let (k, _, h, w) = dense.dim();
        let mut hidden = x.clone().into_shape_with_order((x.nrows(), c, h, w)).unwrap();
        for layer in kernels {
            let (m, c, rh, rw) = layer.dim();
            let (top, left) = origin((rh, rw), (h, w));
            let mut next = Array4::zeros((x.nrows(), m, h, w));
            for ((i, m, p, q), out) in next.indexed_iter_mut() {
                for (c, r, s) in
                    (0..c).flat_map(|c| (0..rh).flat_map(move |r| (0..rw).map(move |s| (c, r, s))))
                {
                    let (row, column) = (p + r + h - top, q + s + w - left);
                    let outside = !(h..2 * h).contains(&row) || !(w..2 * w).contains(&column);
                    if *padding == Padding::Circular || !outside {
                        *out += layer[[m, c, r, s]] * hidden[[i, c, row % h, column % w]];
                    }
                }
            }
            hidden = next;
        }
        Array2::from_shape_fn((x.nrows(), k), |(i, j)| {
            (&dense.slice(s![j, .., .., ..]) * &hidden.slice(s![i, .., .., ..])).sum()
        })
    }

    #[test]
    fn the_end_to_end_map_is_that_of_the_definition() {
        for (shape, channels, layers, size) in [
            ([1, 3, 4], 1, 1, (3, 4)),
            ([2, 4, 5], 2, 1, (3, 2)),
            ([1, 4, 5], 2, 3, (3, 3)),
            ([2, 3, 4], 2, 2, (3, 4)),
            ([1, 5, 4], 1, 2, (2, 3)),
        ] {
            for padding in [Padding::Circular, Padding::Zero] {
                let samples = random_samples(7, shape, 3, 4);
                let modes = Modes::new(&samples).unwrap();
                let start = Start { draw: Draw::Gaussian(0.7), seed: 5, modes: &modes, outputs: 3 };
                let weights = start.weights(Layout::Lcnn { channels, layers, size, padding }).unwrap();
                assert_eq!(weights.depth(), layers);
                let x = samples.x.mapv(f64::from);
                let want = naive(&weights, &x, shape[0]);
                let got = x.dot(&weights.end_to_end().t());
                assert!(
                    (got - want).iter().all(|e| e.abs() < 1e-11),
                    "{shape:?} {layers} {size:?} {padding:?}"
                );
            }
        }
    }
}
