//! R: a linear reader of invariant [features](super::features), out of fold.
//!
//! Features are standardised, cut to ±4, their squares appended, and all standardised again.
//! Ridge regression of one class against the rest, in five folds, with the penalty
//! 1e-2 · 0.8 n, gives every image a score by a fit to the others. *Self-training* finds cues
//! that only a part of a class carries: after each of three passes the 30 % of a class with the
//! highest scores keep the target 1, and the rest of it gets its own score for a target, so that
//! it does not pull.
//!
//! A class's statistic is the mean of its true positive rates at false positive rates of 0.001
//! and 0.002, of the first pass and of the last. Levels are in [`levels`]: with few classes the
//! content of a class is easier to tell from the rest by such features; with many classes of few
//! images a level is at least what chance hardly has in any of them.

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::{Llt, Solve};
use faer::{Accum, Mat, MatRef, Par, Side};
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use super::features::Features;
use super::image::Image;
use super::roc;
use super::set::{Set, drawn};
use crate::error::{Error, Result};
use crate::readers::folds::{FOLDS, folds};
use crate::seed;
use crate::stats::quantile;

/// Name and what it finds, of the first pass and of the last.
pub(super) const NAMES: [(&str, &str); 2] =
    [("invariant", "texture or trace"), ("invariant, part", "texture or trace, in a part of the images")];

/// Images that are read at most.
pub(super) const MOST: usize = 20_000;
const PENALTY: f64 = 1e-2;
const PASSES: usize = 3;
/// Part of a class that keeps its target.
const TOP: f64 = 0.3;
const CLIP: f64 = 4.0;
const RATES: [f64; 2] = [0.001, 0.002];

/// Probability that any class reaches its level by chance, in a set of classes without content.
const CHANCE: f64 = 0.01;
/// Self-training gathers in a class what happens to look alike: as if the false positive rate were so
/// many times as high (of 1,000 classes of 20 images with labels at random none is beyond).
const GATHERED: [f64; 2] = [1.0, 2.0];

/// What the reader says.
pub(super) struct Reading {
    /// The images that were read, ascending.
    pub images: Vec<usize>,
    /// Their classes.
    pub labels: Vec<usize>,
    /// Scores `[images, K]` of the first pass and the last.
    pub scores: [Array2<f64>; 2],
    /// Statistic over level of each class.
    pub ratios: [Vec<f64>; 2],
}

/// Levels of the first pass and of the last for `classes` classes.
pub(super) fn levels(classes: usize) -> [f64; 2] {
    let nine = 9.0 / (classes - 1) as f64;
    [(0.165 * nine.powf(0.6)).min(0.6), (0.19 * nine.powf(0.9)).min(0.8)]
}

/// The smallest share of a class's `count` images that chance has in one of `classes` classes with a
/// probability of 0.01 and less, where each image is a hit with probability `rate`.
fn by_chance(count: usize, classes: usize, rate: f64) -> f64 {
    let (n, odds) = (count as f64, rate / (1.0 - rate));
    let mut exactly = (1.0 - rate).powf(n);
    let (mut hits, mut or_more) = (0.0, 1.0);
    while or_more * classes as f64 > CHANCE && hits < n {
        or_more -= exactly;
        exactly *= (n - hits) / (hits + 1.0) * odds;
        hits += 1.0;
    }
    hits / n
}

/// Reads the images of `set`; with more than 20,000 of them a part, drawn by `seed`.
pub(super) fn read(set: &Set, seed: u64) -> Result<Reading> {
    let images = drawn(&set.members, MOST, seed, "shortcuts/sample");
    let labels: Vec<usize> = images.iter().map(|&i| set.labels[i]).collect();
    let features = Features::new(set.shape);
    let rows: Vec<Vec<f64>> =
        images.par_iter().map(|&i| features.of(&Image::new(set.bytes(i), set.shape))).collect();
    let phi = Array2::from_shape_fn((rows.len(), features.count()), |(i, j)| rows[i][j]);
    drop(rows);
    let scores = passes(expanded(phi), &labels, set.names.len(), seed)?;
    let ratios = [0, 1].map(|p| ratios(scores[p].view(), &labels, p));
    Ok(Reading { images, labels, scores, ratios })
}

