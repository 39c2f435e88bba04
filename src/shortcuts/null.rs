//! What single statistics are where there is nothing: of groups of images drawn without a look
//! at their classes.
//!
//! Labels are exchanged at random: 199 groups, each as large as the median class, are drawn from
//! the images and compared with the rest as a class would be; of more than 4,000 images from 4,000
//! of them, and as much smaller. p of a class is (1 + how many groups have as large a statistic)/200. Classes differ
//! in their content too, so a small p alone is no cue; alarm levels are far above what groups
//! reach on photos. Where they are not, for few images or images of another sort, the largest
//! statistic of a group takes the place of the level.

use rand::seq::index::sample;
use rayon::prelude::*;

use super::image::Image;
use super::search::Table;
use super::set::Set;
use super::sums::Sums;
use crate::seed;

const GROUPS: usize = 199;
/// Images that groups are drawn from at most.
const MOST: usize = 4000;
/// Images whose values are in memory at once.
const BLOCK: usize = 64;

/// Of every detector, the statistic of the groups, in its alarm levels.
pub(super) struct Null(Vec<Vec<f64>>);

impl Null {
    pub fn new(set: &Set, table: &Table, seed: u64) -> Self {
        let count = set.len().min(MOST);
        let rng = &mut seed::rng(seed, "shortcuts/null", 0);
        let mut images = sample(rng, set.len(), count).into_vec();
        images.sort_unstable();
        let mut sizes: Vec<usize> = set.members.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        let size = (sizes[sizes.len() / 2] * count / set.len()).clamp(2, count - 2);
        // Whether each group has each image.
        let has: Vec<Vec<bool>> = (1..=GROUPS as u64)
            .map(|group| {
                let mut has = vec![false; count];
                let rng = &mut seed::rng(seed, "shortcuts/null", group);
                sample(rng, count, size).into_iter().for_each(|i| has[i] = true);
                has
            })
            .collect();
        let mut totals: Vec<Sums> = table.iter().map(|d| Sums::new(d.len())).collect();
        let mut sums: Vec<Vec<Vec<f64>>> =
            (0..GROUPS).map(|_| table.iter().map(|d| vec![0.0; d.len()]).collect()).collect();
        for (block, images) in images.chunks(BLOCK).enumerate() {
            let values: Vec<Vec<Vec<f64>>> = images
                .par_iter()
                .map(|&i| {
                    let image = Image::new(set.bytes(i), set.shape);
                    let mut all: Vec<Vec<f64>> = table.iter().map(|d| vec![0.0; d.len()]).collect();
                    table.iter().zip(&mut all).for_each(|(d, values)| d.values(&image, values));
                    all
                })
                .collect();
            totals.par_iter_mut().enumerate().for_each(|(d, total)| {
                values.iter().for_each(|values| total.push(&values[d]));
            });
            sums.par_iter_mut().zip(&has).for_each(|(sums, has)| {
                for (values, _) in values.iter().zip(&has[block * BLOCK..]).filter(|(_, has)| **has) {
                    for (sum, values) in sums.iter_mut().zip(values) {
                        sum.iter_mut().zip(values).for_each(|(sum, v)| *sum += v);
                    }
                }
            });
        }
        let of = |(d, total): (usize, &Sums)| {
            let group = |sums: &Vec<Vec<f64>>| {
                let own = Sums { count: size as f64, sum: sums[d].clone(), squares: Vec::new() };
                table[d].ratio(&own, total)
            };
            sums.par_iter().map(group).collect()
        };
        Self(totals.iter().enumerate().map(of).collect())
    }

    /// What a statistic of detector `d` is divided by beside its level, at least 1.
    pub fn guard(&self, d: usize) -> f64 {
        self.0[d].iter().copied().fold(1.0, f64::max)
    }

    /// Probability of a statistic as large as `ratio`, of detector `d`, were classes drawn at
    /// random.
    pub fn p(&self, d: usize, ratio: f64) -> f64 {
        let as_large = self.0[d].iter().filter(|&&null| null >= ratio).count();
        (1 + as_large) as f64 / (1 + self.0[d].len()) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_and_guards_by_hand() {
        let null = Null(vec![vec![0.2, 0.5, 0.4], vec![0.1, 1.3, 0.2]]);
        assert_eq!((null.guard(0), null.guard(1)), (1.0, 1.3));
        assert_eq!([0.1, 0.4, 0.5, 0.6].map(|r| null.p(0, r)), [1.0, 0.75, 0.5, 0.25]);
    }
}
