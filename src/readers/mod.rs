//! Readers: what can be told from images by fixed features of them and a linear
//! answer, fitted by ridge regression and judged on images it was not fitted to.
//!
//! A network with global pooling cannot read the image v_α of a mode itself: it sees
//! features that do not depend on the place. The simplest of these are a ladder,
//! channel means, local autocorrelation, random convolutions; how well a reader of
//! each can answer is known from the data alone.
//!
//! A new reader is a file with a `READER` and a line in [`READERS`].

mod autocorrelation;
mod convolutions;
pub(crate) mod folds;
mod means;
pub mod ridge;

use ndarray::{Array2, ArrayView2, Axis, parallel::prelude::*};

use crate::error::{Error, Result};
pub use ridge::Answers;

/// Features of an image, and what they are called.
#[derive(Debug)]
pub struct Reader {
    /// "autocorrelation".
    pub name: &'static str,
    /// What its features are, in one line.
    pub about: &'static str,
    features: fn([usize; 3]) -> Box<dyn Features>,
}

/// The ladder, the simplest first.
pub static READERS: [Reader; 3] = [means::READER, autocorrelation::READER, convolutions::READER];

/// The reader whose order is the forecast: the best of the ladder on the data sets made
/// here (`make fig-forecast`), chosen there.
pub static FORECAST: &Reader = &READERS[2];

/// Features of images `[c, h, w]` of one size.
trait Features: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Those of one image (in the order of its values in memory), into `out`.
    fn of(&self, image: &[f32], out: &mut [f64]);
}

impl Reader {
    /// The reader called `name`.
    ///
    /// # Errors
    /// [`Error::Input`] naming all there are.
    pub fn named(name: &str) -> Result<&'static Self> {
        READERS.iter().find(|r| r.name == name).ok_or_else(|| {
            let all: Vec<_> = READERS.iter().map(|r| r.name).collect();
            Error::input("reader", format!("one of {}", all.join(", ")), format!("`{name}`"))
        })
    }

    /// Number of features of images `[c, h, w]`.
    pub fn count(&self, shape: [usize; 3]) -> usize {
        (self.features)(shape).count()
    }

    /// Features `[P, p]` of images `[P, c·h·w]` of this shape, rows in `[c, h, w]`
    /// order. Each image's depend on nothing but the image.
    pub fn features(&self, images: ArrayView2<f32>, shape: [usize; 3]) -> Array2<f64> {
        let features = (self.features)(shape);
        let mut out = Array2::zeros((images.nrows(), features.count()));
        let rows = out.axis_iter_mut(Axis(0)).into_par_iter().zip(images.axis_iter(Axis(0)).into_par_iter());
        rows.for_each(|(mut out, image)| {
            let image = image.to_vec();
            features.of(&image, out.as_slice_mut().expect("rows of an array made here"));
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use proptest::prelude::*;
    use rand::Rng;

    // Images `[count, c·h·w]` of values in [−1, 1).
    fn images(count: usize, shape: [usize; 3], seed: u64) -> Array2<f32> {
        let mut rng = seed::rng(seed, "test/readers", 0);
        Array2::from_shape_simple_fn((count, shape.iter().product()), || rng.random_range(-1.0f32..1.0))
    }

    // Every image moved by (dy, dx), circularly.
    fn moved(images: &Array2<f32>, [c, h, w]: [usize; 3], dy: usize, dx: usize) -> Array2<f32> {
        Array2::from_shape_fn(images.dim(), |(i, at)| {
            let (plane, y, x) = (at / (h * w), at / w % h, at % w);
            debug_assert!(plane < c);
            images[[i, plane * h * w + (y + dy) % h * w + (x + dx) % w]]
        })
    }

    #[test]
    fn there_are_as_many_features_as_the_theory_counts() {
        let count = |name: &str, channels: usize| Reader::named(name).unwrap().count([channels, 32, 32]);
        assert_eq!((count("means", 3), count("means", 1)), (3, 1));
        assert_eq!((count("autocorrelation", 3), count("autocorrelation", 1)), (87, 14));
        assert_eq!(count("convolutions", 3), 256);
        let error = Reader::named("mean").unwrap_err().to_string();
        assert!(
            error.contains("means, autocorrelation, convolutions") && error.contains("`mean`"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn features_do_not_see_the_place_nor_the_threads(
            (c, h, w) in (1usize..4, 1usize..7, 1usize..7), seed in 0u64..1000
        ) {
            let (shape, wrap) = ([c, h, w], 2);
            let first = images(5, shape, seed);
            for reader in &READERS {
                let found = reader.features(first.view(), shape);
                prop_assert_eq!(found.dim(), (5, reader.count(shape)));
                prop_assert!(found.iter().all(|v| v.is_finite()));
                // Random convolutions are taken at every second pixel.
                if reader.name != "convolutions" || (h % wrap == 0 && w % wrap == 0) {
                    let there = moved(&first, shape, wrap, wrap);
                    let there = reader.features(there.view(), shape);
                    prop_assert!(found.iter().zip(&there).all(|(a, b)| (a - b).abs() < 1e-5), "{}", reader.name);
                }
                let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
                prop_assert_eq!(&found, &pool.install(|| reader.features(first.view(), shape)));
                let alone = reader.features(first.slice(ndarray::s![2..3, ..]), shape);
                prop_assert_eq!(alone.row(0), found.row(2));
            }
        }
    }
}
