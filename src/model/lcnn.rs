//! Linear network of one circular convolution of M channels and a dense layer:
//! h_m = Σ_c w_{m,c} ⋆ x_c, ŷ_j = Σ_m ⟨W2_{j,m}, h_m⟩, where ⋆ is
//! cross-correlation, (w ⋆ x)(p) = Σ_q w(q) x(p + q − o), indices modulo H×W.
//!
//! Full-size kernels have o = 0; smaller ones are centred as PyTorch centres
//! them, o = ⌊r/2⌋. With unitary DFTs Ê(k) = √n Ŵ2(k) ŵ(k), a product of a
//! (K×M) and an (M×c) matrix per frequency.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::model::{Network, Start, convert};

/// Kernels `[M, c, r_h, r_w]` and dense layer `[K, M, H, W]`.
#[derive(Debug)]
pub struct Lcnn {
    kernels: Tensor,
    dense: Tensor,
    /// `[c, H, W]`.
    image: [i64; 3],
    /// Half-plane weights (1 or 2) per column, for sums over the full plane.
    column_weights: Tensor,
}

impl Lcnn {
    /// A network of `channels` kernels of `size` (height, width) with the
    /// weights that `start` draws.
    ///
    /// # Errors
    /// [`Error::Input`] when the kernel is larger than the images, or when a
    /// matched start is asked of kernels that are smaller than the images;
    /// [`Error::Device`] when the device has no room.
    pub fn new(
        start: &Start,
        channels: usize,
        size: (usize, usize),
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let [c, h, w] = start.shape();
        if size.0 == 0 || size.1 == 0 || size.0 > h || size.1 > w {
            let found = format!("{}x{}", size.0, size.1);
            return Err(Error::input("model.kernel", format_args!("1x1 to {h}x{w}, or `full`"), found));
        }
        let (kernels, dense) = start.lcnn(channels, size)?;
        let grid = crate::spectrum::Grid::new(h, w);
        let weights = ndarray::Array1::from_iter((0..w / 2 + 1).map(|col| grid.weight(col)));
        Ok(Self {
            kernels: convert::tensor(kernels.view(), kind, device)?.set_requires_grad(true),
            dense: convert::tensor(dense.view(), kind, device)?.set_requires_grad(true),
            image: [c as i64, h as i64, w as i64],
            column_weights: convert::tensor(weights.view(), kind, device)?,
        })
    }

    fn full_size(&self) -> bool {
        self.kernels.size()[2..] == self.image[1..]
    }

    // The kernels on the image grid, their centre at the origin.
    fn padded_kernels(&self) -> Tensor {
        if self.full_size() {
            return self.kernels.shallow_clone();
        }
        let ([_, h, w], size) = (self.image, self.kernels.size());
        let (rh, rw) = (size[2], size[3]);
        self.kernels.constant_pad_nd([0, w - rw, 0, h - rh]).roll([-(rh / 2), -(rw / 2)], [2, 3])
    }
}

fn rfft2(x: &Tensor, norm: &str) -> Tensor {
    x.fft_rfft2(None::<&[i64]>, [-2, -1], norm)
}

impl Network for Lcnn {
    fn parameters(&self) -> Vec<(&'static str, Tensor)> {
        vec![("kernels", self.kernels.shallow_clone()), ("dense", self.dense.shallow_clone())]
    }

    // Full-size kernels meet the inputs in the frequency domain, where a
    // convolution is a product; small ones in pixels, where they are cheaper.
    fn encode(&self, x: &Tensor) -> Tensor {
        let [c, h, w] = self.image;
        let x = x.reshape([-1, c, h, w]);
        if self.full_size() {
            return rfft2(&x, "ortho").flatten(2, 3);
        }
        let size = self.kernels.size();
        let (top, left) = (size[2] / 2, size[3] / 2);
        let rows = pad_circular(&x, 2, top, size[2] - 1 - top);
        pad_circular(&rows, 3, left, size[3] - 1 - left)
    }

    fn forward(&self, encoded: &Tensor) -> Tensor {
        let (outputs, channels) = (self.dense.size()[0], self.kernels.size()[0]);
        if !self.full_size() {
            let h = encoded.conv2d::<Tensor>(&self.kernels, None, [1, 1], [0, 0], [1, 1], 1);
            return h.flatten(1, 3).matmul(&self.dense.reshape([outputs, -1]).tr());
        }
        // ĥ = √n conj(ŵ) x̂, and ⟨W2, h⟩ by Parseval's theorem: the hidden
        // images need not be transformed back.
        let kernels = rfft2(&self.kernels, "backward").flatten(2, 3).conj(); // [M, c, F]
        let hidden = if channels == 1 && self.image[0] == 1 {
            encoded * kernels
        } else {
            let per_frequency = encoded.permute([2, 0, 1]).matmul(&kernels.permute([2, 1, 0])); // [F, B, M]
            per_frequency.permute([1, 2, 0])
        };
        let dense = rfft2(&self.dense, "ortho") * &self.column_weights;
        let as_rows = |t: &Tensor, rows: i64| t.contiguous().view_as_real().reshape([rows, -1]);
        as_rows(&hidden.resolve_conj(), encoded.size()[0]).matmul(&as_rows(&dense, outputs).tr())
    }

