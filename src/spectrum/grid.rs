//! The frequencies of an image grid, each named once.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A spatial frequency and its conjugate, named once: cycles per image height
/// (`row`) and per image width (`col`).
///
/// `col` is in 0..=W/2. `row` is signed, in -(H-1)/2..=H/2, and non-negative
/// where the column is its own conjugate (0, and W/2 for even W). Serialised as
/// `[row, col]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "[i32; 2]", from = "[i32; 2]")]
pub struct Frequency {
    /// Cycles per image height, downwards where positive.
    pub row: i32,
    /// Cycles per image width.
    pub col: i32,
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("({}, {})", self.row, self.col))
    }
}

impl From<Frequency> for [i32; 2] {
    fn from(k: Frequency) -> Self {
        [k.row, k.col]
    }
}

impl From<[i32; 2]> for Frequency {
    fn from([row, col]: [i32; 2]) -> Self {
        Self { row, col }
    }
}

/// The size H×W of an image, and with it the layout of its half plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    /// Height H in pixels.
    pub h: usize,
    /// Width W in pixels.
    pub w: usize,
}

impl Grid {
    /// The grid of images `[.., h, w]`.
    pub fn new(h: usize, w: usize) -> Self {
        Self { h, w }
    }

    /// Shape (H, W/2 + 1) of the half plane; (H, 0) for images without columns.
    pub fn half_shape(&self) -> (usize, usize) {
        (self.h, if self.w == 0 { 0 } else { self.w / 2 + 1 })
    }

    /// How often an entry of this column counts in a sum over the full plane:
    /// 1 where the column is its own conjugate (0, and W/2 for even W), else 2.
    pub fn weight(&self, col: usize) -> f64 {
        if self.self_conjugate(col) { 1.0 } else { 2.0 }
    }

    /// The frequency of entry (r, c) of the half plane, or of the full plane:
    /// indices count modulo H and W.
    ///
    /// # Panics
    /// On a grid without pixels, which has no frequencies.
    pub fn frequency(&self, r: usize, c: usize) -> Frequency {
        let (mut r, mut c) = (r % self.h, c % self.w);
        let conjugate = (self.h - r) % self.h;
        if c > self.w / 2 {
            (r, c) = (conjugate, self.w - c);
        } else if self.self_conjugate(c) {
            r = r.min(conjugate);
        }
        let row = if r <= self.h / 2 { r as i32 } else { r as i32 - self.h as i32 };
        Frequency { row, col: c as i32 }
    }

    /// All distinct frequencies, in the order of the half plane's rows.
    pub fn frequencies(&self) -> Vec<Frequency> {
        self.canonical_entries().map(|(r, c)| self.frequency(r, c)).collect()
    }

    /// Entry (r, c) of the half plane that holds `k`: the one in 0..=H/2 where
    /// both conjugates are in the half plane.
    ///
    /// # Panics
    /// On a grid without pixels.
    pub fn entry(&self, k: Frequency) -> (usize, usize) {
        // In range after the remainder: rows modulo H, columns as they are.
        (k.row.rem_euclid(self.h as i32) as usize, k.col as usize)
    }

    /// Radial frequency of `k` in cycles per pixel, √((row/H)² + (col/W)²).
    pub fn radius(&self, k: Frequency) -> f64 {
        let (fy, fx) = self.cycles_per_pixel(k);
        fy.hypot(fx)
    }

    /// (cos 2θ, sin 2θ) of the orientation θ of `k`, as in
    /// [`orientation_profile`](super::Energies::orientation_profile); (0, 0) for DC,
    /// which has none. At half the sampling rate of an axis (Nyquist), θ and π − θ
    /// are the same frequency, and this is the mean over both.
    pub fn double_angle(&self, k: Frequency) -> (f64, f64) {
        let (fy, fx) = self.cycles_per_pixel(k);
        let square = fy * fy + fx * fx;
        if square == 0.0 {
            return (0.0, 0.0);
        }
        let sin = if fy == 0.5 || fx == 0.5 { 0.0 } else { 2.0 * fx * fy / square };
        ((fx * fx - fy * fy) / square, sin)
    }

    /// (row/H, col/W).
    pub(super) fn cycles_per_pixel(&self, k: Frequency) -> (f64, f64) {
        (f64::from(k.row) / self.h as f64, f64::from(k.col) / self.w as f64)
    }

    /// Number of entries of the full plane that `k` stands for: 1 where it is
    /// its own conjugate, else 2.
    pub fn multiplicity(&self, k: Frequency) -> usize {
        let own_row = (2 * k.row).rem_euclid(self.h as i32) == 0;
        if own_row && self.self_conjugate(k.col as usize) { 1 } else { 2 }
    }

