//! 338 features of a colour image (128 + 33 + 7 + 13 + 3 of a grey one) that hardly see the
//! content, but what was done to it: invariant to the place, and local.
//!
//! | number | of a colour image |
//! |---|---|
//! | 84 | autocorrelation of x less its 3×3 mean, twice, at lags 0..2 down and −2..2 across, of all pairs of channels, divided by their RMS; ln RMS (√(mean square + 1e-5)) |
//! | 96 | mean L in 8 rings of width 2 from 1 cycle per 32 pixels, in 4 orientations, of 3 opponent planes |
//! | 128 | luma from 0 to 255, 8×8 DCT from the upper left corner on: ln(mean \|c\| + 0.5) and the share of \|c\| < 2 of 63 coefficients; ln of the mean gradient across the lines of that grid, against all |
//! | 9 | a = \|x − 3×3 mean\| per channel, s its mean + 0.002: ln of max a/s, mean a²/s², mean a⁴/s⁴ |
//! | 21 | per channel combs in the histogram of the 256 values, and ln(1 + number) of values 0, 1 to 3, 252 to 254, 255 |

use super::image::{Image, residual};
use crate::spectrum::Grid;

const RINGS: usize = 8;
const ORIENTATIONS: usize = 4;
/// Side of the blocks that JPEG transforms.
const BLOCK: usize = 8;

/// What makes the features of images of one shape.
pub(super) struct Features {
    shape: [usize; 3],
    // Ring and orientation of the cells that have one.
    bands: Vec<Option<usize>>,
    counts: Vec<f64>,
    // Rows of the orthonormal DCT-II.
    cosines: [[f32; BLOCK]; BLOCK],
}

impl Features {
    pub fn new(shape: [usize; 3]) -> Self {
        let [_, h, w] = shape;
        let grid = Grid::new(h, w);
        let mut bands = vec![None; h * w];
        let mut counts = vec![0.0; RINGS * ORIENTATIONS];
        for k in grid.frequencies() {
            let (r, c) = grid.entry(k);
            let band = band(32.0 * f64::from(k.row) / h as f64, 32.0 * f64::from(k.col) / w as f64);
            if let Some(band) = band {
                counts[band] += 1.0;
            }
            bands[r * w + c] = band;
        }
        let cosine = |k: usize, i: usize| {
            let scale = if k == 0 { 0.125f64 } else { 0.25 }.sqrt();
            let angle = std::f64::consts::PI * (2 * i + 1) as f64 * k as f64 / (2 * BLOCK) as f64;
            (scale * angle.cos()) as f32
        };
        let cosines = std::array::from_fn(|k| std::array::from_fn(|i| cosine(k, i)));
        Self { shape, bands, counts, cosines }
    }

    pub fn count(&self) -> usize {
        let c = self.shape[0];
        12 * c
            + 15 * c * (c - 1) / 2
            + c
            + RINGS * ORIENTATIONS * c
            + 2 * (BLOCK * BLOCK - 1)
            + 2
            + 3 * c
            + 7 * c
    }

