//! The tangent kernel of a network at its start, and the forecast that it makes of the
//! order in which the network discovers the modes ([`crate::theory::kernel_flow`]).
//!
//! ```text
//! K_ij = mean over directions r of (∂(r·f(x_i))/∂θ) · (∂(r·f(x_j))/∂θ)
//! ```
//!
//! with f the logits in evaluation mode, statistics of batch norm being those of one
//! batch of the images (nothing is dropped), and r orthonormal directions of the K
//! outputs, drawn at random: all K of them are (1/K) Σ_k ∂f_k/∂θ · ∂f_k/∂θ, exactly.
//!
//! Each initialisation looks at samples of its own, and their curves are averaged: which
//! samples they are matters as much as the weights do, and more than the directions.
//! (τ of a ResNet-8 on CIFAR-10, P = 1,000: all 10 directions in place of 2 change it by
//! 3 to 32 %, other weights on the same samples by up to a factor of 3, other samples as
//! well by up to a factor of 8.)
//!
//! # Cost
//! One forward and one backward pass of a single image per sample and direction, on one
//! thread each: 7 ms for a ResNet-8 on 32×32 pixels. (Gradients of single images of a
//! common forward pass take longer, as each goes back through all of them.) The gradients
//! of one direction are held, `[P, N]` of N weights; where they are more than 1 GiB, as
//! count sketches of 2^16 numbers instead
//! (Charikar, Chen & Farach-Colton 2002). Products of sketches are right on average,
//! and their standard deviation is at most √(2/2^16) = 0.6 % of √(K_ii K_jj).

use ndarray::Array2;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor};

use super::Probe;
use crate::data::Samples;
use crate::error::{Error, Result};
use crate::model::convert;
use crate::model::deep::{Deep, Pass};
use crate::progress::Progress;
use crate::seed;
use crate::theory::{KernelFlow, Modes, kernel_flow};
use crate::train::deep::Images;

// What counts as too little of a mode is the same before training and in it.
const _: () = assert!(kernel_flow::LEAST == super::LEAST);

/// How the kernel is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Samples P of each initialisation, 2 to 8,192: the ones that a training run of its
    /// seed and as many probe samples looks at.
    pub samples: usize,
    /// Output directions of each initialisation, at least 1; all there are, where fewer.
    pub directions: usize,
    /// Initialisations, at least 1, of seeds `seed`, `seed` + 1, …
    pub draws: usize,
    /// The run's seed.
    pub seed: u64,
    /// Factor of the kernel: 1 for times of the gradient flow,
    /// [`kernel_flow::rate_per_step`] for steps.
    pub rate: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { samples: 1000, directions: 2, draws: 2, seed: 0, rate: 1.0 }
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        let at_least = |name: &str, least: usize, found: usize| {
            if found >= least {
                return Ok(());
            }
            Err(Error::input(format_args!("kernel flow, {name}"), format_args!("at least {least}"), found))
        };
        at_least("samples", 2, self.samples)?;
        at_least("directions", 1, self.directions)?;
        at_least("initialisations", 1, self.draws)?;
        if self.samples > MOST_SAMPLES {
            let expected = format!("at most {MOST_SAMPLES} (eigenvectors take P³)");
            return Err(Error::input("kernel flow, samples", expected, self.samples));
        }
        Ok(())
    }
}

const MOST_SAMPLES: usize = 8192;

/// Images whose statistics the norms take.
const STATISTICS: usize = 256;

/// Bytes of gradients that are held as they are.
const WHOLE: usize = 1 << 30;

/// Numbers of a sketched gradient.
const SKETCH: usize = 1 << 16;

/// Images that are normalised at a time.
const CHUNK: usize = 256;

/// Forecasts of the kernel flow.
#[derive(Clone, Debug)]
pub struct Flows {
    /// The mean of their curves.
    pub mean: KernelFlow,
    /// Of each initialisation and its samples, in order of their seeds.
    pub each: Vec<KernelFlow>,
    /// Samples P of each.
    pub samples: usize,
}

