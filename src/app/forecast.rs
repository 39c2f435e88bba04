//! Which theories are asked for, and what they need: between configuration and
//! [`crate::theory`].

use ndarray::{Array2, ArrayView2};

use crate::data::Samples;
use crate::error::{Error, Result};
use crate::progress::{Progress, say};
use crate::run::RunConfig;
use crate::run::config::{InitKind, ModelKind, TheoryKind};
use crate::theory::closed::{self, ClosedForm};
use crate::theory::flow::{self, Flow, Follow};
use crate::theory::linear::{Draw, Layout, Padding, Start, Weights};
use crate::theory::mode::{self, Assumptions, ModeTheory, assumptions};
use crate::theory::stationary::{InputSpectrum, Stationary};
use crate::theory::subspace;
use crate::theory::{Forecast, Modes, Moments, moments};

/// Above this share of the largest stable step training is no flow any more.
const LARGE_STEP: f64 = 0.1;
/// Above this share of s at the start weights are not small.
const LARGE_START: f64 = 0.05;
/// Modes that overlap less than this in frequency, and are eigenvectors of Σxx
/// up to this, evolve by themselves.
const ALONE: f64 = 0.05;

/// Everything a forecast is made from.
pub struct Known<'a> {
    pub config: &'a RunConfig,
    pub samples: &'a Samples,
    pub modes: &'a Modes,
    /// Σyx `[K, d]`.
    pub yx: ArrayView2<'a, f64>,
    /// All second moments, where they are formed already.
    pub moments: Option<&'a Moments>,
    pub weights: &'a Weights,
    /// Step size η.
    pub eta: f64,
    /// Largest eigenvalue of the loss at the initial weights; 0 where it is not known.
    pub curvature: f64,
    /// How far to follow what has to be integrated.
    pub end: f64,
    /// Whether to stop once every mode is learned.
    pub until_learned: bool,
}

/// The theories of a run, and what was found about their assumptions.
#[derive(Default)]
pub struct Forecasts {
    pub list: Vec<Box<dyn Forecast>>,
    pub notes: Vec<String>,
}

impl Forecasts {
    pub fn names(&self) -> Vec<&'static str> {
        self.list.iter().map(|f| f.theory()).collect()
    }
}

/// The weights that `config` starts from.
///
/// # Errors
/// [`Error::Input`] as [`Start::weights`], and for a matched start on modes that
/// do not evolve by themselves.
pub fn weights(config: &RunConfig, samples: &Samples, modes: &Modes) -> Result<Weights> {
    let draw = match config.init.kind {
        InitKind::Gaussian => Draw::Gaussian(config.init.scale),
        InitKind::Matched => Draw::Matched(config.init.start),
    };
    let start = Start { draw, seed: config.run.seed, modes, outputs: samples.outputs() };
    let layout = config.layout(modes.shape);
    require_room(layout, modes.shape, samples.outputs())?;
    let weights = start.weights(layout)?;
    // A pass over the samples that only a matched start asks for.
    if config.init.kind == InitKind::Matched
        && let Some(why) = closed::obstacle(modes, &residuals(samples, None, modes), convolutional(config))
    {
        // Without it a start "aligned with the modes" has no meaning.
        let expected = "`gaussian`: a matched start needs modes that evolve by themselves";
        return Err(Error::input("init.kind", expected, format_args!("`matched`, but {why}")));
    }
    Ok(weights)
}

