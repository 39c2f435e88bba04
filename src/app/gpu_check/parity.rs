//! The device against the CPU: forward, backward, updates, what a look sees, linear
//! networks; and the device against itself.

use tch::{Device, Kind, Tensor};

use super::Check;
use super::material::{CLASSES, Material, Way};
use crate::error::{Error, Result};
use crate::model::deep::{Deep, Pass};
use crate::model::{self, Draw, Layout, Padding, Start, convert};
use crate::probe::Probe;
use crate::progress::Progress;
use crate::run::config::{Dtype, ModelKind, Stem};
use crate::run::{Observer, Row, Snapshot};
use crate::theory::{Modes, Moments};
use crate::train::deep::Targets;
use crate::train::linear::{self, Plan};
use crate::weights::NamedTensor;

/// At least one of each family, and what is special in the layers of some.
const NETWORKS: [(ModelKind, Stem, usize); 22] = [
    (ModelKind::Cnn, Stem::Cifar, 32),
    (ModelKind::Resnet20, Stem::Cifar, 32),
    // Max pooling.
    (ModelKind::Resnet18, Stem::Imagenet, 64),
    // Convolutions of one channel each, dropout.
    (ModelKind::MobilenetV2, Stem::Cifar, 64),
    (ModelKind::Vgg11Bn, Stem::Cifar, 32),
    (ModelKind::Densenet121, Stem::Cifar, 64),
    (ModelKind::Squeezenet1_1, Stem::Cifar, 64),
    // Pooling to a fixed size.
    (ModelKind::Alexnet, Stem::Cifar, 96),
    // Layer norms, GELU, dropped blocks.
    (ModelKind::ConvnextTiny, Stem::Cifar, 64),
    (ModelKind::Mnasnet0_5, Stem::Cifar, 64),
    // Gates of channels.
    (ModelKind::RegnetY_400mf, Stem::Cifar, 64),
    (ModelKind::EfficientnetB0, Stem::Cifar, 64),
    // Units of hard edges.
    (ModelKind::MobilenetV3Small, Stem::Cifar, 64),
    // Channels in another order.
    (ModelKind::ShufflenetV2X0_5, Stem::Cifar, 64),
    (ModelKind::Googlenet, Stem::Cifar, 64),
    // Strips as kernels, mean pools that pad.
    (ModelKind::InceptionV3, Stem::Cifar, 139),
    // Attention: of all tokens, in windows, by angles, in grids.
    (ModelKind::VitB_32, Stem::Cifar, 64),
    (ModelKind::SwinT, Stem::Cifar, 64),
    (ModelKind::SwinV2T, Stem::Cifar, 64),
    (ModelKind::MaxvitT, Stem::Cifar, 224),
    (ModelKind::Resnet50, Stem::Imagenet, 224),
    // Pixels mirrored about the edges, and binomial filters.
    (ModelKind::Resnetblur50, Stem::Imagenet, 64),
];

const BATCH: usize = 16;
const STEPS: u64 = 3;

// Fewer of larger images: the CPU computes them in double precision.
fn batch(side: usize) -> usize {
    (BATCH * 32 / side).max(4)
}

/// Rounding in another order may cost so many times what it costs the CPU.
const LIKE_CPU: f64 = 20.0;
/// Where a unit is at its kink, or two pixels of a pool are alike, one rounding decides
/// which way a gradient goes: seen were up to 5e-3, on CPUs too.
const KINKS: f64 = 2e-2;
/// Of gradients and updates in double precision.
const DOUBLE: f64 = 1e-8;
/// And through units of hard edges: libtorch multiplies by 1/6 in single precision; seen were 2.3e-7.
const DOUBLE_HARD: f64 = 1e-6;
/// The CPU may be lucky: no bound is below this.
const LEAST: f64 = 1e-5;
/// And in bfloat16, where sums are rounded at other places.
const LIKE_CPU_HALF: f64 = 3.0;

/// The networks `only`, or all where none is named.
pub fn checks(device: Device, only: &[ModelKind]) -> Result<Vec<Check>> {
    let networks = NETWORKS.iter().filter(|(model, ..)| only.is_empty() || only.contains(model));
    let networks: Vec<_> = networks.collect();
    if let Some(other) = only.iter().find(|model| NETWORKS.iter().all(|(known, ..)| known != *model)) {
        let known: Vec<_> = NETWORKS.iter().map(|(model, ..)| model.to_string()).collect();
        return Err(Error::input("--only", known.join(", "), other));
    }
    let progress = Progress::new("checks", networks.len() as u64 + 2);
    let mut all = Vec::new();
    for &&(model, stem, side) in &networks {
        let way = Way { model, stem, dtype: Dtype::F32, batch: batch(side), augment: false };
        network(&mut all, way, side, device)?;
        progress.inc(1);
    }
    augmentation(&mut all, device)?;
    look(&mut all, device)?;
    progress.inc(1);
    linear_networks(&mut all, device)?;
    progress.inc(1);
    Ok(all)
}

