//! A set of images on the device: as bytes, where they are bytes, and cropped,
//! flipped and normalised there.

use ndarray::{Array4, ArrayView4};
use rand::Rng;
use tch::{Device, Kind, Tensor};

use crate::data::Samples;
use crate::error::Result;
use crate::model::convert;
use crate::model::deep::channels_last;
use crate::run::config::AugmentConfig;
use crate::seed;

/// Images `[N, c, h, w]` on a device.
pub struct Images {
    /// With a border of zeros as wide as crops may go.
    pixels: Tensor,
    shape: [i64; 3],
    augment: AugmentConfig,
    /// x = pixels · gain + shift.
    gain: Tensor,
    shift: Tensor,
    channels_last: bool,
}

/// Images as they are best kept.
pub enum Pixels {
    /// Every pixel is k/255.
    Bytes(Array4<u8>),
    /// Not so.
    Real(Array4<f32>),
}

impl Pixels {
    /// Bytes where nothing is lost by it.
    pub fn new(images: ArrayView4<f32>) -> Self {
        let byte = |v: f32| (v * 255.0).round();
        let whole = images.iter().all(|&v| (0.0..=1.0).contains(&v) && (byte(v) / 255.0 - v).abs() < 1e-6);
        if whole { Self::Bytes(images.mapv(|v| byte(v) as u8)) } else { Self::Real(images.to_owned()) }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(images) => images.dim().0,
            Self::Real(images) => images.dim().0,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Images {
    /// Puts `pixels` on the device, normalised as the training set in `samples`
    /// was, in the precision `kind`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device has no room for them.
    pub fn new(
        pixels: &Pixels,
        samples: &Samples,
        augment: &AugmentConfig,
        channels_last: bool,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let [c, h, w] = samples.shape.map(|n| n as i64);
        let (stored, unit) = match pixels {
            Pixels::Bytes(images) => (convert::bytes(images.view())?, 255.0),
            Pixels::Real(images) => (convert::tensor(images.view(), Kind::Float, Device::Cpu)?, 1.0),
        };
        let border = augment.crop as i64;
        let stored = stored.f_to_device(device)?.f_constant_pad_nd([border; 4])?;
        let n = samples.offset.len() / samples.scale.len();
        let per_pixel = |f: &dyn Fn(usize) -> f64| -> Result<Tensor> {
            let values: Vec<f64> = (0..samples.offset.len()).map(f).collect();
            Ok(Tensor::f_from_slice(&values)?.f_reshape([c, h, w])?.f_to_kind(kind)?.f_to_device(device)?)
        };
        Ok(Self {
            pixels: stored,
            shape: [c, h, w],
            augment: augment.clone(),
            gain: per_pixel(&|i| 1.0 / (unit * samples.scale[i / n]))?,
            shift: per_pixel(&|i| -samples.offset[i] / samples.scale[i / n])?,
            channels_last,
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.size()[0] as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are sent through the layers at a time where CPUs take `chunk`: GPUs
    /// are busy with many small ones only.
    pub fn at_a_time(&self, chunk: usize) -> usize {
        let [_, h, w] = self.shape;
        if self.pixels.device().is_cuda() && h * w <= 64 * 64 { 8 * chunk } else { chunk }
    }

    /// The images of these rows as they are, normalised: `[B, c, h, w]`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when libtorch fails.
    pub fn plain(&self, rows: &[usize]) -> Result<Tensor> {
        let ([_, h, w], border) = (self.shape, self.augment.crop as i64);
        let whole = self.pixels.f_index_select(0, &self.index(rows)?)?;
        self.normalised(&whole.f_narrow(2, border, h)?.f_narrow(3, border, w)?)
    }

    /// The same, cropped and flipped at random as update `step` of the run `seed` has it.
    ///
    /// # Errors
    /// As [`Images::plain`].
    pub fn augmented(&self, rows: &[usize], seed: u64, step: u64) -> Result<Tensor> {
        let AugmentConfig { crop, flip } = self.augment;
        if crop == 0 && !flip {
            return self.plain(rows);
        }
        let mut rng = seed::rng(seed, "augment", step);
        let mut offsets =
            || -> Vec<i64> { rows.iter().map(|_| rng.random_range(0..=2 * crop as i64)).collect() };
        let (top, left) = (offsets(), offsets());
        let flipped: Vec<bool> = rows.iter().map(|_| flip && rng.random()).collect();
        let device = self.pixels.device();
        let ([_, h, w], on) = (self.shape, |values: &[i64]| convert::indices(values, device));
        // All windows [N, c, 2p+1, 2p+1, h, w], without a copy; one is taken of each image.
        let windows = self.pixels.f_unfold(2, h, 1)?.f_unfold(3, w, 1)?;
        let picked = [Some(self.index(rows)?), None, Some(on(&top)?), Some(on(&left)?)];
        let mut images = windows.f_index(&picked)?;
        if flip {
            let mask = convert::indices(&flipped, device)?.f_reshape([-1, 1, 1, 1])?;
            images = images.f_flip([3])?.f_where_self(&mask, &images)?;
        }
        self.normalised(&images)
    }

    fn index(&self, rows: &[usize]) -> Result<Tensor> {
        let rows: Vec<i64> = rows.iter().map(|&i| i as i64).collect();
        convert::indices(&rows, self.pixels.device())
    }

    fn normalised(&self, pixels: &Tensor) -> Result<Tensor> {
        let ordered = if self.channels_last { channels_last(pixels)? } else { pixels.shallow_clone() };
        let x = ordered.f_to_kind(self.gain.kind())?.f_mul(&self.gain)?.f_add(&self.shift)?;
        // Small or narrow images come out of the arithmetic in either order.
        if self.channels_last { channels_last(&x) } else { Ok(x.f_contiguous()?) }
    }
}
