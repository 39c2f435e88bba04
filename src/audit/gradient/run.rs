//! Jacobians, taken.

#[cfg(test)]
mod tests;

use ndarray::{Array, Array1, Array2, Array3, Array4, ArrayView3, Axis, Dimension, s};
use rand::Rng;
use rand::seq::index::sample;
use tch::{Kind, Tensor};

use super::{
    Estimate, GROUPS, ModeUse, ModeUses, Options, RadialEnergy, Share, SquaredJacobian, TemplateUse,
};
use crate::audit::subject::Subject;
use crate::data::Samples;
use crate::error::{Error, Result};
use crate::model::convert;
use crate::model::deep::Pass;
use crate::progress::Progress;
use crate::run::dir::Templates;
use crate::run::summary::Template;
use crate::seed;
use crate::spectrum::{self, Energies, Grid};
use crate::theory::{Mode, Modes};

/// Frequencies are listed up to this many.
const LISTED: usize = 16;

fn strongest(energies: &Energies) -> Vec<Share> {
    let listed = energies.strongest(LISTED).into_iter();
    listed.map(|(k, share)| Share { row: k.row, col: k.col, share }).collect()
}

/// The squared Jacobian of a network on its images, and its energies. K backward
/// passes, or as many as there are draws.
///
/// # Errors
/// [`Error::Input`] without images, for options that ask for nothing, and for
/// gradients that are not finite; [`Error::Device`].
pub fn squared(
    subject: &Subject,
    options: &Options,
    progress: impl FnOnce(u64) -> Progress,
) -> Result<(SquaredJacobian, Energies)> {
    let rows = rows(subject, options)?;
    let shape @ [c, h, w] = subject.net.architecture().shape;
    let grid = Grid::new(h, w);
    let bar = progress(rows.len() as u64);
    let mut groups = Groups::new(rows.len(), grid.half_shape());
    let mut channels = vec![0.0; c];
    let mut rings: Vec<Vec<f64>> = Vec::new();
    let (mut outputs, mut draws) = (0, None);
    for part in rows.chunks(chunk(subject)) {
        let (x, logits) = forward(subject, part)?;
        outputs = logits.size()[1] as usize;
        draws = (outputs > options.exact).then_some(options.draws);
        let passes = draws.unwrap_or(outputs);
        if passes == 0 {
            return Err(Error::input("gradients, draws", "at least one", 0));
        }
        let signs = draws.map(|draws| signs(options.seed, part, draws, outputs)).transpose()?;
        let mut planes = Array3::<f64>::zeros((part.len(), grid.half_shape().0, grid.half_shape().1));
        for pass in 0..passes {
            let output = match &signs {
                None => logits.f_select(1, pass as i64)?,
                Some(signs) => {
                    let signs = signs.f_select(0, pass as i64)?.f_to_device(logits.device())?;
                    logits.f_mul(&signs.f_to_kind(logits.kind())?)?
                }
            };
            let gradient = gradient(&output, &x, pass + 1 < passes)?;
            let energies = spectrum::energies(gradient.view());
            for (channel, sum) in channels.iter_mut().enumerate() {
                let plane = energies.index_axis(Axis(1), channel).sum_axis(Axis(0));
                *sum += total(grid, &plane) / draws.unwrap_or(1) as f64;
            }
            planes += &energies.sum_axis(Axis(1));
        }
        planes /= draws.unwrap_or(1) as f64;
        for plane in planes.outer_iter() {
            let energies = Energies::new(grid, plane.to_owned()).map_err(|_| not_finite())?;
            rings.push(energies.radial_profile(None).total);
            groups.add(&plane.to_owned());
        }
        bar.inc(part.len() as u64);
    }
    let energies = Energies::new(grid, groups.mean())?;
    let profile = energies.radial_profile(None);
    let whole = energies.total();
    let radial = profile.radius.iter().zip(&profile.entries).enumerate().map(|(ring, (radius, entries))| {
        let energy = mean(&rings.iter().map(|image| image[ring]).collect::<Vec<_>>());
        let share = if whole > 0.0 { energy.value / whole } else { 0.0 };
        RadialEnergy { radius: *radius, entries: *entries, energy, share }
    });
    let of_plane = |plane: &Array2<f64>| {
        let energies = Energies::new(grid, plane.clone()).ok()?;
        let half = energies.dominant_set(0.5).len() as f64;
        Some([energies.participation(), energies.centroid(), half])
    };
    let [participation, centroid, half] = groups.estimates(&of_plane).ok_or_else(not_finite)?;
    let found = SquaredJacobian {
        shape,
        outputs,
        images: rows.len(),
        seed: options.seed,
        draws,
        energy: mean(&rings.iter().map(|image| image.iter().sum()).collect::<Vec<_>>()),
        channels: channels.into_iter().map(|sum| sum / rows.len() as f64).collect(),
        radial: radial.collect(),
        participation,
        centroid,
        half,
        frequencies: grid.frequencies().len(),
        strongest: strongest(&energies),
    };
    Ok((found, energies))
}

