//! Networks and images of which the answers are known.

use std::f64::consts::TAU;

use ndarray::{Array2, Array4};
use rand::Rng;
use tch::{Device, Kind};

use super::subject::Subject;
use crate::model::Padding;
use crate::model::deep::{Architecture, Deep};
use crate::run::config::{InitKind, ModelKind};
use crate::seed;
use crate::spectrum::Frequency;
use crate::weights::{Data, NamedTensor, StateDict};

/// Size of the images, and the frequency that counts in them: a radius of √½/2.
pub const SIZE: (usize, usize) = (8, 12);
pub const FREQUENCY: Frequency = Frequency { row: -2, col: 3 };

/// The cosine of a frequency, `[h·w]`.
pub fn cosine(k: Frequency, (h, w): (usize, usize)) -> Vec<f64> {
    let angle = |p: usize| {
        f64::from(k.row) * (p / w) as f64 / h as f64 + f64::from(k.col) * (p % w) as f64 / w as f64
    };
    (0..h * w).map(|p| (TAU * angle(p)).cos()).collect()
}

/// ŷ = W x + b, in double precision: a convolution that does nothing, and a dense layer.
pub fn linear(shape: [usize; 3], weights: &Array2<f64>, bias: &[f64]) -> Deep {
    let [c, _, _] = shape;
    let architecture = Architecture {
        nonlinear: false,
        norm: false,
        padding: Padding::Circular,
        plain: (c, 1, (1, 1)),
        ..Architecture::usual(ModelKind::Cnn, shape, bias.len())
    };
    let net = Deep::new(architecture, InitKind::Pytorch, 0, Kind::Double, Device::Cpu).unwrap();
    let identity = (0..c * c).map(|i| f64::from(u8::from(i % (c + 1) == 0))).collect();
    let mut file = StateDict::default();
    for (name, shape, values) in [
        ("conv1.weight", vec![c, c, 1, 1], identity),
        ("fc.weight", weights.shape().to_vec(), weights.iter().copied().collect()),
        ("fc.bias", vec![bias.len()], bias.to_vec()),
    ] {
        file.push(NamedTensor::new(name, shape, Data::F64(values)).unwrap()).unwrap();
    }
    net.load(&file, "test").unwrap();
    net
}

/// Images of two classes in turns: grey, plus (class 0) or minus (class 1) the
/// cosine of [`FREQUENCY`], plus noise; and a network that knows nothing but the
/// sign of that cosine: logits ⟨cosine, x⟩·2/n and 0.001, x being (pixels − 0.5)/0.25.
pub fn waves(count: usize, labelled: bool) -> Subject {
    let (h, w) = SIZE;
    let cosine = cosine(FREQUENCY, SIZE);
    let mut rng = seed::rng(0, "audit test waves", 0);
    let images = Array4::from_shape_fn((count, 1, h, w), |(n, _, r, c)| {
        let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
        (0.5 + 0.2 * sign * cosine[r * w + c] + rng.random_range(-0.05..0.05)) as f32
    });
    let n = (h * w) as f64;
    let weights = Array2::from_shape_fn((2, h * w), |(k, p)| if k == 0 { 2.0 / n * cosine[p] } else { 0.0 });
    let labels = labelled.then(|| (0..count as u32).map(|i| i % 2).collect());
    let net = linear([1, h, w], &weights, &[0.0, 0.001]);
    Subject::new(net, images.view(), labels, &vec![0.5; h * w], &[0.25]).unwrap()
}

/// Noise about two brightnesses in turns, and a network that tells them apart by the
/// mean of all pixels.
pub fn bright(count: usize, means: [f64; 2]) -> Subject {
    let (h, w) = SIZE;
    let mut rng = seed::rng(0, "audit test brightness", 0);
    let images = Array4::from_shape_fn((count, 1, h, w), |(n, _, _, _)| {
        (means[n % 2] + rng.random_range(-0.2..0.2)) as f32
    });
    let weights = Array2::from_shape_fn((2, h * w), |(k, _)| k as f64 / (h * w) as f64);
    let labels = (0..count as u32).map(|i| i % 2).collect();
    let net = linear([1, h, w], &weights, &[(means[0] + means[1]) / 2.0, 0.0]);
    Subject::new(net, images.view(), Some(labels), &vec![0.0; h * w], &[1.0]).unwrap()
}

/// Black and white dots of `classes` classes, and a ResNet-8 as it begins, in double
/// precision; each pixel normalised in its own way.
pub fn random(count: usize, classes: usize) -> Subject {
    let mut rng = seed::rng(0, "audit test dots", 0);
    let images = Array4::from_shape_simple_fn((count, 3, 8, 10), || f32::from(rng.random_range(0..2u8)));
    let architecture = Architecture::usual(ModelKind::Resnet8, [3, 8, 10], classes);
    let net = Deep::new(architecture, InitKind::Pytorch, 4, Kind::Double, Device::Cpu).unwrap();
    let labels = (0..count).map(|i| (i % classes) as u32).collect();
    let offset: Vec<f64> = (0..240).map(|i| 0.3 + i as f64 / 600.0).collect();
    Subject::new(net, images.view(), Some(labels), &offset, &[0.5, 0.25, 0.2]).unwrap()
}
