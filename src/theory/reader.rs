//! Reader scores: in which order a nonlinear network discovers the modes, from the
//! data alone.
//!
//! A network that answers the mean of y given features φ, ŷ = E[y|φ], has of mode α
//!
//! ```text
//! F_α = u_αᵀ Σ_yφ (Σ_φφ + γI)⁻¹ Σ_φx v_α = (1/P) Σ_i (u_α·ŷ_i)(v_α·x_i)
//! ```
//!
//! which is its mode strength a_α = u_αᵀΣŷx v_α. (u_α, v_α) stay the ruler, what is
//! read changes: with all pixels for features F_α = s_α, with features that a network
//! with global pooling has first ([`crate::readers`]) the strongest modes of that
//! network. Answers are out of fold ([`crate::readers::ridge`]), so that F_α of
//! features that tell nothing is 0 but for noise.
//!
//! The score says the order, not the times. Of modes that its reader cannot see (F about
//! 0, beside its interval) it does not say the order either. Autocorrelation is blind to
//! the sign of an image: on leaves without their low frequencies, whose strongest mode is
//! one of polarity, its order is no better than chance, that of random convolutions is good.
//! How good each order was on forms of CIFAR-10 is in `assets/study`.

use ndarray::{Array2, Axis};
use rand::Rng;
use rayon::prelude::*;
use serde::Serialize;

use crate::data::Samples;
use crate::error::Result;
use crate::readers::{Reader, ridge};
use crate::seed;
use crate::stats::middle95;
use crate::theory::Modes;

/// Resamples of the images behind the intervals.
const RESAMPLES: u64 = 400;

/// What one reader says of all modes.
#[derive(Clone, Debug, Serialize)]
pub struct ReaderScore {
    /// Name of the reader.
    pub reader: &'static str,
    /// Number of its features.
    pub features: usize,
    /// Penalty γ of the ridge, in mean eigenvalues.
    pub penalty: f64,
    /// One per mode.
    pub modes: Vec<ModeScore>,
}

/// When a mode is expected, by one score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModeScore {
    /// F_α, in the units of s_α.
    pub score: f64,
    /// The middle 95 % of F_α over bootstraps of the images; modes and answers are
    /// those of all images.
    pub interval: [f64; 2],
    /// Place in the order of discovery, counted from 1.
    pub place: usize,
    /// The middle 95 % of its place over the same bootstraps.
    pub places: [f64; 2],
}

impl ReaderScore {
    /// Of `reader`; folds and bootstraps are drawn by `seed`.
    ///
    /// # Errors
    /// As [`ridge::out_of_fold`].
    pub fn new(samples: &Samples, modes: &Modes, reader: &Reader, seed: u64) -> Result<Self> {
        let phi = reader.features(samples.x.view(), samples.shape);
        let answers = ridge::out_of_fold(phi.view(), samples.y.view(), seed)?;
        // (u·ŷ)(v·x) of every image: F is their mean.
        let mut products = answers.y.dot(&modes.u());
        let v = modes.v_rows();
        products.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut row)| {
            row *= &v.dot(&samples.x.row(i).mapv(f64::from));
        });
        let (scores, resampled) = (means(&products), resampled(&products, seed));
        let order = places(&scores);
        let all_places: Vec<Vec<f64>> = resampled.iter().map(|f| places(f)).collect();
        let forecast = |a: usize| ModeScore {
            score: scores[a],
            interval: middle95(&resampled.iter().map(|f| f[a]).collect::<Vec<_>>()),
            place: order[a] as usize,
            places: middle95(&all_places.iter().map(|p| p[a]).collect::<Vec<_>>()),
        };
        Ok(Self {
            reader: reader.name,
            features: phi.ncols(),
            penalty: answers.penalty,
            modes: (0..modes.len()).map(forecast).collect(),
        })
    }

    /// F_α of all modes.
    pub fn scores(&self) -> Vec<f64> {
        self.modes.iter().map(|m| m.score).collect()
    }
}

fn means(products: &Array2<f64>) -> Vec<f64> {
    (products.sum_axis(Axis(0)) / products.nrows() as f64).to_vec()
}

