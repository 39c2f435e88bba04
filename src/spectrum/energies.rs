//! What one spectrum says: which frequencies carry it, how low they are, how
//! they are oriented.

use std::cmp::Ordering;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};

use super::fft;
use super::grid::{Frequency, Grid};
use crate::error::{Error, Result};

/// Energies |x̂(k)|² of a spectrum on the half plane of its grid.
/// ```
/// use domfreq::spectrum::{Energies, Frequency};
/// use ndarray::Array3;
///
/// // Two cycles along the columns of an image [1, 8, 8].
/// let wave = |x: usize| (std::f64::consts::TAU * 2.0 * x as f64 / 8.0).cos();
/// let energies = Energies::of_image(Array3::from_shape_fn((1, 8, 8), |(_, _, x)| wave(x)).view())?;
/// assert_eq!(energies.dominant(), Frequency { row: 0, col: 2 });
/// // A cosine is two entries of the full plane, and holds its squared norm (Parseval).
/// assert!((energies.participation() - 2.0).abs() < 1e-12);
/// assert!((energies.total() - 32.0).abs() < 1e-12);
/// # Ok::<(), domfreq::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Energies {
    grid: Grid,
    values: Array2<f64>,
}

/// Energy by radial frequency, one value for each ring.
#[derive(Clone, Debug, PartialEq)]
pub struct RadialProfile {
    /// Radial frequency at the middle of the ring, in cycles per pixel.
    pub radius: Vec<f64>,
    /// Energy in the ring, over the full plane; sums to the total energy.
    pub total: Vec<f64>,
    /// Number of entries of the full plane in the ring; sums to H·W.
    pub entries: Vec<usize>,
}

impl RadialProfile {
    /// Mean energy of the entries of each ring: flat for white noise. Zero for
    /// a ring without entries.
    pub fn mean(&self) -> Vec<f64> {
        self.total.iter().zip(&self.entries).map(|(&e, &n)| ratio(e, n as f64)).collect()
    }
}

impl Energies {
    /// Energies on the half plane `[H, W/2 + 1]` of `grid`, |x̂(k)|² not doubled.
    ///
    /// # Errors
    /// [`Error::Input`] for another shape, and for values that are negative or
    /// not finite.
    pub fn new(grid: Grid, values: Array2<f64>) -> Result<Self> {
        if values.dim() != grid.half_shape() {
            let (rows, cols) = grid.half_shape();
            let expected = format!("the half plane {rows}x{cols} of {}x{} images", grid.h, grid.w);
            return Err(Error::input("spectrum", expected, format!("{}x{}", values.nrows(), values.ncols())));
        }
        match values.indexed_iter().find(|&(_, &e)| !(e.is_finite() && e >= 0.0)) {
            Some(((r, c), e)) => {
                Err(Error::input(format!("spectrum, entry ({r}, {c})"), "a finite energy, not negative", e))
            }
            None => Ok(Self { grid, values }),
        }
    }

    /// Energies of an image `[C, H, W]`, summed over its channels.
    ///
    /// # Errors
    /// [`Error::Input`] where the image is not finite (or its square is not).
    pub fn of_image(image: ArrayView3<f64>) -> Result<Self> {
        let (_, h, w) = image.dim();
        let channels = fft::energies(image.insert_axis(Axis(0)));
        Self::new(Grid::new(h, w), channels.index_axis(Axis(0), 0).sum_axis(Axis(0)))
    }