// Weights drawn in double precision, then the run's, their gradients and a temporary.
fn require_room(layout: Layout, [c, h, w]: [usize; 3], outputs: usize) -> Result<()> {
    let (key, weights, found) = match layout {
        Layout::Fcnn { hidden } => {
            let weights = hidden as u128 * (c * h * w + outputs) as u128;
            ("model.hidden", weights, format!("that is {hidden} hidden units"))
        }
        Layout::Lcnn { channels, layers, size, padding } => {
            // The end-to-end map of circular kernels has them on the images' grid.
            let kernel = match padding {
                Padding::Circular => h * w,
                Padding::Zero => size.0.min(h) * size.1.min(w),
            };
            let m = channels as u128;
            let later = m.saturating_mul(m).saturating_mul(((layers - 1) * kernel) as u128);
            let weights = (m * (c * kernel + outputs * h * w) as u128).saturating_add(later);
            let many = if layers == 1 { String::new() } else { format!(" in each of {layers} layers") };
            ("model.channels", weights, format!("that is {channels} channels{many}"))
        }
    };
    super::memory::require(key, weights.saturating_mul(24), &found)
}

fn convolutional(config: &RunConfig) -> bool {
    config.model.kind == ModelKind::Lcnn
}

// ‖Σxx v_α − λ_α v_α‖ per mode, from the samples where Σxx is not formed: it may
// be too large.
fn residuals(samples: &Samples, moments: Option<&Moments>, modes: &Modes) -> Vec<f64> {
    let v = modes.v_rows();
    let mapped: Array2<f64> = moments.map_or_else(|| moments::response(samples, v.view()), |m| v.dot(&m.xx));
    (modes.list.iter().zip(v.rows()).zip(mapped.rows()))
        .map(|((m, v), image)| (&image - &(&v * m.lambda)).mapv(|x| x * x).sum().sqrt())
        .collect()
}

/// The configuration's step size, or one that follows every mode: a hundredth of
/// the fastest one's time constant, and a tenth of what the start allows where
/// its weights are large (as far as Σxx is known).
pub fn step_size(config: &RunConfig, modes: &Modes, curvature: f64) -> f64 {
    config.train.eta.unwrap_or_else(|| {
        let gentle = modes.gentle_eta(convolutional(config));
        if curvature > 0.0 { gentle.min(0.2 / curvature) } else { gentle }
    })
}

/// Largest eigenvalue of the loss at the initial weights, from up to 2,048 of the
/// samples, so that it is the same whatever else is computed. 0 where weights are
/// too small for it to matter, and where it is not known: with zero padding, and
/// for more than 4,096 inputs.
pub fn start_curvature(
    config: &RunConfig,
    samples: &Samples,
    modes: &Modes,
    weights: &Weights,
) -> Result<f64> {
    const ENOUGH: usize = 2048;
    const SMALL: f64 = 3e-3;
    let small = config.init.kind == InitKind::Matched || config.init.scale <= SMALL;
    let zero = matches!(weights, Weights::Lcnn { padding: Padding::Zero, .. });
    if small || zero || samples.x.ncols() > 4096 {
        return Ok(0.0);
    }
    if samples.len() <= ENOUGH {
        return flow::sharpness(modes, &Moments::new(samples), weights);
    }
    // Evenly over all of them: they may be stored class by class.
    let rows: Vec<usize> = (0..ENOUGH).map(|i| i * samples.len() / ENOUGH).collect();
    let some = Samples {
        x: samples.x.select(ndarray::Axis(0), &rows),
        y: samples.y.select(ndarray::Axis(0), &rows),
        labels: None,
        ..samples.clone()
    };
    flow::sharpness(modes, &Moments::new(&some), weights)
}