/// The kernel flow of the networks that `network` makes of seeds, on `samples`, whose
/// images on the device are `images`.
///
/// # Errors
/// [`Error::Input`] for options out of range, fewer than two samples, and gradients
/// that are not finite or all zero; [`Error::Device`] when libtorch fails; those of
/// `network`.
pub fn kernel_flow(
    network: impl Fn(u64) -> Result<Deep>,
    samples: &Samples,
    modes: &Modes,
    images: &Images,
    options: &Options,
) -> Result<Flows> {
    options.check()?;
    if samples.len() < 2 {
        return Err(Error::input("kernel flow", "at least 2 samples", samples.len()));
    }
    let strengths: Vec<f64> = modes.list.iter().map(|mode| mode.s).collect();
    let (count, directions) = (options.samples.min(samples.len()), options.directions.min(samples.outputs()));
    let progress = Progress::new("tangent kernel", (count * directions * options.draws) as u64);
    let mut each = Vec::new();
    for draw in 0..options.draws as u64 {
        let seed = options.seed.wrapping_add(draw);
        let probe = Probe::new(samples, modes, count, 0, seed);
        let rows = probe.rows();
        let y = Array2::from_shape_fn((count, samples.outputs()), |(i, j)| samples.y[[rows[i], j]]);
        let kernel = tangent_kernel(&network(seed)?, images, rows, directions, seed, &progress)?;
        let (xv, yu) = (&probe.projected, y.dot(&modes.u()));
        each.push(KernelFlow::new(kernel.view(), xv.view(), yu.view(), &strengths, options.rate)?);
    }
    Ok(Flows { mean: KernelFlow::mean(&each)?, each, samples: count })
}

/// The tangent kernel `[P, P]` of `net` on the images of `rows`, by `directions` output
/// directions (all there are, where fewer), drawn from `seed`. Its norms take the
/// statistics of these images: of 256 of them, evenly spaced.
///
/// Progress counts one per sample and direction.
///
/// # Errors
/// [`Error::Device`] when libtorch fails.
pub fn tangent_kernel(
    net: &Deep,
    images: &Images,
    rows: &[usize],
    directions: usize,
    seed: u64,
    progress: &Progress,
) -> Result<Array2<f64>> {
    let whole = rows.len() * weights(net) * net.kind().elt_size_in_bytes();
    let sketch = (whole > WHOLE).then_some(SKETCH);
    kernel(net, images, rows, directions, seed, sketch, progress)
}

// libtorch's number of threads: those of the workers have set it for those to come.
struct Threads(i32);

impl Drop for Threads {
    fn drop(&mut self) {
        tch::set_num_threads(self.0);
    }
}

fn kernel(
    net: &Deep,
    images: &Images,
    rows: &[usize],
    directions: usize,
    seed: u64,
    sketch: Option<usize>,
    progress: &Progress,
) -> Result<Array2<f64>> {
    let some = rows.len().min(STATISTICS);
    let spaced: Vec<usize> = (0..some).map(|i| rows[i * rows.len() / some]).collect();
    net.take_statistics(&images.plain(&spaced)?)?;
    let _restored = Threads(tch::get_num_threads());
    let mut workers = Workers::new(net)?;
    let directions = orthonormal(directions, net.architecture().outputs, seed);
    let mut sum = Array2::zeros((rows.len(), rows.len()));
    for (i, direction) in directions.outer_iter().enumerate() {
        let direction = convert::tensor(direction, net.kind(), net.device())?;
        let sketch = sketch.map(|size| Sketch::new(weights(net), size, seed, i as u64, net)).transpose()?;
        let gradients = workers.gradients(images, rows, &direction, sketch.as_ref(), progress)?;
        sum += &convert::matrix(&gradients.f_matmul(&gradients.f_transpose(0, 1)?)?)?;
    }
    Ok(sum / directions.nrows() as f64)
}

// Orthonormal rows `[count, outputs]`, as many as there is room for.
fn orthonormal(count: usize, outputs: usize, seed: u64) -> Array2<f64> {
    let mut rng = seed::rng(seed, "kernel/directions", 0);
    let mut rows = Array2::<f64>::zeros((count.min(outputs), outputs));
    for i in 0..rows.nrows() {
        let mut row = ndarray::Array1::from_shape_simple_fn(outputs, || StandardNormal.sample(&mut rng));
        // Twice, for what rounding leaves.
        for j in (0..i).chain(0..i) {
            let along = rows.row(j).dot(&row);
            row.scaled_add(-along, &rows.row(j));
        }
        let norm: f64 = row.dot(&row).sqrt();
        rows.row_mut(i).assign(&(row / norm));
    }
    rows
}

