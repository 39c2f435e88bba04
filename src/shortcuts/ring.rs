//! The background of a cell of a spectrum: the 16 cells of the 5×5 square around it without
//! the inner 3×3, periodic.

use rustfft::num_complex::Complex;

/// Mean of `plane` `[h, w]` over the ring of every cell.
pub(super) fn mean(plane: &[f64], h: usize, w: usize, out: &mut [f64]) {
    let (small, large) = (sums(plane, h, w, 1), sums(plane, h, w, 2));
    out.iter_mut().zip(small).zip(large).for_each(|((out, s), l)| *out = (l - s) / 16.0);
}

// Sums over the square of side 2r + 1 around every cell.
fn sums(plane: &[f64], h: usize, w: usize, r: usize) -> Vec<f64> {
    let mut rows = vec![0.0; h * w];
    // A line with its other end on either side, so that shifts are slices.
    let mut wide = vec![0.0; w + 2 * r];
    for (line, out) in plane.chunks_exact(w).zip(rows.chunks_exact_mut(w)) {
        wide[r..w + r].copy_from_slice(line);
        wide[..r].copy_from_slice(&line[w - r..]);
        wide[w + r..].copy_from_slice(&line[..r]);
        for d in 0..=2 * r {
            out.iter_mut().zip(&wide[d..d + w]).for_each(|(out, v)| *out += v);
        }
    }
    let mut all = vec![0.0; h * w];
    for (y, out) in all.chunks_exact_mut(w).enumerate() {
        for d in 0..=2 * r {
            let from = (y + h + d - r) % h * w;
            out.iter_mut().zip(&rows[from..from + w]).for_each(|(out, v)| *out += v);
        }
    }
    all
}

/// How much each cell of a spectrum stands out of its ring.
pub(super) struct Contrast {
    /// (z − mean) / √(1 + 16/15 variance), mean and variance over the ring.
    pub t: Vec<f64>,
    /// z − mean alone.
    pub difference: Vec<f64>,
}

/// Contrast of `z` `[h, w]`: the real parts with their sign, or the modulus. The conjugate −k
/// is never background of k.
pub(super) fn contrast(z: &[Complex<f64>], h: usize, w: usize, signed: bool) -> Contrast {
    let (mut t, mut difference) = (Vec::with_capacity(h * w), Vec::with_capacity(h * w));
    for y in 0..h {
        for x in 0..w {
            let (mut n, mut sum, mut squares) = (0.0, Complex::new(0.0, 0.0), 0.0);
            for (dy, dx) in offsets() {
                let (r, c) = ((y + h + dy - 2) % h, (x + w + dx - 2) % w);
                if (r + y).is_multiple_of(h) && (c + x).is_multiple_of(w) {
                    continue;
                }
                let v = z[r * w + c];
                n += 1.0;
                sum += v;
                squares += v.norm_sqr();
            }
            let mean = sum / n;
            let variance = (squares / n - mean.norm_sqr()).max(0.0);
            let d = z[y * w + x] - mean;
            let d = if signed { d.re } else { d.norm() };
            difference.push(d);
            t.push(d / (1.0 + variance * 16.0 / 15.0).sqrt());
        }
    }
    Contrast { t, difference }
}

// Of the ring, 2 more than they are.
fn offsets() -> impl Iterator<Item = (usize, usize)> {
    (0..5).flat_map(|dy| (0..5).map(move |dx| (dy, dx))).filter(|&(dy, dx)| {
        let outer = |d: usize| d == 0 || d == 4;
        outer(dy) || outer(dx)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_cell_is_background_of_sixteen() {
        let (h, w) = (12, 13);
        let mut plane = vec![0.0; h * w];
        plane[0] = 16.0;
        let mut out = vec![0.0; h * w];
        mean(&plane, h, w, &mut out);
        assert_eq!(offsets().count(), 16);
        assert_eq!(out.iter().filter(|&&v| v == 1.0).count(), 16);
        assert_eq!(out.iter().filter(|&&v| v == 0.0).count(), h * w - 16);
        // Two rows down, one column to the left; and nothing next to it.
        assert_eq!((out[2 * w + w - 1], out[w], out[0]), (1.0, 0.0, 0.0));
    }

    #[test]
    fn means_are_those_over_the_sixteen_cells() {
        let (h, w) = (12, 14);
        let plane: Vec<f64> = (0..h * w).map(|i| ((i * i * 7 + i * 3) % 31) as f64).collect();
        let mut out = vec![0.0; h * w];
        mean(&plane, h, w, &mut out);
        for y in 0..h {
            for x in 0..w {
                let want: f64 =
                    offsets().map(|(dy, dx)| plane[(y + h + dy - 2) % h * w + (x + w + dx - 2) % w]).sum();
                assert!((out[y * w + x] - want / 16.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn contrast_by_hand() {
        let (h, w) = (16, 16);
        let mut z = vec![Complex::new(0.0, 0.0); h * w];
        // Background 1 and 3 in turn by column: the ring of an even column has 12 cells of
        // even columns and 4 of odd ones.
        z.iter_mut().enumerate().for_each(|(i, v)| v.re = if i % 2 == 0 { 1.0 } else { 3.0 });
        z[5 * w + 6].re = 9.0;
        let found = contrast(&z, h, w, true);
        let (m, v) = (1.5, 0.75);
        let want = (9.0 - m) / (1.0f64 + v * 16.0 / 15.0).sqrt();
        assert!((found.difference[5 * w + 6] - (9.0 - m)).abs() < 1e-12);
        assert!((found.t[5 * w + 6] - want).abs() < 1e-12);
    }

    #[test]
    fn the_conjugate_is_no_background() {
        let (h, w) = (16, 16);
        let mut z = vec![Complex::new(0.0, 0.0); h * w];
        // (0, 1) and (0, −1) are two apart.
        z[1] = Complex::new(4.0, 3.0);
        z[w - 1] = Complex::new(4.0, -3.0);
        let found = contrast(&z, h, w, false);
        assert!((found.t[1] - 5.0).abs() < 1e-12 && (found.t[w - 1] - 5.0).abs() < 1e-12);
    }
}