    /// Entries of the half plane, one for each distinct frequency, row-major.
    pub(super) fn canonical_entries(self) -> impl Iterator<Item = (usize, usize)> {
        let (rows, cols) = self.half_shape();
        (0..rows)
            .flat_map(move |r| (0..cols).map(move |c| (r, c)))
            .filter(move |&(r, c)| r <= self.h / 2 || !self.self_conjugate(c))
    }

    fn self_conjugate(&self, col: usize) -> bool {
        col == 0 || 2 * col == self.w
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn k(row: i32, col: i32) -> Frequency {
        Frequency { row, col }
    }

    #[test]
    fn a_4x4_grid_by_hand() {
        let grid = Grid::new(4, 4);
        assert_eq!(grid.half_shape(), (4, 3));
        assert_eq!([0, 1, 2].map(|c| grid.weight(c)), [1.0, 2.0, 1.0]);
        let expected =
            [k(0, 0), k(0, 1), k(0, 2), k(1, 0), k(1, 1), k(1, 2), k(2, 0), k(2, 1), k(2, 2), k(-1, 1)];
        assert_eq!(grid.frequencies(), expected);
        // Rows 1 and 3 of columns 0 and 2 are conjugates; of column 1 they are not.
        assert_eq!(grid.frequency(3, 0), k(1, 0));
        assert_eq!(grid.frequency(3, 2), k(1, 2));
        assert_eq!(grid.frequency(3, 1), k(-1, 1));
        // The full plane's other half.
        assert_eq!(grid.frequency(3, 3), k(1, 1));
        assert_eq!(grid.frequency(1, 3), k(-1, 1));
    }

    #[test]
    fn an_odd_width_has_one_column_that_is_its_own_conjugate() {
        let grid = Grid::new(3, 5);
        assert_eq!(grid.half_shape(), (3, 3));
        assert_eq!([0, 1, 2].map(|c| grid.weight(c)), [1.0, 2.0, 2.0]);
        assert_eq!(
            grid.frequencies(),
            [k(0, 0), k(0, 1), k(0, 2), k(1, 0), k(1, 1), k(1, 2), k(-1, 1), k(-1, 2)]
        );
    }

    #[test]
    fn every_entry_of_the_full_plane_is_named_once_with_its_conjugate() {
        for h in 1..=12 {
            for w in 1..=12 {
                let grid = Grid::new(h, w);
                let mut names = HashSet::new();
                for r in 0..h {
                    for c in 0..w {
                        let name = grid.frequency(r, c);
                        assert_eq!(
                            name,
                            grid.frequency((h - r) % h, (w - c) % w),
                            "{h}x{w} entry ({r}, {c})"
                        );
                        let (h, w, row, col) = (h as i32, w as i32, name.row, name.col);
                        assert!((0..=w / 2).contains(&col) && (-(h - 1) / 2..=h / 2).contains(&row));
                        assert!(row >= 0 || !(col == 0 || 2 * col == w), "{h}x{w}: {name}");
                        names.insert(name);
                    }
                }
                let list = grid.frequencies();
                assert_eq!(list.len(), names.len(), "{h}x{w}");
                assert_eq!(list.iter().copied().collect::<HashSet<_>>(), names, "{h}x{w}");
                assert_eq!(list.iter().map(|&k| grid.multiplicity(k)).sum::<usize>(), h * w);
                for k in list {
                    let (r, c) = grid.entry(k);
                    assert!(c < grid.half_shape().1);
                    assert_eq!(grid.frequency(r, c), k);
                }
            }
        }
    }

    #[test]
    fn radius_is_in_cycles_per_pixel_of_each_axis() {
        let grid = Grid::new(8, 16);
        assert_eq!(grid.radius(k(0, 0)), 0.0);
        assert_eq!(grid.radius(k(-2, 0)), 0.25);
        assert_eq!(grid.radius(k(0, 4)), 0.25);
        assert_eq!(grid.radius(k(4, 8)), 0.5f64.sqrt());
    }

    #[test]
    fn a_frequency_is_written_as_a_pair() {
        assert_eq!(k(-2, 1).to_string(), "(-2, 1)");
        assert_eq!(format!("{:>9}", k(-2, 1)), "  (-2, 1)");
        assert_eq!(serde_json::to_string(&k(-2, 1)).unwrap(), "[-2,1]");
        assert_eq!(serde_json::from_str::<Frequency>("[-2,1]").unwrap(), k(-2, 1));
    }

    #[test]
    fn a_grid_without_pixels_has_no_frequencies() {
        assert_eq!(Grid::new(0, 5).frequencies(), []);
        assert_eq!(Grid::new(5, 0).frequencies(), []);
        assert_eq!(Grid::new(5, 0).half_shape(), (5, 0));
    }
}