/// The theories that the configuration names.
///
/// # Errors
/// [`Error::Input`] where a theory that is named cannot treat this network, and
/// the theories' own errors. Of `auto` the reasons become notes.
pub fn forecasts(known: &Known) -> Result<Forecasts> {
    let config = known.config;
    let mut out = Forecasts::default();
    let asked = &config.measure.theory;
    if asked.is_empty() || asked.contains(&TheoryKind::None) {
        return Ok(out);
    }
    let mut residuals_of_modes = None;
    let mut residuals = || {
        residuals_of_modes.get_or_insert_with(|| residuals(known.samples, known.moments, known.modes)).clone()
    };
    out.notes.extend(degenerate(known.modes));
    out.notes.extend(dominant_mean(known));
    if config.train.batch.is_some() || config.train.momentum != 0.0 {
        let why = "theories are for full batches without momentum";
        if asked.iter().any(|t| *t != TheoryKind::Auto) {
            return Err(Error::input(
                "measure.theory",
                "`none` or `auto`: the theories are for full batches without momentum",
                format_args!(
                    "train.batch = {:?}, train.momentum = {}",
                    config.train.batch, config.train.momentum
                ),
            ));
        }
        out.notes.push(format!("no theory columns: {why}"));
        return Ok(out);
    }
    let layout = config.layout(known.modes.shape);
    for theory in asked {
        let theory = match theory {
            TheoryKind::Auto => match automatic(known, layout, &mut residuals) {
                Ok(theory) => theory,
                Err(why) => {
                    out.notes.push(format!("no theory columns: {why}"));
                    continue;
                }
            },
            named => *named,
        };
        if out.names().contains(&name(theory)) {
            continue;
        }
        let forecast: Box<dyn Forecast> = match theory {
            TheoryKind::Closed => {
                if config.init.kind != InitKind::Matched {
                    return Err(Error::input(
                        "measure.theory",
                        "a theory of this start",
                        "`closed`, which needs a matched one (init.kind = \"matched\")",
                    ));
                }
                Box::new(ClosedForm::new(
                    known.modes,
                    convolutional(config),
                    config.init.start,
                    Some(known.eta),
                )?)
            }
            TheoryKind::Mode => {
                let assumptions = assumed(known, &residuals());
                if !holds(&assumptions) {
                    out.notes.push(format!("mode theory takes each mode alone, but {assumptions}"));
                }
                Box::new(ModeTheory::new(known.modes, known.weights, Some(known.eta))?)
            }
            TheoryKind::Stationary => {
                let spectrum = match known.moments {
                    Some(m) => InputSpectrum::of_moments(m.xx.view(), known.modes.shape)?,
                    None => InputSpectrum::of_samples(known.samples),
                };
                let theory =
                    Stationary::new(known.modes, known.yx, &spectrum, known.weights, Some(known.eta))?;
                out.notes.extend(stationary_holds(known, &theory, &spectrum));
                Box::new(theory)
            }
            TheoryKind::Flow => match follow_flow(known) {
                Ok(flow) => {
                    out.notes.extend(followed_far_enough(known, &flow));
                    Box::new(flow)
                }
                // Nobody has asked for it by name.
                Err(e @ Error::Integration { .. }) if asked.contains(&TheoryKind::Auto) => {
                    out.notes.push(format!("no theory columns: {e}"));
                    continue;
                }
                Err(e) => return Err(e),
            },
            TheoryKind::Auto | TheoryKind::None => continue,
        };
        out.list.push(forecast);
    }
    if !out.list.is_empty() {
        out.notes.extend(large_step(known));
    }
    Ok(out)
}

fn name(theory: TheoryKind) -> &'static str {
    match theory {
        TheoryKind::Auto => "auto",
        TheoryKind::None => "none",
        TheoryKind::Closed => "closed",
        TheoryKind::Mode => "mode",
        TheoryKind::Stationary => "stationary",
        TheoryKind::Flow => "flow",
    }
}

fn holds(assumptions: &Assumptions) -> bool {
    assumptions.overlap < ALONE && assumptions.residual < ALONE && assumptions.leak < ALONE
}

// The assumptions of the mode theory on these data.
fn assumed(known: &Known, residuals: &[f64]) -> Assumptions {
    let parts = mode::parts(known.modes, known.weights);
    let mapped = match known.moments {
        Some(m) => parts.rows.dot(&m.xx),
        None => moments::response(known.samples, parts.rows.view()),
    };
    assumptions(known.modes, residuals, known.weights).with_leak(parts.leak(known.modes, mapped.view()))
}

