//! Which network a file of weights is of, by the names and shapes of its tensors.
//!
//! A file fits a network or it does not: all tensors of the network must be there
//! in their shapes, and no others. Only the head's rows (classes), the first
//! kernels' channels and the positions of vision transformers (the size of their images) are free; norms'
//! counters may be missing, as they are in old files, and heads that answer in training alone be there.
//! What has no tensor cannot be seen: activations, strides, padding, pooling, anti-aliasing, heads of attention,
//! a norm's ε. Of networks that differ in nothing else the plain one is taken. A
//! ResNet whose first kernels are 3×3 is taken to have the stem for CIFAR, with
//! stride 1 and no pooling.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{Architecture, Family, ModelKind, Plan, Shortcut, Stem, current_name};
use crate::weights::{StateDict, without};

/// A network that a file of weights fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guess {
    /// Which network.
    pub kind: ModelKind,
    /// Outputs of its head.
    pub classes: usize,
    /// Channels of its images.
    pub channels: usize,
    /// First layers, of ResNets for ImageNet, wide ones and ResNeXts.
    pub stem: Option<Stem>,
    /// Shortcuts, of ResNets for CIFAR.
    pub shortcut: Option<Shortcut>,
    /// Whether its batch norms are there; true for a network that has none anyway.
    pub norm: bool,
    /// Height and width of its images in pixels, where it takes those of one size alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<usize>,
}

impl Guess {
    /// The architecture, for images of (height, width), or of its own size where it has one.
    pub fn architecture(&self, size: (usize, usize)) -> Architecture {
        let (h, w) = self.side.map_or(size, |side| (side, side));
        let usual = Architecture::usual(self.kind, [self.channels, h, w], self.classes);
        Architecture {
            norm: self.norm,
            stem: self.stem.unwrap_or(usual.stem),
            shortcut: self.shortcut.unwrap_or(usual.shortcut),
            ..usual
        }
    }

    /// The tensors of its file that answers are made with, and what the others are: parts that answer
    /// in training alone.
    pub fn own(&self, file: StateDict) -> (StateDict, Vec<String>) {
        let parts = self.kind.family().map_or(Vec::new(), |family| family.auxiliary(self.classes));
        let starts: Vec<_> = parts.iter().map(|(start, _)| *start).collect();
        if starts.is_empty() { (file, Vec::new()) } else { without(file, &starts) }
    }

