//! Linear network of L convolution layers of M channels and a dense layer, as
//! defined in [`crate::theory::linear`].
//!
//! Circular kernels of the images' size meet the inputs in the frequency domain,
//! where a layer is a product of a small matrix per frequency,
//! Ê(k) = n^{L/2} Ŵ2(k) ŵ^L(k) … ŵ¹(k); small and zero-padded ones in pixels.

use ndarray::Array4;
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::model::{Network, Padding, convert, leaf};
use crate::theory::linear;

/// Kernels of layer 1 `[M, c, r_h, r_w]`, of later layers `[M, M, r_h, r_w]`, and
/// dense layer `[K, M, H, W]`.
#[derive(Debug)]
pub struct Lcnn {
    kernels: Vec<Tensor>,
    dense: Tensor,
    padding: Padding,
    /// `[c, H, W]`.
    image: [i64; 3],
    /// Row and column of the kernel entry that meets the position itself.
    origin: (i64, i64),
    /// Half-plane weights (1 or 2) per column, for sums over the full plane.
    column_weights: Tensor,
}

impl Lcnn {
    /// A network with these weights: one array of kernels per layer, the first
    /// `[M, c, r_h, r_w]`, later ones `[M, M, r_h, r_w]`, and the dense layer
    /// `[K, M, H, W]`.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no layer, a layer's shape does not fit the
    /// others or the kernels are larger than the images; [`Error::Device`] when
    /// the device has no room.
    pub fn new(
        kernels: &[Array4<f64>],
        dense: &Array4<f64>,
        padding: Padding,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let (_, channels, h, w) = dense.dim();
        let Some(&(_, c, rh, rw)) = kernels.first().map(Array4::dim).as_ref() else {
            return Err(Error::input("kernels", "at least one layer", "none"));
        };
        for (l, layer) in kernels.iter().enumerate() {
            let expected = (channels, if l == 0 { c } else { channels }, rh, rw);
            if layer.dim() != expected {
                let (what, found) = (format!("kernels of layer {}", l + 1), format!("{:?}", layer.dim()));
                return Err(Error::input(what, format!("an array {expected:?}"), found));
            }
        }
        if !(1..=h).contains(&rh) || !(1..=w).contains(&rw) {
            return Err(Error::input("kernels", format!("1x1 to {h}x{w}"), format!("{rh}x{rw}")));
        }
        let grid = crate::spectrum::Grid::new(h, w);
        let weights = ndarray::Array1::from_iter((0..w / 2 + 1).map(|col| grid.weight(col)));
        let (top, left) = linear::origin((rh, rw), (h, w));
        Ok(Self {
            kernels: kernels.iter().map(|w| leaf(w.view(), kind, device)).collect::<Result<_>>()?,
            dense: leaf(dense.view(), kind, device)?,
            padding,
            image: [c as i64, h as i64, w as i64],
            origin: (top as i64, left as i64),
            column_weights: convert::tensor(weights.view(), kind, device)?,
        })
    }

    /// Height and width of the kernels.
    fn size(&self) -> (i64, i64) {
        let size = self.kernels[0].size();
        (size[2], size[3])
    }

    fn channels(&self) -> i64 {
        self.dense.size()[1]
    }

    // Whether the layers are passed in the frequency domain.
    fn spectral(&self) -> bool {
        let [_, h, w] = self.image;
        self.padding == Padding::Circular && self.size() == (h, w)
    }

    // What a layer sees beyond the edges of `x` `[B, ·, H, W]`.
    fn pad(&self, x: &Tensor) -> Tensor {
        let ((rh, rw), (top, left)) = (self.size(), self.origin);
        let (bottom, right) = (rh - 1 - top, rw - 1 - left);
        match self.padding {
            Padding::Zero => x.constant_pad_nd([left, right, top, bottom]),
            Padding::Circular => pad_circular(&pad_circular(x, 2, top, bottom), 3, left, right),
        }
    }

    // Kernels on the image grid, their origin at (0, 0).
    fn on_grid(&self, kernels: &Tensor) -> Tensor {
        if self.spectral() {
            return kernels.shallow_clone();
        }
        let ([_, h, w], (rh, rw), (top, left)) = (self.image, self.size(), self.origin);
        kernels.constant_pad_nd([0, w - rw, 0, h - rh]).roll([-top, -left], [2, 3])
    }

