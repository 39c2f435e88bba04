//! Deep networks as plain data: layers in order, with the names and shapes of
//! their tensors. libtorch builds networks from it (`model::deep`); to say which
//! network a file of weights is of ([`guess`]) takes none.
//!
//! Names, shapes and order are those of the `state_dict` of torchvision's
//! networks, and for CIFAR ResNets those in use for them
//! (`layer1.0.conv1`, `layer2.0.shortcut.0`, `linear`).

mod attention;
mod cnn;
mod convnext;
mod densenet;
mod efficientnet;
mod googlenet;
pub mod guess;
mod inception;
mod kind;
pub mod locate;
mod maxvit;
mod mnasnet;
mod mobilenet;
pub mod names;
mod regnet;
mod resnet;
mod shufflenet;
mod size;
mod squeezenet;
mod swin;
#[cfg(test)]
mod tests;
mod vgg;
mod vit;

pub use attention::{Attention, Embedding, Over, Part};
pub use densenet::current_name;
pub use kind::ModelKind;
pub use resnet::{Shortcut, Stem};
pub use size::{Kernel, Size};

use std::fmt;

use crate::error::{Error, Result};
use crate::theory::linear::Padding;

/// What a network is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Which network.
    pub kind: ModelKind,
    /// `[c, h, w]` of the images.
    pub shape: [usize; 3],
    /// Outputs K.
    pub outputs: usize,
    /// Whether there are nonlinearities: without, activations are left out, and
    /// max pooling is average pooling.
    pub nonlinear: bool,
    /// Whether batch norms are kept.
    pub norm: bool,
    /// What kernels meet beyond the edges.
    pub padding: Padding,
    /// Shortcuts of CIFAR ResNets.
    pub shortcut: Shortcut,
    /// First layers of ResNets 18 to 152, wide ones and ResNeXts.
    pub stem: Stem,
    /// Channels, layers and kernel size of the CNN.
    pub plain: (usize, usize, (usize, usize)),
    /// Whether kernels are stored with their channels innermost, as images may be.
    pub channels_last: bool,
}

/// Images smaller than this have too few pixels for the ImageNet stem.
const SMALL: usize = 64;

impl Architecture {
    /// The usual form of `kind`, for images of `shape` `[c, h, w]` in `outputs` classes.
    pub fn usual(kind: ModelKind, shape: [usize; 3], outputs: usize) -> Self {
        let [_, h, w] = shape;
        Self {
            kind,
            shape,
            outputs,
            nonlinear: true,
            norm: true,
            padding: Padding::Zero,
            shortcut: Shortcut::A,
            stem: if h.min(w) < SMALL { Stem::Cifar } else { Stem::Imagenet },
            plain: (1, 1, (h, w)),
            channels_last: true,
        }
    }
}

/// Networks that are built alike. A family is a file of this folder; its members are
/// in [`ModelKind::family`].
pub trait Family {
    /// The layers, and the smallest side of images that they can take, as far as
    /// their shapes do not tell.
    ///
    /// # Errors
    /// [`Error::Input`] for images on which the network has no meaning.
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)>;

    /// Whether there is the choice of a [`Shortcut`].
    fn has_shortcut(&self) -> bool {
        false
    }

    /// Whether there is the choice of a [`Stem`].
    fn has_stem(&self) -> bool {
        false
    }

    /// Where it differs from another network in nothing that has tensors: that one, which files are taken for
    /// unless it is said that they are of this one.
    fn twin(&self) -> Option<ModelKind> {
        None
    }

    /// Of a network for images of one size: the tensor `[1, 1 + positions, width]` that says which,
    /// and the side in pixels of the square that is one position.
    fn positions(&self) -> Option<(&'static str, usize)> {
        None
    }

    /// Parts that answer in training alone, and that files may have and may lack: how the names of
    /// their tensors begin, and the layers.
    fn auxiliary(&self, _outputs: usize) -> Vec<(&'static str, Vec<Layer>)> {
        Vec::new()
    }
}

/// ε of PyTorch's norms.
const EPSILON: f64 = 1e-5;