    /// The half plane `[H, W/2 + 1]`.
    pub fn values(&self) -> ArrayView2<'_, f64> {
        self.values.view()
    }

    /// The grid of the images.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Energy of the full plane: by Parseval, the sum of the squared pixels.
    pub fn total(&self) -> f64 {
        self.values.columns().into_iter().enumerate().map(|(c, e)| self.grid.weight(c) * e.sum()).sum()
    }

    /// The largest single entry, max |x̂(k)|² (not doubled); zero if there is none.
    pub fn max_entry(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    /// Every distinct frequency with its energy and its conjugate's together,
    /// in the order of [`Grid::frequencies`]. Sums to [`Energies::total`].
    pub fn folded(&self) -> Vec<(Frequency, f64)> {
        let grid = self.grid;
        grid.canonical_entries()
            .map(|(r, c)| {
                let conjugate = (grid.h - r) % grid.h;
                let energy = if grid.weight(c) == 2.0 || conjugate == r {
                    grid.weight(c) * self.values[[r, c]]
                } else {
                    self.values[[r, c]] + self.values[[conjugate, c]]
                };
                (grid.frequency(r, c), energy)
            })
            .collect()
    }

    /// Participation ratio (Σe)² / Σe² over the full plane, where a frequency and
    /// its conjugate are two entries: how many entries carry the spectrum. A pure
    /// cosine has 2, a constant image 1. Zero for a zero spectrum.
    pub fn participation(&self) -> f64 {
        // Relative to the largest, so that no square over- or underflows.
        let max = self.max_entry();
        let (mut sum, mut squares) = (0.0, 0.0);
        for ((_, column), &e) in self.values.indexed_iter() {
            let (weight, share) = (self.grid.weight(column), ratio(e, max));
            sum += weight * share;
            squares += weight * share * share;
        }
        ratio(sum * sum, squares)
    }

    /// The dominant frequency: the one of the largest single entry |x̂(k)|², which a
    /// conjugate does not add to. For a mode's image v it is the one that
    /// ρ = √n max |v̂(k)| is of, and that grows fastest in a convolution, at the rate
    /// √n s |v̂(k)|: (0, 0) with an entry of 0.128 comes before ±(1, 2) with 0.087 each.
    ///
    /// Equal entries are ordered by lower radial frequency, then smaller column, then
    /// smaller |row|, then the positive row first.
    ///
    /// # Panics
    /// On a grid without pixels, which has no frequencies.
    pub fn dominant(&self) -> Frequency {
        let first = self.folded().into_iter().min_by(|a, b| self.by_entry(a, b));
        first.expect("a grid with pixels").0
    }

    /// The `n` distinct frequencies of the largest single entries, in the order of
    /// [`Energies::dominant`], which is the first; all of them where there are fewer. Each
    /// with its share of the total energy, its conjugate's included: shares need not
    /// descend. Shares of a zero spectrum are zero.
    pub fn strongest(&self, n: usize) -> Vec<(Frequency, f64)> {
        let mut folded = self.folded();
        folded.sort_by(|a, b| self.by_entry(a, b));
        let total: f64 = folded.iter().map(|&(_, e)| e).sum();
        folded.truncate(n);
        folded.iter_mut().for_each(|(_, e)| *e = ratio(*e, total));
        folded
    }

    /// The fewest distinct frequencies that hold `share` of the energy. They are those of
    /// the most energy, each with its conjugate's, most first: not the order of
    /// [`Energies::dominant`] and [`Energies::strongest`], but for its ties. Empty for a
    /// zero spectrum and for a share that is not positive; all that have any energy
    /// for shares from 1.
    pub fn dominant_set(&self, share: f64) -> Vec<Frequency> {
        let mut folded = self.folded();
        folded.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| self.tie(a.0, b.0)));
        folded.retain(|&(_, e)| e > 0.0);
        if share < 1.0 || share.is_nan() {
            let goal = share * folded.iter().map(|&(_, e)| e).sum::<f64>();
            let mut held = 0.0;
            let fewest = folded.iter().take_while(|&&(_, e)| {
                let more = held < goal;
                held += e;
                more
            });
            let fewest = fewest.count();
            folded.truncate(fewest);
        }
        folded.into_iter().map(|(k, _)| k).collect()
    }

    /// Energy by radial frequency √((row/H)² + (col/W)²).
    ///
    /// Without `bins`, a ring of width 1/max(H, W) cycles per pixel around each
    /// multiple of it: for square images, rings of integer radius in cycles per
    /// image. With `bins`, that many rings of equal width from 0 to √½ cycles
    /// per pixel: the same rings for every grid.
    pub fn radial_profile(&self, bins: Option<usize>) -> RadialProfile {
        let side = self.grid.h.max(self.grid.w) as f64;
        let folded = self.folded();
        let radii: Vec<f64> = folded.iter().map(|&(k, _)| self.grid.radius(k)).collect();
        let integer_ring = |f: f64| (f * side).round() as usize;
        let rings = match bins {
            Some(bins) => bins,
            None => radii.iter().map(|&f| integer_ring(f) + 1).max().unwrap_or(0),
        };
        let width = FRAC_1_SQRT_2 / rings as f64;
        let mut profile = RadialProfile {
            radius: match bins {
                Some(_) => (0..rings).map(|ring| (ring as f64 + 0.5) * width).collect(),
                None => (0..rings).map(|ring| ring as f64 / side).collect(),
            },
            total: vec![0.0; rings],
            entries: vec![0; rings],
        };
        if rings == 0 {
            return profile;
        }
        for (&(k, energy), f) in folded.iter().zip(radii) {
            let ring = match bins {
                Some(_) => ((f / width) as usize).min(rings - 1),
                None => integer_ring(f),
            };
            profile.total[ring] += energy;
            profile.entries[ring] += self.grid.multiplicity(k);
        }
        profile
    }

    /// Share of the energy (DC left out) by orientation: entry i is for
    /// θ = iπ/bins in [0, π), the direction in which the pattern varies, from
    /// the column axis towards rows downwards. 0 is vertical stripes, π/2
    /// horizontal ones.
    ///
    /// A frequency between two orientations is shared linearly between them. At
    /// half the sampling rate of an axis (Nyquist), θ and π - θ are the same
    /// frequency, and each gets half. All zero if there is no energy but DC.
    pub fn orientation_profile(&self, bins: usize) -> Vec<f64> {
        let mut profile = vec![0.0; bins];
        if bins == 0 {
            return profile;
        }
        for (k, energy) in self.folded().into_iter().filter(|(k, _)| (k.row, k.col) != (0, 0)) {
            let (fy, fx) = self.grid.cycles_per_pixel(k);
            let theta = fy.atan2(fx).rem_euclid(PI);
            let mirrored = if fy == 0.5 || fx == 0.5 { PI - theta } else { theta };
            for angle in [theta, mirrored] {
                let position = angle / PI * bins as f64;
                let (bin, above) = (position.floor(), position.fract());
                profile[bin as usize % bins] += 0.5 * energy * (1.0 - above);
                profile[(bin as usize + 1) % bins] += 0.5 * energy * above;
            }
        }
        let total: f64 = profile.iter().sum();
        profile.iter_mut().for_each(|share| *share = ratio(*share, total));
        profile
    }

    /// Anisotropy, and the orientation θ in [0, π) it is along (as in
    /// [`Energies::orientation_profile`]).
    ///
    /// The anisotropy is |Σ e(k) exp(2iθ_k)| / Σ e(k) over the full plane without
    /// DC: the difference of the eigenvalues of the second moment
    /// Σ e(k) n_k n_kᵀ / Σ e(k) of the unit vectors n_k along k, whatever the axes.
    /// It is 1 where all energy has one orientation, and 0 where none is
    /// preferred: a flat spectrum, but also two orientations at right angles with
    /// equal energy. (0, 0) if there is no energy but DC, which leaves up to 1e-13 of
    /// the total to rounding.
    pub fn anisotropy(&self) -> (f64, f64) {
        let (mut cos, mut sin, mut total) = (0.0, 0.0, 0.0);
        for (k, energy) in self.folded().into_iter().filter(|(k, _)| (k.row, k.col) != (0, 0)) {
            let (c, s) = self.grid.double_angle(k);
            (cos, sin, total) = (cos + energy * c, sin + energy * s, total + energy);
        }
        if total <= 1e-13 * self.total() {
            return (0.0, 0.0);
        }
        let length = cos.hypot(sin).min(total);
        // A tiny negative angle would round to π itself.
        let angle = (0.5 * sin.atan2(cos)).rem_euclid(PI);
        (ratio(length, total), if length > 0.0 && angle < PI { angle } else { 0.0 })
    }

    /// Share of the energy that the strongest `fraction` (0 to 1) of the entries of
    /// the full plane carries, a part of an entry by its part: `fraction` for a flat
    /// spectrum, more for any other. Zero for a zero spectrum.
    pub fn carried_by(&self, fraction: f64) -> f64 {
        let entry = |((_, column), &e)| (e, self.grid.weight(column));
        let mut entries: Vec<(f64, f64)> = self.values.indexed_iter().map(entry).collect();
        entries.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut left = fraction * (self.grid.h * self.grid.w) as f64;
        let mut carried = 0.0;
        for (e, weight) in entries {
            let taken = weight.min(left.max(0.0));
            carried += taken * e;
            left -= taken;
        }
        ratio(carried, self.total()).min(1.0)
    }

    /// Energy-weighted mean radial frequency in cycles per pixel, DC included
    /// (at 0). Zero for a zero spectrum.
    pub fn centroid(&self) -> f64 {
        let folded = self.folded();
        let moment: f64 = folded.iter().map(|&(k, e)| self.grid.radius(k) * e).sum();
        ratio(moment, folded.iter().map(|&(_, e)| e).sum())
    }

    // The order of folded energies by the largest single entry.
    fn by_entry(&self, a: &(Frequency, f64), b: &(Frequency, f64)) -> Ordering {
        let entry = |&(k, energy): &(Frequency, f64)| energy / self.grid.multiplicity(k) as f64;
        entry(b).total_cmp(&entry(a)).then_with(|| self.tie(a.0, b.0))
    }

    fn tie(&self, a: Frequency, b: Frequency) -> Ordering {
        (self.grid.radius(a).total_cmp(&self.grid.radius(b)))
            .then(a.col.cmp(&b.col))
            .then(a.row.abs().cmp(&b.row.abs()))
            .then(b.row.cmp(&a.row))
    }
}

