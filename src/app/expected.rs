//! In which order a deep network is expected to discover the modes: what of the scores
//! of the data is asked for, and the kernel flow of the network itself.

use serde::Serialize;

use crate::data::Samples;
use crate::error::Result;
use crate::readers::{READERS, ridge};
use crate::run::config::{DeepConfig, TheoryKind};
use crate::theory::Modes;
use crate::theory::reader::ReaderScore;

/// What is expected of all modes.
#[derive(Default)]
pub struct Expected {
    /// Of each reader.
    pub readers: Vec<ReaderScore>,
    /// Of the kernel flow, where it was asked for.
    pub kernel: Option<Kernel>,
}

/// What the kernel flow says; a mode of which its samples hold too little has null.
#[derive(Clone, Debug, Serialize)]
pub struct Kernel {
    /// Samples P of the kernel.
    pub samples: usize,
    /// τ of each mode, in steps but for a common factor: the order and the ratios are meant.
    pub tau: Vec<Option<f64>>,
    /// The smallest and the largest τ by the kernel of one initialisation.
    pub spread: Vec<Option<[f64; 2]>>,
    /// da/dt of each mode at the first step, in the units of s per step.
    pub first_rates: Vec<f64>,
}

impl Expected {
    /// Names and values, as a run keeps them.
    #[cfg(feature = "torch")]
    pub fn named(&self) -> Vec<(&'static str, Vec<f64>)> {
        let readers = self.readers.iter().map(|r| (r.reader, r.scores()));
        let kernel = self.kernel.iter().flat_map(|k| {
            let tau = k.tau.iter().map(|t| t.unwrap_or(f64::NAN)).collect();
            [("kernel", tau), ("kernel_rate", k.first_rates.clone())]
        });
        readers.chain(kernel).collect()
    }
}

/// The scores that `config` names: all readers for `auto`; nothing of fewer images than a
/// reader can be fitted to, unless it is asked for by name.
///
/// # Errors
/// As [`ReaderScore::new`].
pub fn readers(config: &DeepConfig, samples: &Samples, modes: &Modes) -> Result<Vec<ReaderScore>> {
    let asked = &config.measure.theory;
    let auto = asked.contains(&TheoryKind::Auto) && samples.len() >= ridge::LEAST;
    if !auto && !asked.contains(&TheoryKind::Reader) {
        return Ok(Vec::new());
    }
    READERS.iter().map(|r| ReaderScore::new(samples, modes, r, config.run.seed)).collect()
}

/// The kernel flow of the network that `config` describes, on `images` of the device.
///
/// # Errors
/// As [`crate::probe::kernel::kernel_flow`].
#[cfg(feature = "torch")]
pub fn kernel(
    config: &DeepConfig,
    samples: &Samples,
    modes: &Modes,
    images: &crate::train::deep::Images,
    device: tch::Device,
) -> Result<Kernel> {
    use crate::model::deep::Deep;
    use crate::model::device;
    use crate::probe::kernel::{Options, kernel_flow};
    use crate::run::config::LossKind;
    use crate::theory::kernel_flow::rate_per_step;

    let kind = device::kind(config.run.dtype);
    let network = |seed: u64| {
        let architecture = config.architecture(samples.shape, samples.outputs());
        Deep::new(architecture, config.init.kind, seed, kind, device)
    };
    let classes = (config.optim.loss == LossKind::CrossEntropy).then(|| samples.outputs());
    let options = Options {
        // One alone may be far off, by its samples more than by its weights.
        draws: 4,
        seed: config.run.seed,
        rate: rate_per_step(config.train.eta, config.train.momentum, classes),
        ..Options::default()
    };
    let flows = kernel_flow(network, samples, modes, images, &options)?;
    let range = flows.mean.range();
    let each: Vec<_> = flows.each.iter().map(|flow| flow.discovery_times(range)).collect();
    let spread = (0..modes.len()).map(|a| {
        let times = each.iter().map(|times| times[a]).collect::<Option<Vec<f64>>>()?;
        let fold = |f: fn(f64, f64) -> f64| times.iter().copied().reduce(f);
        fold(f64::min).zip(fold(f64::max)).map(|(low, high)| [low, high])
    });
    Ok(Kernel {
        samples: flows.samples,
        tau: flows.mean.discovery_times(range),
        spread: spread.collect(),
        first_rates: flows.mean.first_rates(),
    })
}
