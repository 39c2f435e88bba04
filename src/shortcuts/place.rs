//! P: the mean of one place, of what the 3×3 mean leaves.
//!
//! r = x − 3×3 mean, s = mean |r| of the image + 0.004, p = clip(r/s, ±1.5) without the pixels at
//! the edge; q(position) = Σ over colours of [class z](super::sums::class_z)². The statistic is
//! the mean of the 12 largest q (of images larger than 32×32 as large a part of them) over
//! 1.5 + the median of q. Of grey images q counts three times,
//! as of images with three equal channels.

use super::Place;
use super::detector::{Detector, Finding, Kind};
use super::image::Image;
use super::sums::{Sums, class_z};
use crate::stats::quantile;

pub(super) const KIND: Kind =
    Kind { name: "place", about: "one place", make: |context| Box::new(At { shape: context.shape }) };

const LEVEL: f64 = 15.5;
/// Of a class of more images the level is higher, by the fourth root.
const IMAGES: f64 = 400.0;
const TOP: usize = 12;
/// Positions of images of 32×32, of which this many are the top.
const OF: f64 = 900.0;
const LARGEST: f32 = 1.5;
/// Part of the largest smoothed q that belongs to the place.
const BOX: f64 = 0.25;

struct At {
    shape: [usize; 3],
}

impl At {
    // q of the positions [h − 2, w − 2].
    fn q(&self, z: &[f64]) -> Vec<f64> {
        let [c, h, w] = self.shape;
        let n = (h - 2) * (w - 2);
        let mut q = vec![0.0; n];
        for z in z.chunks_exact(n) {
            q.iter_mut().zip(z).for_each(|(q, z)| *q += z * z);
        }
        q.iter_mut().for_each(|q| *q *= 3.0 / c as f64);
        q
    }
}

// The mean of the largest over 1.5 + the median.
fn statistic(mut q: Vec<f64>) -> f64 {
    q.sort_unstable_by(|a, b| b.total_cmp(a));
    let top = TOP.max((TOP as f64 * q.len() as f64 / OF).round() as usize);
    q[..top].iter().sum::<f64>() / top as f64 / (1.5 + quantile(&q, 0.5))
}

// For a class of `count` images.
fn level(count: f64) -> f64 {
    LEVEL * (count / IMAGES).powf(0.25).max(1.0)
}

impl Detector for At {
    fn len(&self) -> usize {
        let [c, h, w] = self.shape;
        c * (h - 2) * (w - 2)
    }

    fn values(&self, image: &Image, out: &mut [f64]) {
        let [_, h, w] = self.shape;
        let s = image.residual.iter().map(|r| r.abs()).sum::<f32>() / image.residual.len() as f32 + 0.004;
        let planes = image.residual.chunks_exact(h * w);
        for (plane, out) in planes.zip(out.chunks_exact_mut((h - 2) * (w - 2))) {
            for (y, out) in out.chunks_exact_mut(w - 2).enumerate() {
                let line = &plane[(y + 1) * w + 1..(y + 2) * w - 1];
                out.iter_mut().zip(line).for_each(|(p, r)| *p = f64::from((r / s).clamp(-LARGEST, LARGEST)));
            }
        }
    }

    fn ratio(&self, own: &Sums, total: &Sums) -> f64 {
        statistic(self.q(&class_z(own, total))) / level(own.count)
    }

    fn masked(&self, own: &Sums, total: &Sums) -> f64 {
        let [_, h, w] = self.shape;
        let q = self.q(&class_z(own, total));
        let place = located(&q, h - 2, w - 2);
        let inside = |i: usize| {
            let (row, col) = (i / (w - 2) + 1, i % (w - 2) + 1);
            (place.row..place.row + place.height).contains(&row)
                && (place.col..place.col + place.width).contains(&col)
        };
        let left: Vec<f64> = (0..q.len()).filter(|&i| !inside(i)).map(|i| q[i]).collect();
        // A place as large as the image leaves nothing.
        if left.len() < TOP { 0.0 } else { statistic(left) / level(own.count) }
    }

    fn finding(&self, halves: &[Sums; 2], totals: &[Sums; 2]) -> Finding<'_> {
        let [_, h, w] = self.shape;
        let n = (h - 2) * (w - 2);
        let q = self.q(&class_z(&Sums::total(halves), &Sums::total(totals)));
        let place = located(&q, h - 2, w - 2);
        // A matched filter of each half of the images, for the other half.
        let filter = |half: usize| {
            let mut z = class_z(&halves[half], &totals[half]);
            let q = self.q(&z);
            let least = (4.0 * quantile(&q, 0.5)).max(9.0);
            z.iter_mut().enumerate().for_each(|(i, z)| *z *= f64::from(u8::from(q[i % n] > least)));
            z
        };
        let filters = [filter(1), filter(0)];
        Finding {
            place: Some(place),
            crossed: true,
            ..Finding::scored(move |values: &[f64], half| {
                values.iter().zip(&filters[half]).map(|(p, z)| p * z).sum()
            })
        }
    }
}

// The box of the cells whose 3×3 mean of q is at least a quarter of the largest, in pixels of
// the image, of which q has no edge.
fn located(q: &[f64], h: usize, w: usize) -> Place {
    let smooth = |y: usize, x: usize| {
        let rows = y.saturating_sub(1)..(y + 2).min(h);
        rows.map(|y| q[y * w + x.saturating_sub(1)..y * w + (x + 2).min(w)].iter().sum::<f64>()).sum::<f64>()
    };
    let cells = || (0..h).flat_map(|y| (0..w).map(move |x| (y, x)));
    let (mut peak, mut most) = ((0, 0), f64::NEG_INFINITY);
    for (y, x) in cells() {
        if smooth(y, x) > most {
            (peak, most) = ((y, x), smooth(y, x));
        }
    }
    let (mut low, mut high) = (peak, peak);
    for (y, x) in cells().filter(|&(y, x)| smooth(y, x) >= BOX * most) {
        low = (low.0.min(y), low.1.min(x));
        high = (high.0.max(y), high.1.max(x));
    }
    Place {
        row: low.0 + 1,
        col: low.1 + 1,
        height: high.0 - low.0 + 1,
        width: high.1 - low.1 + 1,
        peak: [peak.0 + 1, peak.1 + 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_by_hand() {
        let (h, w) = (10, 12);
        let mut q = vec![0.0; h * w];
        q[3 * w + 4] = 9.0;
        q[3 * w + 5] = 9.0;
        // Means of two cells over rows 2 to 4 and columns 4 and 5, of one also over 3 and 6.
        let want = Place { row: 3, col: 4, height: 3, width: 4, peak: [3, 5] };
        assert_eq!(located(&q, h, w), want);
    }

    #[test]
    fn the_statistic_by_hand() {
        let at = At { shape: [1, 12, 12] };
        // 101 of 1, twice zero: z is that of the first 12 positions alone.
        let (mut own, mut rest) = (Sums::new(100), Sums::new(100));
        for i in 0..10 {
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            let values: Vec<f64> = (0..100).map(|p| sign + if p < 12 { 1.0 } else { 0.0 }).collect();
            own.push(&values);
            rest.push(&[sign; 100]);
        }
        let total = Sums::total([&own, &rest]);
        // Difference 1, variance 1 + 1/4, error √(1/5).
        let q = 3.0 / (1.25 * 0.2);
        assert!((at.ratio(&own, &total) - q / 1.5 / LEVEL).abs() < 1e-9);
    }
}