/// A convolution, with what follows it at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Its name ("layer1.0.conv1").
    pub name: String,
    /// Kernels `[out, in/groups, h, w]`.
    pub shape: [usize; 4],
    /// Pixels from one position to the next.
    pub stride: usize,
    /// Groups that channels are in: each output sees the inputs of its own.
    pub groups: usize,
    /// Pixels put around an image: left, right, top, bottom.
    pub pads: [usize; 4],
    /// Whether it has a bias.
    pub bias: bool,
    /// Name of the batch norm behind it, where there is one.
    pub norm: Option<String>,
    /// The norm's ε.
    pub epsilon: f64,
}

impl Conv {
    // Square kernels, `padding` pixels on each side, neither bias nor norm.
    fn new(
        name: impl Into<String>,
        [outputs, inputs]: [usize; 2],
        size: usize,
        stride: usize,
        padding: usize,
    ) -> Self {
        Self::rectangular(name, [outputs, inputs, size, size], stride, [padding, padding])
    }

    // Kernels `[out, in, h, w]`, and pixels above and below, left and right.
    fn rectangular(
        name: impl Into<String>,
        shape: [usize; 4],
        stride: usize,
        [rows, columns]: [usize; 2],
    ) -> Self {
        let pads = [columns, columns, rows, rows];
        Self { name: name.into(), shape, stride, groups: 1, pads, bias: false, norm: None, epsilon: EPSILON }
    }

    /// Names and shapes of its own tensors, without those of its norm.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut all = vec![(format!("{}.weight", self.name), self.shape.to_vec())];
        if self.bias {
            all.push((format!("{}.bias", self.name), vec![self.shape[0]]));
        }
        all
    }

    fn grouped(mut self, groups: usize) -> Self {
        self.shape[1] /= groups;
        Self { groups, ..self }
    }

    fn with_bias(self) -> Self {
        Self { bias: true, ..self }
    }

    fn with_norm(self, name: impl Into<String>) -> Self {
        Self { norm: Some(name.into()), ..self }
    }

    fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }
}

/// Nonlinearities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// min(max(0, x), 6).
    Relu6,
    /// x Φ(x), Φ being the normal distribution's (not its approximation by tanh).
    Gelu,
    /// x / (1 + e⁻ˣ).
    Silu,
    /// x min(max(0, x + 3), 6) / 6.
    Hardswish,
    /// The hyperbolic tangent.
    Tanh,
}

/// Pooling over square windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The largest value, else the mean (in which pads count as zeros).
    pub max: bool,
    /// Side of the windows.
    pub size: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Pixels put around an image.
    pub padding: usize,
    /// Whether a window may reach beyond the edge, so that all pixels are in one.
    pub ceil: bool,
}

impl Pool {
    fn max(size: usize, stride: usize, padding: usize) -> Self {
        Self { max: true, size, stride, padding, ceil: false }
    }

    pub(crate) fn mean(size: usize, stride: usize, padding: usize) -> Self {
        Self { max: false, ..Self::max(size, stride, padding) }
    }

    /// Windows along a side of `n` pixels; none where one does not fit.
    pub(crate) fn windows(&self, n: usize) -> Option<usize> {
        let padded = n + 2 * self.padding;
        if !self.ceil {
            return Some(padded.checked_sub(self.size)? / self.stride + 1);
        }
        let count = (padded + self.stride - 1).checked_sub(self.size)? / self.stride + 1;
        // The last window must begin inside of the image or its padding before.
        let beyond = (count - 1) * self.stride >= n + self.padding;
        Some(if beyond { count - 1 } else { count }).filter(|&count| count > 0)
    }
}