    fn forward_in_pixels(&self, encoded: &Tensor) -> Tensor {
        let convolve = |x: &Tensor, w: &Tensor| x.conv2d::<Tensor>(w, None, [1, 1], [0, 0], [1, 1], 1);
        let first = convolve(encoded, &self.kernels[0]);
        let hidden = self.kernels[1..].iter().fold(first, |hidden, w| convolve(&self.pad(&hidden), w));
        hidden.flatten(1, 3).matmul(&self.dense.flatten(1, 3).tr())
    }

    // ĥ^l = √n conj(ŵ^l) ĥ^{l−1}, and ⟨W2, h⟩ by Parseval's theorem: the hidden
    // images need not be transformed back.
    fn forward_in_frequency(&self, encoded: &Tensor) -> Tensor {
        let kernels = self.kernels.iter().map(|w| rfft2(w, "backward").flatten(2, 3).conj()); // [M, ·, F]
        let hidden = if self.channels() == 1 && self.image[0] == 1 {
            kernels.fold(encoded.shallow_clone(), |hidden, w| hidden * w)
        } else {
            let per_frequency = encoded.permute([2, 0, 1]); // [F, B, ·]
            kernels.fold(per_frequency, |hidden, w| hidden.matmul(&w.permute([2, 1, 0]))).permute([1, 2, 0])
        };
        let dense = rfft2(&self.dense, "ortho") * &self.column_weights;
        let as_rows = |t: &Tensor, rows: i64| t.contiguous().view_as_real().reshape([rows, -1]);
        let (samples, outputs) = (encoded.size()[0], self.dense.size()[0]);
        as_rows(&hidden.resolve_conj(), samples).matmul(&as_rows(&dense, outputs).tr())
    }

    // The kernels first: they make a map of M×c entries per frequency, the dense
    // layer one of K×c, and K is mostly the larger.
    fn circular_map(&self) -> Tensor {
        let [c, h, w] = self.image;
        let outputs = self.dense.size()[0];
        let spectra = |w: &Tensor| rfft2(&self.on_grid(w), "backward"); // [M, ·, H, W/2+1]
        let dense = rfft2(&self.dense, "backward"); // [K, M, H, W/2+1]
        let first = spectra(&self.kernels[0]);
        let later = self.kernels[1..].iter().map(spectra);
        let map = if self.channels() == 1 {
            dense * later.fold(first, |map, w| w * map) // [K, 1, ..]·[1, c, ..]
        } else {
            let matrices = |t: Tensor| t.flatten(2, 3).permute([2, 0, 1]);
            let kernels = later.fold(matrices(first), |map, w| matrices(w).matmul(&map));
            let per_frequency = matrices(dense).matmul(&kernels);
            per_frequency.permute([1, 2, 0]).reshape([outputs, c, h, w / 2 + 1])
        };
        map.fft_irfft2([h, w].as_slice(), [-2, -1], "backward")
    }

    // From the outputs back, each layer transposed: K images pass instead of the samples.
    fn zero_padded_map(&self) -> Tensor {
        let ([_, h, w], (top, left)) = (self.image, self.origin);
        self.kernels.iter().rev().fold(self.dense.shallow_clone(), |map, kernels| {
            let (one, zero) = ([1, 1], [0, 0]);
            let spread = map.conv_transpose2d::<Tensor>(kernels, None, one, zero, zero, 1, one);
            // What falls on the padding meets zeros.
            spread.narrow(2, top, h).narrow(3, left, w)
        })
    }
}

fn rfft2(x: &Tensor, norm: &str) -> Tensor {
    x.fft_rfft2(None::<&[i64]>, [-2, -1], norm)
}

fn pad_circular(x: &Tensor, dim: i64, before: i64, after: i64) -> Tensor {
    let length = x.size()[dim as usize];
    Tensor::cat(&[x.narrow(dim, length - before, before), x.shallow_clone(), x.narrow(dim, 0, after)], dim)
}

