//! H: spikes in the smallest and the largest values of a channel, which a tint or a change of
//! brightness leaves where images reach black or white.
//!
//! N(v) is the number of images of the class whose channel has its minimum (or maximum) at v of
//! 0 to 255; e(v) the mean of N over v ± 2 … v ± 6 without 0 and 255, or what the other classes
//! lead to expect, whichever is larger; T = (N − e)/√(e + 1 + (e/2)²) with 0 and 255 left out.
//! The statistic is √(Σ over channels of max(0, max T)²); of grey images the sum counts three
//! times.

use super::Extreme;
use super::detector::{Detector, Finding, Kind};
use super::image::Image;
use super::sums::Sums;

pub(super) const KIND: Kind = Kind {
    name: "extremes",
    about: "tint or brightness",
    make: |context| Box::new(Ends { shape: context.shape }),
};

const LEVEL: f64 = 6.8;
const VALUES: usize = 256;

struct Ends {
    shape: [usize; 3],
}

// Of the images of a class [256], and of all.
fn spikes(own: &[f64], total: &[f64], count: f64, of: f64) -> Vec<f64> {
    let spike = |v: usize| {
        if v == 0 || v == VALUES - 1 {
            return 0.0;
        }
        let (mut sum, mut n) = (0.0, 0.0);
        for (at, count) in own.iter().enumerate().take(v + 7).skip(v.saturating_sub(6)) {
            if at.abs_diff(v) >= 2 && at > 0 && at < VALUES - 1 {
                sum += count;
                n += 1.0;
            }
        }
        let other = (total[v] - own[v]) / (of - count) * count;
        let e = f64::max(sum / n, other);
        (own[v] - e) / (e + 1.0 + 0.25 * e * e).sqrt()
    };
    (0..VALUES).map(spike).collect()
}

fn largest(t: &[f64]) -> usize {
    (0..t.len()).fold(0, |best, i| if t[i] > t[best] { i } else { best })
}

impl Ends {
    fn statistic(&self, t: &[f64]) -> f64 {
        let most = t.chunks_exact(2 * VALUES).map(|t| t.iter().copied().fold(0.0, f64::max).powi(2));
        (most.sum::<f64>() * 3.0 / self.shape[0] as f64).sqrt()
    }

    // [c, 2, 256]
    fn all(&self, own: &Sums, total: &Sums) -> Vec<f64> {
        let pairs = own.sum.chunks_exact(VALUES).zip(total.sum.chunks_exact(VALUES));
        pairs.flat_map(|(n, all)| spikes(n, all, own.count, total.count)).collect()
    }
}

impl Detector for Ends {
    // One of the 256 values of every channel and end is 1.
    fn len(&self) -> usize {
        self.shape[0] * 2 * VALUES
    }

    fn values(&self, image: &Image, out: &mut [f64]) {
        let [_, h, w] = self.shape;
        out.fill(0.0);
        for (plane, out) in image.bytes.chunks_exact(h * w).zip(out.chunks_exact_mut(2 * VALUES)) {
            let (low, high) = plane.iter().fold((255, 0), |(low, high), &v| (v.min(low), v.max(high)));
            out[usize::from(low)] = 1.0;
            out[VALUES + usize::from(high)] = 1.0;
        }
    }

    fn ratio(&self, own: &Sums, total: &Sums) -> f64 {
        self.statistic(&self.all(own, total)) / LEVEL
    }

    fn masked(&self, own: &Sums, total: &Sums) -> f64 {
        let mut t = self.all(own, total);
        let at = largest(&t);
        t[at] = 0.0;
        self.statistic(&t) / LEVEL
    }

    fn finding(&self, [a, b]: &[Sums; 2], total: &[Sums; 2]) -> Finding<'_> {
        let t = self.all(&Sums::total([a, b]), &Sums::total(total));
        let at = largest(&t);
        let channel = at / (2 * VALUES);
        let colour = if self.shape[0] == 1 { "grey" } else { ["red", "green", "blue"][channel] };
        let end = if (at / VALUES).is_multiple_of(2) { "minimum" } else { "maximum" };
        Finding {
            extreme: Some(Extreme { channel: colour, end, value: (at % VALUES) as u8 }),
            ties: true,
            ..Finding::scored(move |values: &[f64], _| values[at])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_by_hand() {
        let (mut own, mut rest) = (vec![0.0; VALUES], vec![0.0; VALUES]);
        own[100] = 30.0;
        // Two of the ten neighbours that count: a mean of 2.
        (own[98], own[106], own[101], own[94]) = (12.0, 8.0, 50.0, 0.0);
        rest[100] = 8.0;
        (own[0], own[255]) = (500.0, 500.0);
        let total: Vec<f64> = own.iter().zip(&rest).map(|(a, b)| a + b).collect();
        // Of 400 other images to 200: 4 expected, more than 2.
        let t = spikes(&own, &total, 200.0, 600.0);
        assert!((t[100] - 26.0 / (4.0f64 + 1.0 + 4.0).sqrt()).abs() < 1e-12, "{}", t[100]);
        assert_eq!((t[0], t[255]), (0.0, 0.0));
        // Next to black the 500 there do not count as neighbours.
        assert_eq!(t[3], 0.0);
    }

    #[test]
    fn images_are_counted_at_both_ends() {
        let ends = Ends { shape: [1, 12, 12] };
        let mut bytes = vec![90u8; 144];
        (bytes[3], bytes[77]) = (7, 201);
        let mut out = vec![5.0; 512];
        ends.values(&Image::new(&bytes, [1, 12, 12]), &mut out);
        assert_eq!((out[7], out[256 + 201], out.iter().sum::<f64>()), (1.0, 1.0, 2.0));
    }
}