/// Copies of a network, each for a thread of its own: passes of single images are too
/// small to be shared between threads, which would mostly wait for one another.
struct Workers(Vec<Deep>);

impl Workers {
    // A device that is no CPU has enough to do with one.
    fn new(net: &Deep) -> Result<Self> {
        let count = if net.device() == Device::Cpu { tch::get_num_threads().max(1) } else { 1 };
        let weights = net.state_dict()?;
        let copy = |_| {
            let architecture = net.architecture().clone();
            Deep::with_weights(architecture, &weights, "the network", net.kind(), net.device())
        };
        Ok(Self((0..count).map(copy).collect::<Result<_>>()?))
    }

    // ∂(r·f(x))/∂θ of each image, sketched where there is a sketch `[P, N]`.
    fn gradients(
        &mut self,
        images: &Images,
        rows: &[usize],
        direction: &Tensor,
        sketch: Option<&Sketch>,
        progress: &Progress,
    ) -> Result<Tensor> {
        let numbers = sketch.map_or_else(|| weights(&self.0[0]) as i64, |sketch| sketch.size);
        let all = Tensor::f_zeros([rows.len() as i64, numbers], (direction.kind(), direction.device()))?;
        let mut done = 0;
        for chunk in rows.chunks(CHUNK) {
            let x = images.plain(chunk)?;
            let share = chunk.len().div_ceil(self.0.len()) as i64;
            let mut parts = Vec::new();
            for (i, net) in self.0.iter_mut().enumerate() {
                let start = (i as i64 * share).min(chunk.len() as i64);
                let length = share.min(chunk.len() as i64 - start);
                // Each writes into rows of its own.
                let (x, out) = (x.f_narrow(0, start, length)?, all.f_narrow(0, done + start, length)?);
                parts.push((net, x, out, direction.shallow_clone(), sketch.map(Sketch::share)));
            }
            std::thread::scope(|scope| {
                let mut threads = Vec::new();
                for (net, x, out, direction, sketch) in parts {
                    threads.push(scope.spawn(move || {
                        tch::set_num_threads(1);
                        write_gradients(net, &x, &out, &direction, sketch.as_ref(), progress)
                    }));
                }
                threads.into_iter().try_for_each(|thread| match thread.join() {
                    Ok(outcome) => outcome,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
            })?;
            done += chunk.len() as i64;
        }
        Ok(all)
    }
}

// Of the images `x` into the rows of `out`.
fn write_gradients(
    net: &Deep,
    x: &Tensor,
    out: &Tensor,
    direction: &Tensor,
    sketch: Option<&Sketch>,
    progress: &Progress,
) -> Result<()> {
    let parameters: Vec<&Tensor> = net.parameters().map(|e| &e.tensor).collect();
    for i in 0..x.size()[0] {
        let logits = net.forward(&x.f_narrow(0, i, 1)?, &Pass::frozen())?;
        let output = logits.f_mv(direction)?.f_sum(None::<Kind>)?;
        let parts = Tensor::f_run_backward(&[&output], &parameters, false, false)?;
        let parts = parts.iter().map(|part| Ok(part.f_reshape([-1])?)).collect::<Result<Vec<_>>>()?;
        let whole = Tensor::f_cat(&parts, 0)?;
        let kept = sketch.map_or_else(|| Ok(whole.shallow_clone()), |sketch| sketch.of(&whole))?;
        out.f_select(0, i)?.f_copy_(&kept)?;
        progress.inc(1);
    }
    Ok(())
}

// Numbers that are trained.
fn weights(net: &Deep) -> usize {
    net.parameters().map(|e| e.tensor.numel()).sum()
}

/// A count sketch: number i of a vector is added, with a random sign, to number
/// (i + o_b) mod S of the sketch, o_b being a random offset of its block of S numbers.
/// Two numbers of a block never meet, others do with probability 1/S.
struct Sketch {
    signs: Tensor,
    offsets: Vec<i64>,
    size: i64,
}

impl Sketch {
    fn new(numbers: usize, size: usize, seed: u64, index: u64, net: &Deep) -> Result<Self> {
        let mut rng = seed::rng(seed, "kernel/sketch", index);
        let offsets = (0..numbers.div_ceil(size)).map(|_| rng.random_range(0..size as i64)).collect();
        let signs: Vec<i8> = (0..numbers).map(|_| if rng.random() { 1 } else { -1 }).collect();
        let signs = Tensor::f_from_slice(&signs)?.f_to_kind(net.kind())?.f_to_device(net.device())?;
        Ok(Self { signs, offsets, size: size as i64 })
    }

    // The same, of the same memory.
    fn share(&self) -> Self {
        Self { signs: self.signs.shallow_clone(), offsets: self.offsets.clone(), size: self.size }
    }

    fn of(&self, vector: &Tensor) -> Result<Tensor> {
        let signed = vector.f_mul(&self.signs)?;
        let sum = Tensor::f_zeros([self.size], (vector.kind(), vector.device()))?;
        let numbers = signed.numel() as i64;
        for (block, offset) in self.offsets.iter().enumerate() {
            let start = block as i64 * self.size;
            let length = self.size.min(numbers - start);
            let before = length.min(self.size - offset);
            let _ = sum.f_narrow(0, *offset, before)?.f_add_(&signed.f_narrow(0, start, before)?)?;
            let rest = signed.f_narrow(0, start + before, length - before)?;
            let _ = sum.f_narrow(0, 0, length - before)?.f_add_(&rest)?;
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use faer::{Mat, Side};

    use super::*;
    use crate::data::{self, Normalize, prepare};
    use crate::model::Padding;
    use crate::model::deep::Architecture;
    use crate::run::config::{AugmentConfig, InitKind, ModelKind};
    use crate::train::deep::Pixels;

    // Leaves of three classes and what trains on them.
    fn leaves(kind: Kind) -> (Samples, Images) {
        let spec: data::Spec = "leaves:size=8,count=60,classes=3".parse().unwrap();
        let set = data::load(&spec, &data::Options::default()).unwrap();
        let pixels = Pixels::new(set.images.view());
        let samples = prepare(set, Normalize::Global, true).unwrap();
        let augment = AugmentConfig::default();
        let images = Images::new(&pixels, &samples, &augment, true, kind, Device::Cpu).unwrap();
        (samples, images)
    }

    fn net(model: ModelKind, linear: bool, kind: Kind, seed: u64) -> Deep {
        let architecture = Architecture {
            nonlinear: !linear,
            padding: Padding::Circular,
            plain: (3, 2, (3, 3)),
            ..Architecture::usual(model, [1, 8, 8], 3)
        };
        Deep::new(architecture, InitKind::Pytorch, seed, kind, Device::Cpu).unwrap()
    }

    fn exact(net: &Deep, images: &Images, rows: &[usize], directions: usize, seed: u64) -> Array2<f64> {
        kernel(net, images, rows, directions, seed, None, &Progress::hidden()).unwrap()
    }

    fn eigenvalues(kernel: &Array2<f64>) -> Vec<f64> {
        let matrix = Mat::from_fn(kernel.nrows(), kernel.ncols(), |i, j| kernel[[i, j]]);
        matrix.self_adjoint_eigenvalues(Side::Lower).unwrap()
    }

    // K w is how r·f(x) moves when the weights move along Jᵀ w.
    #[test]
    fn the_kernel_is_that_of_finite_differences() {
        let (_, images) = leaves(Kind::Double);
        let rows: Vec<usize> = (0..20).collect();
        for (model, linear) in
            [(ModelKind::Cnn, true), (ModelKind::Resnet8, true), (ModelKind::Resnet8, false)]
        {
            let net = net(model, linear, Kind::Double, 4);
            let found = exact(&net, &images, &rows, 2, 9);
            assert!(
                found.indexed_iter().all(|((i, j), v)| (v - found[[j, i]]).abs() < 1e-12 * v.abs().max(1.0))
            );
            let x = images.plain(&rows).unwrap();
            let parameters: Vec<&Tensor> = net.parameters().map(|e| &e.tensor).collect();
            let w = convert::tensor(
                Array2::from_shape_fn((1, 20), |(_, i)| (i as f64 * 0.7).sin()).view(),
                Kind::Double,
                Device::Cpu,
            )
            .unwrap();
            let mut want = Array2::<f64>::zeros((20, 1));
            for direction in orthonormal(2, 3, 9).outer_iter() {
                let r = convert::tensor(direction, Kind::Double, Device::Cpu).unwrap();
                let outputs = || net.forward(&x, &Pass::frozen()).unwrap().mv(&r);
                let sum = w.reshape([20]).dot(&outputs());
                let along = Tensor::run_backward(&[&sum], &parameters, false, false);
                // The weights move by 1e-6 in all.
                let length: f64 = along.iter().map(|d| d.square().sum(Kind::Double).double_value(&[])).sum();
                let step = 1e-6 / length.sqrt();
                let moved = |h: f64| {
                    tch::no_grad(|| {
                        parameters.iter().zip(&along).for_each(|(p, d)| {
                            let _ = p.shallow_clone().g_add_(&(d * h));
                        });
                        outputs()
                    })
                };
                let (up, down) = (moved(step), moved(-2.0 * step));
                let _ = moved(step);
                want += &(convert::matrix(&(up - down).reshape([20, 1])).unwrap() / (4.0 * step));
            }
            let w = convert::matrix(&w.reshape([20, 1])).unwrap();
            let off =
                (found.dot(&w) - &want).mapv(|v| v * v).sum().sqrt() / want.mapv(|v| v * v).sum().sqrt();
            // A ReLU may have its kink within the step.
            let bound = if linear { 1e-7 } else { 1e-4 };
            assert!(off < bound, "{model}, linear {linear}: {off:e}");
        }
    }

    #[test]
    fn all_directions_are_one_kernel_and_some_are_near_it() {
        let (_, images) = leaves(Kind::Double);
        let net = net(ModelKind::Cnn, false, Kind::Double, 1);
        let rows: Vec<usize> = (0..12).collect();
        let one = orthonormal(3, 3, 5);
        assert!((one.dot(&one.t()) - Array2::<f64>::eye(3)).iter().all(|v| v.abs() < 1e-14));
        let (all, others) = (exact(&net, &images, &rows, 3, 5), exact(&net, &images, &rows, 99, 6));
        let size = all.diag().sum() / 12.0;
        assert!(all.iter().zip(&others).all(|(a, b)| (a - b).abs() < 1e-12 * size));
        // Of single directions on average.
        let mean =
            (0..150).map(|seed| exact(&net, &images, &rows[..4], 1, seed)).reduce(|a, b| a + b).unwrap()
                / 150.0;
        let few = exact(&net, &images, &rows[..4], 3, 5);
        for ((i, j), v) in mean.indexed_iter() {
            assert!((v - few[[i, j]]).abs() < 0.15 * size, "{v} {}", few[[i, j]]);
        }
    }

    #[test]
    fn sketches_keep_products() {
        // By hand: of one block nothing meets, and every product is kept.
        let (_, images) = leaves(Kind::Double);
        let net = net(ModelKind::Resnet8, false, Kind::Double, 2);
        let vector = |seed: u64, n: usize| {
            let mut rng = seed::rng(seed, "test/sketch", 0);
            Tensor::from_slice(&(0..n).map(|_| StandardNormal.sample(&mut rng)).collect::<Vec<f64>>())
        };
        let (a, b) = (vector(1, 50), vector(2, 50));
        let sketch = Sketch::new(50, 64, 3, 0, &net).unwrap();
        let product = |a: &Tensor, b: &Tensor| a.dot(b).double_value(&[]);
        let kept = product(&sketch.of(&a).unwrap(), &sketch.of(&b).unwrap());
        assert!((kept - product(&a, &b)).abs() < 1e-12);
        // Number by number, with a last block that is not full.
        let sketch = Sketch::new(50, 16, 3, 0, &net).unwrap();
        let (signs, values) = (convert::array(&sketch.signs).unwrap(), convert::array(&a).unwrap());
        let mut want = [0.0; 16];
        for i in 0..50 {
            want[(i + sketch.offsets[i / 16] as usize) % 16] += signs[i] * values[i];
        }
        let found = convert::array(&sketch.of(&a).unwrap()).unwrap();
        assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-14));
        // Right on average, and as far off as said.
        let errors: Vec<f64> = (0..2000)
            .map(|seed| {
                let sketch = Sketch::new(50, 16, seed, 0, &net).unwrap();
                product(&sketch.of(&a).unwrap(), &sketch.of(&b).unwrap()) - product(&a, &b)
            })
            .collect();
        let bound = (2.0 / 16.0f64).sqrt() * (product(&a, &a) * product(&b, &b)).sqrt();
        let mean = errors.iter().sum::<f64>() / 2000.0;
        let deviation = (errors.iter().map(|e| e * e).sum::<f64>() / 2000.0).sqrt();
        assert!(mean.abs() < 4.0 * bound / 2000f64.sqrt(), "{mean} {bound}");
        assert!(deviation < bound && deviation > 0.1 * bound, "{deviation} {bound}");
        // And the kernel of a network.
        let rows: Vec<usize> = (0..30).collect();
        let exact = exact(&net, &images, &rows, 1, 8);
        let size = 1 << 12;
        let found = kernel(&net, &images, &rows, 1, 8, Some(size), &Progress::hidden()).unwrap();
        let bound = (2.0 / size as f64).sqrt();
        let off = exact
            .indexed_iter()
            .map(|((i, j), v)| (found[[i, j]] - v) / (exact[[i, i]] * exact[[j, j]]).sqrt());
        let off: Vec<f64> = off.collect();
        let deviation = (off.iter().map(|e| e * e).sum::<f64>() / off.len() as f64).sqrt();
        assert!(deviation < 1.5 * bound && deviation > 0.01 * bound, "{deviation} {bound}");
        assert!(off.iter().all(|e| e.abs() < 5.0 * bound));
    }

    #[test]
    fn networks_at_their_start_forecast_finite_times() {
        let (samples, images) = leaves(Kind::Float);
        let modes = Modes::new(&samples).unwrap();
        let network = |seed| Ok(net(ModelKind::Resnet8, false, Kind::Float, seed));
        let options = Options { samples: 40, seed: 3, ..Options::default() };
        let flows = kernel_flow(network, &samples, &modes, &images, &options).unwrap();
        assert_eq!((flows.samples, flows.each.len(), flows.mean.modes()), (40, 2, modes.len()));
        let weak = |seed| Probe::new(&samples, &modes, 40, 0, seed).weak();
        for (flow, weak) in flows.each.iter().zip([weak(3), weak(4)]) {
            let range = flow.range();
            for (a, tau) in flow.discovery_times(range).into_iter().enumerate() {
                let within = tau.is_some_and(|t| range.0 < t && t < range.1);
                assert_eq!(within, !weak.contains(&(a + 1)), "{tau:?} in {range:?}");
            }
            assert!(flow.first_rates()[0] > 0.0);
        }
        let [mean, one, other] = [&flows.mean, &flows.each[0], &flows.each[1]].map(|f| f.shares(3.0)[0]);
        assert!((mean - 0.5 * (one + other)).abs() < 1e-12, "{mean} {one} {other}");
        assert_ne!(one, other);
        // The same again is the same, and kernels are what they must be.
        let again = kernel_flow(network, &samples, &modes, &images, &options).unwrap();
        assert_eq!(again.mean.shares(1.0), flows.mean.shares(1.0));
        let rows: Vec<usize> = (0..40).collect();
        let net = network(3).unwrap();
        for found in [exact(&net, &images, &rows, 2, 3), {
            kernel(&net, &images, &rows, 2, 3, Some(1 << 10), &Progress::hidden()).unwrap()
        }] {
            let values = eigenvalues(&found);
            let largest = values.iter().copied().fold(0.0, f64::max);
            assert!(largest > 0.0 && values.iter().all(|v| *v > -1e-5 * largest), "{values:?}");
        }
    }

    #[test]
    fn options_out_of_range_are_named() {
        let (samples, images) = leaves(Kind::Float);
        let modes = Modes::new(&samples).unwrap();
        let of = |options: &Options| {
            let network = |seed| Ok(net(ModelKind::Cnn, false, Kind::Float, seed));
            kernel_flow(network, &samples, &modes, &images, options).unwrap_err().to_string()
        };
        let usual = Options::default();
        assert!(
            of(&Options { samples: 1, ..usual.clone() }).contains("samples: expected at least 2, found 1")
        );
        assert!(of(&Options { samples: 9000, ..usual.clone() }).contains("at most 8192"));
        assert!(of(&Options { directions: 0, ..usual.clone() }).contains("directions"));
        assert!(of(&Options { draws: 0, ..usual.clone() }).contains("initialisations"));
        assert!(of(&Options { rate: 0.0, samples: 4, draws: 1, ..usual }).contains("rate"));
    }
}