impl Network for Lcnn {
    // "kernels", "kernels_2", …, "dense".
    fn parameters(&self) -> Vec<(String, Tensor)> {
        let name = |l: usize| if l == 0 { "kernels".to_owned() } else { format!("kernels_{}", l + 1) };
        let kernels = self.kernels.iter().enumerate().map(|(l, w)| (name(l), w.shallow_clone()));
        kernels.chain([("dense".to_owned(), self.dense.shallow_clone())]).collect()
    }

    fn encode(&self, x: &Tensor) -> Tensor {
        let [c, h, w] = self.image;
        let x = x.reshape([-1, c, h, w]);
        if self.spectral() { rfft2(&x, "ortho").flatten(2, 3) } else { self.pad(&x) }
    }

    fn forward(&self, encoded: &Tensor) -> Tensor {
        if self.spectral() { self.forward_in_frequency(encoded) } else { self.forward_in_pixels(encoded) }
    }

    fn end_to_end(&self) -> Tensor {
        let map = match self.padding {
            Padding::Circular => self.circular_map(),
            Padding::Zero => self.zero_padded_map(),
        };
        map.reshape([self.dense.size()[0], self.image.iter().product()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Draw, Layout, Start, network};
    use crate::theory::Modes;
    use crate::theory::tests_support::random_samples;
    use ndarray::Array2;

    #[test]
    fn forward_and_end_to_end_map_are_those_of_the_arrays() {
        for (shape, size) in [
            ([1, 3, 4], (3, 4)),
            ([2, 4, 5], (4, 5)),
            ([1, 4, 4], (4, 4)),
            ([1, 4, 5], (3, 3)),
            ([2, 5, 4], (2, 3)),
            ([3, 4, 6], (4, 2)),
            ([1, 4, 6], (2, 6)),
            ([2, 5, 3], (1, 1)),
            ([1, 1, 5], (1, 3)),
        ] {
            let samples = random_samples(7, shape, 3, 4);
            let modes = Modes::new(&samples).unwrap();
            let start = Start { draw: Draw::Gaussian(0.7), seed: 5, modes: &modes, outputs: 3 };
            let x = samples.x.mapv(f64::from);
            let input = convert::tensor(x.view(), Kind::Double, Device::Cpu).unwrap();
            let all = (1..=3).flat_map(|layers| (1..=3).map(move |channels| (layers, channels)));
            for ((layers, channels), padding) in
                all.flat_map(|at| [(at, Padding::Circular), (at, Padding::Zero)])
            {
                let layout = Layout::Lcnn { channels, layers, size, padding };
                let weights = start.weights(layout).unwrap();
                let want = weights.end_to_end();
                let net = network(&weights, Kind::Double, Device::Cpu).unwrap();
                let close = |got: &Tensor, want: &Array2<f64>| {
                    let got = convert::matrix(got).unwrap();
                    assert_eq!(got.dim(), want.dim());
                    got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-11)
                };
                assert!(close(&net.end_to_end(), &want), "end to end {shape:?} {layout:?}");
                let outputs = x.dot(&want.t());
                assert!(close(&net.forward(&net.encode(&input)), &outputs), "forward {shape:?} {layout:?}");
                let names: Vec<_> = net.parameters().into_iter().map(|(name, _)| name).collect();
                let kernels = ["kernels", "kernels_2", "kernels_3"];
                assert_eq!(names, [&kernels[..layers], &["dense"]].concat());
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let dense = Array4::zeros((3, 2, 4, 5));
        let refused = |kernels: &[(usize, usize, usize, usize)]| {
            let kernels: Vec<_> = kernels.iter().map(|dim| Array4::zeros(*dim)).collect();
            let made = Lcnn::new(&kernels, &dense, Padding::Circular, Kind::Float, Device::Cpu);
            made.unwrap_err().to_string()
        };
        assert!(refused(&[]).contains("at least one layer"));
        assert!(refused(&[(1, 1, 3, 3)]).contains("kernels of layer 1"));
        assert!(refused(&[(2, 1, 3, 3), (2, 1, 3, 3)]).contains("kernels of layer 2"));
        assert!(refused(&[(2, 1, 3, 3), (2, 2, 1, 3)]).contains("(2, 2, 3, 3)"));
        for size in [(5, 5), (3, 6), (0, 1)] {
            assert!(refused(&[(2, 1, size.0, size.1)]).contains("1x1 to 4x5"));
        }
    }
}
