//! A network together with the images it is shown.

use ndarray::ArrayView4;
use tch::{Device, Kind, Tensor};
use xxhash_rust::xxh3::Xxh3;

use crate::audit::Fingerprint;
use crate::audit::net::Net;
use crate::error::{Error, Result};
use crate::model::convert;

/// A network, and images as pixels in [0, 1].
pub struct Subject {
    /// The network; it is only looked at, never trained.
    pub net: Net,
    /// `[N, c, h, w]`, in [0, 1], in single precision, where the network is.
    pub pixels: Tensor,
    /// Class of each image, where known.
    pub labels: Option<Vec<u32>>,
    /// x = pixels · gain + shift: `[c, 1, 1]` and `[c, h, w]`.
    gain: Tensor,
    shift: Tensor,
    /// Standard deviation by which each channel is divided.
    scale: Vec<f64>,
}

/// Images that are sent through the layers at a time, where they have at most
/// 32×32 pixels; fewer of larger ones, so that memory does not grow with them. What
/// the layers put out of more at a time leaves the caches: ResNet-20 on two cores
/// takes 0.40 s for 1,000 images with 50 to 125 at a time, 0.52 s with 250, 0.56 s
/// with 500 (`cargo bench --bench audit`).
pub const CHUNK: usize = 125;

/// As few pass at a time where images are large.
const LEAST: usize = 4;

/// Pixels of an image of which [`CHUNK`] pass at a time.
const PIXELS: usize = 32 * 32;

/// Images of shape `[c, h, w]` that pass at a time.
pub fn chunk([_, h, w]: [usize; 3], device: Device) -> usize {
    let chunk = (CHUNK * PIXELS / (h * w).max(PIXELS)).max(LEAST);
    // No caches to stay in there, and thousands of threads to keep busy.
    if device.is_cuda() { 8 * chunk } else { chunk }
}

impl Subject {
    /// `net` and images `[N, c, h, w]` in [0, 1], which it sees as
    /// (pixels − `offset`) / `scale`: one number per value, `[c·h·w]`, and one per
    /// channel, as [`crate::data::Samples`] holds them.
    ///
    /// # Errors
    /// [`Error::Input`] for images of another shape than the network's, and
    /// for normalisation or labels that do not fit the images; [`Error::Device`].
    pub fn new(
        net: impl Into<Net>,
        images: ArrayView4<f32>,
        labels: Option<Vec<u32>>,
        offset: &[f64],
        scale: &[f64],
    ) -> Result<Self> {
        let (n, c, h, w) = images.dim();
        let net = net.into();
        let [ec, eh, ew] = net.shape();
        if [c, h, w] != [ec, eh, ew] {
            let expected = format!("images of {ec}x{eh}x{ew}, as the network was built for");
            return Err(Error::input("images", expected, format_args!("{c}x{h}x{w}")));
        }
        if scale.len() != c || offset.len() != c * h * w {
            let expected = format!("{c} scales and {} offsets", c * h * w);
            let found = format!("{} and {}", scale.len(), offset.len());
            return Err(Error::input("normalisation", expected, found));
        }
        if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != n) {
            return Err(Error::input("labels", format_args!("one for each of {n} images"), labels.len()));
        }
        let (kind, device) = (net.kind(), net.device());
        let gain: Vec<f64> = scale.iter().map(|s| 1.0 / s).collect();
        let shift: Vec<f64> = offset.iter().enumerate().map(|(i, o)| -o / scale[i / (h * w)]).collect();
        let tensor = |values: &[f64], shape: [i64; 3]| -> Result<Tensor> {
            Ok(Tensor::f_from_slice(values)?.f_reshape(shape)?.f_to_kind(kind)?.f_to_device(device)?)
        };
        Ok(Self {
            pixels: convert::tensor(images, Kind::Float, device)?,
            labels,
            gain: tensor(&gain, [c as i64, 1, 1])?,
            shift: tensor(&shift, [c as i64, h as i64, w as i64])?,
            scale: scale.to_vec(),
            net,
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

    /// Standard deviation by which each channel is divided.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// Images that pass at a time.
    pub fn chunk(&self) -> usize {
        chunk(self.net.shape(), self.pixels.device())
    }

    /// What the network sees of `pixels` `[B, c, h, w]`.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch fails.
    pub fn normalised(&self, pixels: &Tensor) -> Result<Tensor> {
        let x = self.shift.f_addcmul(&pixels.f_to_kind(self.gain.kind())?, &self.gain)?;
        self.net.laid_out(x)
    }

    /// Logits `[B, K]` of `pixels` `[B, c, h, w]` in [0, 1], without gradients;
    /// any number of them: they pass in chunks.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch fails.
    pub fn logits(&self, pixels: &Tensor) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let mut parts = Vec::new();
        let chunk = self.chunk() as i64;
        for at in (0..pixels.size()[0]).step_by(chunk as usize) {
            let count = (pixels.size()[0] - at).min(chunk);
            let x = self.normalised(&pixels.f_narrow(0, at, count)?)?;
            parts.push(self.net.forward(&x)?);
        }
        Ok(Tensor::f_cat(&parts, 0)?)
    }

    /// What tells it from others.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch refuses a copy.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let (network, weights) = self.net.fingerprint()?;
        let (mut pixels, mut normalisation) = (Xxh3::new(), Xxh3::new());
        hash_tensor(&mut pixels, &self.pixels)?;
        hash_tensor(&mut normalisation, &self.gain)?;
        hash_tensor(&mut normalisation, &self.shift)?;
        let shown = |state: Xxh3| format!("{:032x}", state.digest128());
        let labels = self.labels.as_ref().map(|labels| {
            let bytes: Vec<u8> = labels.iter().flat_map(|l| l.to_le_bytes()).collect();
            format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes))
        });
        Ok(Fingerprint {
            network,
            weights,
            pixels: shown(pixels),
            labels,
            normalisation: shown(normalisation),
        })
    }
}