/// A mode of which the images have less than this share cannot be measured on them.
const LEAST: f64 = 0.25;

/// What the network does with `modes`, found in `samples`, which are the images of
/// `subject` in their order, normalised in whatever way; and the templates, of the
/// modes that are looked at. One backward pass for each of these modes.
///
/// # Errors
/// [`Error::Input`] for modes of other images or of other classes than the
/// network's outputs, for samples without classes or of other images, and for
/// options that ask for nothing; [`Error::Device`].
pub fn modes(
    subject: &Subject,
    samples: &Samples,
    modes: &Modes,
    options: &Options,
    progress: impl FnOnce(u64) -> Progress,
) -> Result<(ModeUses, Templates)> {
    let shape @ [c, h, w] = subject.net.architecture().shape;
    let outputs = subject.net.architecture().outputs;
    let image = |[c, h, w]: [usize; 3]| format!("{c}x{h}x{w}");
    if modes.shape != shape || samples.shape != shape {
        let expected = format!("those of images of {}, as the network sees", image(shape));
        return Err(Error::input("modes", expected, image(modes.shape)));
    }
    if samples.outputs() != outputs || modes.list.iter().any(|m| m.u.len() != outputs) {
        let expected = format!("{outputs} classes, as the network has outputs");
        return Err(Error::input("labels of the modes", expected, samples.outputs()));
    }
    if samples.len() != subject.len() {
        let expected = format!("of the {} images that the network is shown", subject.len());
        return Err(Error::input("modes", expected, format_args!("of {}", samples.len())));
    }
    if samples.labels.is_none() {
        return Err(Error::input("labels of the modes", "classes", "numbers as targets"));
    }
    if modes.is_empty() || options.modes == 0 {
        return Err(Error::input("modes", "at least one to look at", 0));
    }
    let list = &modes.list[..options.modes.min(modes.len())];
    let rows = rows(subject, options)?;
    let bar = progress(rows.len() as u64);
    let strengths = strengths(subject, samples, list)?;
    let mut groups: Vec<_> = list.iter().map(|_| Groups::new(rows.len(), (c, h, w))).collect();
    for part in rows.chunks(chunk(subject)) {
        let (x, logits) = forward(subject, part)?;
        for (i, mode) in list.iter().enumerate() {
            let u = convert::tensor(mode.u.view(), logits.kind(), logits.device())?;
            let mut gradient = gradient(&logits.f_matmul(&u)?, &x, i + 1 < list.len())?;
            for (channel, scale) in subject.scale().iter().enumerate() {
                // x of the samples is in units of their own.
                gradient
                    .slice_mut(s![.., channel, .., ..])
                    .mapv_inplace(|g| g * samples.scale[channel] / scale);
            }
            gradient.outer_iter().for_each(|image| groups[i].add(&image.to_owned()));
        }
        bar.inc(part.len() as u64);
    }
    let mut images = Array4::zeros((list.len(), c, h, w));
    let mut energies = Vec::new();
    let mut found = Vec::new();
    for (i, (mode, strength)) in list.iter().zip(strengths).enumerate() {
        let template = groups[i].mean();
        let of_template = Energies::of_image(template.view()).map_err(|_| not_finite())?;
        found.push(ModeUse {
            s: mode.s,
            rho: mode.rho,
            participation: mode.participation,
            centroid: mode.energies.centroid(),
            strongest: strongest(&mode.energies),
            strength,
            template: template_use(&groups[i], mode, &of_template),
        });
        images.index_axis_mut(Axis(0), i).assign(&template);
        energies.push(of_template);
    }
    let uses = ModeUses {
        images: samples.len(),
        jacobians: rows.len(),
        seed: options.seed,
        count: modes.count,
        modes: found,
    };
    Ok((uses, Templates { images, energies }))
}