/// A step of the forward pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// A convolution.
    Conv(Conv),
    /// Batch norm that does not follow a convolution.
    Norm {
        /// Its name.
        name: String,
        /// Channels.
        channels: usize,
        /// Its ε.
        epsilon: f64,
    },
    /// Layer norm over the channels of each position.
    ChannelNorm {
        /// Its name.
        name: String,
        /// Channels.
        channels: usize,
        /// Its ε.
        epsilon: f64,
    },
    /// A nonlinearity.
    Activation(Activation),
    /// Pooling.
    Pool(Pool),
    /// Means over windows that make the image so many pixels high and wide,
    /// whatever it was.
    Resize(usize),
    /// Mean over all positions: `[B, c]`.
    Mean,
    /// All values of an image, by channel, row and column: `[B, c·h·w]`.
    Flatten,
    /// A dense layer, over the channels of each position where there still are positions.
    Dense {
        /// Its name.
        name: String,
        /// Values it makes.
        outputs: usize,
        /// Values it takes.
        inputs: usize,
        /// Whether it has a bias.
        bias: bool,
    },
    /// In training, each value is zero with this probability.
    Dropout(f64),
    /// Every other pixel, and so many channels of zeros before and after.
    Subsample(usize),
    /// One pixel more on each side: the one beyond the edge's own, as in a mirror.
    Mirror,
    /// Layers, beside a shortcut, and the sum of both.
    Sum {
        /// The layers.
        main: Vec<Layer>,
        /// The other way; the input itself where empty.
        shortcut: Vec<Layer>,
        /// Name of a factor per channel for `main`, with the number of channels.
        scale: Option<(String, usize)>,
        /// In training, the probability that an image takes the shortcut alone.
        drop: f64,
        /// Whether the shortcut's tensors come first in files.
        shortcut_first: bool,
    },
    /// Each channel times a number between 0 and 1: the sigmoid of what the layers make of the channels'
    /// means (squeeze and excitation).
    Gate {
        /// The layers.
        layers: Vec<Layer>,
        /// Whether the sigmoid is min(max(0, x + 3), 6) / 6.
        hard: bool,
    },
    /// So many channels from the given one on.
    Channels {
        /// The first.
        start: usize,
        /// How many.
        count: usize,
    },
    /// Channels in so many parts, one of each in turn.
    Shuffle(usize),
    /// Four pixels become one, with the channels of all: those of the even rows and columns, of the odd
    /// rows, of the odd columns, of both. Sides are made even with zeros.
    Fold,
    /// Squares of an image become tokens `[B, 1 + positions, width]`, the first one the same for all images.
    Embedding(Embedding),
    /// Tokens, or pixels, look at one another.
    Attention(Attention),
    /// The first token: `[B, width]`.
    First,
    /// Layers whose tensors come in another order in files: the places of the layers.
    Listed {
        /// The layers, in the order of the forward pass.
        layers: Vec<Layer>,
        /// Which one comes first in files, which one second.
        order: Vec<usize>,
    },
    /// Several ways from the same input (the input itself where empty), their
    /// channels one after the other.
    Concat(Vec<Vec<Layer>>),
    /// The place where others may look, with its name.
    Tap(String),
    /// The same for tokens, which are looked at as an image, without the first.
    TokenTap {
        /// Its name.
        name: String,
        /// Rows and columns of the image.
        size: [usize; 2],
    },
}

const RELU: Layer = Layer::Activation(Activation::Relu);

fn tap(name: impl Into<String>) -> Layer {
    Layer::Tap(name.into())
}

fn dense(name: impl Into<String>, outputs: usize, inputs: usize) -> Layer {
    Layer::Dense { name: name.into(), outputs, inputs, bias: true }
}

// A convolution "name.0" that keeps the size but for its stride, and its norm "name.1".
fn unit(name: impl fmt::Display, shape: [usize; 2], size: usize, stride: usize, groups: usize) -> Conv {
    let conv = Conv::new(format!("{name}.0"), shape, size, stride, size / 2).grouped(groups);
    conv.with_norm(format!("{name}.1"))
}

// The sum of `main` and its input.
fn residual(main: Vec<Layer>, drop: f64) -> Layer {
    Layer::Sum { main, shortcut: vec![], scale: None, drop, shortcut_first: false }
}

// The multiple of 8 next to `channels`, or the one after it where that is more than a tenth too small.
fn multiple_of_8(channels: f64) -> usize {
    let near = ((channels + 4.0) as usize / 8 * 8).max(8);
    if near as f64 >= 0.9 * channels { near } else { near + 8 }
}

/// The layers of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    layers: Vec<Layer>,
}

