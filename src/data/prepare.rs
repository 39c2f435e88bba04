//! From images to the matrices X and Y that theory and networks work on.
//!
//! Order of operations: named normalisation (if any), centring of x per pixel
//! and of y per output, then division of x by one standard deviation (`global`)
//! or one per channel (`channel`). Standard deviations are those of the
//! population (divisor: the number of values).

use std::fmt;
use std::str::FromStr;

use ndarray::{Array1, Array2, ArrayView2, ArrayView4, Axis, parallel::prelude::*};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::field::{ImageSet, Provenance};

/// What x is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// Nothing.
    None,
    /// The standard deviation of all values of x; about the per-pixel means
    /// where x is centred, about the mean of all values where it is not.
    Global,
    /// The same, for each channel by itself.
    Channel,
    /// First (x − mean)/std with the channel statistics of ImageNet.
    Imagenet,
    /// First (x − mean)/std with the channel statistics of CIFAR-10's training images.
    Cifar10,
    /// First 2x − 1.
    Half,
}

impl Normalize {
    const NAMES: [(&'static str, Normalize); 6] = [
        ("none", Normalize::None),
        ("global", Normalize::Global),
        ("channel", Normalize::Channel),
        ("imagenet", Normalize::Imagenet),
        ("cifar10", Normalize::Cifar10),
        ("half", Normalize::Half),
    ];

    // Channel means and standard deviations in use everywhere for these sets.
    fn named(self) -> Option<([f32; 3], [f32; 3])> {
        match self {
            Normalize::Imagenet => Some(([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])),
            Normalize::Cifar10 => Some(([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])),
            Normalize::Half => Some(([0.5; 3], [0.5; 3])),
            _ => None,
        }
    }
}

impl Normalize {
    /// Whether it is the same whatever the images, as long as nothing is centred.
    pub fn constant(self) -> bool {
        !matches!(self, Self::Global | Self::Channel)
    }
}

impl FromStr for Normalize {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::NAMES.iter().find(|(n, _)| *n == text).map(|(_, v)| *v).ok_or_else(|| {
            let names: Vec<_> = Self::NAMES.iter().map(|(n, _)| *n).collect();
            Error::input("normalize", format_args!("one of {}", names.join(", ")), format_args!("`{text}`"))
        })
    }
}

impl fmt::Display for Normalize {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, v)| v == self).map_or("", |(n, _)| n);
        f.write_str(name)
    }
}

/// Prepared samples: what the theory and the networks see.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Inputs `[P, d]`, d = c·h·w, rows in `[c, h, w]` order.
    pub x: Array2<f32>,
    /// Targets `[P, K]`.
    pub y: Array2<f64>,
    /// `[c, h, w]` of an image.
    pub shape: [usize; 3],
    /// What was subtracted from y `[K]`: zeros where y is not centred.
    pub y_mean: Array1<f64>,
    /// What was subtracted from the pixels `[d]` before the division by `scale`.
    pub offset: Array1<f64>,
    /// What x was divided by, one value per channel.
    pub scale: Vec<f64>,
    /// Whether x and y were centred.
    pub centred: bool,
    /// Class of each sample, where targets are classes.
    pub labels: Option<Vec<u32>>,
    /// Names of the outputs.
    pub names: Vec<String>,
    /// Provenance of the images.
    pub source: Provenance,
}

impl Samples {
    /// Images `[N, c, h, w]` of another set of this size, centred and scaled as these:
    /// `[N, d]`.
    ///
    /// # Errors
    /// [`Error::Input`] for images of another size.
    pub fn alike(&self, images: ArrayView4<f32>) -> Result<Array2<f32>> {
        let (count, c, h, w) = images.dim();
        if [c, h, w] != self.shape {
            let expected = format!("images {:?} as the training set has them", self.shape);
            return Err(Error::input("images", expected, format_args!("{:?}", [c, h, w])));
        }
        let mut x = Array2::from_shape_fn((count, c * h * w), |(i, at)| {
            images[[i, at / (h * w), at / w % h, at % w]]
        });
        for mut row in x.rows_mut() {
            for (at, (value, offset)) in row.iter_mut().zip(&self.offset).enumerate() {
                *value = ((f64::from(*value) - offset) / self.scale[at / (h * w)]) as f32;
            }
        }
        Ok(x)
    }