    // Its tensors, with those of the parts for training that the file has.
    fn tensors(&self, found: &Shapes) -> Tensors {
        let Ok(plan) = Plan::new(&self.architecture((LARGE, LARGE))) else { return Vec::new() };
        let mut tensors = plan.tensors();
        let parts = self.kind.family().map_or(Vec::new(), |family| family.auxiliary(self.classes));
        for (start, layers) in parts {
            if found.keys().any(|name| name.starts_with(start)) {
                super::list(&layers, &mut tensors);
            }
        }
        tensors
    }
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match self.stem {
            Some(Stem::Cifar) => f.write_str(" with the stem for CIFAR")?,
            Some(Stem::Imagenet) | None => {}
        }
        match self.shortcut {
            Some(Shortcut::A) => f.write_str(" with shortcuts A")?,
            Some(Shortcut::B) => f.write_str(" with shortcuts B")?,
            None => {}
        }
        if !self.norm {
            f.write_str(" without batch norm")?;
        }
        write!(f, ", {} channel{}, {} classes", self.channels, plural(self.channels), self.classes)?;
        self.side.map_or(Ok(()), |side| write!(f, ", images of {side}x{side}"))
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// Names and shapes, in order.
pub(super) type Tensors = Vec<(String, Vec<usize>)>;

/// Shapes of tensors by their names.
pub(super) type Shapes<'a> = HashMap<String, &'a [usize]>;

/// The network that `file` fits, whatever the order of its tensors; the CNN is not
/// among them, as its file does not say how large its images are.
///
/// # Errors
/// A sentence on the nearest network where none fits.
pub fn guess(file: &StateDict) -> Result<Guess, String> {
    let names = file.iter().map(|t| {
        let name = current_name(t.name()).unwrap_or_else(|| t.name().to_owned());
        (name, t.shape())
    });
    let found: Shapes = names.collect();
    if found.len() < file.len() {
        return Err("two tensors are of the same name".to_owned());
    }
    let mut nearest: Option<(f64, Difference, ModelKind)> = None;
    for (guess, tensors) in known() {
        let (guess, difference) = compared(guess, tensors, &found);
        if fits(&guess, &difference) {
            return Ok(guess);
        }
        let alike = difference.alike();
        if nearest.as_ref().is_none_or(|(most, ..)| alike > *most) {
            nearest = Some((alike, difference, guess.kind));
        }
    }
    Err(match nearest {
        Some((alike, difference, kind)) if alike >= LEAST_ALIKE => {
            format!("of the known networks {kind} is nearest: {difference}")
        }
        _ => {
            let mut names: Vec<_> = found.into_keys().collect();
            names.sort_unstable();
            format!("no known network has tensors of such names ({})", few(&names))
        }
    })
}

// Images that all networks can take.
const LARGE: usize = 224;

// Below this share of names and shapes in common, none is near.
const LEAST_ALIKE: f64 = 0.2;

// All networks that can be told apart, with any number of classes and channels.
fn candidates() -> impl Iterator<Item = Guess> {
    let kinds = ModelKind::value_variants().iter().copied();
    let kinds = kinds.filter(|kind| !kind.is_linear() && *kind != ModelKind::Cnn && kind.twin().is_none());
    kinds.flat_map(|kind| {
        let side = kind.family().and_then(Family::positions).map(|_| LARGE);
        let usual = Guess { kind, classes: 1000, channels: 3, stem: None, shortcut: None, norm: true, side };
        let forms = match kind {
            _ if kind.has_stem() => {
                [Stem::Imagenet, Stem::Cifar].map(|stem| Guess { stem: Some(stem), ..usual.clone() }).to_vec()
            }
            _ if kind.has_shortcut() => {
                let form = |shortcut| Guess { shortcut: Some(shortcut), ..usual.clone() };
                [Shortcut::A, Shortcut::B].map(form).to_vec()
            }
            _ => vec![usual],
        };
        let with =
            forms.into_iter().flat_map(|form| [true, false].map(|norm| Guess { norm, ..form.clone() }));
        // Those without a norm to leave out are no plans.
        with.filter(|g| g.norm || Plan::new(&g.architecture((LARGE, LARGE))).is_ok()).collect::<Vec<_>>()
    })
}

/// All networks that can be told apart, and their tensors.
pub(super) fn known() -> &'static [(Guess, Tensors)] {
    static KNOWN: OnceLock<Vec<(Guess, Tensors)>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let tensors = |guess: Guess| {
            let tensors = guess.tensors(&Shapes::new());
            (guess, tensors)
        };
        candidates().map(tensors).collect()
    })
}

/// A known network with the channels, classes and size of images of the file, and what stands between them.
pub(super) fn compared(
    known: &Guess,
    tensors: &[(String, Vec<usize>)],
    found: &Shapes,
) -> (Guess, Difference) {
    let guess = adopted(known, tensors, found);
    let parts = guess.kind.family().is_some_and(|family| !family.auxiliary(guess.classes).is_empty());
    let difference = if guess == *known && !parts {
        Difference::new(tensors, found)
    } else {
        Difference::new(&guess.tensors(found), found)
    };
    (guess, difference)
}

/// Whether nothing stands between them.
pub(super) fn fits(guess: &Guess, difference: &Difference) -> bool {
    difference.is_none() && guess.classes > 0 && guess.channels > 0
}