    pub fn of(&self, image: &Image) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.count());
        self.correlations(image, &mut out);
        self.rings(image, &mut out);
        self.blocks(image, &mut out);
        self.tails(image, &mut out);
        self.histograms(image, &mut out);
        out
    }

    fn correlations(&self, image: &Image, out: &mut Vec<f64>) {
        let [c, h, w] = self.shape;
        let r = residual(&image.residual, self.shape);
        let n = (h * w) as f64;
        let rms: Vec<f64> = r.chunks_exact(h * w).map(|r| (f64::from(dot(r, r)) / n + 1e-5).sqrt()).collect();
        // Two more rows and two columns at both sides, periodic, so that lags are slices.
        let wide = w + 4;
        let padded: Vec<Vec<f32>> = r
            .chunks_exact(h * w)
            .map(|plane| {
                let at = |y: usize, x: usize| plane[y % h * w + (x + w - 2) % w];
                (0..h + 2).flat_map(|y| (0..wide).map(move |x| (y, x))).map(|(y, x)| at(y, x)).collect()
            })
            .collect();
        for a in 0..c {
            for b in a..c {
                for dy in 0..3 {
                    for dx in 0..5 {
                        if a == b && dy == 0 && dx <= 2 {
                            continue;
                        }
                        // Σ r_a(p + d) r_b(p)
                        let line = |y: usize| {
                            let from = (y + dy) * wide + dx;
                            dot(&padded[a][from..from + w], &r[b * h * w + y * w..b * h * w + (y + 1) * w])
                        };
                        let sum: f64 = (0..h).map(|y| f64::from(line(y))).sum();
                        out.push(sum / n / (rms[a] * rms[b]));
                    }
                }
            }
        }
        out.extend(rms.iter().map(|rms| rms.ln()));
    }

    fn rings(&self, image: &Image, out: &mut Vec<f64>) {
        let [_, h, w] = self.shape;
        for log in image.log.chunks_exact(h * w) {
            let mut sums = [0.0; RINGS * ORIENTATIONS];
            for (l, band) in log.iter().zip(&self.bands) {
                if let Some(band) = band {
                    sums[*band] += l;
                }
            }
            out.extend(sums.iter().zip(&self.counts).map(|(s, n)| s / n.max(1.0)));
        }
    }

    fn blocks(&self, image: &Image, out: &mut Vec<f64>) {
        let [c, h, w] = self.shape;
        let mut luma = vec![0f32; h * w];
        for plane in image.bytes.chunks_exact(h * w) {
            luma.iter_mut().zip(plane).for_each(|(l, &b)| *l += f32::from(b) / c as f32);
        }
        let (mut sizes, mut small, mut blocks) = ([0f64; BLOCK * BLOCK], [0f64; BLOCK * BLOCK], 0.0);
        for top in (0..=h - BLOCK).step_by(BLOCK) {
            for left in (0..=w - BLOCK).step_by(BLOCK) {
                blocks += 1.0;
                for (i, v) in self.transform(|y, x| luma[(top + y) * w + left + x]).into_iter().enumerate() {
                    sizes[i] += f64::from(v.abs());
                    small[i] += f64::from(u8::from(v.abs() < 2.0));
                }
            }
        }
        out.extend(sizes[1..].iter().map(|s| (s / blocks + 0.5).ln()));
        out.extend(small[1..].iter().map(|n| n / blocks));
        let across = |lines: usize, along: usize, value: &dyn Fn(usize, usize) -> f32| {
            let (mut at, mut all, mut n) = (0.0, 0.0, 0.0);
            for i in 0..lines - 1 {
                let sum: f64 = (0..along).map(|j| f64::from((value(i + 1, j) - value(i, j)).abs())).sum();
                all += sum / (along * (lines - 1)) as f64;
                if i % BLOCK == BLOCK - 1 {
                    at += sum / along as f64;
                    n += 1.0;
                }
            }
            ((at / n + 0.5) / (all + 0.5)).ln()
        };
        out.push(across(w, h, &|x, y| luma[y * w + x]));
        out.push(across(h, w, &|y, x| luma[y * w + x]));
    }

    // DCT of a block, row-major.
    fn transform(&self, block: impl Fn(usize, usize) -> f32) -> [f32; BLOCK * BLOCK] {
        let mut half = [0f32; BLOCK * BLOCK];
        for y in 0..BLOCK {
            for (k, cosines) in self.cosines.iter().enumerate() {
                half[y * BLOCK + k] = (0..BLOCK).map(|x| cosines[x] * block(y, x)).sum();
            }
        }
        std::array::from_fn(|i| {
            let (row, col) = (i / BLOCK, i % BLOCK);
            (0..BLOCK).map(|y| self.cosines[row][y] * half[y * BLOCK + col]).sum()
        })
    }

    fn tails(&self, image: &Image, out: &mut Vec<f64>) {
        let [_, h, w] = self.shape;
        let n = (h * w) as f64;
        let [mut most, mut second, mut fourth] = [const { Vec::new() }; 3];
        for plane in image.residual.chunks_exact(h * w) {
            let (mut max, mut sum, mut squares, mut fourths) = (0f64, 0.0, 0.0, 0.0);
            for r in plane {
                let a = f64::from(r.abs());
                max = max.max(a);
                sum += a;
                squares += a * a;
                fourths += a * a * a * a;
            }
            let s = sum / n + 0.002;
            // Without any structure there is no logarithm.
            let ln = |v: f64| v.max(1e-3).ln();
            most.push(ln(max / s));
            second.push(ln(squares / n / (s * s)));
            fourth.push(ln(fourths / n / s.powi(4)));
        }
        out.extend(most.into_iter().chain(second).chain(fourth));
    }

    fn histograms(&self, image: &Image, out: &mut Vec<f64>) {
        let [_, h, w] = self.shape;
        for plane in image.bytes.chunks_exact(h * w) {
            let mut n = [0f64; 256];
            plane.iter().for_each(|&v| n[usize::from(v)] += 1.0);
            let (mut squares, mut below, mut above, mut count) = (0.0, 0.0, 0.0, 3.0);
            for v in 3..252 {
                let expected = (n[v - 1] + n[v + 1]) / 2.0;
                if expected >= 4.0 {
                    let z = (n[v] - expected) / (1.5 * expected + 1.0).sqrt();
                    squares += z * z;
                    count += 1.0;
                    below += f64::from(u8::from(z < -2.0));
                    above += f64::from(u8::from(z > 3.0));
                }
            }
            out.extend([(squares / count + 0.2).ln(), below / count, above / count]);
            let ends = [0..1, 1..4, 252..255, 255..256];
            out.extend(ends.map(|range| (n[range].iter().sum::<f64>() + 1.0).ln()));
        }
    }
}