    /// Number of samples P.
    pub fn len(&self) -> usize {
        self.x.nrows()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of outputs K.
    pub fn outputs(&self) -> usize {
        self.y.ncols()
    }

    /// 128-bit hash (XXH3, hexadecimal) of shapes, inputs and targets: two runs
    /// with the same hash saw the same numbers.
    pub fn hash(&self) -> String {
        let mut state = xxhash_rust::xxh3::Xxh3::new();
        for n in self.shape.iter().chain([&self.len(), &self.outputs()]) {
            state.update(&(*n as u64).to_le_bytes());
        }
        let mut bytes = Vec::new();
        for row in self.x.rows() {
            bytes.clear();
            bytes.extend(row.iter().flat_map(|v| v.to_le_bytes()));
            state.update(&bytes);
        }
        for v in &self.y {
            state.update(&v.to_le_bytes());
        }
        format!("{:032x}", state.digest128())
    }
}

/// Rows handled at a time: fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 512;

/// Centres and normalises `set`; see the module's page for the order.
///
/// # Errors
/// [`Error::Input`] when x has no variance to divide by, when a named
/// normalisation meets images without three channels, and when there are more
/// outputs K than inputs d.
pub fn prepare(set: ImageSet, normalize: Normalize, center: bool) -> Result<Samples> {
    let shape @ [c, h, w] = set.shape();
    let (p, n) = (set.len(), h * w);
    let targets = set.targets;
    let k = targets.outputs();
    if k > c * n {
        return Err(Error::input(
            "data",
            format_args!("no more outputs than inputs (K <= d): a mode needs an input direction of its own"),
            format_args!("{k} outputs and {} inputs ({c}x{h}x{w})", c * n),
        ));
    }
    let mut x = set
        .images
        .into_shape_with_order((p, c * n))
        .map_err(|e| Error::input("data", "images in [N, C, H, W] order", e))?;

    let mut scale = vec![1.0; c];
    let mut offset = Array1::zeros(c * n);
    if let Some((mean, std)) = normalize.named() {
        if c != 3 {
            return Err(Error::input(
                "normalize",
                format_args!("images of 3 channels for the statistics named `{normalize}`"),
                format_args!("{c} channel(s); use `global` or `channel`"),
            ));
        }
        for_rows(&mut x, |row| {
            for (i, v) in row.iter_mut().enumerate() {
                *v = (*v - mean[i / n]) / std[i / n];
            }
        });
        scale = std.iter().map(|&s| f64::from(s)).collect();
        offset = Array1::from_shape_fn(c * n, |i| f64::from(mean[i / n]));
    }
    if center {
        let mean = column_sums(x.view(), f64::from) / p as f64;
        offset.iter_mut().zip(&mean).enumerate().for_each(|(i, (o, m))| *o += scale[i / n] * m);
        for_rows(&mut x, |row| {
            for (v, m) in row.iter_mut().zip(&mean) {
                *v = (f64::from(*v) - m) as f32;
            }
        });
    }
    if matches!(normalize, Normalize::Global | Normalize::Channel) {
        scale = deviations(x.view(), c, normalize == Normalize::Global, center)?;
        for_rows(&mut x, |row| {
            for (i, v) in row.iter_mut().enumerate() {
                *v = (f64::from(*v) / scale[i / n]) as f32;
            }
        });
    }

    let mut y = targets.matrix().mapv(f64::from);
    let y_mean = if center { y.sum_axis(Axis(0)) / p as f64 } else { Array1::zeros(k) };
    y -= &y_mean;
    let (labels, names) = match targets {
        crate::field::Targets::Classes { labels, names } => (Some(labels), names),
        crate::field::Targets::Real(_) => (None, (0..k).map(|i| i.to_string()).collect()),
    };
    Ok(Samples { x, y, shape, y_mean, offset, scale, centred: center, labels, names, source: set.source })
}

fn for_rows(x: &mut Array2<f32>, f: impl Fn(&mut [f32]) + Sync) {
    x.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| {
        if let Some(row) = row.as_slice_mut() {
            f(row);
        }
    });
}

