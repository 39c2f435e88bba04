//! Initial weights, drawn on the CPU in double precision from named seeds: the
//! same bits for every device and precision.

use ndarray::{Array2, Array4, Ix2, Ix4};
use rand_distr::{Distribution, StandardNormal};

use crate::error::{Error, Result};
use crate::spectrum;
use crate::theory::Modes;
use crate::theory::linear::{Padding, Weights};

/// The architecture of a linear network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// Fully connected, one hidden layer.
    Fcnn {
        /// Hidden units h.
        hidden: usize,
    },
    /// Convolutions, then a dense layer.
    Lcnn {
        /// Kernels M of each layer.
        channels: usize,
        /// Convolution layers L.
        layers: usize,
        /// Height and width of the kernels.
        size: (usize, usize),
        /// Beyond the edge.
        padding: Padding,
    },
}

/// How the weights begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draw {
    /// Every weight normal with mean 0 and this standard deviation ε.
    Gaussian(f64),
    /// Both layers balanced and aligned with the modes, a_α(0) = this share of
    /// s_α: the start that the closed form assumes.
    Matched(f64),
}

/// Everything initial weights depend on.
#[derive(Debug)]
pub struct Start<'a> {
    /// How they begin.
    pub draw: Draw,
    /// Seed of the run.
    pub seed: u64,
    /// Modes of the data, whose shapes the network takes.
    pub modes: &'a Modes,
    /// Number of outputs K.
    pub outputs: usize,
}