// Type, shape and values.
pub(super) fn hash_tensor(state: &mut Xxh3, tensor: &Tensor) -> Result<()> {
    let flat = tensor.f_detach()?.f_to_device(tch::Device::Cpu)?.f_contiguous()?;
    let kind = flat.kind();
    state.update(format!("{kind:?}{:?}", flat.size()).as_bytes());
    let mut bytes = vec![0; flat.numel() * kind.elt_size_in_bytes()];
    flat.f_copy_data_u8(&mut bytes, flat.numel())?;
    state.update(&bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::deep::{Architecture, Deep};
    use crate::run::config::{InitKind, ModelKind};
    use ndarray::Array4;

    fn net() -> Deep {
        let architecture = Architecture::usual(ModelKind::Resnet8, [3, 8, 12], 5);
        Deep::new(architecture, InitKind::Pytorch, 0, Kind::Double, Device::Cpu).unwrap()
    }

    #[test]
    fn pixels_are_normalised_and_pass_in_chunks() {
        let images = Array4::from_shape_fn((CHUNK + 3, 3, 8, 12), |(n, c, y, x)| {
            ((n * 7 + c * 5 + y * 3 + x * x) % 11) as f32 / 10.0
        });
        let offset: Vec<f64> = (0..288).map(|i| i as f64 / 288.0).collect();
        let scale = [0.5, 0.25, 0.2];
        let subject = Subject::new(net(), images.view(), None, &offset, &scale).unwrap();
        let x = convert::array(&subject.normalised(&subject.pixels).unwrap()).unwrap();
        for ((n, c, y, col), pixel) in images.indexed_iter() {
            let expected = (f64::from(*pixel) - offset[c * 96 + y * 12 + col]) / scale[c];
            assert!((x[[n, c, y, col]] - expected).abs() < 1e-12);
        }
        let logits = convert::matrix(&subject.logits(&subject.pixels).unwrap()).unwrap();
        let last = subject.pixels.narrow(0, CHUNK as i64 + 2, 1);
        let alone = convert::matrix(&subject.logits(&last).unwrap()).unwrap();
        assert_eq!(logits.dim(), (CHUNK + 3, 5));
        assert!(logits.row(CHUNK + 2).iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-10));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let images = Array4::zeros((2, 3, 12, 8));
        let refused = Subject::new(net(), images.view(), None, &[0.0; 288], &[1.0; 3]).err().unwrap();
        assert!(refused.to_string().contains("images of 3x8x12"), "{refused}");
        let images = Array4::zeros((2, 3, 8, 12));
        let refused = Subject::new(net(), images.view(), None, &[0.0; 3], &[1.0; 3]).err().unwrap();
        assert!(refused.to_string().contains("288 offsets"), "{refused}");
        let labels = Some(vec![0; 3]);
        let refused = Subject::new(net(), images.view(), labels, &[0.0; 288], &[1.0; 3]).err().unwrap();
        assert!(refused.to_string().contains("labels: expected one for each of 2 images"), "{refused}");
    }

    #[test]
    fn a_fingerprint_tells_what_differs() {
        let images = Array4::from_elem((2, 3, 8, 12), 0.25);
        let of = |images: &Array4<f32>, labels, scale: f64| {
            let subject = Subject::new(net(), images.view(), labels, &[0.5; 288], &[scale; 3]).unwrap();
            subject.fingerprint().unwrap()
        };
        let first = of(&images, Some(vec![1, 2]), 0.5);
        assert_eq!(first, of(&images, Some(vec![1, 2]), 0.5));
        let mut other = images.clone();
        other[[1, 2, 7, 11]] = 0.26;
        assert_eq!(Fingerprint { pixels: first.pixels.clone(), ..of(&other, Some(vec![1, 2]), 0.5) }, first);
        assert_ne!(of(&other, Some(vec![1, 2]), 0.5), first);
        assert_ne!(of(&images, Some(vec![2, 1]), 0.5).labels, first.labels);
        assert_eq!(of(&images, None, 0.5).labels, None);
        assert_ne!(of(&images, None, 0.25).normalisation, first.normalisation);
        let subject = Subject::new(net(), images.view(), None, &[0.5; 288], &[0.5; 3]).unwrap();
        let weight = &subject.net.known().unwrap().entries()[0].tensor;
        let _ = tch::no_grad(|| weight.shallow_clone().fill_(0.5));
        assert_ne!(subject.fingerprint().unwrap().weights, first.weights);
    }

    #[test]
    fn large_images_pass_in_small_chunks() {
        let chunk = |side: usize| {
            let architecture = Architecture::usual(ModelKind::Resnet8, [3, side, side], 5);
            let net = Deep::new(architecture, InitKind::Pytorch, 0, Kind::Float, Device::Cpu).unwrap();
            let images = Array4::zeros((0, 3, side, side));
            let offset = vec![0.0; 3 * side * side];
            Subject::new(net, images.view(), None, &offset, &[1.0; 3]).unwrap().chunk()
        };
        assert_eq!([16, 32, 64, 224].map(chunk), [CHUNK, CHUNK, CHUNK / 4, LEAST]);
    }
}