fn template_use(groups: &Groups<ndarray::Ix3>, mode: &Mode, energies: &Energies) -> Option<TemplateUse> {
    let of_image = |image: &Array3<f64>| {
        let energies = Energies::of_image(image.view()).ok()?;
        let Template { participation, overlap, on_dominant, .. } = Template::new(&energies, mode)?;
        let cosine = dot(image.view(), mode.v.view()) / energies.total().sqrt();
        Some([participation, energies.centroid(), overlap, on_dominant, cosine])
    };
    let [participation, centroid, overlap, on_dominant, cosine] = groups.estimates(&of_image)?;
    Some(TemplateUse {
        norm: energies.total().sqrt(),
        participation,
        centroid,
        overlap,
        on_dominant,
        cosine,
        strongest: strongest(energies),
    })
}

fn dot(a: ArrayView3<f64>, b: ArrayView3<f64>) -> f64 {
    a.iter().zip(&b).map(|(a, b)| a * b).sum()
}

/// a/s of each mode, over all images.
fn strengths(subject: &Subject, samples: &Samples, list: &[Mode]) -> Result<Vec<Option<Estimate>>> {
    let answers = subject.logits(&subject.pixels)?.f_softmax(1, None)?;
    let answers = convert::matrix(&answers)? - &samples.y_mean;
    let of_mode = |mode: &Mode| {
        let v = Array1::from_iter(mode.v.iter().copied());
        let mut along: Vec<f64> = samples
            .x
            .rows()
            .into_iter()
            .map(|x| x.iter().zip(&v).map(|(x, v)| f64::from(*x) * v).sum())
            .collect();
        if samples.centred {
            let mean = along.iter().sum::<f64>() / along.len() as f64;
            along.iter_mut().for_each(|a| *a -= mean);
        }
        let product = |y: &Array2<f64>| {
            let y = y.dot(&mode.u);
            y.iter().zip(&along).map(|(y, a)| y * a).collect::<Vec<f64>>()
        };
        let (answered, asked) = (product(&answers), product(&samples.y));
        let mean_asked = mean(&asked).value;
        (mean_asked >= LEAST * mode.s).then(|| {
            let value = mean(&answered).value / mean_asked;
            // Of a ratio of two means over the same images.
            let off: Vec<f64> =
                answered.iter().zip(&asked).map(|(a, b)| (a - value * b) / mean_asked).collect();
            Estimate { value, se: mean(&off).se }
        })
    };
    Ok(list.iter().map(of_mode).collect())
}

/// The images that Jacobians are taken at, in their order.
fn rows(subject: &Subject, options: &Options) -> Result<Vec<usize>> {
    let count = options.images.min(subject.len());
    if count == 0 {
        return Err(Error::input("images", "at least one to differentiate at", "none"));
    }
    let mut rows =
        sample(&mut seed::rng(options.seed, "gradient/images", 0), subject.len(), count).into_vec();
    rows.sort_unstable();
    Ok(rows)
}

/// Images that pass at a time: what their layers put out is kept for the way back.
fn chunk(subject: &Subject) -> usize {
    subject.chunk().div_ceil(4)
}

/// The normalised images of `rows`, and their logits with what gradients need.
fn forward(subject: &Subject, rows: &[usize]) -> Result<(Tensor, Tensor)> {
    let index: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let index = Tensor::f_from_slice(&index)?.f_to_device(subject.pixels.device())?;
    let x = subject.normalised(&subject.pixels.f_index_select(0, &index)?)?;
    let x = x.f_detach()?.f_set_requires_grad(true)?;
    let logits = subject.net.forward(&x, &Pass::eval(false))?;
    Ok((x, logits))
}