// Sum over rows of g(x) per column; blocks are added in their order.
fn column_sums(x: ArrayView2<f32>, g: impl Fn(f32) -> f64 + Sync) -> Array1<f64> {
    let blocks: Vec<_> = x
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|block| {
            let mut sum = Array1::<f64>::zeros(block.ncols());
            for row in block.rows() {
                sum.iter_mut().zip(row).for_each(|(s, &v)| *s += g(v));
            }
            sum
        })
        .collect();
    blocks.into_iter().fold(Array1::zeros(x.ncols()), |a, b| a + b)
}

fn deviations(x: ArrayView2<f32>, c: usize, global: bool, centred: bool) -> Result<Vec<f64>> {
    let n = x.ncols() / c;
    let groups = if global { 1 } else { c };
    let count = (x.nrows() * n * c / groups) as f64;
    let per_group = |sums: &Array1<f64>| -> Vec<f64> {
        let mut total = vec![0.0; groups];
        sums.iter().enumerate().for_each(|(i, v)| total[if global { 0 } else { i / n }] += v);
        total
    };
    let means: Vec<f64> = if centred {
        vec![0.0; groups]
    } else {
        per_group(&column_sums(x, f64::from)).iter().map(|s| s / count).collect()
    };
    let squares = per_group(&column_sums(x, |v| f64::from(v).powi(2)));
    let mut scale = Vec::with_capacity(c);
    for channel in 0..c {
        let g = if global { 0 } else { channel };
        let variance = squares[g] / count - means[g].powi(2);
        // Rounding of the pixels alone leaves about 1e-15 of their square.
        let floor = 1e-12 * (squares[g] / count).max(f64::MIN_POSITIVE);
        if variance.is_nan() || variance <= floor {
            return Err(Error::input(
                "data",
                "images that differ from one another, to divide by their standard deviation",
                "no variance at all (are all images the same, or all blank?); --normalize none skips the division",
            ));
        }
        scale.push(variance.sqrt());
    }
    Ok(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Targets;
    use ndarray::{Array4, array};

    fn set(images: Array4<f32>, labels: Vec<u32>, k: usize) -> ImageSet {
        let names = (0..k).map(|i| i.to_string()).collect();
        ImageSet { images, targets: Targets::Classes { labels, names }, source: Provenance::default() }
    }

    fn ramp(p: usize, c: usize, h: usize, w: usize) -> Array4<f32> {
        Array4::from_shape_fn((p, c, h, w), |(i, a, r, s)| {
            ((i * 7 + a * 5 + r * 3 + s * s) % 11) as f32 / 10.0
        })
    }

    #[test]
    fn by_hand() {
        // Two images of 1x1x2 pixels: means (2, 3), centred ±1 and ±2, variance (1+1+4+4)/4.
        let images = Array4::from_shape_vec((2, 1, 1, 2), vec![1.0, 5.0, 3.0, 1.0]).unwrap();
        let s = prepare(set(images, vec![0, 1], 2), Normalize::Global, true).unwrap();
        let d = 2.5f64.sqrt();
        assert!((s.scale[0] - d).abs() < 1e-12);
        let want = array![[-1.0 / d, 2.0 / d], [1.0 / d, -2.0 / d]];
        assert!((s.x.mapv(f64::from) - want).iter().all(|e| e.abs() < 1e-7));
        assert_eq!(s.y, array![[0.5, -0.5], [-0.5, 0.5]]);
        assert_eq!(s.y_mean, array![0.5, 0.5]);
    }

    #[test]
    fn uncentred_divides_by_the_deviation_about_the_mean_of_all() {
        let images = Array4::from_shape_vec((2, 1, 1, 2), vec![1.0, 2.0, 3.0, 6.0]).unwrap();
        let s = prepare(set(images, vec![0, 1], 2), Normalize::Global, false).unwrap();
        assert!((s.scale[0] - (3.5f64).sqrt()).abs() < 1e-12); // mean 3, squares 4+1+0+9
        assert_eq!(s.y, array![[1.0, 0.0], [0.0, 1.0]]);
    }

    #[test]
    fn channels_get_their_own_deviation() {
        let mut images = ramp(40, 3, 4, 5);
        images.index_axis_mut(Axis(1), 2).mapv_inplace(|v| v * 10.0);
        let s = prepare(set(images, (0..40).map(|i| i % 2).collect(), 2), Normalize::Channel, true).unwrap();
        for ch in 0..3 {
            let values = s.x.slice(ndarray::s![.., ch * 20..(ch + 1) * 20]).mapv(f64::from);
            assert!((values.mapv(|v| v * v).mean().unwrap() - 1.0).abs() < 1e-5);
        }
        assert!(s.scale[2] > 5.0 * s.scale[0]);
        assert!(column_sums(s.x.view(), f64::from).iter().all(|m| m.abs() < 1e-4));
    }

    #[test]
    fn named_statistics_are_applied_before_centring() {
        let s =
            prepare(set(Array4::from_elem((2, 3, 1, 1), 0.485), vec![0, 1], 2), Normalize::Imagenet, false);
        let x = s.unwrap().x;
        assert_eq!(x[[0, 0]], 0.0);
        assert!((x[[0, 1]] - (0.485 - 0.456) / 0.224).abs() < 1e-6);
        let grey = prepare(set(ramp(4, 1, 2, 2), vec![0, 1, 0, 1], 2), Normalize::Imagenet, true);
        assert!(grey.unwrap_err().to_string().contains("3 channels"));
    }

    #[test]
    fn other_images_are_prepared_alike() {
        let images = ramp(6, 2, 3, 2);
        let s = prepare(set(images.clone(), vec![0, 1, 0, 1, 0, 1], 2), Normalize::Channel, true).unwrap();
        let again = s.alike(images.view()).unwrap();
        assert!((&again - &s.x).iter().all(|d| d.abs() < 1e-6));
        let moved = s.alike((images + 0.5).view()).unwrap();
        assert!((moved[[3, 7]] - s.x[[3, 7]] - 0.5 / s.scale[1] as f32).abs() < 1e-5);
        assert!(s.alike(ramp(2, 2, 2, 3).view()).unwrap_err().to_string().contains("[2, 3, 2]"));
    }

    #[test]
    fn blank_images_and_too_many_outputs_are_errors() {
        let blank =
            prepare(set(Array4::from_elem((4, 1, 2, 2), 0.3), vec![0, 1, 0, 1], 2), Normalize::Global, true);
        assert!(blank.unwrap_err().to_string().contains("no variance"));
        let wide = prepare(set(ramp(4, 1, 1, 2), vec![0, 1, 2, 0], 3), Normalize::Global, true);
        assert!(wide.unwrap_err().to_string().contains("3 outputs and 2 inputs"));
    }

    #[test]
    fn the_hash_sees_every_value() {
        let make = |f: &dyn Fn(&mut Samples)| {
            let mut s =
                prepare(set(ramp(6, 1, 3, 2), vec![0, 1, 0, 1, 0, 1], 2), Normalize::None, false).unwrap();
            f(&mut s);
            s.hash()
        };
        let same = make(&|_| {});
        assert_eq!(same, make(&|_| {}));
        assert_ne!(same, make(&|s| s.x[[5, 5]] += 1e-6));
        assert_ne!(same, make(&|s| s.y[[5, 1]] += 1e-12));
        assert_ne!(same, make(&|s| s.shape = [1, 2, 3]));
    }
}