fn network(all: &mut Vec<Check>, way: Way, side: usize, device: Device) -> Result<()> {
    let material = Material::new(2 * way.batch, side)?;
    let exact = Way { dtype: Dtype::F64, ..way };
    let half = Way { dtype: Dtype::Bf16, ..way };
    let seen = [
        passes(&exact, &material, Device::Cpu)?,
        passes(&way, &material, Device::Cpu)?,
        passes(&way, &material, device)?,
        passes(&half, &material, Device::Cpu)?,
        passes(&half, &material, device)?,
    ];
    let [reference, cpu, found, cpu_half, found_half] = &seen;
    let model = way.model;
    for (i, what) in ["forward, evaluation", "forward, training", "gradients"].into_iter().enumerate() {
        let own = distance(&cpu[i], &reference[i])?;
        let error = distance(&found[i], &reference[i])?;
        let most = if i < 2 { bound(own) } else { bound(own).max(KINKS) };
        all.push(Check::new(format!("{model}: {what}"), error, Some(own), most));
        if i < 2 {
            let own = distance(&cpu_half[i], &reference[i])?;
            let error = distance(&found_half[i], &reference[i])?;
            all.push(Check::new(format!("{model}: {what}, bf16"), error, Some(own), LIKE_CPU_HALF * own));
        }
    }
    // In double precision no rounding decides at a kink: here the device has to be right.
    let double = if model == ModelKind::MobilenetV3Small { DOUBLE_HARD } else { DOUBLE };
    let found = passes(&exact, &material, device)?;
    let error = distance(&found[2], &reference[2])?;
    all.push(Check::new(format!("{model}: gradients, f64"), error, None, double));
    let reference = updates(&exact, &material, Device::Cpu)?;
    let error = travelled(&updates(&exact, &material, device)?, &reference)?;
    all.push(Check::new(format!("{model}: {STEPS} updates, f64"), error, None, double));
    for (way, called) in [(way, "f32"), (half, "bf16")] {
        let same = bits(&way, &material, device)? == bits(&way, &material, device)?;
        let error = if same { 0.0 } else { 1.0 };
        all.push(Check::new(format!("{model}: other bits in a second run, {called}"), error, None, 0.0));
    }
    Ok(())
}

fn bound(cpu: f64) -> f64 {
    (LIKE_CPU * cpu).max(LEAST)
}

// ‖a − b‖/‖b‖.
fn distance(a: &Tensor, b: &Tensor) -> Result<f64> {
    let on =
        |t: &Tensor| Ok::<_, crate::Error>(t.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?);
    let (a, b) = (on(a)?, on(b)?);
    let norm = |t: &Tensor| Ok::<_, crate::Error>(f64::try_from(t.f_norm()?)?);
    Ok(norm(&a.f_sub(&b)?)? / norm(&b)?)
}

// Logits in evaluation and in training, and all gradients of the loss in one row.
fn passes(way: &Way, material: &Material, device: Device) -> Result<[Tensor; 3]> {
    let net = way.net(&material.samples, device)?;
    let half = way.dtype == Dtype::Bf16;
    let rows: Vec<usize> = (0..way.batch).collect();
    let x = way.images(material, device)?.plain(&rows)?;
    // Running statistics of these images, as after training.
    net.take_statistics(&x)?;
    let seen = tch::no_grad(|| net.forward(&x, &Pass::eval(half)))?;
    let targets = Targets::of_samples(&material.samples, &way.config()?.optim, &net)?;
    let logits = net.forward(&x, &Pass::train(half))?;
    let loss = targets.loss(&logits, &rows, false)?;
    let weights: Vec<_> = net.parameters().map(|e| e.tensor.shallow_clone()).collect();
    let gradients = Tensor::f_run_backward(&[loss], &weights, false, false)?;
    let flat: Vec<_> = gradients.iter().map(|g| g.f_reshape([-1])).collect::<std::result::Result<_, _>>()?;
    Ok([seen, logits.detach(), Tensor::f_cat(&flat, 0)?])
}

// By how much the updates move each parameter, on the CPU in double precision.
fn updates(way: &Way, material: &Material, device: Device) -> Result<Vec<Tensor>> {
    let mut trainer = way.trainer(material, device)?;
    let copy = |net: &Deep| -> Result<Vec<Tensor>> {
        let here = |t: &Tensor| t.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double);
        // What is on the CPU in double precision already would come back as it is.
        net.parameters().map(|e| Ok(here(&e.tensor)?.copy())).collect()
    };
    let before = copy(&trainer.net)?;
    for _ in 0..STEPS {
        trainer.update()?;
    }
    copy(&trainer.net)?.iter().zip(&before).map(|(a, b)| Ok(a.f_sub(b)?)).collect()
}

// ‖Δa − Δb‖/‖Δb‖ over all parameters.
fn travelled(a: &[Tensor], b: &[Tensor]) -> Result<f64> {
    let row = |all: &[Tensor]| -> Result<Tensor> {
        let flat: Vec<_> = all.iter().map(|t| t.f_reshape([-1])).collect::<std::result::Result<_, _>>()?;
        Ok(Tensor::f_cat(&flat, 0)?)
    };
    distance(&row(a)?, &row(b)?)
}