impl Plan {
    /// Of a deep network.
    /// ```
    /// use domfreq::blueprint::{Architecture, ModelKind, Plan};
    ///
    /// let plan = Plan::new(&Architecture::usual(ModelKind::Resnet18, [3, 224, 224], 1000))?;
    /// assert_eq!(plan.tensors()[0], ("conv1.weight".to_owned(), vec![64, 3, 7, 7]));
    /// # Ok::<(), domfreq::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] for a linear kind, for a switch that the network does not
    /// have, and for images too small for it.
    pub fn new(architecture: &Architecture) -> Result<Self> {
        let Architecture { kind, shape: [_, h, w], .. } = *architecture;
        let family = kind.family().ok_or_else(|| Error::input("model.kind", "a deep network", kind))?;
        let (mut layers, least) = family.layers(architecture)?;
        if !architecture.norm {
            if !kind.to_string().ends_with("_bn") && has_norm(&layers) {
                without_norm(&mut layers);
            } else {
                let name = kind.to_string();
                let expected = match name.strip_suffix("_bn") {
                    Some(other) => format!("true for {kind}; {other} is the network without batch norm"),
                    None => format!("a network with batch norm, {kind} has none"),
                };
                return Err(Error::input("model.norm", expected, false));
            }
        }
        if !architecture.nonlinear {
            if has_channel_norm(&layers) {
                let expected = format!("true for {kind}: layer norm is not linear either");
                return Err(Error::input("model.nonlinear", expected, false));
            }
            if has_gate(&layers) {
                let expected = format!("true for {kind}: channels are multiplied by what the image has");
                return Err(Error::input("model.nonlinear", expected, false));
            }
            without_nonlinearity(&mut layers);
        }
        let circular = architecture.padding == Padding::Circular;
        let fits = |side: usize, rows: bool| side >= least && walk(&layers, side, rows, circular).is_some();
        if !(fits(h, true) && fits(w, false)) {
            let mut enough = (1..MOST_LEAST).filter(|&n| fits(n, true) && fits(n, false));
            let expected = match enough.next() {
                Some(n) if n > h.min(w) => format!("images of at least {n}x{n} for {kind}"),
                Some(n) => {
                    let near = std::iter::once(n).chain(enough).min_by_key(|n| n.abs_diff(h.max(w)));
                    let near = near.unwrap_or(n);
                    format!("sides that {kind} can take, such as {near}x{near}")
                }
                None => format!("images that {kind} can take"),
            };
            return Err(Error::input("model.kind", expected, format_args!("{h}x{w}")));
        }
        Ok(Self { layers })
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether its last layers read each place by weights of its own, and not a mean over all of them.
    pub fn reads_places(&self) -> bool {
        any(&self.layers, &|layer| matches!(layer, Layer::Flatten))
    }

    /// Whether it has batch norms.
    pub fn has_norm(&self) -> bool {
        has_norm(&self.layers)
    }

    /// Names and shapes of all tensors, in the order of PyTorch's `state_dict`.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut all = Vec::new();
        list(&self.layers, &mut all);
        all
    }
}

// The search for the least size ends somewhere; no network here needs as much.
const MOST_LEAST: usize = 512;

fn any(layers: &[Layer], what: &dyn Fn(&Layer) -> bool) -> bool {
    layers.iter().any(|layer| {
        what(layer)
            || match layer {
                Layer::Sum { main, shortcut, .. } => any(main, what) || any(shortcut, what),
                Layer::Concat(ways) => ways.iter().any(|way| any(way, what)),
                Layer::Gate { layers, .. } | Layer::Listed { layers, .. } => any(layers, what),
                _ => false,
            }
    })
}

fn has_norm(layers: &[Layer]) -> bool {
    any(layers, &|layer| match layer {
        Layer::Conv(conv) => conv.norm.is_some(),
        Layer::Norm { .. } => true,
        _ => false,
    })
}

fn has_channel_norm(layers: &[Layer]) -> bool {
    any(layers, &|layer| matches!(layer, Layer::ChannelNorm { .. }))
}

fn has_gate(layers: &[Layer]) -> bool {
    any(layers, &|layer| matches!(layer, Layer::Gate { .. }))
}

fn change(layers: &mut Vec<Layer>, keep: &dyn Fn(&mut Layer) -> bool) {
    layers.retain_mut(|layer| {
        match layer {
            Layer::Sum { main, shortcut, .. } => {
                change(main, keep);
                change(shortcut, keep);
            }
            Layer::Concat(ways) => ways.iter_mut().for_each(|way| change(way, keep)),
            Layer::Gate { layers, .. } => change(layers, keep),
            // Of `Listed` layers the places count: they stay.
            _ => {}
        }
        keep(layer)
    });
}

fn without_norm(layers: &mut Vec<Layer>) {
    change(layers, &|layer| match layer {
        Layer::Conv(conv) => {
            conv.norm = None;
            true
        }
        Layer::Norm { .. } => false,
        _ => true,
    });
}

