//! How well one score tells a class from the rest.

use crate::stats::Z95;
#[cfg(test)]
use crate::stats::auc;

/// Share of `positive` above the score that a share `fpr` of `negative` is above. Negative
/// scores ascend.
pub(super) fn tpr(positive: &[f64], negative: &[f64], fpr: f64) -> f64 {
    let at = (negative.len() as f64 * (1.0 - fpr)).ceil() as usize;
    let Some(&threshold) = negative.get(at.max(1) - 1) else { return f64::NAN };
    positive.iter().filter(|&&s| s > threshold).count() as f64 / positive.len() as f64
}

/// 95 % interval of an area: Hanley & McNeil, "The meaning and use of the area under a receiver
/// operating characteristic (ROC) curve", Radiology 143, 1982, equation 1.
pub(super) fn interval(area: f64, positive: usize, negative: usize) -> [f64; 2] {
    let (p, n) = (positive as f64, negative as f64);
    let (q1, q2) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let square = area * area;
    let variance = (area * (1.0 - area) + (p - 1.0) * (q1 - square) + (n - 1.0) * (q2 - square)) / (p * n);
    let reach = Z95 * variance.max(0.0).sqrt();
    [(area - reach).max(0.0), (area + reach).min(1.0)]
}

/// The scores of the class and of the rest, the latter ascending.
pub(super) fn divided(scores: &[f64], labels: &[usize], class: usize) -> (Vec<f64>, Vec<f64>) {
    let of =
        |own: bool| scores.iter().zip(labels).filter(move |(_, l)| (**l == class) == own).map(|(s, _)| *s);
    let mut negative: Vec<f64> = of(false).collect();
    negative.sort_unstable_by(f64::total_cmp);
    (of(true).collect(), negative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let scores = [0.9, 0.1, 0.5, 0.3, 0.5, 0.2];
        let (positive, negative) = divided(&scores, &[1, 0, 1, 0, 0, 2], 1);
        assert_eq!((positive.as_slice(), negative.as_slice()), (&[0.9, 0.5][..], &[0.1, 0.2, 0.3, 0.5][..]));
        // 4 of 4, and 3 with one tie.
        assert!((auc(&positive, &negative) - 7.5 / 8.0).abs() < 1e-15);
        // Above the largest, above the second largest.
        assert_eq!([0.0, 0.25].map(|f| tpr(&positive, &negative, f)), [0.5, 1.0]);
        assert_eq!(auc(&[1.0], &[1.0]), 0.5);
    }

    #[test]
    fn intervals_are_hanleys() {
        // Their example: an area of 0.893 of 51 and 58 images has a standard error of 0.0325.
        let [low, high] = interval(0.893, 51, 58);
        assert!(((high - low) / 2.0 / Z95 - 0.0325).abs() < 2e-3, "{low} {high}");
        assert_eq!(interval(1.0, 10, 10), [1.0, 1.0]);
        let [low, high] = interval(0.5, 20, 20);
        assert!(low > 0.25 && low < 0.4 && high < 0.75 && high > 0.6);
    }
}