// The simplest theory whose assumptions hold, or why there is none.
fn automatic(
    known: &Known,
    layout: Layout,
    residuals: &mut impl FnMut() -> Vec<f64>,
) -> std::result::Result<TheoryKind, String> {
    if known.config.init.kind == InitKind::Matched {
        return Ok(TheoryKind::Closed);
    }
    match layout {
        Layout::Fcnn { .. } => Ok(TheoryKind::Mode),
        Layout::Lcnn { padding: Padding::Zero, .. } => {
            Err("with zero padding a network is measured only".to_owned())
        }
        Layout::Lcnn { layers: 1, size, .. } if size == (known.modes.shape[1], known.modes.shape[2]) => {
            let assumptions = assumed(known, &residuals());
            Ok(if holds(&assumptions) { TheoryKind::Mode } else { TheoryKind::Stationary })
        }
        Layout::Lcnn { .. } if known.moments.is_some() => Ok(TheoryKind::Flow),
        Layout::Lcnn { .. } => Err(
            "several layers and small kernels need the flow, and the flow Σxx (train.space = \"moment\", \
                 or measure.theory = [\"flow\"])"
                .to_owned(),
        ),
    }
}

fn follow_flow(known: &Known) -> Result<Flow> {
    let formed;
    let moments = match known.moments {
        Some(m) => m,
        None => {
            let d = known.samples.x.ncols();
            let advice = format!("that is Σxx of d = {d} inputs; use another theory, or a smaller --size");
            super::memory::require("measure.theory = \"flow\"", (d as u128).pow(2) * 8, &advice)?;
            formed = Moments::new(known.samples);
            &formed
        }
    };
    const PARTS: f64 = 1000.0;
    let progress = Progress::new("following the gradient flow", PARTS as u64);
    let follow = Follow { until: known.until_learned.then_some(0.9), ..Follow::to(known.end) };
    let strengths: Vec<f64> = known.modes.list.iter().map(|m| m.s).collect();
    Flow::new(known.modes, moments, known.weights, follow, |t, a| {
        // Of an open end, what is learned says more than the time.
        let part = if known.until_learned {
            a.iter().zip(&strengths).map(|(a, s)| (a / (0.9 * s)).clamp(0.0, 1.0)).sum::<f64>()
                / a.len() as f64
        } else {
            t / known.end
        };
        progress.set((PARTS * part) as u64);
    })
}

// Uncentred images whose mean is most of them: the first mode is then the mean.
fn dominant_mean(known: &Known) -> Option<String> {
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

// How far the stationary theory's assumptions are from the data, where they are far.
fn stationary_holds(known: &Known, theory: &Stationary, spectrum: &InputSpectrum) -> Option<String> {
    let explained = known.moments.map(|m| spectrum.explains(m.xx.view()));
    // What the weights have of each mode at the start, and the theory should have.
    let map = known.weights.end_to_end();
    let response = match known.moments {
        Some(m) => map.dot(&m.xx),
        None => moments::response(known.samples, map.view()),
    };
    let start = known.modes.strengths(response.view());
    let off = start.iter().zip(theory.strengths(0.0)).zip(&known.modes.list);
    let off = off.map(|((a, b), m)| (a - b).abs() / m.s).fold(0.0, f64::max);
    let far = explained.is_some_and(|e| e < 0.9) || off > LARGE_START;
    far.then(|| {
        let share = explained
            .map_or_else(String::new, |e| format!("{:.0} % of Σxx are diagonal in frequency; ", 100.0 * e));
        format!(
            "stationary theory is approximate here: {share}it misses {off:.1e} s of the initial strengths \
             (small weights help; the flow is exact)"
        )
    })
}

// Whether the flow has seen every mode learned, where that was asked for.
fn followed_far_enough(known: &Known, flow: &Flow) -> Option<String> {
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

// Modes that are a subspace rather than directions.
fn degenerate(modes: &Modes) -> Option<String> {
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

// Where steps are too large to be a flow, with the bound of stability.
fn large_step(known: &Known) -> Option<String> {
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