fn without_nonlinearity(layers: &mut Vec<Layer>) {
    change(layers, &|layer| match layer {
        Layer::Activation(_) => false,
        Layer::Pool(pool) => {
            pool.max = false;
            true
        }
        _ => true,
    });
}

// What is left of a side of `n` pixels (`rows`: of the height); none where a layer
// does not fit on it.
fn walk(layers: &[Layer], n: usize, rows: bool, circular: bool) -> Option<usize> {
    layers.iter().try_fold(n, |n, layer| match layer {
        Layer::Conv(Conv { shape, stride, pads, .. }) => {
            let (kernel, pads) = if rows { (shape[2], &pads[2..]) } else { (shape[3], &pads[..2]) };
            if circular && pads.iter().any(|&pad| pad > n) {
                return None;
            }
            Some((n + pads[0] + pads[1]).checked_sub(kernel)? / stride + 1)
        }
        Layer::Pool(pool) => pool.windows(n),
        Layer::Resize(n) => Some(*n),
        Layer::Mean | Layer::Flatten => Some(1),
        Layer::Subsample(_) | Layer::Fold => Some(n.div_ceil(2)),
        Layer::Mirror => (n > 1).then_some(n + 2),
        // Whole squares.
        Layer::Embedding(Embedding { patches, .. }) => {
            (n > 0 && n.is_multiple_of(patches.stride)).then_some(n / patches.stride)
        }
        Layer::Attention(attention) => Some(n).filter(|_| attention.fits(n)),
        Layer::Listed { layers, .. } => walk(layers, n, rows, circular),
        Layer::Sum { main, shortcut, .. } => {
            let left = walk(main, n, rows, circular)?;
            (walk(shortcut, n, rows, circular)? == left).then_some(left)
        }
        Layer::Concat(ways) => {
            let mut left = ways.iter().map(|way| walk(way, n, rows, circular));
            let first = left.next()??;
            left.all(|l| l == Some(first)).then_some(first)
        }
        _ => Some(n),
    })
}

fn list(layers: &[Layer], all: &mut Vec<(String, Vec<usize>)>) {
    let norm = |name: &str, channels: usize, all: &mut Vec<_>| {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            all.push((format!("{name}.{part}"), vec![channels]));
        }
        all.push((format!("{name}.num_batches_tracked"), vec![]));
    };
    for layer in layers {
        match layer {
            Layer::Conv(conv) => {
                all.extend(conv.tensors());
                if let Some(name) = &conv.norm {
                    norm(name, conv.shape[0], all);
                }
            }
            Layer::Norm { name, channels, .. } => norm(name, *channels, all),
            Layer::ChannelNorm { name, channels, .. } => {
                all.extend(["weight", "bias"].map(|part| (format!("{name}.{part}"), vec![*channels])));
            }
            Layer::Dense { name, outputs, inputs, bias } => {
                all.push((format!("{name}.weight"), vec![*outputs, *inputs]));
                if *bias {
                    all.push((format!("{name}.bias"), vec![*outputs]));
                }
            }
            Layer::Sum { main, shortcut, scale, shortcut_first, .. } => {
                if let Some((name, channels)) = scale {
                    all.push((name.clone(), vec![*channels, 1, 1]));
                }
                let (first, second) = if *shortcut_first { (shortcut, main) } else { (main, shortcut) };
                list(first, all);
                list(second, all);
            }
            Layer::Concat(ways) => ways.iter().for_each(|way| list(way, all)),
            Layer::Gate { layers, .. } => list(layers, all),
            Layer::Listed { layers, order } => {
                order.iter().for_each(|&at| list(std::slice::from_ref(&layers[at]), all));
            }
            Layer::Embedding(embedding) => all.extend(embedding.tensors()),
            Layer::Attention(attention) => {
                all.extend(attention.parts().into_iter().map(|(name, shape, _)| (name, shape)));
            }
            Layer::Activation(_)
            | Layer::Pool(_)
            | Layer::Resize(_)
            | Layer::Mean
            | Layer::Flatten
            | Layer::Dropout(_)
            | Layer::Subsample(_)
            | Layer::Mirror
            | Layer::Channels { .. }
            | Layer::Shuffle(_)
            | Layer::Fold
            | Layer::First
            | Layer::TokenTap { .. }
            | Layer::Tap(_) => {}
        }
    }
}
