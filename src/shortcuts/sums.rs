//! Sums of per-image values over the images of a class, and what they say of it.

/// How many images, and for each of their values the sum and the sum of squares.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sums {
    pub count: f64,
    pub sum: Vec<f64>,
    pub squares: Vec<f64>,
}

impl Sums {
    pub fn new(values: usize) -> Self {
        Self { count: 0.0, sum: vec![0.0; values], squares: vec![0.0; values] }
    }

    /// Counts one more image.
    pub fn push(&mut self, values: &[f64]) {
        self.count += 1.0;
        for ((sum, square), v) in self.sum.iter_mut().zip(&mut self.squares).zip(values) {
            *sum += v;
            *square += v * v;
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum.iter_mut().zip(&other.sum).for_each(|(a, b)| *a += b);
        self.squares.iter_mut().zip(&other.squares).for_each(|(a, b)| *a += b);
    }

    /// Of all these together, in their order.
    pub fn total<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut total = parts.next().cloned().unwrap_or_else(|| Self::new(0));
        parts.for_each(|part| total.add(part));
        total
    }

    /// Variance of each value.
    pub fn variances(&self) -> Vec<f64> {
        let n = self.count;
        self.sum.iter().zip(&self.squares).map(|(s, q)| (q / n - (s / n).powi(2)).max(0.0)).collect()
    }
}

// Beside a standard deviation, for values that do not vary.
const LEAST: f64 = 1e-12;

/// Mean of each value over a class less that over the other images of `total`.
pub(super) fn differences(own: &Sums, total: &Sums) -> Vec<f64> {
    let rest = total.count - own.count;
    own.sum.iter().zip(&total.sum).map(|(s, all)| s / own.count - (all - s) / rest).collect()
}

/// √(1/n_c + 1/n_rest): the standard error of a difference, in standard deviations.
pub(super) fn error(own: &Sums, total: &Sums) -> f64 {
    (1.0 / own.count + 1.0 / (total.count - own.count)).sqrt()
}

/// z = (mean_c − mean_rest) / (sd √(1/n_c + 1/n_rest)) of each value, sd over all images.
pub(super) fn class_z(own: &Sums, total: &Sums) -> Vec<f64> {
    let error = error(own, total);
    let scale = total.variances().into_iter().map(|v| (v.sqrt() + LEAST) * error);
    differences(own, total).into_iter().zip(scale).map(|(d, s)| d / s).collect()
}

/// The same of complex values, given as all real parts and then all imaginary parts; sd² is the
/// mean of |W − mean W|².
pub(super) fn complex_z(own: &Sums, total: &Sums) -> Vec<rustfft::num_complex::Complex<f64>> {
    let (d, v, error) = (differences(own, total), total.variances(), error(own, total));
    let half = d.len() / 2;
    let z = |i: usize| {
        let scale = ((v[i] + v[half + i]).sqrt() + LEAST) * error;
        rustfft::num_complex::Complex::new(d[i] / scale, d[half + i] / scale)
    };
    (0..half).map(z).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(rows: &[[f64; 2]]) -> Sums {
        let mut sums = Sums::new(2);
        rows.iter().for_each(|row| sums.push(row));
        sums
    }

    #[test]
    fn z_by_hand() {
        // Class 3, 5; rest 1, 1, 0, 2: means 4 and 1, of all 2, squares 40/6 − 4 = 16/6.
        let (own, rest) =
            (of(&[[3.0, 7.0], [5.0, 7.0]]), of(&[[1.0, 7.0], [1.0, 7.0], [0.0, 7.0], [2.0, 7.0]]));
        let total = Sums::total([&own, &rest]);
        let z = class_z(&own, &total);
        let want = 3.0 / ((16.0f64 / 6.0).sqrt() * (0.5f64 + 0.25).sqrt());
        assert!((z[0] - want).abs() < 1e-9, "{} {want}", z[0]);
        // What does not vary says nothing.
        assert_eq!(z[1], 0.0);
        // Complex: 3 + 7i and 5 + 7i, with the same deviation.
        let c = complex_z(&own, &total);
        assert_eq!(c.len(), 1);
        assert!((c[0].re - want).abs() < 1e-9 && c[0].im == 0.0);
    }

    proptest! {
        #[test]
        fn two_classes_are_opposite_and_scale_is_nothing(
            a in proptest::collection::vec(-5.0f64..5.0, 3..12),
            b in proptest::collection::vec(-5.0f64..5.0, 3..12),
            scale in 0.1f64..10.0
        ) {
            let sums = |v: &[f64], s: f64| {
                let mut sums = Sums::new(1);
                v.iter().for_each(|x| sums.push(&[x * s + 1.0]));
                sums
            };
            let z = |s: f64| {
                let (a, b) = (sums(&a, s), sums(&b, s));
                let total = Sums::total([&a, &b]);
                (class_z(&a, &total)[0], class_z(&b, &total)[0])
            };
            let (first, second) = z(1.0);
            prop_assert!((first + second).abs() < 1e-6 * (1.0 + first.abs()));
            prop_assert!((first - z(scale).0).abs() < 1e-6 * (1.0 + first.abs()));
        }
    }
}
