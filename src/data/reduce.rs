//! Images brought to one moderate size where none is asked for: for what looks at all images at
//! once, in bounded memory.

use ndarray::Array4;

use super::Options;

/// Which size that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// The larger side is at most this.
    pub largest: usize,
    /// And at least this, where images are not smaller themselves.
    pub smallest: usize,
    /// Between the two, numbers of all images together are at most this.
    pub numbers: usize,
}

impl Reduce {
    /// The size of `count` images of `channels` of the size `from`, if `alike`; of others a
    /// square. None where images stay as they are.
    pub fn size(
        self,
        count: usize,
        channels: usize,
        from: (usize, usize),
        alike: bool,
    ) -> Option<(usize, usize)> {
        let fit = (self.numbers as f64 / (count.max(1) * channels.max(1)) as f64).sqrt() as usize;
        let side = fit.clamp(self.smallest, self.largest.max(self.smallest));
        let larger = from.0.max(from.1);
        match (alike, larger <= side) {
            (false, _) => Some((side, side)),
            (true, true) => None,
            (true, false) => {
                let scaled = |s: usize| ((s * side + larger / 2) / larger).max(1);
                Some((scaled(from.0), scaled(from.1)))
            }
        }
    }
}

impl Options {
    /// The size that images of the size `from` come to, and whether it was chosen here, and not
    /// asked for.
    pub(super) fn sized(
        &self,
        count: usize,
        channels: usize,
        from: (usize, usize),
        alike: bool,
    ) -> ((usize, usize), bool) {
        let reduced = || self.reduce.and_then(|reduce| reduce.size(count, channels, from, alike));
        match (self.size, reduced()) {
            (Some(size), _) => (size, false),
            (None, Some(size)) => (size, true),
            (None, None) => (from, false),
        }
    }

    /// The size of `images`, which were made of images `[c, h, w]`, if it was chosen here.
    pub(super) fn reduced_to(&self, [_, h, w]: [usize; 3], images: &Array4<f32>) -> Option<(usize, usize)> {
        let (_, _, to_h, to_w) = images.dim();
        (self.size.is_none() && (to_h, to_w) != (h, w)).then_some((to_h, to_w))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_by_hand() {
        let reduce = Reduce { largest: 64, smallest: 32, numbers: 3 * 40 * 40 * 1000 };
        // As many numbers as 1,000 images of 40×40 in colour.
        assert_eq!(reduce.size(1000, 3, (224, 224), true), Some((40, 40)));
        assert_eq!(reduce.size(1000, 3, (112, 224), true), Some((20, 40)));
        assert_eq!(reduce.size(1000, 3, (224, 100), false), Some((40, 40)));
        assert_eq!(reduce.size(10, 3, (224, 224), true), Some((64, 64)));
        assert_eq!(reduce.size(1_000_000, 3, (224, 224), true), Some((32, 32)));
        // Small ones stay.
        assert_eq!(reduce.size(1000, 3, (40, 20), true), None);
        let options = Options { reduce: Some(reduce), ..Options::default() };
        assert_eq!(options.sized(1000, 3, (80, 80), true), ((40, 40), true));
        assert_eq!(options.sized(1000, 3, (8, 9), true), ((8, 9), false));
        let asked = Options { size: Some((5, 6)), ..options };
        assert_eq!(asked.sized(1000, 3, (80, 80), false), ((5, 6), false));
        assert_eq!(Options::default().sized(1, 1, (80, 70), true), ((80, 70), false));
    }
}