    fn end_to_end(&self) -> Tensor {
        let [c, h, w] = self.image;
        let kernels = rfft2(&self.padded_kernels(), "backward"); // [M, c, H, W/2+1]
        let dense = rfft2(&self.dense, "backward"); // [K, M, H, W/2+1]
        let (outputs, channels) = (dense.size()[0], kernels.size()[0]);
        let map = if channels == 1 {
            dense * kernels // [K, 1, ..]·[1, c, ..]
        } else {
            let per_frequency =
                dense.flatten(2, 3).permute([2, 0, 1]).matmul(&kernels.flatten(2, 3).permute([2, 0, 1]));
            per_frequency.permute([1, 2, 0]).reshape([outputs, c, h, w / 2 + 1])
        };
        map.fft_irfft2([h, w].as_slice(), [-2, -1], "backward").reshape([outputs, c * h * w])
    }
}

fn pad_circular(x: &Tensor, dim: i64, before: i64, after: i64) -> Tensor {
    let length = x.size()[dim as usize];
    Tensor::cat(&[x.narrow(dim, length - before, before), x.shallow_clone(), x.narrow(dim, 0, after)], dim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Draw;
    use crate::theory::Modes;
    use crate::theory::tests_support::random_samples;
    use ndarray::{Array2, ArrayD, Ix4};

    // h_m(p) = Σ_c Σ_q w_{m,c}(q) x_c(p + q − ⌊r/2⌋), ŷ_j = Σ_m ⟨W2_{j,m}, h_m⟩, term by term.
    fn naive(net: &Lcnn, x: &Array2<f64>) -> Array2<f64> {
        let four = |t: &Tensor| -> ndarray::Array4<f64> {
            let a: ArrayD<f64> = convert::array(t).unwrap();
            a.into_dimensionality::<Ix4>().unwrap()
        };
        let (kernels, dense) = (four(&net.kernels), four(&net.dense));
        let (m, c, rh, rw) = kernels.dim();
        let (k, _, h, w) = dense.dim();
        let (top, left) = if (rh, rw) == (h, w) { (0, 0) } else { (rh / 2, rw / 2) };
        let mut y = Array2::zeros((x.nrows(), k));
        for i in 0..x.nrows() {
            for (m, p, q) in (0..m).flat_map(|m| (0..h).flat_map(move |p| (0..w).map(move |q| (m, p, q)))) {
                let mut hidden = 0.0;
                for (c, r, s) in
                    (0..c).flat_map(|c| (0..rh).flat_map(move |r| (0..rw).map(move |s| (c, r, s))))
                {
                    let (row, column) = ((p + r + h - top) % h, (q + s + w - left) % w);
                    hidden += kernels[[m, c, r, s]] * x[[i, (c * h + row) * w + column]];
                }
                for j in 0..k {
                    y[[i, j]] += dense[[j, m, p, q]] * hidden;
                }
            }
        }
        y
    }

    #[test]
    fn forward_and_end_to_end_map_equal_the_definition() {
        for (shape, channels, size) in [
            ([1, 3, 4], 1, (3, 4)),
            ([1, 4, 5], 1, (3, 3)),
            ([2, 3, 4], 3, (3, 4)),
            ([3, 5, 4], 2, (2, 3)),
            ([2, 4, 4], 1, (4, 4)),
            ([1, 5, 3], 2, (1, 1)),
            ([1, 4, 6], 1, (4, 3)),
        ] {
            let samples = random_samples(7, shape, 3, 4);
            let modes = Modes::new(&samples).unwrap();
            let start = Start { draw: Draw::Gaussian(0.7), seed: 5, modes: &modes, outputs: 3 };
            let net = Lcnn::new(&start, channels, size, Kind::Double, Device::Cpu).unwrap();
            let x = samples.x.mapv(f64::from);
            let want = naive(&net, &x);
            let input = convert::tensor(x.view(), Kind::Double, Device::Cpu).unwrap();
            let forward = convert::matrix(&net.forward(&net.encode(&input))).unwrap();
            let map = convert::matrix(&net.end_to_end()).unwrap();
            let close = |got: &Array2<f64>| got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(close(&forward), "forward {shape:?} {channels} {size:?}");
            assert!(close(&x.dot(&map.t())), "end to end {shape:?} {channels} {size:?}");
        }
    }

    #[test]
    fn kernels_larger_than_the_images_are_refused() {
        let modes = Modes::new(&random_samples(9, [1, 3, 4], 2, 1)).unwrap();
        let start = Start { draw: Draw::Gaussian(0.1), seed: 0, modes: &modes, outputs: 2 };
        for size in [(4, 4), (3, 5), (0, 1)] {
            let error = Lcnn::new(&start, 1, size, Kind::Float, Device::Cpu).unwrap_err().to_string();
            assert!(error.contains("model.kernel") && error.contains("3x4"), "{error}");
        }
    }
}