// No network has more: sums and products of these stay small.
const MOST: usize = 1 << 20;

// With the channels, the classes and the size of images of the file.
fn adopted(known: &Guess, tensors: &[(String, Vec<usize>)], found: &Shapes) -> Guess {
    let mut guess = known.clone();
    let first = tensors.iter().find(|(_, shape)| shape.len() == 4).and_then(|(name, _)| found.get(name));
    if let Some(&&[_, channels, ..]) = first.filter(|shape| shape.len() == 4) {
        guess.channels = channels.min(MOST);
    }
    if let Some(&[classes, ..]) = head(tensors).and_then(|name| found.get(name)) {
        guess.classes = (*classes).min(MOST);
    }
    let positions = guess.kind.family().and_then(Family::positions);
    if let Some((name, patch)) = positions
        && let Some(&[1, count, _]) = found.get(name)
    {
        let across = count.saturating_sub(1).min(MOST).isqrt();
        guess.side = (across > 0 && across * across + 1 == *count).then_some(across * patch).or(known.side);
    }
    guess
}

/// Name of the last weights, which have a row for each class.
pub(crate) fn head(tensors: &[(String, Vec<usize>)]) -> Option<&str> {
    tensors.iter().rev().map(|(name, _)| name.as_str()).find(|name| name.ends_with(".weight"))
}

/// What stands between the tensors of a network and those of a file.
pub(super) struct Difference {
    pub(super) same: usize,
    missing: Vec<String>,
    misshapen: Vec<String>,
    unexpected: Vec<String>,
}

impl Difference {
    fn new(tensors: &[(String, Vec<usize>)], found: &Shapes) -> Self {
        let counter = |name: &str| name.ends_with(".num_batches_tracked");
        let old = !found.keys().any(|name| counter(name));
        let (mut same, mut missing, mut misshapen) = (0, Vec::new(), Vec::new());
        for (name, shape) in tensors.iter().filter(|(name, _)| !(old && counter(name))) {
            match found.get(name) {
                Some(other) if other == shape => same += 1,
                Some(_) => misshapen.push(name.clone()),
                None => missing.push(name.clone()),
            }
        }
        let known: std::collections::HashSet<_> = tensors.iter().map(|(name, _)| name).collect();
        let mut unexpected: Vec<_> = found.keys().filter(|name| !known.contains(name)).cloned().collect();
        unexpected.sort_unstable();
        Self { same, missing, misshapen, unexpected }
    }

    fn is_none(&self) -> bool {
        self.same > 0 && self.missing.is_empty() && self.misshapen.is_empty() && self.unexpected.is_empty()
    }

    /// Whether there are differences only in tensors whose names begin with `start`, and much
    /// in common.
    pub(super) fn only_in(&self, start: &str) -> bool {
        let names = self.missing.iter().chain(&self.misshapen).chain(&self.unexpected);
        self.same >= 10 && { names }.all(|name| name.starts_with(start))
    }

    // Share of tensors in common among all there are.
    fn alike(&self) -> f64 {
        let differ = self.missing.len() + self.misshapen.len() + self.unexpected.len();
        self.same as f64 / (self.same + differ).max(1) as f64
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let parts = [
            (&self.missing, "of its tensors missing"),
            (&self.misshapen, "of another shape"),
            (&self.unexpected, "that it does not have"),
        ];
        let parts = parts.iter().filter(|(names, _)| !names.is_empty());
        let parts: Vec<_> =
            parts.map(|(names, what)| format!("{} {what} ({})", names.len(), few(names))).collect();
        write!(f, "{}", parts.join(", "))
    }
}

// The first names; they come from files: they must neither steer the terminal nor fill it.
fn few(names: &[String]) -> String {
    let shown = |name: &String| name.escape_debug().take(80).collect::<String>();
    let first: Vec<_> = names.iter().take(3).map(shown).collect();
    let more = if names.len() > 3 { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}
