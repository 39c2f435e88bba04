//! Images per second of training, evaluation and looks.

use std::time::Instant;

use tch::Device;

use super::Speed;
use super::material::{Material, Way};
use crate::error::Result;
use crate::model::device::{self, Arithmetic};
use crate::probe::Probe;
use crate::progress::say;
use crate::run::config::{Dtype, ModelKind, Stem};
use crate::theory::Modes;
use crate::train::deep::{Trainer, evaluate};

/// What is timed, and what the peer calls it.
struct Work {
    what: &'static str,
    family: Option<&'static str>,
    way: Way,
    side: usize,
    images: usize,
    kind: Timed,
    deterministic: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Timed {
    Training,
    Evaluation,
    Look,
}

fn work(cuda: bool) -> Vec<Work> {
    let small =
        Way { model: ModelKind::Resnet20, stem: Stem::Cifar, dtype: Dtype::F32, batch: 128, augment: false };
    let of = |what, family, way, side, images, kind| Work {
        what,
        family,
        way,
        side,
        images,
        kind,
        deterministic: true,
    };
    let mut all = vec![
        of(
            "resnet20, 32², f32, training, batch 128",
            Some("resnet20-train"),
            small,
            32,
            2_048,
            Timed::Training,
        ),
        of("resnet20, 32², f32, evaluation", Some("resnet20-eval-500"), small, 32, 4_096, Timed::Evaluation),
        of("resnet20, 32², f32, a look at 4,000, 31 Jacobians", None, small, 32, 4_000, Timed::Look),
    ];
    if !cuda {
        return all;
    }
    let half = Way { dtype: Dtype::Bf16, ..small };
    let r18 = Way { model: ModelKind::Resnet18, batch: 512, ..half };
    let r18_224 = Way { stem: Stem::Imagenet, batch: 256, ..r18 };
    let r50 = Way { model: ModelKind::Resnet50, batch: 256, ..r18_224 };
    all.extend([
        of(
            "resnet18, 32², bf16, training, batch 512",
            Some("resnet18-train"),
            r18,
            32,
            4_096,
            Timed::Training,
        ),
        Work {
            deterministic: false,
            ..of("the same, run.deterministic = false", None, r18, 32, 4_096, Timed::Training)
        },
        of(
            "resnet18, 32², bf16, with crops and flips",
            None,
            Way { augment: true, ..r18 },
            32,
            4_096,
            Timed::Training,
        ),
        of(
            "resnet18, 224², bf16, training, batch 256",
            Some("resnet18-224-train"),
            r18_224,
            224,
            512,
            Timed::Training,
        ),
        of(
            "resnet50, 224², bf16, training, batch 256",
            Some("resnet50-224-train"),
            r50,
            224,
            512,
            Timed::Training,
        ),
        Work {
            deterministic: false,
            ..of("the same, run.deterministic = false", None, r50, 224, 512, Timed::Training)
        },
        of("resnet50, 224², bf16, evaluation", Some("resnet50-224-eval"), r50, 224, 512, Timed::Evaluation),
        of(
            "resnet50, 224², f32, evaluation",
            None,
            Way { dtype: Dtype::F32, ..r50 },
            224,
            512,
            Timed::Evaluation,
        ),
    ]);
    all
}

pub fn speeds(device: Device, seconds: f64) -> Result<Vec<Speed>> {
    work(device.is_cuda()).into_iter().map(|work| speed(&work, device, seconds)).collect()
}

fn speed(work: &Work, device: Device, seconds: f64) -> Result<Speed> {
    say(work.what);
    Arithmetic { deterministic: work.deterministic, ..Arithmetic::default() }.apply()?;
    let material = Material::new(work.images, work.side)?;
    let mut trainer = work.way.trainer(&material, device)?;
    let half = work.way.dtype == Dtype::Bf16;
    let all: Vec<usize> = (0..work.images).collect();
    let times = match work.kind {
        Timed::Training => {
            let block = |trainer: &mut Trainer| -> Result<usize> {
                for _ in 0..STEPS {
                    trainer.update()?;
                }
                // Reads the losses, and so waits for the device.
                trainer.read()?;
                Ok(STEPS * work.way.batch)
            };
            timed(seconds, || block(&mut trainer))?
        }
        Timed::Evaluation => {
            let (net, images, targets) = (&trainer.net, trainer.images(), trainer.targets());
            timed(seconds, || {
                evaluate(net, images, targets, &all, half, |_| Ok(()))?;
                Ok(work.images)
            })?
        }
        Timed::Look => {
            let modes = Modes::new(&material.samples)?;
            let probe = Probe::new(&material.samples, &modes, work.images, 31, 0);
            timed(seconds, || {
                probe.look(&trainer.net, trainer.images(), trainer.targets(), 0)?;
                Ok(work.images)
            })?
        }
    };
    Ok(Speed {
        what: work.what.to_owned(),
        family: work.family.map(str::to_owned),
        images_per_s: times[times.len() / 2],
        range: [times[0], times[times.len() - 1]],
        peer: None,
        // The driver is asked about the device that is current, the first.
        bytes: if device == Device::Cuda(0) { device::memory().map(|(used, _)| used) } else { None },
    })
}

/// Updates between two looks at the clock.
const STEPS: usize = 20;
/// Blocks before the clock runs, and the least number under it.
const WARM: usize = 2;
const LEAST: usize = 3;

// Images per second of each block, ascending.
fn timed(seconds: f64, mut block: impl FnMut() -> Result<usize>) -> Result<Vec<f64>> {
    for _ in 0..WARM {
        block()?;
    }
    let begun = Instant::now();
    let mut rates = Vec::new();
    while rates.len() < LEAST || begun.elapsed().as_secs_f64() < seconds {
        let clock = Instant::now();
        let images = block()?;
        rates.push(images as f64 / clock.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    Ok(rates)
}
