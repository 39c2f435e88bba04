//! Cues that are a constant in each channel.

use rand::Rng;
use rand_distr::StandardNormal;

use super::{Cue, Make, put, scale};
use crate::data::args::Args;
use crate::error::Result;
use crate::seed::{self, ChaCha8Rng};

struct Tone {
    // A value per channel; together of length 1.
    colour: Vec<f64>,
    // Pixels of a channel.
    plane: usize,
}

impl Tone {
    fn new(mut colour: Vec<f64>, plane: usize) -> Self {
        scale(&mut colour, 1.0);
        Self { colour, plane }
    }

    fn pattern(&self) -> Vec<f64> {
        self.colour.iter().flat_map(|&value| std::iter::repeat_n(value, self.plane)).collect()
    }
}

impl Cue for Tone {
    fn change(&self, _: &[f32], _: usize, _: &mut ChaCha8Rng) -> Vec<f64> {
        self.pattern()
    }

    // The mean colour of the image along the direction.
    fn survey(&self, image: &[f32]) -> f64 {
        let channels = image.chunks_exact(self.plane).zip(&self.colour);
        let mean = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / self.plane as f64;
        channels.map(|(values, weight)| weight * mean(values)).sum()
    }

    fn remove(&self, image: &mut [f32], mean: f64, _: &mut ChaCha8Rng) {
        let missing = mean - self.survey(image);
        put(image, &self.pattern(), missing);
    }

    fn fixed(&self) -> bool {
        true
    }

    fn colour(&self) -> Option<Vec<f64>> {
        Some(self.colour.clone())
    }
}

pub(super) fn tint(args: &mut Args) -> Result<Make> {
    let given = args.f64_list("colour", -1e3..=1e3)?;
    Ok(Box::new(move |args, context| {
        let [c, h, w] = context.shape;
        if c < 2 {
            return Err(args.error("cue", "with `tint` images of more than one channel", c));
        }
        let colour = match given {
            Some(colour) if colour.len() != c => {
                return Err(args.error("colour", format_args!("{c} values, one per channel"), colour.len()));
            }
            Some(colour) if colour.iter().all(|&v| v == 0.0) => {
                return Err(args.error("colour", "a direction", "zeros"));
            }
            Some(colour) => colour,
            None => {
                let mut rng = seed::rng(context.seed, "planted/tint", 0);
                let drawn: Vec<f64> = (0..c).map(|_| rng.sample(StandardNormal)).collect();
                let mean = drawn.iter().sum::<f64>() / c as f64;
                drawn.iter().map(|value| value - mean).collect()
            }
        };
        Ok(Box::new(Tone::new(colour, h * w)))
    }))
}

pub(super) fn brightness(_: &mut Args) -> Result<Make> {
    Ok(Box::new(|_, context| {
        let [c, h, w] = context.shape;
        Ok(Box::new(Tone::new(vec![1.0; c], h * w)))
    }))
}
