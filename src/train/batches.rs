//! Which samples an update sees.

/// Indices of the samples of update `step`: a fresh permutation each pass.
#[derive(Debug)]
pub struct Batches {
    samples: usize,
    batch: usize,
    seed: u64,
    order: Vec<usize>,
    epoch: Option<u64>,
}

impl Batches {
    /// Of `batch` among `samples`, by `seed`.
    pub fn new(samples: usize, batch: usize, seed: u64) -> Self {
        Self { samples, batch, seed, order: Vec::new(), epoch: None }
    }

    /// Updates in a pass over the samples.
    pub fn per_epoch(&self) -> u64 {
        self.samples.div_ceil(self.batch) as u64
    }

    /// Those of update `step`, in the order in which they are seen.
    pub fn at(&mut self, step: u64) -> &[usize] {
        let per_epoch = self.per_epoch();
        let (epoch, within) = (step / per_epoch, (step % per_epoch) as usize);
        if self.epoch != Some(epoch) {
            use rand::seq::SliceRandom;
            self.order = (0..self.samples).collect();
            self.order.shuffle(&mut crate::seed::rng(self.seed, "batches", epoch));
            self.epoch = Some(epoch);
        }
        &self.order[within * self.batch..((within + 1) * self.batch).min(self.samples)]
    }
}

/// Passes over `samples` that `step` updates of `batch` samples have made; the
/// last batch of a pass may be smaller.
pub fn epoch_of(step: u64, samples: usize, batch: usize) -> f64 {
    let per_epoch = samples.div_ceil(batch) as u64;
    let (epoch, within) = (step / per_epoch, (step % per_epoch) as usize);
    epoch as f64 + (within * batch).min(samples) as f64 / samples as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_every_sample_once_a_pass() {
        let mut b = Batches::new(10, 4, 3);
        let sizes: Vec<_> = (0..3).map(|s| b.at(s).len()).collect();
        assert_eq!(sizes, [4, 4, 2]);
        let mut seen: Vec<_> = (3..6).flat_map(|s| b.at(s).to_vec()).collect();
        let order = seen.clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        // The same pass again, from any step, and another order in the next.
        assert_eq!(b.at(0).len(), 4);
        assert_eq!((3..6).flat_map(|s| b.at(s).to_vec()).collect::<Vec<_>>(), order);
        assert_ne!((6..9).flat_map(|s| b.at(s).to_vec()).collect::<Vec<_>>(), order);
    }

    #[test]
    fn epochs_count_passes() {
        assert_eq!(epoch_of(0, 10, 4), 0.0);
        assert_eq!(epoch_of(1, 10, 4), 0.4);
        assert_eq!(epoch_of(3, 10, 4), 1.0);
        assert_eq!(epoch_of(5, 10, 10), 5.0);
    }
}
