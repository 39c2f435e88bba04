//! Cues that are the same pattern in all images of a class, and the cosine whose phase is not.

use std::f64::consts::{FRAC_PI_2, TAU};

use rand::Rng;
use rand_distr::StandardNormal;

use super::{Context, Cue, Make, dot, length, put, scale};
use crate::data::args::Args;
use crate::data::cosines::{Frequency, canonical, plane};
use crate::error::Result;
use crate::seed::{self, ChaCha8Rng};

struct Fixed {
    // Of each class; what has the cue of no class is empty.
    patterns: Vec<Vec<f64>>,
    // Orthonormal, of the span of all patterns.
    basis: Vec<Vec<f64>>,
    frequency: Option<Frequency>,
}

impl Fixed {
    fn new(patterns: Vec<Vec<f64>>, frequency: Option<Frequency>) -> Self {
        let mut basis: Vec<Vec<f64>> = Vec::new();
        for pattern in &patterns {
            let whole = length(pattern);
            let mut rest = pattern.clone();
            // Twice, as one pass of Gram-Schmidt loses digits.
            for _ in 0..2 {
                for unit in &basis {
                    let along: f64 = rest.iter().zip(unit).map(|(r, u)| r * u).sum();
                    rest.iter_mut().zip(unit).for_each(|(r, u)| *r -= along * u);
                }
            }
            if length(&rest) > 1e-9 * whole {
                scale(&mut rest, 1.0);
                basis.push(rest);
            }
        }
        Self { patterns, basis, frequency }
    }
}

impl Cue for Fixed {
    fn change(&self, _: &[f32], class: usize, _: &mut ChaCha8Rng) -> Vec<f64> {
        self.patterns[class].clone()
    }

    fn remove(&self, image: &mut [f32], _: f64, _: &mut ChaCha8Rng) {
        let along: Vec<f64> = self.basis.iter().map(|unit| dot(image, unit)).collect();
        let mut sum = vec![0.0; image.len()];
        for (unit, along) in self.basis.iter().zip(along) {
            sum.iter_mut().zip(unit).for_each(|(s, u)| *s += along * u);
        }
        put(image, &sum, -1.0);
    }

    fn fixed(&self) -> bool {
        true
    }

    fn frequency(&self) -> Option<Frequency> {
        self.frequency
    }
}

// One pattern for the classes that have the cue; nothing for others.
fn for_classes(context: &Context, pattern: impl Fn(usize) -> Vec<f64>) -> Vec<Vec<f64>> {
    // In conflict the pattern of a class goes to others, so it is found by the class it is of.
    (0..context.names.len())
        .map(|class| if context.classes.contains(&class) { pattern(class) } else { Vec::new() })
        .collect()
}

fn read_frequency(args: &mut Args) -> Result<Frequency> {
    let given = args.list("frequency", "whole numbers `row/column`", |part| part.parse::<i64>().ok())?;
    match given.as_deref() {
        None => Ok((3, 5)),
        Some(&[row, col]) => Ok((row, col)),
        Some(other) => {
            let found = format!("{} numbers", other.len());
            Err(args.error("frequency", "`row/column` in cycles per image", found))
        }
    }
}

// The frequency as reports show it, and whether it is the conjugate of the one given.
fn checked(args: &Args, (row, col): Frequency, [_, h, w]: [usize; 3]) -> Result<Frequency> {
    let found = format!("`{row}/{col}`");
    if row.unsigned_abs() > h as u64 / 2 || col.unsigned_abs() > w as u64 / 2 {
        let expected = format!("|row| <= {} and |column| <= {} in images of {h}×{w}", h / 2, w / 2);
        return Err(args.error("frequency", expected, found));
    }
    canonical((row, col), h, w)
        .ok_or_else(|| args.error("frequency", "a frequency that is not its own conjugate", found))
}

pub(super) fn cosine(args: &mut Args) -> Result<Make> {
    let given = read_frequency(args)?;
    let phase = args.f64("phase", -360.0..=360.0, 0.0)?;
    Ok(Box::new(move |args, context| {
        let [c, h, w] = context.shape;
        let frequency = checked(args, given, context.shape)?;
        let plane = plane(1.0, given, phase.to_radians(), h, w);
        let patterns = for_classes(context, |_| plane.repeat(c));
        Ok(Box::new(Fixed::new(patterns, Some(frequency))))
    }))
}

pub(super) fn blocks(args: &mut Args) -> Result<Make> {
    let side = args.usize("side", 1..=4096, 8)?;
    Ok(Box::new(move |args, context| {
        let [c, h, w] = context.shape;
        let (down, along) = (h.div_ceil(side), w.div_ceil(side));
        if down * along < 2 {
            let found = format!("{side} in images of {h}×{w}");
            return Err(args.error("side", "blocks of which two or more fill the image", found));
        }
        let patterns = for_classes(context, |class| {
            let mut rng = seed::rng(context.seed, "planted/blocks", class as u64);
            (0..c)
                .flat_map(|_| {
                    let values: Vec<f64> = (0..down * along).map(|_| rng.sample(StandardNormal)).collect();
                    let value = |at: usize| values[at / w / side * along + at % w / side];
                    let mean = (0..h * w).map(value).sum::<f64>() / (h * w) as f64;
                    (0..h * w).map(|at| value(at) - mean).collect::<Vec<_>>()
                })
                .collect()
        });
        Ok(Box::new(Fixed::new(patterns, None)))
    }))
}

struct RandomPhase {
    shape: [usize; 3],
    given: Frequency,
    frequency: Frequency,
    // cos and sin, planes of length 1.
    quadratures: [Vec<f64>; 2],
}

impl Cue for RandomPhase {
    fn change(&self, _: &[f32], _: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let [c, h, w] = self.shape;
        plane(1.0, self.given, TAU * rng.random::<f64>(), h, w).repeat(c)
    }

    fn remove(&self, image: &mut [f32], _: f64, _: &mut ChaCha8Rng) {
        let [_, h, w] = self.shape;
        for channel in image.chunks_exact_mut(h * w) {
            let along = self.quadratures.each_ref().map(|unit| dot(channel, unit));
            let sum: Vec<f64> = (0..h * w)
                .map(|at| along[0] * self.quadratures[0][at] + along[1] * self.quadratures[1][at])
                .collect();
            put(channel, &sum, -1.0);
        }
    }

    fn frequency(&self) -> Option<Frequency> {
        Some(self.frequency)
    }
}

pub(super) fn cosine_random(args: &mut Args) -> Result<Make> {
    let given = read_frequency(args)?;
    Ok(Box::new(move |args, context| {
        let shape @ [_, h, w] = context.shape;
        let frequency = checked(args, given, shape)?;
        let quadratures = [0.0, -FRAC_PI_2].map(|phase| {
            let mut plane = plane(1.0, given, phase, h, w);
            scale(&mut plane, 1.0);
            plane
        });
        Ok(Box::new(RandomPhase { shape, given, frequency, quadratures }))
    }))
}