/// part / whole, and zero where there is no whole.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use approx::assert_relative_eq;
    use ndarray::{Array3, array, s};
    use proptest::prelude::*;

    use super::super::oracle::{dft2, distance, plane};
    use super::super::rfft2;
    use super::*;

    fn k(row: i32, col: i32) -> Frequency {
        Frequency { row, col }
    }

    fn of_plane(plane: &Array2<f64>) -> Energies {
        Energies::of_image(plane.view().insert_axis(Axis(0))).unwrap()
    }

    fn cosine(h: usize, w: usize, row: i32, col: i32, phase: f64) -> Array2<f64> {
        Array2::from_shape_fn((h, w), |(r, c)| {
            let cycles = f64::from(row) * r as f64 / h as f64 + f64::from(col) * c as f64 / w as f64;
            (TAU * cycles + phase).cos()
        })
    }

    /// 4×4, energies written down by hand.
    fn by_hand() -> Energies {
        let values = array![
            [16.0, 2.0, 0.0], // (0,0) (0,1) (0,2)
            [1.0, 0.5, 0.25], // (1,0) (1,1) (1,2)
            [4.0, 0.0, 0.0],  // (2,0) (2,1) (2,2)
            [1.0, 3.0, 0.25], // (1,0) (-1,1) (1,2)
        ];
        Energies::new(Grid::new(4, 4), values).unwrap()
    }

    #[test]
    fn sums_of_a_spectrum_by_hand() {
        let e = by_hand();
        assert_eq!(e.total(), 16.0 + 2.0 + 4.0 + 0.5 + 2.0 * (2.0 + 0.5 + 3.0));
        assert_eq!(e.max_entry(), 16.0);
        let expected = [
            (k(0, 0), 16.0),
            (k(0, 1), 4.0),
            (k(0, 2), 0.0),
            (k(1, 0), 2.0),
            (k(1, 1), 1.0),
            (k(1, 2), 0.5),
            (k(2, 0), 4.0),
            (k(2, 1), 0.0),
            (k(2, 2), 0.0),
            (k(-1, 1), 6.0),
        ];
        assert_eq!(e.folded(), expected);
        // Over the full plane, where each of a conjugate pair counts by itself.
        let squares = 256.0 + 2.0 * 4.0 + 2.0 * 1.0 + 2.0 * 0.25 + 2.0 * 0.0625 + 16.0 + 2.0 * 9.0;
        assert_relative_eq!(e.participation(), 33.5 * 33.5 / squares, max_relative = 1e-15);
    }

    #[test]
    fn the_strongest_and_the_dominant_set_by_hand() {
        let e = by_hand();
        // By single entries, of which (-1,1) has 3 and (2,0), its own conjugate, 4.
        let strongest = e.strongest(4);
        let expected = [(k(0, 0), 16.0), (k(2, 0), 4.0), (k(-1, 1), 6.0), (k(0, 1), 4.0)];
        assert_eq!(strongest, expected.map(|(k, e)| (k, e / 33.5)));
        assert_eq!((e.strongest(100).len(), e.dominant()), (10, k(0, 0)));
        // By energy. (0,1) and (2,0) both hold 4: the lower radial frequency comes first.
        let order = [k(0, 0), k(-1, 1), k(0, 1), k(2, 0), k(1, 0), k(1, 1), k(1, 2)];
        assert_eq!(e.dominant_set(0.4), order[..1]);
        assert_eq!(e.dominant_set(16.0 / 33.5), order[..1]);
        assert_eq!(e.dominant_set(0.5), order[..2]);
        assert_eq!(e.dominant_set(0.7), order[..3]);
        assert_eq!(e.dominant_set(1.0), order, "only those with energy");
        assert_eq!(e.dominant_set(2.0), order);
        for nothing in [0.0, -1.0, f64::NAN] {
            assert_eq!(e.dominant_set(nothing), []);
        }
    }

    #[test]
    fn the_dominant_frequency_is_that_of_the_largest_single_entry() {
        // A share of .128 in (0,0), of .087 in each of ±(1,2), and the rest elsewhere.
        let mut values = Array2::from_elem((8, 5), 0.698 / 61.0);
        (values[[0, 0]], values[[1, 2]]) = (0.128, 0.087);
        let e = Energies::new(Grid::new(8, 8), values).unwrap();
        assert_relative_eq!(e.total(), 1.0, max_relative = 1e-14);
        assert_eq!((e.dominant(), e.values()[e.grid().entry(e.dominant())]), (k(0, 0), e.max_entry()));
        let strongest = e.strongest(2);
        assert_eq!([strongest[0].0, strongest[1].0], [k(0, 0), k(1, 2)]);
        assert_relative_eq!(strongest[0].1, 0.128, max_relative = 1e-14);
        assert_relative_eq!(strongest[1].1, 0.174, max_relative = 1e-14);
        // Of energy held the pair has more.
        assert_eq!(e.dominant_set(0.17), [k(1, 2)]);
        assert_eq!(e.dominant_set(0.3), [k(1, 2), k(0, 0)]);
    }

    #[test]
    fn ties_follow_the_stated_rule() {
        let flat = Energies::new(Grid::new(3, 3), array![[0.0, 1.0], [2.0, 1.0], [0.0, 1.0]]).unwrap();
        // Entries of 1, on average: radius, then column, then |row|, then the positive row.
        let order: Vec<_> = flat.strongest(5).into_iter().map(|s| s.0).collect();
        assert_eq!(order, [k(1, 0), k(0, 1), k(1, 1), k(-1, 1), k(0, 0)]);
        assert_eq!(flat.dominant(), k(1, 0));
    }

    #[test]
    fn profiles_by_hand() {
        let e = by_hand();
        let rings = e.radial_profile(None);
        // √2, √5 and √8 round to 1, 2 and 3.
        assert_eq!(rings.radius, [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(rings.entries, [1, 8, 6, 1]);
        assert_eq!(rings.total, [16.0, 4.0 + 2.0 + 1.0 + 6.0, 0.5 + 4.0, 0.0]);
        assert_eq!(rings.mean(), [16.0, 13.0 / 8.0, 4.5 / 6.0, 0.0]);
        let halves = e.radial_profile(Some(2));
        assert_eq!(halves.entries, [5, 11], "(0,0), (0,1), (1,0) and conjugates are below 0.353");
        assert_eq!(halves.total, [22.0, 11.5]);
        assert_relative_eq!(halves.radius[1], 0.75 * 0.5f64.sqrt(), max_relative = 1e-15);
        let radii = [(0.25, 6.0), (0.125f64.sqrt(), 7.0), (0.5, 4.0), (0.3125f64.sqrt(), 0.5)];
        let moment: f64 = radii.iter().map(|(f, e)| f * e).sum();
        assert_relative_eq!(e.centroid(), moment / 33.5, max_relative = 1e-15);
    }

    #[test]
    fn anisotropies_by_hand() {
        let of = |entries: &[(usize, usize, f64)]| {
            let mut values = Array2::zeros((8, 5));
            values[[0, 0]] = 100.0;
            entries.iter().for_each(|&(r, c, e)| values[[r, c]] = e);
            Energies::new(Grid::new(8, 8), values).unwrap().anisotropy()
        };
        let close = |(a, b): (f64, f64), (c, d): (f64, f64)| {
            assert!((a - c).abs() < 1e-15 && (b - d).abs() < 1e-15, "({a}, {b}) is not ({c}, {d})");
        };
        close(of(&[(0, 1, 2.0)]), (1.0, 0.0));
        close(of(&[(0, 1, 2.0), (0, 2, 5.0), (0, 4, 1.0)]), (1.0, 0.0));
        // Both entries of a conjugate pair are in the half plane.
        close(of(&[(2, 0, 3.0), (6, 0, 3.0)]), (1.0, PI / 2.0));
        close(of(&[(1, 1, 2.0), (3, 3, 1.0)]), (1.0, PI / 4.0));
        close(of(&[(7, 1, 2.0)]), (1.0, 0.75 * PI));
        // At right angles: what is more on one, 2·3 and 2·1 of the full plane.
        close(of(&[(0, 1, 3.0), (1, 0, 1.0), (7, 0, 1.0)]), (0.5, 0.0));
        close(of(&[(1, 1, 2.0), (7, 1, 2.0)]), (0.0, 0.0));
        // 45° apart: |1 + i| / 2.
        close(of(&[(0, 1, 1.0), (1, 1, 1.0)]), (0.5f64.sqrt(), PI / 8.0));
        // Nyquist of both axes has both diagonals, that of one the mean of θ and π − θ: cos 2θ = −0.6.
        close(of(&[(4, 4, 1.0)]), (0.0, 0.0));
        close(of(&[(4, 2, 1.0)]), (0.6, PI / 2.0));
        close(of(&[]), (0.0, 0.0));
    }

    #[test]
    fn what_the_strongest_carry_by_hand() {
        let e = by_hand();
        // Of 16 entries: 16, 4, 3 3, 2 2, 1 1, …
        for (entries, carried) in
            [(0.0, 0.0), (1.0, 16.0), (2.0, 20.0), (2.5, 21.5), (5.0, 28.0), (16.0, 33.5)]
        {
            assert_relative_eq!(e.carried_by(entries / 16.0), carried / 33.5, max_relative = 1e-15);
        }
        assert_eq!(e.carried_by(2.0), 1.0);
        assert_eq!(e.carried_by(-1.0), 0.0);
        let flat = Energies::new(Grid::new(5, 4), Array2::from_elem((5, 3), 0.3)).unwrap();
        assert_relative_eq!(flat.carried_by(0.1), 0.1, max_relative = 1e-14);
        let none = Energies::new(Grid::new(4, 4), Array2::zeros((4, 3))).unwrap();
        assert_eq!((none.carried_by(0.1), none.anisotropy()), (0.0, (0.0, 0.0)));
    }

    #[test]
    fn orientations_by_hand() {
        let only = |r: usize, c: usize, bins| {
            let mut values = Array2::zeros((8, 5));
            values[[0, 0]] = 100.0;
            values[[r, c]] = 1.0;
            Energies::new(Grid::new(8, 8), values).unwrap().orientation_profile(bins)
        };
        assert_eq!(only(0, 1, 4), [1.0, 0.0, 0.0, 0.0], "varies along columns");
        assert_eq!(only(1, 1, 4), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(only(2, 0, 4), [0.0, 0.0, 1.0, 0.0], "varies along rows");
        assert_eq!(only(7, 1, 4), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(only(1, 1, 2), [0.5, 0.5], "between the two");
        assert_eq!(only(7, 1, 2), [0.5, 0.5], "between the last and the first");
        assert_eq!(only(4, 4, 4), [0.0, 0.5, 0.0, 0.5], "no orientation at Nyquist");
        assert_eq!(only(1, 1, 1), [1.0]);
        assert_eq!(only(0, 0, 4), [0.0; 4], "DC has none");
        assert!(only(1, 1, 0).is_empty());
    }

    #[test]
    fn orientation_is_of_the_pattern_in_cycles_per_pixel() {
        // On 8×16, (1, 2) is as steep as (1, 1) on 8×8.
        let profile = of_plane(&cosine(8, 16, 1, 2, 0.3)).orientation_profile(4);
        assert_relative_eq!(profile[1], 1.0, max_relative = 1e-12);
    }

    #[test]
    fn a_cosine_is_one_frequency_and_a_pixel_is_all() {
        // ρ = √(n · max |x̂|² / Σ|x̂|²): √(n/2) for a cosine, 1 for a pixel.
        for (h, w, row, col) in [(8, 8, 2, 3), (8, 12, -3, 2), (9, 7, -2, 1), (16, 5, 3, 0)] {
            let e = of_plane(&cosine(h, w, row, col, 0.4));
            let n = (h * w) as f64;
            assert_relative_eq!(e.total(), n / 2.0, max_relative = 1e-12);
            assert_relative_eq!(n * e.max_entry() / e.total(), n / 2.0, max_relative = 1e-12);
            assert_relative_eq!(e.participation(), 2.0, max_relative = 1e-12);
            assert_eq!(e.dominant_set(0.999), [k(row, col)]);
            let (name, share) = e.strongest(1)[0];
            assert_eq!(name, k(row, col));
            assert_relative_eq!(share, 1.0, max_relative = 1e-12);
            assert_relative_eq!(e.centroid(), e.grid().radius(name), max_relative = 1e-12);

            let mut pixel = Array2::zeros((h, w));
            pixel[[1, 2]] = 3.0;
            let e = of_plane(&pixel);
            assert_relative_eq!(n * e.max_entry() / e.total(), 1.0, max_relative = 1e-12);
            let mean = e.radial_profile(None).mean();
            mean.iter().for_each(|&m| assert_relative_eq!(m, 9.0 / n, max_relative = 1e-12));
        }
    }

    #[test]
    fn channels_are_summed() {
        let (a, b) = (plane(5, 6, 1), plane(5, 6, 2));
        let mut image = Array3::zeros((2, 5, 6));
        image.slice_mut(s![0, .., ..]).assign(&a);
        image.slice_mut(s![1, .., ..]).assign(&b);
        let both = Energies::of_image(image.view()).unwrap();
        let expected = &of_plane(&a).values + &of_plane(&b).values;
        assert!(distance(both.values(), expected.view()) < 1e-14);
    }

    #[test]
    fn a_zero_spectrum_has_nothing() {
        for (h, w) in [(4, 5), (1, 1), (0, 3), (3, 0)] {
            let e = Energies::new(Grid::new(h, w), Array2::zeros(Grid::new(h, w).half_shape())).unwrap();
            assert_eq!((e.total(), e.max_entry(), e.participation(), e.centroid()), (0.0, 0.0, 0.0, 0.0));
            assert_eq!(e.dominant_set(0.9), []);
            assert!(e.strongest(3).iter().all(|&(_, share)| share == 0.0));
            assert_eq!(e.strongest(3).len(), e.folded().len().min(3));
            assert_eq!(e.orientation_profile(3), [0.0; 3]);
            assert_eq!(e.radial_profile(None).total.iter().sum::<f64>(), 0.0);
            assert_eq!(e.radial_profile(None).entries.iter().sum::<usize>(), h * w);
            assert_eq!(e.radial_profile(Some(3)).mean(), [0.0; 3]);
            assert!(e.radial_profile(Some(0)).radius.is_empty());
        }
    }

    #[test]
    fn extreme_energies_keep_their_participation() {
        for scale in [1e-300, 1e300] {
            let e = Energies::new(Grid::new(4, 4), by_hand().values * scale).unwrap();
            assert_relative_eq!(e.participation(), by_hand().participation(), max_relative = 1e-12);
        }
    }

    #[test]
    fn what_is_no_spectrum_is_refused() {
        let refused = |grid, values| Energies::new(grid, values).unwrap_err().to_string();
        let message = refused(Grid::new(4, 4), Array2::zeros((4, 4)));
        assert_eq!(message, "spectrum: expected the half plane 4x3 of 4x4 images, found 4x4");
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            let mut values = Array2::zeros((4, 3));
            values[[2, 1]] = bad;
            let message = refused(Grid::new(4, 4), values);
            assert!(message.starts_with("spectrum, entry (2, 1): expected a finite energy"), "{message}");
        }
        assert!(Energies::of_image(array![[[f64::NAN]]].view()).is_err());
    }

    proptest! {
        #[test]
        fn sums_agree_with_the_full_plane(h in 1usize..10, w in 1usize..10, seed: u64) {
            let plane = plane(h, w, seed);
            let e = of_plane(&plane);
            let full = dft2(plane.view()).mapv(|z| z.norm_sqr());
            let total = full.sum();
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * total;
            prop_assert!(close(e.total(), total));
            prop_assert!(close(plane.mapv(|x| x * x).sum(), total));
            prop_assert!(close(e.folded().iter().map(|f| f.1).sum(), total));
            prop_assert!(close(e.radial_profile(None).total.iter().sum(), total));
            prop_assert!(close(e.radial_profile(Some(7)).total.iter().sum(), total));
            let participation = total * total / full.mapv(|x| x * x).sum();
            prop_assert!((e.participation() - participation).abs() <= 1e-11 * participation);
            prop_assert_eq!(e.radial_profile(None).entries.iter().sum::<usize>(), h * w);
            // Folded energies are the full plane's, gathered by name.
            for (name, energy) in e.folded() {
                let gathered: f64 = full
                    .indexed_iter()
                    .filter(|&((r, c), _)| e.grid().frequency(r, c) == name)
                    .map(|(_, &x)| x)
                    .sum();
                prop_assert!(close(energy, gathered), "{}: {} {}", name, energy, gathered);
            }
        }

        #[test]
        fn the_dominant_set_holds_its_share_and_none_is_too_many(
            h in 1usize..10, w in 1usize..10, seed: u64, share in 0.01f64..1.0,
        ) {
            let e = of_plane(&plane(h, w, seed));
            let folded = e.folded();
            let held = |set: &[Frequency]| -> f64 {
                folded.iter().filter(|f| set.contains(&f.0)).map(|f| f.1).sum::<f64>() / e.total()
            };
            let dominant = e.values()[e.grid().entry(e.dominant())];
            prop_assert!(dominant >= e.max_entry() - 1e-12 * e.total());
            prop_assert_eq!(e.dominant(), e.strongest(1)[0].0);
            let set = e.dominant_set(share);
            prop_assert!(held(&set) >= share - 1e-12);
            prop_assert!(held(&set[..set.len() - 1]) < share + 1e-12);
            let count = (h * w) as f64;
            prop_assert!((1.0 - 1e-12..=count + 1e-9).contains(&e.participation()));
        }

        #[test]
        fn a_mirror_turns_the_orientation_around(h in 1usize..10, w in 2usize..10, seed: u64, bins in 1usize..9) {
            let plane = plane(h, w, seed);
            let mirrored = plane.slice(s![.., ..;-1]).to_owned();
            let (a, b) = (of_plane(&plane), of_plane(&mirrored));
            let (pa, pb) = (a.orientation_profile(bins), b.orientation_profile(bins));
            prop_assert!((pa.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for i in 0..bins {
                prop_assert!((pa[i] - pb[(bins - i) % bins]).abs() < 1e-10, "{:?} {:?}", pa, pb);
            }
            prop_assert!((a.centroid() - b.centroid()).abs() < 1e-10);
        }

        #[test]
        fn a_transpose_exchanges_the_axes(h in 1usize..10, w in 1usize..10, seed: u64) {
            let plane = plane(h, w, seed);
            let (a, b) = (of_plane(&plane), of_plane(&plane.t().to_owned()));
            prop_assert!((a.participation() - b.participation()).abs() < 1e-9);
            prop_assert!((a.centroid() - b.centroid()).abs() < 1e-10);
            let (pa, pb) = (a.orientation_profile(4), b.orientation_profile(4));
            for (i, j) in [(0, 2), (1, 1), (2, 0), (3, 3)] {
                prop_assert!((pa[i] - pb[j]).abs() < 1e-10, "{:?} {:?}", pa, pb);
            }
        }
    }

    #[test]
    fn energies_are_those_of_the_transform() {
        let plane = plane(6, 7, 3);
        let expected = rfft2(plane.view()).mapv(|z| z.norm_sqr());
        assert!(distance(of_plane(&plane).values(), expected.view()) < 1e-14);
    }
}