// Means over as many images, drawn with replacement.
fn resampled(products: &Array2<f64>, seed: u64) -> Vec<Vec<f64>> {
    let count = products.nrows();
    let draw = |resample: u64| {
        let mut rng = seed::rng(seed, "reader score/bootstrap", resample);
        let mut sum = vec![0.0; products.ncols()];
        for _ in 0..count {
            let row = products.row(rng.random_range(0..count));
            sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        }
        sum.iter().map(|v| v / count as f64).collect()
    };
    (0..RESAMPLES).into_par_iter().map(draw).collect()
}

// The place of each, the largest first; of equals the earlier mode.
fn places(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut places = vec![0.0; scores.len()];
    order.iter().enumerate().for_each(|(place, mode)| places[*mode] = (place + 1) as f64);
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, Normalize, Options};
    use crate::readers::READERS;
    use crate::theory::tests_support::random_samples;

    #[test]
    fn the_score_is_the_strength_of_the_readers_answers() {
        let mut samples = random_samples(120, [2, 4, 4], 3, 4);
        samples.labels = None;
        let modes = Modes::new(&samples).unwrap();
        for reader in &READERS {
            let found = ReaderScore::new(&samples, &modes, reader, 9).unwrap();
            let phi = reader.features(samples.x.view(), samples.shape);
            let answers = ridge::out_of_fold(phi.view(), samples.y.view(), 9).unwrap();
            // Σŷx, and its strengths by the modes' own means of measuring them.
            let yx = answers.y.t().dot(&samples.x.mapv(f64::from)) / 120.0;
            let want = modes.strengths(yx.view());
            assert_eq!((found.modes.len(), found.features), (modes.len(), reader.count(samples.shape)));
            for (mode, want) in found.modes.iter().zip(&want) {
                assert!((mode.score - want).abs() < 1e-9 * modes.list[0].s, "{}", reader.name);
                assert!(mode.interval[0] <= mode.score && mode.score <= mode.interval[1]);
                assert!(mode.places[0] <= mode.place as f64 && mode.place as f64 <= mode.places[1]);
            }
            let mut order: Vec<_> = found.modes.iter().map(|m| m.place).collect();
            order.sort_unstable();
            assert_eq!(order, (1..=modes.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_reader_that_sees_all_of_a_mode_has_its_strength() {
        // Classes that differ in brightness: one mode, of frequency zero.
        let count = 400;
        let images = ndarray::Array4::from_shape_fn((count, 1, 4, 4), |(i, _, y, x)| {
            (i % 2) as f32 + 0.01 * ((i * 31 + y * 7 + x * 3) % 13) as f32
        });
        let labels = (0..count).map(|i| (i % 2) as u32).collect();
        let names = vec!["dark".to_owned(), "bright".to_owned()];
        let targets = crate::field::Targets::Classes { labels, names };
        let set = crate::field::ImageSet { images, targets, source: crate::field::Provenance::default() };
        let samples = data::prepare(set, Normalize::Global, true).unwrap();
        let modes = Modes::new(&samples).unwrap();
        let found = ReaderScore::new(&samples, &modes, &READERS[0], 0).unwrap();
        assert!((found.modes[0].score / modes.list[0].s - 1.0).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn patterns_of_mean_zero_are_read_from_neighbours_alone() {
        // Upright and lying stripes: of mean 0 both, but neighbours differ otherwise. Not
        // centred: their differences from the mean image are each other's negative, moved.
        let set = data::load(&"textures:classes=2,size=16,count=400".parse().unwrap(), &Options::default());
        let samples = data::prepare(set.unwrap(), Normalize::None, false).unwrap();
        let modes = Modes::new(&samples).unwrap();
        let of = |name: &str| ReaderScore::new(&samples, &modes, Reader::named(name).unwrap(), 0).unwrap();
        let share = |score: ReaderScore| score.modes[1].score / modes.list[1].s;
        let (means, local) = (share(of("means")), share(of("autocorrelation")));
        assert!(means.abs() < 0.1 && local > 0.9, "{means} {local}");
    }
}
