//! Noise of a band of frequencies, and autoregressive noise.

use rand::Rng;
use rand_distr::StandardNormal;

use super::{Context, Cue, Make};
use crate::data::args::Args;
use crate::data::textures::Filter;
use crate::error::Result;
use crate::seed::{self, ChaCha8Rng};

struct Bands {
    channels: usize,
    filter: Filter,
    band: (f64, f64),
}

impl Cue for Bands {
    fn change(&self, _: &[f32], _: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        (0..self.channels).flat_map(|_| self.filter.draw(rng)).collect()
    }

    fn remove(&self, image: &mut [f32], _: f64, _: &mut ChaCha8Rng) {
        let plane = image.len() / self.channels;
        for channel in image.chunks_exact_mut(plane) {
            let values: Vec<f64> = channel.iter().map(|&v| f64::from(v)).collect();
            for (pixel, value) in channel.iter_mut().zip(self.filter.stopped(&values)) {
                *pixel = value.clamp(0.0, 1.0) as f32;
            }
        }
    }

    fn band(&self) -> Option<(f64, f64)> {
        Some(self.band)
    }
}

pub(super) fn bands(args: &mut Args) -> Result<Make> {
    // Diagonally there are frequencies up to √½.
    let from = args.f64("from", 0.0..=0.71, 0.2)?;
    let to = args.f64("to", 0.0..=0.71, 0.3)?;
    Ok(Box::new(move |args, context| {
        let [channels, h, w] = context.shape;
        let inside = move |f: f64| if (from - 1e-9..=to + 1e-9).contains(&f) { 1.0 } else { 0.0 };
        let filter = Filter::new(h, w, inside).ok_or_else(|| {
            let expected = format!("`from` and `to` around a frequency of images of {h}×{w}");
            args.error("to", expected, format_args!("{from} to {to}"))
        })?;
        Ok(Box::new(Bands { channels, filter, band: (from, to) }))
    }))
}

// The window is 3×3: its last pixel is the sum of the eight before it.
const BEFORE: usize = 8;
// Rows and columns that start as noise, and those that are cut off at the top and left.
const START: usize = 2;
const CUT: usize = 4;
// A process whose noise goes beyond this grows.
const MOST: f64 = 5.0;
// Below this part of rapid changes the noise is smooth.
const ROUGH: f64 = 0.3;
const TRIALS: usize = 3;
const DRAWS: usize = 20_000;

/// Weights of the pixels before, row by row.
type Weights = [f64; BEFORE];

struct Autoregressive {
    shape: [usize; 3],
    // Of each class one set per channel; empty where a class has no cue.
    processes: Vec<Vec<Weights>>,
}

impl Cue for Autoregressive {
    fn change(&self, _: &[f32], class: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let [_, h, w] = self.shape;
        self.processes[class].iter().flat_map(|weights| generate(weights, h, w, rng)).collect()
    }
}

// A plane of the process: white noise in the first rows and columns, of which some are cut off.
fn generate(weights: &Weights, height: usize, width: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (rows, cols) = (height + CUT, width + CUT);
    let mut plane = vec![0.0; rows * cols];
    for i in 0..rows {
        for j in 0..cols {
            plane[i * cols + j] = if i < START || j < START {
                rng.sample(StandardNormal)
            } else {
                let before = |k: usize| plane[(i + k / 3 - 2) * cols + j + k % 3 - 2];
                weights.iter().enumerate().map(|(k, weight)| weight * before(k)).sum()
            };
        }
    }
    (0..height * width).map(|at| plane[(at / width + CUT) * cols + at % width + CUT]).collect()
}

// The part of the power that is left when each pixel loses the mean of the 3×3 around it;
// beyond the edges the outermost pixels go on.
fn roughness(plane: &[f64], height: usize, width: usize) -> f64 {
    let near = |at: usize, side: usize| [at.saturating_sub(1), at, (at + 1).min(side - 1)];
    let left = |at: usize| {
        let (rows, cols) = (near(at / width, height), near(at % width, width));
        let sum: f64 = rows.iter().flat_map(|i| cols.iter().map(move |j| plane[i * width + j])).sum();
        plane[at] - sum / 9.0
    };
    let power: f64 = plane.iter().map(|v| v * v).sum();
    (0..plane.len()).map(|at| left(at).powi(2)).sum::<f64>() / power
}

// Weights that sum to 1, of a process that neither grows in planes of this size nor becomes
// smooth; None where none is found.
fn process(rng: &mut ChaCha8Rng, height: usize, width: usize) -> Option<Weights> {
    (0..DRAWS).find_map(|_| {
        let mut weights: Weights = std::array::from_fn(|_| rng.sample(StandardNormal));
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
        let fit = |_| {
            let plane = generate(&weights, height, width, rng);
            plane.iter().all(|v| v.abs() <= MOST) && roughness(&plane, height, width) >= ROUGH
        };
        (0..TRIALS).all(fit).then_some(weights)
    })
}

pub(super) fn ar(_: &mut Args) -> Result<Make> {
    Ok(Box::new(|args, context: &Context| {
        let shape @ [c, h, w] = context.shape;
        let processes = (0..context.names.len())
            .map(|class| {
                if !context.classes.contains(&class) {
                    return Ok(Vec::new());
                }
                let mut rng = seed::rng(context.seed, "planted/ar", class as u64);
                let found = (0..c).map(|_| process(&mut rng, h, w)).collect::<Option<Vec<_>>>();
                found.ok_or_else(|| {
                    let found = format!("none among {DRAWS} draws in images of {h}×{w}");
                    args.error("seed", "a seed that gives noise that neither grows nor is smooth", found)
                })
            })
            .collect::<Result<_>>()?;
        Ok(Box::new(Autoregressive { shape, processes }))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Mean square of what the weights do not foretell of a plane.
    fn residual(weights: &Weights, plane: &[f64], height: usize, width: usize) -> f64 {
        let at = |i: usize, j: usize| plane[i * width + j];
        let mut sum = 0.0;
        for (i, j) in (2..height).flat_map(|i| (2..width).map(move |j| (i, j))) {
            let told: f64 = (0..BEFORE).map(|k| weights[k] * at(i + k / 3 - 2, j + k % 3 - 2)).sum();
            sum += (at(i, j) - told).powi(2);
        }
        sum / plane.iter().map(|v| v * v).sum::<f64>()
    }

    #[test]
    fn roughness_by_hand() {
        // A flat plane has none. A point loses a ninth, as its neighbours do: (64 + 8)/81.
        assert!(roughness(&[0.5; 20], 4, 5) < 1e-20);
        let mut point = [0.0; 25];
        point[12] = 2.0;
        assert!((roughness(&point, 5, 5) - 72.0 / 81.0).abs() < 1e-12);
    }

    #[test]
    fn noise_is_foretold_by_its_own_process_alone() {
        for (height, width) in [(32, 32), (9, 40), (96, 64)] {
            let mut rng = seed::rng(7, "test", 0);
            let processes: Vec<Weights> = (0..6).map(|_| process(&mut rng, height, width).unwrap()).collect();
            for (a, own) in processes.iter().enumerate() {
                assert!((own.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                let plane = generate(own, height, width, &mut rng);
                assert_ne!(plane, generate(own, height, width, &mut rng));
                assert!(roughness(&plane, height, width) > 0.1);
                for (b, other) in processes.iter().enumerate() {
                    let residual = residual(other, &plane, height, width);
                    assert!(if a == b { residual < 1e-20 } else { residual > 1e-6 }, "{a} {b}: {residual}");
                }
            }
        }
    }
}
