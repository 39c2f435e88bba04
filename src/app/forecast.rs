//! Which theories are asked for, and what they need: between configuration and
//! [`crate::theory`].

use std::cell::OnceCell;

use super::start::{Known, convolutional};
use super::{memory, notes};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::run::config::{InitKind, SpaceKind, TheoryKind};
use crate::theory::closed::ClosedForm;
use crate::theory::flow::{Flow, Follow};
use crate::theory::linear::{Layout, Padding};
use crate::theory::mode_theory::{Assumptions, ModeTheory};
use crate::theory::stationary::{InputSpectrum, Stationary};
use crate::theory::{Forecast, Moments};

/// Modes that overlap, are no eigenvectors of Σxx and leak by less than this
/// evolve by themselves.
const ALONE: f64 = 0.05;

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

/// The theories that the configuration names.
///
/// # Errors
/// [`Error::Input`] where a theory that is named cannot treat this network, and
/// the theories' own errors. Of `auto` the reasons become notes.
pub fn forecasts(known: &Known) -> Result<Forecasts> {
    let (train, asked) = (&known.config.train, &known.config.measure.theory);
    let mut out = Forecasts::default();
    if asked.contains(&TheoryKind::None) {
        return Ok(out);
    }
    out.notes.extend(notes::degenerate(known.modes));
    out.notes.extend(notes::dominant_mean(known));
    // Looked at by the choice and by the theory.
    let assumed = OnceCell::new();
    for &theory in asked {
        let forecast = if train.batch.is_some() || train.momentum != 0.0 {
            let found = format!("train.batch or train.momentum beside `{}`", theory.name());
            Err(Error::input("measure.theory", "full batches without momentum", found))
        } else {
            choose(known, theory, &assumed).and_then(|theory| {
                if out.names().contains(&theory.name()) {
                    return Ok(None);
                }
                build(known, theory, &assumed, &mut out.notes).map(Some)
            })
        };
        match forecast {
            Ok(forecast) => out.list.extend(forecast),
            // Nobody has asked for one by name.
            Err(why) if theory == TheoryKind::Auto => out.notes.push(format!("no theory columns: {why}")),
            Err(why) => return Err(why),
        }
    }
    if !out.list.is_empty() {
        out.notes.extend(notes::large_step(known));
    }
    Ok(out)
}

// The theory itself, or for `auto` the simplest one for this network.
fn choose(known: &Known, theory: TheoryKind, assumed: &OnceCell<Assumptions>) -> Result<TheoryKind> {
    if theory != TheoryKind::Auto {
        return Ok(theory);
    }
    if known.config.init.kind == InitKind::Matched {
        return Ok(TheoryKind::Closed);
    }
    let [_, h, w] = known.modes.shape;
    match known.config.layout(known.modes.shape)? {
        Layout::Fcnn { .. } => Ok(TheoryKind::Mode),
        Layout::Lcnn { padding: Padding::Zero, .. } => Err(Error::input(
            "model.padding",
            "`circular`: a network with zero padding is measured only",
            "`zero`",
        )),
        Layout::Lcnn { layers: 1, size, .. } if size == (h, w) => {
            let alone = holds(assumed.get_or_init(|| known.assumptions()));
            Ok(if alone { TheoryKind::Mode } else { TheoryKind::Stationary })
        }
        // The flow needs Σxx, which runs on samples have reasons not to form.
        Layout::Lcnn { .. } if known.config.train.space == SpaceKind::Sample => Err(Error::input(
            "train.space",
            "`moment`: of several layers and small kernels the flow alone knows (or name it: --theory flow)",
            "`sample`",
        )),
        Layout::Lcnn { .. } => Ok(TheoryKind::Flow),
    }
}

fn build(
    known: &Known,
    theory: TheoryKind,
    assumed: &OnceCell<Assumptions>,
    said: &mut Vec<String>,
) -> Result<Box<dyn Forecast>> {
    let (config, modes, eta) = (known.config, known.modes, Some(known.eta));
    Ok(match theory {
        TheoryKind::Closed => {
            if config.init.kind != InitKind::Matched {
                let found = "`closed`, which needs a matched one (init.kind = \"matched\")";
                return Err(Error::input("measure.theory", "a theory of this start", found));
            }
            Box::new(ClosedForm::new(modes, convolutional(config), config.init.start, eta)?)
        }
        TheoryKind::Mode => {
            let assumed = assumed.get_or_init(|| known.assumptions());
            if !holds(assumed) {
                said.push(format!("mode theory takes each mode alone, but {assumed}"));
            }
            Box::new(ModeTheory::new(modes, known.weights, eta)?)
        }
        TheoryKind::Stationary => {
            let spectrum = match known.moments {
                Some(m) => InputSpectrum::of_moments(m.xx.view(), modes.shape)?,
                None => InputSpectrum::of_samples(known.samples),
            };
            let theory = Stationary::new(modes, known.yx, &spectrum, known.weights, eta)?;
            said.extend(notes::stationary_holds(known, &theory, &spectrum));
            Box::new(theory)
        }
        TheoryKind::Flow => {
            let flow = follow_flow(known)?;
            said.extend(notes::followed_far_enough(known, &flow));
            Box::new(flow)
        }
        TheoryKind::Reader | TheoryKind::Kernel => unreachable!("not of linear networks"),
        TheoryKind::Auto | TheoryKind::None => unreachable!("chosen or left before"),
    })
}

fn holds(assumed: &Assumptions) -> bool {
    assumed.overlap < ALONE && assumed.residual < ALONE && assumed.leak < ALONE
}

fn follow_flow(known: &Known) -> Result<Flow> {
    let formed;
    let moments = match known.moments {
        Some(m) => m,
        None => {
            let d = known.samples.x.ncols();
            let advice = format!("that is Σxx of d = {d} inputs; use another theory, or a smaller --size");
            memory::require("measure.theory = \"flow\"", (d as u128).pow(2) * 8, &advice)?;
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
