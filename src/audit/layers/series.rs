//! The convolutions over a run.

use serde::{Deserialize, Serialize};

use super::compare::{apart, compare};
use super::{Layer, Layers, Quantity, csv};
use crate::audit::chapter::{Chapter, Picture, section};
use crate::audit::pens::dotted;
use crate::error::Result;
use crate::plot::{Axis, Block, Key, Marker, Panel, Pen, Sign, Stroke, viridis};

/// The convolutions at several steps of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Updates made at each.
    pub steps: Vec<u64>,
    /// Each layer at all of them.
    pub traces: Vec<Trace>,
}

/// A layer along a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Name of its weights.
    pub name: String,
    /// `[O, I, r, s]`.
    pub shape: [usize; 4],
    /// Mean squared norm of its kernels at each checkpoint; None where it is missing.
    pub energy: Vec<Option<f64>>,
    /// [`Spectrum::centroid`](super::Spectrum::centroid) at each; None where it has no spectrum.
    pub centroid: Vec<Option<f64>>,
    /// [`Spectrum::anisotropy`](super::Spectrum::anisotropy) at each.
    pub anisotropy: Vec<Option<f64>>,
    /// [`Spectrum::kernel_anisotropy`](super::Spectrum::kernel_anisotropy) at each.
    pub kernel_anisotropy: Vec<Option<f64>>,
    /// [`Spectrum::dominant_share`](super::Spectrum::dominant_share) at each.
    pub dominant_share: Vec<Option<f64>>,
    /// [`Spectrum::participation`](super::Spectrum::participation) at each.
    pub participation: Vec<Option<f64>>,
}

/// The layers of the first of these networks at all of them.
///
/// # Errors
/// [`crate::Error::Input`] where one is on another grid or has none of these layers in their
/// shapes.
pub fn traces(networks: &[Layers]) -> Result<Vec<Trace>> {
    let Some(first) = networks.first() else { return Ok(Vec::new()) };
    let of = |network: &Layers, layer: &Layer| {
        network.layers.iter().position(|l| l.name == layer.name && l.shape == layer.shape)
    };
    for network in networks {
        if network.grid != first.grid || !first.layers.iter().any(|l| of(network, l).is_some()) {
            return Err(compare(first, network, None).err().unwrap_or_else(|| apart(first, network)));
        }
    }
    let trace = |layer: &Layer| {
        let at: Vec<Option<&Layer>> =
            networks.iter().map(|network| of(network, layer).map(|at| &network.layers[at])).collect();
        let values = |quantity| {
            at.iter().map(|l| l.and_then(|l| l.spectrum.as_ref()).map(|s| s.get(quantity))).collect()
        };
        Trace {
            name: layer.name.clone(),
            shape: layer.shape,
            energy: at.iter().map(|l| l.map(|l| l.energy)).collect(),
            centroid: values(Quantity::Centroid),
            anisotropy: values(Quantity::Anisotropy),
            kernel_anisotropy: values(Quantity::KernelAnisotropy),
            dominant_share: values(Quantity::DominantShare),
            participation: values(Quantity::Participation),
        }
    };
    Ok(first.layers.iter().map(trace).collect())
}

/// The files of the chapter: its table, its figure.
pub const FILES: [&str; 2] = ["series.csv", "series.png"];

/// The chapter on the convolutions of `network` over its training.
pub fn chapter<'a>(network: &str, series: &'a Series) -> Chapter<'a> {
    let [first, last] = [series.steps.first(), series.steps.last()].map(|s| s.copied().unwrap_or(0));
    let text = format!(
        "{} looks from step {first} to {last}: the checkpoints that were kept and, at step 0, the initial weights.",
        series.steps.len()
    );
    let caption = "Convolutions over training, the first dark, the last bright.".to_owned();
    let blocks = figure(&format!("Convolutions of {network} over training"), series);
    Chapter {
        section: section("Over training", vec![text]),
        findings: Vec::new(),
        figure: Some(Picture { file: FILES[1], caption, blocks }),
        tables: vec![(FILES[0], csv::series(&series.steps, &series.traces))],
    }
}

fn figure(heading: &str, Series { steps, traces }: &Series) -> Vec<Block> {
    let deepest = traces.len().saturating_sub(1).max(1) as f64;
    let pen = |i: usize| Pen::new(viridis(0.9 * i as f64 / deepest), 1.0, Stroke::Solid);
    let panel = |name: &str, y: &str, of: fn(&Trace) -> &Vec<Option<f64>>| {
        let mut panel = Panel::new(name, Axis::linear("gradient-descent step"), Axis::linear(y));
        for (i, trace) in traces.iter().enumerate().rev() {
            let points: Vec<_> =
                steps.iter().zip(of(trace)).map(|(s, v)| (*s as f64, v.unwrap_or(f64::NAN))).collect();
            panel.layers.extend(dotted(points, 1.0, pen(i), Marker::Dot));
        }
        panel
    };
    let panels = vec![
        panel("(a) Centroid", "cycles/pixel", |t| &t.centroid),
        panel("(b) Kernel anisotropy", "anisotropy of its kernels", |t| &t.kernel_anisotropy),
        panel("(c) Participation", "participation ratio", |t| &t.participation),
    ];
    let named = [0, traces.len() / 2, traces.len().saturating_sub(1)];
    let mut keys: Vec<Key> = Vec::new();
    for i in named {
        if let Some(trace) = traces.get(i)
            && !keys.iter().any(|k| k.text == trace.name)
        {
            keys.push(Key::new(vec![Sign::Line(pen(i))], trace.name.clone()));
        }
    }
    vec![Block::Heading(heading.to_owned()), Block::Panels(panels, 300.0, 1.0), Block::Legend(keys)]
}