fn bits(way: &Way, material: &Material, device: Device) -> Result<Vec<Vec<u8>>> {
    let mut trainer = Way { augment: true, ..*way }.trainer(material, device)?;
    for _ in 0..2 * STEPS {
        trainer.update()?;
    }
    let bytes = |t: &NamedTensor| {
        let mut bytes = Vec::new();
        t.data().write_le_bytes(&mut bytes).expect("memory takes every byte");
        bytes
    };
    Ok(trainer.net.state_dict()?.iter().map(bytes).collect())
}

fn augmentation(all: &mut Vec<Check>, device: Device) -> Result<()> {
    let material = Material::new(64, 32)?;
    let way =
        Way { model: ModelKind::Resnet20, stem: Stem::Cifar, dtype: Dtype::F32, batch: BATCH, augment: true };
    let rows: Vec<usize> = (0..64).rev().collect();
    let taken = |device| way.images(&material, device)?.augmented(&rows, 3, 7);
    let error = distance(&taken(device)?, &taken(Device::Cpu)?)?;
    all.push(Check::new("crops and flips, against the CPU", error, None, 1e-6));
    Ok(())
}

fn look(all: &mut Vec<Check>, device: Device) -> Result<()> {
    let material = Material::new(600, 32)?;
    let modes = Modes::new(&material.samples)?;
    let probe = Probe::new(&material.samples, &modes, 512, 8, 0);
    let way = Way {
        model: ModelKind::Resnet20,
        stem: Stem::Cifar,
        dtype: Dtype::F32,
        batch: BATCH,
        augment: false,
    };
    let seen = |way: &Way, device| -> Result<[Tensor; 2]> {
        let net = way.net(&material.samples, device)?;
        let targets = Targets::of_samples(&material.samples, &way.config()?.optim, &net)?;
        let look = probe.look(&net, &way.images(&material, device)?, &targets, 0)?;
        let jacobian = look.jacobian.expect("asked for");
        Ok([
            convert::tensor(look.response.view(), Kind::Double, Device::Cpu)?,
            convert::tensor(jacobian.mean.view(), Kind::Double, Device::Cpu)?,
        ])
    };
    let reference = seen(&Way { dtype: Dtype::F64, ..way }, Device::Cpu)?;
    let (cpu, found) = (seen(&way, Device::Cpu)?, seen(&way, device)?);
    for (i, what) in ["strengths of modes", "Jacobian"].into_iter().enumerate() {
        let own = distance(&cpu[i], &reference[i])?;
        all.push(Check::new(
            format!("a look: {what}"),
            distance(&found[i], &reference[i])?,
            Some(own),
            bound(own),
        ));
    }
    Ok(())
}

struct Nobody;

impl Observer for Nobody {
    fn row(&mut self, _: &Row) -> Result<()> {
        Ok(())
    }

    fn snapshot(&mut self, _: &Snapshot) -> Result<()> {
        Ok(())
    }
}

fn linear_networks(all: &mut Vec<Check>, device: Device) -> Result<()> {
    let material = Material::new(500, 16)?;
    let samples = &material.samples;
    let (modes, moments) = (Modes::new(samples)?, Moments::new(samples));
    let [c, h, w] = samples.shape;
    assert_eq!(c, 3, "images of three channels");
    let layouts = [
        ("fcnn", Layout::Fcnn { hidden: 32 }),
        ("lcnn", Layout::Lcnn { channels: 2, layers: 1, size: (h, w), padding: Padding::Circular }),
    ];
    for (name, layout) in layouts {
        for (space, of) in [("moments", Some(&moments)), ("samples", None)] {
            let trained = |kind, device| -> Result<Tensor> {
                let start = Start { draw: Draw::Gaussian(1e-2), seed: 0, modes: &modes, outputs: CLASSES };
                let net = model::network(&start.weights(layout)?, kind, device)?;
                let plan = Plan {
                    steps: 100,
                    eta: 1e-3,
                    momentum: 0.0,
                    batch: None,
                    every: 100,
                    snapshots: 0,
                    seed: 0,
                };
                let mut space = linear::space(samples, of, &plan, net.as_ref(), kind, device)?;
                linear::train(net.as_ref(), space.as_mut(), &plan, samples, &modes, &mut Nobody)?;
                let flat = net.parameters().into_iter().map(|(_, w)| w.f_reshape([-1]));
                Ok(Tensor::f_cat(&flat.collect::<std::result::Result<Vec<_>, _>>()?, 0)?)
            };
            let reference = trained(Kind::Double, Device::Cpu)?;
            let own = distance(&trained(Kind::Float, Device::Cpu)?, &reference)?;
            let error = distance(&trained(Kind::Float, device)?, &reference)?;
            all.push(Check::new(
                format!("{name}: 100 updates from {space}, f32"),
                error,
                Some(own),
                bound(own),
            ));
            let error = distance(&trained(Kind::Double, device)?, &reference)?;
            all.push(Check::new(format!("{name}: 100 updates from {space}, f64"), error, None, 1e-10));
        }
    }
    Ok(())
}
