//! How early a network would tell a class: by what it reads first.
//!
//! A network with global pooling has features first that do not depend on the place. Of a linear
//! reader of such features, random convolutions ([`crate::readers::FORECAST`]), out of fold, the
//! share of a class that it tells is
//!
//! ```text
//! told_c = Σ_i (u_c·y_i)(u_c·ŷ_i) / Σ_i (u_c·y_i)²
//! ```
//!
//! with y_i the class indicators less their mean, u_c the unit vector of class c less its mean
//! over classes. Images of ordinary content leave a class at .1 to .2; one with a cue that early
//! features see comes near 1.

use ndarray::Array1;
use rand::seq::index::sample;

use super::report::Entry;
use crate::data::{Normalize, prepare};
use crate::error::Result;
use crate::field::{ImageSet, Targets};
use crate::readers::{FORECAST, ridge};
use crate::seed;
use crate::stats::quantile;

/// Images that are read at most, drawn.
const MOST: usize = 4000;

/// Sets `told` and `told_of_others` of every entry; `set` is what was looked through.
pub(super) fn tell(set: &ImageSet, entries: &mut [Entry], seed: u64) -> Result<()> {
    let Targets::Classes { names, .. } = &set.targets else { return Ok(()) };
    let mut rows: Vec<usize> = if set.len() > MOST {
        sample(&mut seed::rng(seed, "shortcuts/early", 0), set.len(), MOST).into_vec()
    } else {
        (0..set.len()).collect()
    };
    rows.sort_unstable();
    let samples = prepare(set.part(&rows), Normalize::Global, true)?;
    let phi = FORECAST.features(samples.x.view(), samples.shape);
    let answers = ridge::out_of_fold(phi.view(), samples.y.view(), seed)?.y;
    let told = |class: usize| {
        let mut u = Array1::from_elem(names.len(), -1.0 / names.len() as f64);
        u[class] += 1.0;
        let (y, answer) = (samples.y.dot(&u), answers.dot(&u));
        y.dot(&answer) / y.dot(&y)
    };
    let class = |entry: &Entry| names.iter().position(|name| entry.classes.first() == Some(name));
    let all: Vec<f64> = entries.iter().map(|entry| class(entry).map_or(f64::NAN, told)).collect();
    for (at, entry) in entries.iter_mut().enumerate() {
        let others: Vec<f64> = (0..all.len()).filter(|&i| i != at).map(|i| all[i]).collect();
        (entry.told, entry.told_of_others) = (Some(all[at]), Some(quantile(&others, 0.5)));
    }
    Ok(())
}