impl Start<'_> {
    /// `[c, h, w]` of the images.
    pub fn shape(&self) -> [usize; 3] {
        self.modes.shape
    }

    /// The initial weights of a network of this layout.
    ///
    /// # Errors
    /// [`Error::Input`] when the kernels are larger than the images, and when a
    /// matched start is asked of a network that has none: fewer hidden units
    /// than modes, kernels that are small, zero-padded or in several layers,
    /// images of several channels.
    pub fn weights(&self, layout: Layout) -> Result<Weights> {
        match layout {
            Layout::Fcnn { hidden } => self.fcnn(hidden),
            Layout::Lcnn { channels, layers, size, padding } => {
                let [_, h, w] = self.shape();
                if size.0 == 0 || size.1 == 0 || size.0 > h || size.1 > w {
                    let expected = format!("1x1 to {h}x{w}, or `full`");
                    return Err(Error::input(
                        "model.kernel",
                        expected,
                        format_args!("{}x{}", size.0, size.1),
                    ));
                }
                self.lcnn(channels, layers, size, padding)
            }
        }
    }

    fn fcnn(&self, hidden: usize) -> Result<Weights> {
        let d: usize = self.shape().iter().product();
        let share = match self.draw {
            Draw::Gaussian(scale) => {
                let w1 = self.normal("w1", scale, Ix2(hidden, d));
                return Ok(Weights::Fcnn { w1, w2: self.normal("w2", scale, Ix2(self.outputs, hidden)) });
            }
            Draw::Matched(share) => share,
        };
        if hidden < self.modes.len() {
            let expected = format!("at least one unit per mode ({}) for a matched start", self.modes.len());
            return Err(Error::input("model.hidden", expected, hidden));
        }
        let (mut w1, mut w2) = (Array2::zeros((hidden, d)), Array2::zeros((self.outputs, hidden)));
        for (a, mode) in self.modes.list.iter().enumerate() {
            // E = b² u vᵀ gives a = λ b².
            let b = (share * mode.s / mode.lambda).sqrt();
            w1.row_mut(a).iter_mut().zip(&mode.v).for_each(|(w, v)| *w = b * v);
            w2.column_mut(a).assign(&(&mode.u * b));
        }
        Ok(Weights::Fcnn { w1, w2 })
    }

    fn lcnn(
        &self,
        channels: usize,
        layers: usize,
        size: (usize, usize),
        padding: Padding,
    ) -> Result<Weights> {
        let [c, h, w] = self.shape();
        let share = match self.draw {
            Draw::Gaussian(scale) => {
                let kernels = (0..layers).map(|l| {
                    let (name, inputs) = if l == 0 {
                        ("kernels".to_owned(), c)
                    } else {
                        (format!("kernels_{}", l + 1), channels)
                    };
                    self.normal(&name, scale, Ix4(channels, inputs, size.0, size.1))
                });
                return Ok(Weights::Lcnn {
                    kernels: kernels.collect(),
                    dense: self.normal("dense", scale, Ix4(self.outputs, channels, h, w)),
                    padding,
                });
            }
            Draw::Matched(share) => share,
        };
        if size != (h, w) || c != 1 || layers != 1 || padding != Padding::Circular {
            return Err(Error::input(
                "init.kind",
                "`gaussian`: a matched start needs one layer of circular kernels of full size and images of one channel",
                format_args!(
                    "`matched` with {layers} layers of {}x{} kernels ({padding:?} padding) on {c}x{h}x{w} images",
                    size.0, size.1
                ),
            ));
        }
        let (mut kernels, mut dense) =
            (Array4::zeros((channels, 1, h, w)), Array4::zeros((self.outputs, channels, h, w)));
        for mode in &self.modes.list {
            // Only the mode's own frequency: ŵ = b, Ŵ2 = b e^{iθ} u, so that
            // √n Ŵ2 ŵ = (a₀/λ) u v̂ there.
            let mut v = spectrum::rfft2(mode.v.index_axis(ndarray::Axis(0), 0));
            let peak = v.iter().fold(0.0f64, |m, z| m.max(z.norm()));
            let b = (share * mode.s / mode.lambda * peak / ((h * w) as f64).sqrt()).sqrt();
            v.mapv_inplace(|z| if z.norm() > 0.5 * peak { z / z.norm() * b } else { Default::default() });
            let phases = spectrum::irfft2(v.view(), w);
            let kernel = spectrum::irfft2(v.mapv(|z| z.norm().into()).view(), w);
            let mut first = kernels.slice_mut(ndarray::s![0, 0, .., ..]);
            first += &kernel;
            for (j, u) in mode.u.iter().enumerate() {
                let mut plane = dense.slice_mut(ndarray::s![j, 0, .., ..]);
                plane.scaled_add(*u, &phases);
            }
        }
        Ok(Weights::Lcnn { kernels: vec![kernels], dense, padding })
    }

    fn normal<D: ndarray::Dimension>(&self, name: &str, scale: f64, shape: D) -> ndarray::Array<f64, D> {
        let mut rng = crate::seed::rng(self.seed, &format!("weights/{name}"), 0);
        ndarray::Array::from_shape_simple_fn(shape, || {
            let z: f64 = StandardNormal.sample(&mut rng);
            z * scale
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::moments;
    use crate::theory::tests_support::{cosine_samples, random_samples};

    fn full(size: (usize, usize), channels: usize) -> Layout {
        Layout::Lcnn { channels, layers: 1, size, padding: Padding::Circular }
    }

    #[test]
    fn a_matched_start_gives_every_mode_its_share_and_nothing_else() {
        // One frequency is its own conjugate: its gain is √n, not √(n/2).
        let samples = cosine_samples((6, 8), &[(1, 2, 2.0, 0.3), (-2, 1, 1.5, 1.1), (3, 0, 1.0, 0.0)]);
        let modes = Modes::new(&samples).unwrap();
        let start = Start { draw: Draw::Matched(0.01), seed: 1, modes: &modes, outputs: 3 };
        for layout in [Layout::Fcnn { hidden: 5 }, full((6, 8), 2)] {
            let map = start.weights(layout).unwrap().end_to_end();
            let a = modes.strengths(moments::response(&samples, map.view()).view());
            for (a, mode) in a.iter().zip(&modes.list) {
                assert!((a / mode.s - 0.01).abs() < 1e-8, "{a} of {}", mode.s);
            }
            let want = modes.list.iter().fold(Array2::<f64>::zeros(map.dim()), |sum, m| {
                let v = m.v.clone().into_shape_with_order((1, 48)).unwrap();
                sum + m.u.view().insert_axis(ndarray::Axis(1)).dot(&v) * (0.01 * m.s / m.lambda)
            });
            assert!((map - want).iter().all(|e| e.abs() < 1e-9));
        }
    }

    #[test]
    fn gaussian_weights_have_their_scale_and_depend_on_the_seed_only() {
        let modes = Modes::new(&random_samples(50, [1, 8, 8], 3, 1)).unwrap();
        let draw = |seed| {
            let start = Start { draw: Draw::Gaussian(0.5), seed, modes: &modes, outputs: 3 };
            let Weights::Fcnn { w1, w2 } = start.weights(Layout::Fcnn { hidden: 200 }).unwrap() else {
                panic!("another network")
            };
            (w1, w2)
        };
        let (w1, w2) = draw(7);
        assert_eq!((w1.dim(), w2.dim()), ((200, 64), (3, 200)));
        // 12,800 draws: the sample's standard deviation is within 3 % at 5 sigma.
        let deviation = w1.mapv(|x| x * x).mean().unwrap().sqrt();
        assert!((deviation / 0.5 - 1.0).abs() < 0.032);
        assert!(w1.mean().unwrap().abs() < 0.5 * 5.0 / 12_800f64.sqrt());
        assert_eq!(draw(7).0, w1);
        assert_ne!(draw(8).0, w1);
    }

    #[test]
    fn impossible_starts_are_refused() {
        let samples = cosine_samples((6, 8), &[(1, 2, 2.0, 0.3), (-2, 1, 1.5, 1.1)]);
        let modes = Modes::new(&samples).unwrap();
        let start = |draw| Start { draw, seed: 1, modes: &modes, outputs: 2 };
        let refused = |draw, layout| start(draw).weights(layout).unwrap_err().to_string();
        let matched = Draw::Matched(0.01);
        assert!(refused(matched, Layout::Fcnn { hidden: 1 }).contains("model.hidden"));
        assert!(refused(matched, full((3, 3), 1)).contains("init.kind"));
        let zero = Layout::Lcnn { channels: 1, layers: 1, size: (6, 8), padding: Padding::Zero };
        assert!(refused(matched, zero).contains("init.kind"));
        for size in [(7, 8), (3, 9), (0, 1)] {
            let said = refused(Draw::Gaussian(0.1), full(size, 1));
            assert!(said.contains("model.kernel") && said.contains("6x8"), "{said}");
        }
    }
}
