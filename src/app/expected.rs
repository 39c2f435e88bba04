//! In which order a deep network is expected to discover the modes: what of the scores
//! of the data is asked for, and the kernel flow of the network itself.

use serde::Serialize;

use crate::data::Samples;
use crate::error::Result;
use crate::readers::{READERS, ridge};
use crate::run::config::{DeepConfig, TheoryKind};
use crate::theory::Modes;
use crate::theory::deep::deep_ratio;
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
    /// τ of each mode while the kernel stays what it is, in steps but for a common factor.
    pub tau: Vec<Option<f64>>,
    /// The smallest and the largest τ by the kernel of one initialisation.
    pub spread: Vec<Option<[f64; 2]>>,
    /// What is to be expected of a deep network ([`deep_ratio`]) of τ over the earliest.
    pub relative: Vec<Option<f64>>,
    /// The same of `spread`.
    pub relative_spread: Vec<Option<[f64; 2]>>,
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

impl Kernel {
    // Used where there is libtorch.
    #[cfg_attr(not(any(feature = "torch", test)), expect(dead_code))]
    fn new(
        samples: usize,
        tau: Vec<Option<f64>>,
        spread: Vec<Option<[f64; 2]>>,
        first_rates: Vec<f64>,
    ) -> Self {
        let first = tau.iter().flatten().copied().reduce(f64::min);
        let over = |t: f64| deep_ratio(t / first.unwrap_or(f64::NAN));
        let relative = tau.iter().map(|t| t.map(over)).collect();
        let relative_spread = spread.iter().map(|s| s.map(|s| s.map(over))).collect();
        Self { samples, tau, spread, relative, relative_spread, first_rates }
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

/// The kernel flow of the network that `config` describes, on `images` of the device: of its
/// initial weights, drawn or those of `initial` (draws then differ in their samples alone).
///
/// # Errors
/// As [`crate::probe::kernel::kernel_flow`]; of weights that are not the network's.
#[cfg(feature = "torch")]
pub fn kernel(
    config: &DeepConfig,
    samples: &Samples,
    modes: &Modes,
    initial: Option<&crate::app::network::Initial>,
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
        let net = Deep::new(architecture, config.init.kind, seed, kind, device)?;
        if let Some((place, dict)) = initial {
            net.load(dict, place)?;
        }
        Ok(net)
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
    let (tau, spread) = (flows.mean.discovery_times(range), spread.collect());
    Ok(Kernel::new(flows.samples, tau, spread, flows.mean.first_rates()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_are_roots_over_the_earliest() {
        let tau = vec![Some(36.0), None, Some(4.0)];
        let kernel = Kernel::new(9, tau, vec![Some([16.0, 64.0]), None, Some([4.0, 4.0])], vec![]);
        assert_eq!(kernel.relative, [Some(3.0), None, Some(1.0)]);
        assert_eq!(kernel.relative_spread, [Some([2.0, 4.0]), None, Some([1.0, 1.0])]);
        assert_eq!(Kernel::new(9, vec![None], vec![None], vec![]).relative, [None]);
    }
}