// Standardised, cut, with squares, standardised.
fn expanded(mut phi: Array2<f64>) -> Array2<f64> {
    standardise(&mut phi, true);
    phi.mapv_inplace(|v| v.clamp(-CLIP, CLIP));
    let (n, p) = phi.dim();
    let mut all = Array2::zeros((n, 2 * p));
    all.slice_mut(s![.., ..p]).assign(&phi);
    all.slice_mut(s![.., p..]).assign(&phi.mapv(|v| v * v));
    let mut squares = all.slice_mut(s![.., p..]).to_owned();
    centre(&mut squares);
    all.slice_mut(s![.., p..]).assign(&squares);
    standardise(&mut all, false);
    all
}

fn centre(values: &mut Array2<f64>) {
    let n = values.nrows() as f64;
    for mut column in values.columns_mut() {
        let mean = column.sum() / n;
        column.mapv_inplace(|v| v - mean);
    }
}

// Divides columns by their standard deviation; what varies by no more than rounding is nothing.
fn standardise(values: &mut Array2<f64>, centred: bool) {
    let n = values.nrows() as f64;
    for mut column in values.columns_mut() {
        let mean = column.sum() / n;
        let spread = (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        if spread <= 1e-9 * (1.0 + mean.abs()) {
            column.fill(0.0);
            continue;
        }
        let offset = if centred { mean } else { 0.0 };
        column.mapv_inplace(|v| (v - offset) / spread);
    }
}

// Scores [n, K] of the first pass and the last.
fn passes(a: Array2<f64>, labels: &[usize], classes: usize, seed: u64) -> Result<[Array2<f64>; 2]> {
    let (n, d) = a.dim();
    // Folds one after the other, so that each is one piece of memory.
    let (order, bounds) = folds(a.view(), &mut seed::rng(seed, "shortcuts/folds", 0));
    let a = a.select(ndarray::Axis(0), &order);
    let rows = |f: usize| {
        let part = &a.as_slice().expect("rows selected here")[bounds[f] * d..bounds[f + 1] * d];
        MatRef::from_row_major_slice(part, bounds[f + 1] - bounds[f], d)
    };
    let grams: Vec<Mat<f64>> = (0..FOLDS).into_par_iter().map(|f| product(rows(f), rows(f))).collect();
    let factors: Vec<Llt<f64>> = (0..FOLDS)
        .into_par_iter()
        .map(|fold| {
            let mut sum = Mat::<f64>::zeros(d, d);
            (0..FOLDS).filter(|&f| f != fold).for_each(|f| sum += &grams[f]);
            (0..d).for_each(|i| sum[(i, i)] += PENALTY * 0.8 * n as f64);
            sum.llt(Side::Lower)
                .map_err(|e| Error::input("features of a reader", "a fit", format_args!("{e:?}")))
        })
        .collect::<Result<_>>()?;
    drop(grams);
    let labels: Vec<usize> = order.iter().map(|&i| labels[i]).collect();
    let mut targets = Array2::from_shape_fn((n, classes), |(i, c)| f64::from(u8::from(labels[i] == c)));
    let mut scores = Vec::new();
    for _ in 0..PASSES {
        let means = targets.sum_axis(ndarray::Axis(0)) / n as f64;
        let centred = &targets - &means;
        let part = |f: usize| {
            let rows = centred.slice(s![bounds[f]..bounds[f + 1], ..]);
            Mat::from_fn(rows.nrows(), classes, |i, j| rows[[i, j]])
        };
        let cross: Vec<Mat<f64>> =
            (0..FOLDS).into_par_iter().map(|f| product(rows(f), part(f).as_ref())).collect();
        let answers: Vec<Mat<f64>> = (0..FOLDS)
            .into_par_iter()
            .map(|fold| {
                let mut right = Mat::<f64>::zeros(d, classes);
                (0..FOLDS).filter(|&f| f != fold).for_each(|f| right += &cross[f]);
                factors[fold].solve_in_place(&mut right);
                let mut out = Mat::<f64>::zeros(rows(fold).nrows(), classes);
                matmul(out.as_mut(), Accum::Replace, rows(fold), right.as_ref(), 1.0, Par::Seq);
                out
            })
            .collect();
        let mut score = Array2::zeros((n, classes));
        for (f, answer) in answers.iter().enumerate() {
            for i in bounds[f]..bounds[f + 1] {
                (0..classes).for_each(|c| score[[i, c]] = answer[(i - bounds[f], c)] + means[c]);
            }
        }
        for class in 0..classes {
            let own: Vec<usize> = (0..n).filter(|&i| labels[i] == class).collect();
            let least = quantile(&own.iter().map(|&i| score[[i, class]]).collect::<Vec<_>>(), 1.0 - TOP);
            for i in own {
                let v: f64 = score[[i, class]];
                targets[[i, class]] = if v >= least { 1.0 } else { v.min(1.0) };
            }
        }
        scores.push(score);
    }
    let back = |score: &Array2<f64>| {
        let mut out = Array2::zeros(score.dim());
        order.iter().enumerate().for_each(|(from, &to)| out.row_mut(to).assign(&score.row(from)));
        out
    };
    Ok([back(&scores[0]), back(&scores[PASSES - 1])])
}

// aᵀ b, on one thread: sums do not depend on how many there are.
fn product(a: MatRef<f64>, b: MatRef<f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.ncols(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a.transpose(), b, 1.0, Par::Seq);
    out
}

/// From how many classes on the level of a class is at least twice the median of the others.
pub(super) const EXCESS: usize = 5;

// Of the first pass (0) or the last (1).
fn ratios(scores: ArrayView2<f64>, labels: &[usize], pass: usize) -> Vec<f64> {
    let classes = scores.ncols();
    let mut counts = vec![0; classes];
    labels.iter().for_each(|l| counts[*l] += 1);
    let level = |class: usize| {
        let chance = by_chance(counts[class], classes, GATHERED[pass] * RATES[1]);
        levels(classes)[pass].max(chance)
    };
    over(scores, labels, level)
}

// Statistic over the level of each class.
fn over(scores: ArrayView2<f64>, labels: &[usize], level: impl Fn(usize) -> f64) -> Vec<f64> {
    let classes = scores.ncols();
    let rate = |class: usize| {
        let (positive, negative) = roc::divided(&scores.column(class).to_vec(), labels, class);
        RATES.iter().map(|&r| roc::tpr(&positive, &negative, r)).sum::<f64>() / RATES.len() as f64
    };
    let rates: Vec<f64> = (0..classes).map(rate).collect();
    let others = |class: usize| {
        if classes < EXCESS {
            return 0.0;
        }
        let others: Vec<f64> = (0..classes).filter(|&c| c != class).map(|c| rates[c]).collect();
        quantile(&others, 0.5)
    };
    (0..classes).map(|c| rates[c] / level(c).max(2.0 * others(c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;
    use rand::seq::SliceRandom;

    #[test]
    fn levels_by_hand() {
        assert_eq!(levels(10), [0.165, 0.19]);
        assert_eq!(levels(2), [0.6, 0.8]);
        assert!(levels(100)[0] < 0.04);
    }

    #[test]
    fn levels_are_beyond_chance() {
        // C(20, 3) 0.002³ = 9.1e-6 and C(20, 3) 0.004³ = 7.3e-5, of 1e-5; C(20, 4) 0.004⁴ = 1.2e-6.
        assert!((by_chance(20, 1000, 0.002) - 3.0 / 20.0).abs() < 1e-12);
        assert!((by_chance(20, 1000, 0.004) - 4.0 / 20.0).abs() < 1e-12);
        // Of four images of one class one hit or more: 0.40; two: 0.073; three: 0.0063.
        assert!((by_chance(4, 1, 0.12) - 3.0 / 4.0).abs() < 1e-12);
        assert_eq!(by_chance(1, 5, 0.9), 1.0);
        // Where levels were calibrated it says nothing.
        assert!(by_chance(400, 10, 0.004) < 0.03);
    }

    #[test]
    fn many_classes_of_few_images_without_a_cue_raise_no_alarm() {
        let (n, classes) = (4000, 200);
        let labels: Vec<usize> = (0..n).map(|i| i % classes).collect();
        let scores = passes(noise(n, 30), &labels, classes, 0).unwrap();
        for (pass, score) in scores.iter().enumerate() {
            let found = ratios(score.view(), &labels, pass);
            assert!(found.iter().all(|r| *r < 1.0), "{pass}: {found:?}");
        }
        // One hit of 20 would be an alarm for what levels are.
        assert!(levels(classes)[1] < 0.025);
    }

    fn noise(n: usize, d: usize) -> Array2<f64> {
        let mut rng = seed::rng(3, "test/reader", 0);
        Array2::from_shape_simple_fn((n, d), || rng.random_range(-1.0..1.0))
    }

    #[test]
    fn the_first_pass_is_ridge_regression_out_of_fold() {
        let (n, d) = (40, 3);
        let a = noise(n, d);
        let labels: Vec<usize> = (0..n).map(|i| usize::from(a[[i, 0]] > 0.2)).collect();
        let [first, _] = passes(a.clone(), &labels, 2, 7).unwrap();
        // By gradient descent, for the fold of image 0.
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut seed::rng(7, "shortcuts/folds", 0));
        let fold = order.iter().position(|&i| i == 0).unwrap() / (n / FOLDS);
        let rest: Vec<usize> = (0..n).filter(|at| at / (n / FOLDS) != fold).map(|at| order[at]).collect();
        let mean = labels.iter().sum::<usize>() as f64 / n as f64;
        let mut w = [0.0; 3];
        for _ in 0..5000 {
            let mut g = [0.0; 3];
            for &i in &rest {
                let e = (0..d).map(|j| w[j] * a[[i, j]]).sum::<f64>() - (labels[i] as f64 - mean);
                (0..d).for_each(|j| g[j] += e * a[[i, j]]);
            }
            (0..d).for_each(|j| w[j] -= 0.02 * (g[j] + 0.008 * n as f64 * w[j]));
        }
        let want = (0..d).map(|j| w[j] * a[[0, j]]).sum::<f64>() + mean;
        assert!((first[[0, 1]] - want).abs() < 1e-9, "{} {want}", first[[0, 1]]);
        assert!((first[[0, 0]] + first[[0, 1]] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn self_training_finds_the_part_that_has_the_cue() {
        // 150 of 500 images of class 0 are shifted far along a direction among ten.
        let (n, d) = (2500, 10);
        let mut a = noise(n, d);
        let labels: Vec<usize> = (0..n).map(|i| i % 5).collect();
        let carries = |i: usize| i.is_multiple_of(5) && i / 5 % 10 < 3;
        (0..n).filter(|&i| carries(i)).for_each(|i| a[[i, 4]] += 2.0);
        let scores = passes(a, &labels, 5, 0).unwrap();
        let carriers: Vec<usize> = (0..n).map(|i| usize::from(carries(i))).collect();
        for score in &scores {
            let (positive, negative) = roc::divided(&score.column(0).to_vec(), &carriers, 1);
            assert!(crate::stats::auc(&positive, &negative) > 0.99);
        }
        let [first, last] = [0, 1].map(|pass| over(scores[pass].view(), &labels, |_| 0.19));
        assert!(first[0] > 1.0 && last[0] > 1.0, "{first:?} {last:?}");
        assert!(last[1..].iter().all(|&r| r < 0.5), "{last:?}");
    }

    #[test]
    fn what_does_not_vary_is_nothing() {
        let mut phi = noise(50, 3);
        phi.column_mut(1).fill(0.1);
        let a = expanded(phi);
        assert!(a.column(1).iter().chain(a.column(4).iter()).all(|&v| v == 0.0));
        for j in [0, 2, 3, 5] {
            let column = a.column(j);
            let mean = column.sum() / 50.0;
            assert!(mean.abs() < 1e-9);
            assert!((column.iter().map(|v| v * v).sum::<f64>() / 50.0 - 1.0).abs() < 1e-9);
        }
    }
}