// Of cycles per 32 pixels.
fn band(row: f64, col: f64) -> Option<usize> {
    use std::f64::consts::{FRAC_PI_4, FRAC_PI_8, PI};
    let radius = row.hypot(col);
    if radius < 1.0 || radius >= 1.0 + 2.0 * RINGS as f64 {
        return None;
    }
    let ring = ((radius - 1.0) / 2.0) as usize;
    let orientation = ((row.atan2(col) + FRAC_PI_8).rem_euclid(PI) / FRAC_PI_4) as usize;
    Some(ring * ORIENTATIONS + orientation.min(ORIENTATIONS - 1))
}

// In eight lanes, for the compiler to use them; always in the same order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (mut lanes, n) = ([0f32; LANES], a.len() / LANES * LANES);
    for (a, b) in a[..n].chunks_exact(LANES).zip(b[..n].chunks_exact(LANES)) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    lanes.iter().sum::<f32>() + a[n..].iter().zip(&b[n..]).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use proptest::prelude::*;
    use rand::Rng;

    fn noise(shape: [usize; 3], seed: u64) -> Vec<u8> {
        let mut rng = seed::rng(seed, "test/features", 0);
        (0..shape.iter().product()).map(|_| rng.random()).collect()
    }

    #[test]
    fn correlations_are_the_naive_sums() {
        let shape = [3, 13, 16];
        let bytes = noise(shape, 1);
        let image = Image::new(&bytes, shape);
        let mut fast = Vec::new();
        Features::new(shape).correlations(&image, &mut fast);
        let x: Vec<f32> = bytes.iter().map(|&b| f32::from(b) / 255.0).collect();
        let r = residual(&residual(&x, shape), shape);
        let (h, w) = (13usize, 16usize);
        let at = |a: usize, y: usize, x: usize| f64::from(r[a * h * w + y % h * w + x % w]);
        let mean = |a: usize, b: usize, dy: usize, dx: usize| {
            let cells = (0..h).flat_map(|y| (0..w).map(move |x| (y, x)));
            cells.map(|(y, x)| at(a, y + dy, x + w + dx - 2) * at(b, y, x)).sum::<f64>() / (h * w) as f64
        };
        let rms: Vec<f64> = (0..3).map(|a| (mean(a, a, 0, 2) + 1e-5).sqrt()).collect();
        let mut naive = Vec::new();
        for (a, b) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)] {
            for (dy, dx) in (0..3).flat_map(|dy| (0..5).map(move |dx| (dy, dx))) {
                if a != b || dy > 0 || dx > 2 {
                    naive.push(mean(a, b, dy, dx) / rms[a] / rms[b]);
                }
            }
        }
        naive.extend(rms.iter().map(|v| v.ln()));
        assert_eq!(fast.len(), 84);
        assert_eq!(naive.len(), 84);
        assert!(fast.iter().zip(&naive).all(|(a, b)| (a - b).abs() < 1e-5), "{fast:?} {naive:?}");
    }

    #[test]
    fn the_transform_is_the_naive_double_sum() {
        let mut rng = seed::rng(2, "test/features", 0);
        let block: Vec<f32> = (0..64).map(|_| rng.random_range(0.0..255.0)).collect();
        let fast = Features::new([1, 16, 16]).transform(|y, x| block[y * 8 + x]);
        for (i, fast) in fast.into_iter().enumerate() {
            let (k, l) = (i / 8, i % 8);
            let scale = |k: usize| if k == 0 { 0.125f64.sqrt() } else { 0.5 };
            let cos = |k: usize, x: usize| (std::f64::consts::PI * (x as f64 + 0.5) * k as f64 / 8.0).cos();
            let naive: f64 =
                (0..64).map(|p| f64::from(block[p]) * cos(k, p / 8) * cos(l, p % 8)).sum::<f64>()
                    * scale(k)
                    * scale(l);
            assert!((f64::from(fast) - naive).abs() < 1e-3, "{i}: {fast} {naive}");
        }
    }

    #[test]
    fn blocks_by_hand() {
        // Columns in steps of 8 pixels: gradients 16 at the lines of the grid and nowhere else.
        let shape = [1, 16, 32];
        let bytes: Vec<u8> = (0..512).map(|i| (i % 32 / 8 * 16) as u8).collect();
        let mut out = Vec::new();
        Features::new(shape).blocks(&Image::new(&bytes, shape), &mut out);
        assert_eq!(out.len(), 128);
        // The transform is in single precision.
        assert!((out[0] - 0.5f64.ln()).abs() < 1e-3 && out[63..126].iter().all(|&v| v == 1.0));
        assert!((out[126] - (16.5f64 / (48.0 / 31.0 + 0.5)).ln()).abs() < 1e-9);
        assert!(out[127].abs() < 1e-9);
    }

    #[test]
    fn histograms_by_hand() {
        let shape = [1, 12, 12];
        // 50 of 100 and 102, none of 101; 43 zeros, one of 255.
        let mut bytes = vec![0u8; 144];
        bytes[..50].fill(100);
        bytes[50..100].fill(102);
        bytes[100] = 255;
        let mut out = Vec::new();
        Features::new(shape).histograms(&Image::new(&bytes, shape), &mut out);
        // Three values have neighbours: 99 and 103 and 101, of 25, 25 and 50 expected.
        let z: [f64; 3] = [25.0, 50.0, 25.0].map(|e: f64| -e / (1.5 * e + 1.0).sqrt());
        let squares: f64 = z.iter().map(|z| z * z).sum();
        let want = [(squares / 6.0 + 0.2).ln(), 0.5, 0.0, 44f64.ln(), 0.0, 0.0, 2f64.ln()];
        assert!(out.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{out:?}");
    }

    proptest! {
        #[test]
        fn features_are_finite_and_as_many_as_said(
            (c, h, w) in (0usize..2, 12usize..40, 12usize..40), seed in 0u64..100, flat in 0u8..4
        ) {
            let shape = [1 + 2 * c, h, w];
            let mut bytes = noise(shape, seed);
            if flat == 0 {
                bytes.fill(seed as u8);
            }
            let features = Features::new(shape);
            let found = features.of(&Image::new(&bytes, shape));
            prop_assert_eq!(found.len(), features.count());
            prop_assert_eq!(features.count(), if c == 0 { 183 } else { 338 });
            prop_assert!(found.iter().all(|v| v.is_finite()));
        }
    }
}