/// Gradient of the sum of `output` at each image: images do not meet in
/// evaluation mode, so that each has its own.
fn gradient(output: &Tensor, x: &Tensor, again: bool) -> Result<Array4<f64>> {
    let sum = output.f_sum(None::<Kind>)?;
    let gradient = Tensor::f_run_backward(&[&sum], &[x], again, false)?.remove(0);
    Ok(convert::array(&gradient)?.into_dimensionality().expect("images have four axes"))
}

/// ±1 `[draws, images, K]`, those of an image by its row alone.
fn signs(seed: u64, rows: &[usize], draws: usize, outputs: usize) -> Result<Tensor> {
    let mut all = Array3::<f32>::zeros((draws, rows.len(), outputs));
    for (i, &row) in rows.iter().enumerate() {
        let mut rng = seed::rng(seed, "gradient/signs", row as u64);
        all.slice_mut(s![.., i, ..]).mapv_inplace(|_| if rng.random::<bool>() { 1.0 } else { -1.0 });
    }
    convert::tensor(all.view(), Kind::Float, tch::Device::Cpu)
}

/// Energy of the full plane.
fn total(grid: Grid, half: &Array2<f64>) -> f64 {
    half.columns().into_iter().enumerate().map(|(c, e)| grid.weight(c) * e.sum()).sum()
}

fn mean(values: &[f64]) -> Estimate {
    let n = values.len() as f64;
    let value = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - value).powi(2)).sum();
    Estimate { value, se: (values.len() > 1).then(|| (squares / (n * (n - 1.0))).sqrt()) }
}

fn not_finite() -> Error {
    Error::input("network", "finite gradients of the logits", "NaN or infinite ones")
}

/// Sums over groups of images, one after the other.
struct Groups<D: Dimension> {
    sums: Vec<Array<f64, D>>,
    counts: Vec<usize>,
    added: usize,
}

impl<D: Dimension> Groups<D> {
    fn new(images: usize, shape: impl ndarray::ShapeBuilder<Dim = D> + Clone) -> Self {
        let count = GROUPS.min(images);
        let sums = (0..count).map(|_| Array::zeros(shape.clone())).collect();
        Self { sums, counts: vec![0; count], added: 0 }
    }

    fn add(&mut self, image: &Array<f64, D>) {
        let group = self.added % self.sums.len();
        self.sums[group] += image;
        self.counts[group] += 1;
        self.added += 1;
    }

    fn mean(&self) -> Array<f64, D> {
        self.without(None)
    }

    fn without(&self, left_out: Option<usize>) -> Array<f64, D> {
        let mut sum = Array::zeros(self.sums[0].raw_dim());
        let mut count = 0;
        for (group, (part, n)) in self.sums.iter().zip(&self.counts).enumerate() {
            if Some(group) != left_out {
                sum += part;
                count += n;
            }
        }
        sum / count as f64
    }

    /// Numbers of the mean, with their standard errors by leaving out each group
    /// in turn; None where the mean has no such numbers.
    fn estimates<const N: usize>(
        &self,
        of: &impl Fn(&Array<f64, D>) -> Option<[f64; N]>,
    ) -> Option<[Estimate; N]> {
        let values = of(&self.mean())?;
        let g = self.sums.len();
        let left: Option<Vec<_>> = match g {
            1 => None,
            _ => (0..g).map(|group| of(&self.without(Some(group)))).collect(),
        };
        Some(std::array::from_fn(|i| {
            let se = left.as_ref().map(|left| {
                let mean = left.iter().map(|l| l[i]).sum::<f64>() / g as f64;
                let squares: f64 = left.iter().map(|l| (l[i] - mean).powi(2)).sum();
                ((g - 1) as f64 / g as f64 * squares).sqrt()
            });
            Estimate { value: values[i], se }
        }))
    }
}
