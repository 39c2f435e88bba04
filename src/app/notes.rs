//! What is to be said of a forecast: assumptions that do not hold, steps that are
//! large, modes that were not reached.

use super::start::{Known, convolutional};
use crate::progress::say;
use crate::theory::flow::Flow;
use crate::theory::stationary::{InputSpectrum, Stationary};
use crate::theory::{Forecast, Modes, subspace};

/// Above this share of the largest stable step training is no flow any more.
const LARGE_STEP: f64 = 0.1;
/// Above this share of s at the start weights are not small.
const LARGE_START: f64 = 0.05;

/// Modes that are a subspace rather than directions.
pub fn degenerate(modes: &Modes) -> Option<String> {
    let blocks = subspace::blocks(modes);
    let names: Vec<_> = blocks.iter().map(|b| format!("{} to {}", b.start + 1, b.end)).collect();
    (!names.is_empty()).then(|| {
        format!(
            "modes {} have the same strength within {}: only the subspace they span is defined, and their own \
             curves depend on its basis (`subspaces` in a run's summary.json compares what does not)",
            names.join(", "),
            subspace::DEGENERATE
        )
    })
}

/// Uncentred images whose mean is most of them: the first mode is then the mean.
pub fn dominant_mean(known: &Known) -> Option<String> {
    let x = &known.samples.x;
    if known.samples.centred || known.samples.outputs() < 2 {
        return None;
    }
    let mean = x.mean_axis(ndarray::Axis(0))?.mapv(f64::from);
    let (mean_square, square) =
        (mean.dot(&mean), x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / x.nrows() as f64);
    let along: f64 = mean.iter().zip(&known.modes.list[0].v).map(|(m, v)| m * v).sum();
    (mean_square > 0.6 * square && along.powi(2) > 0.9 * mean_square).then(|| {
        format!(
            "the data are not centred and their mean holds {:.0} % of ‖x‖²: the first mode is little but the \
             mean image (--center)",
            100.0 * mean_square / square
        )
    })
}

/// How far the stationary theory's assumptions are from the data, where they are far.
pub fn stationary_holds(known: &Known, theory: &Stationary, spectrum: &InputSpectrum) -> Option<String> {
    let explained = known.moments.map(|m| spectrum.explains(m.xx.view()));
    // What the weights have of each mode at the start, and the theory should have.
    let map = known.weights.end_to_end();
    let start = known.modes.strengths(known.response(&map).view());
    let off = start.iter().zip(theory.strengths(0.0)).zip(&known.modes.list);
    let off = off.map(|((a, b), m)| (a - b).abs() / m.s).fold(0.0, f64::max);
    let far = explained.is_some_and(|e| e < 0.9) || off > LARGE_START;
    far.then(|| {
        let share = explained
            .map_or_else(String::new, |e| format!("{:.0} % of ‖Σxx‖² is diagonal in frequency; ", 100.0 * e));
        format!(
            "stationary theory is approximate here: {share}it misses {off:.1e} s of the initial strengths \
             (small weights help; the flow is exact)"
        )
    })
}

/// Whether the flow has seen every mode learned, where that was asked for.
pub fn followed_far_enough(known: &Known, flow: &Flow) -> Option<String> {
    let never: Vec<_> = (0..known.modes.len())
        .filter(|i| flow.time_to(*i, 0.5).is_none())
        .map(|i| (i + 1).to_string())
        .collect();
    (known.until_learned && !never.is_empty()).then(|| {
        format!(
            "the flow was followed to t = {:.3e}; by then modes {} were not half learned (deep networks linger \
             at small weights: --scale)",
            flow.reached(),
            never.join(", ")
        )
    })
}

/// Where steps are too large to be a flow, with the bound of stability.
pub fn large_step(known: &Known) -> Option<String> {
    let eta = known.eta;
    let convolutional = convolutional(known.config);
    let fastest = known.modes.list.iter().map(|m| m.gain(convolutional) * m.s).fold(0.0, f64::max);
    // At a learned mode the largest curvature of the loss is 2 g s.
    let curvature = known.curvature.max(2.0 * fastest);
    (eta * curvature > 2.0 * LARGE_STEP * (1.0 + 1e-6)).then(|| {
        format!(
            "eta = {eta:e} is large: theories are of small steps, and training is stable below \
             2/(largest eigenvalue of the loss) = {:.2e} only",
            2.0 / curvature
        )
    })
}

/// Puts the notes into the log.
pub fn say_all(notes: &[String]) {
    for note in notes {
        say(format_args!("note: {note}"));
    }
}
