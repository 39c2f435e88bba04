//! What parts look at: the network with its images, and what was asked for.

use std::cell::OnceCell;
use std::path::Path;

use serde::Serialize;

use super::critical_band::Masked;
use super::shape::{Decision, Stimuli};
use super::{Ask, CLASSES, KEPT, LeftOut, Name, Part};
use crate::audit::Fingerprint;
use crate::audit::clean::Clean;
use crate::audit::subject::Subject;
use crate::data::{self, Normalize, Samples};
use crate::disk;
use crate::error::{Error, Lack, Result};
use crate::field::ImageSet;
use crate::progress::say;
use crate::weights::StateDict;

/// The network with its images, and what was asked for.
pub struct Look<'a> {
    /// The network, and the pixels as it is shown them.
    pub subject: &'a Subject,
    /// What tells both from others.
    pub fingerprint: &'a Fingerprint,
    /// Its answers to the images as they are.
    pub clean: &'a Clean,
    /// The images.
    pub set: &'a ImageSet,
    /// How they were read.
    pub data: data::Options,
    /// How pixels are normalised for the network.
    pub normalize: Normalize,
    /// Names of the classes, where labels count.
    pub names: Option<&'a [String]>,
    /// The weights as they are stored.
    pub weights: &'a StateDict,
    /// Those it began with, where they can be had.
    pub initial: &'a dyn Fn() -> Option<StateDict>,
    /// What was asked for.
    pub ask: &'a Ask,
    /// Where things are kept.
    pub out: &'a Path,
    /// Cue-conflict images, once they are read.
    pub stimuli: OnceCell<Stimuli>,
    /// The published images of critical band masking, once they are read.
    pub masked: OnceCell<Masked>,
}

impl Look<'_> {
    /// Height and width of the images.
    pub fn size(&self) -> (usize, usize) {
        let [_, h, w] = self.set.shape();
        (h, w)
    }

    /// Whether `part` is asked for by its name.
    pub fn named(&self, part: Name) -> bool {
        self.ask.only.contains(&part)
    }

    /// The folder of `--stimuli`.
    ///
    /// # Panics
    /// Without one; of a part that needs it that is asked before.
    pub fn stimuli_dir(&self) -> &Path {
        self.ask.stimuli.as_deref().expect("a part that needs stimuli is asked for with them")
    }

    /// Where `--stimuli` has other images than `part` needs: an error where that part alone was to
    /// see them.
    pub fn not_those(&self, part: Name, found: &str) -> Error {
        let stimuli = |part: &Name| part.about().needs.stimuli;
        let which = format!("{} (--stimuli)", stimuli(&part).unwrap_or("none"));
        if self.named(part) && self.ask.only.iter().all(|other| *other == part || stimuli(other).is_none()) {
            return Error::input("images", which, found);
        }
        Error::lacking(Lack::Stimuli, "images", which, found)
    }

    /// How the network decides for the classes `names` of the stimuli of `part`.
    ///
    /// # Errors
    /// [`Error::Lacking`] where it cannot; where the part is asked for by its name, [`Error::Input`].
    pub fn decision(&self, part: Name, names: &[String]) -> Result<Decision> {
        let which = part.about().needs.stimuli.unwrap_or("images");
        let decision = Decision::new(which, self.clean.outputs, self.names, names);
        decision.map_err(|e| if self.named(part) { e } else { Error::lack_of(Lack::Stimuli)(e) })
    }

    /// How the images of `--stimuli` are read: all of them, whole, in the size of the others.
    pub fn stimuli_options(&self) -> data::Options {
        data::Options {
            limit: None,
            limit_per_class: None,
            classes: Vec::new(),
            size: Some(self.size()),
            shorter: None,
            grey: self.set.shape()[0] == 1,
            ..self.data.clone()
        }
    }

    /// The images with their modes: centred, over one standard deviation.
    ///
    /// # Errors
    /// As [`data::prepare()`].
    pub fn samples(&self) -> Result<Samples> {
        data::prepare(self.set.clone(), self.normalize, true)
    }

    /// Refuses maps of very many classes, unless `part` is asked for by its name.
    ///
    /// # Errors
    /// [`Error::Lacking`].
    pub fn few_classes(&self, part: Name) -> Result<()> {
        let count = self.subject.labels.as_ref().map_or(self.clean.outputs, |labels| {
            labels.iter().collect::<std::collections::BTreeSet<_>>().len()
        });
        // As it was planned.
        let count = count.max(self.ask.classes.unwrap_or(0));
        if count <= CLASSES || self.named(part) {
            return Ok(());
        }
        let expected = format!("at most {CLASSES} classes, or to be asked for (--only {})", part.name());
        Err(Error::lacking(Lack::Size, "maps of classes", expected, count))
    }

    /// What is kept of `part` for these `options`, or else what `measure` finds, which is
    /// then kept: a killed audit need not compute it again.
    ///
    /// # Errors
    /// Those of `measure`; [`Error::Io`].
    pub fn once<P: Part>(
        &self,
        part: Name,
        options: &impl Serialize,
        measure: impl FnOnce() -> Result<P>,
    ) -> Result<P> {
        #[derive(serde::Deserialize)]
        struct Kept<T> {
            key: String,
            found: T,
        }
        #[derive(Serialize)]
        struct Keep<'a, T> {
            key: &'a str,
            found: &'a T,
        }
        let options = serde_json::to_string(options).expect("options have a JSON form");
        let key = format!("{} {options}", self.key());
        let dir = self.out.join(KEPT);
        let path = dir.join(format!("{}.json", part.name()));
        let kept = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Kept<P>>(&text).ok());
        if let Some(kept) = kept.filter(|kept| kept.key == key) {
            say(format_args!("{}: taken from {}", part.name(), path.display()));
            return Ok(kept.found);
        }
        let found = measure()?;
        disk::create_dir(&dir)?;
        let text = serde_json::to_string(&Keep { key: &key, found: &found }).expect("a part has a JSON form");
        disk::write_bytes(&path, text.as_bytes())?;
        Ok(found)
    }

    /// What decides on every number: program, network, images, normalisation, seed.
    fn key(&self) -> String {
        let of = serde_json::to_string(&self.fingerprint).expect("hashes have a JSON form");
        let device = format!("{:?}", self.subject.pixels.device());
        let version = (env!("CARGO_PKG_VERSION"), env!("DOMFREQ_COMMIT"));
        format!("{version:?} {of} {} {} {device}", self.normalize, self.ask.seed)
    }

    /// Whether a part is asked for, and can be had.
    pub(super) fn open<P: Part>(&self, part: Name, left: &mut Vec<LeftOut>) -> Result<bool> {
        if !self.ask.only.is_empty() && !self.named(part) {
            return Ok(false);
        }
        let outcome = self.needs::<P>().and_then(|()| P::check(self));
        Ok(self.or_left_out::<P, _>(outcome, left)?.is_some())
    }

    /// A part that is open.
    pub(super) fn part<P: Part>(&self, left: &mut Vec<LeftOut>) -> Result<Option<P>> {
        self.or_left_out::<P, _>(P::measure(self), left)
    }

    pub(super) fn needs<P: Part>(&self) -> Result<()> {
        let needs = P::ABOUT.needs;
        if needs.labels && self.subject.labels.is_none() {
            return Err(Error::lacking(Lack::Labels, "images", "labels of the network's classes", "none"));
        }
        if needs.range
            && let Some(pixel) = self.set.images.iter().find(|v| !(0.0..=1.0).contains(*v))
        {
            return Err(Error::lacking(Lack::Range, "images", "pixels in [0, 1]", pixel));
        }
        if let Some(which) = needs.stimuli.filter(|_| self.ask.stimuli.is_none()) {
            let expected = format!("{which} (--stimuli)");
            return Err(Error::lacking(Lack::Stimuli, "images", expected, "none"));
        }
        Ok(())
    }

    // A part that these images, or this network, cannot have is left out: an audit of
    // hours is not to be lost for it.
    fn or_left_out<P: Part, T>(&self, outcome: Result<T>, left: &mut Vec<LeftOut>) -> Result<Option<T>> {
        match outcome {
            Ok(found) => Ok(Some(found)),
            Err(why @ Error::Lacking { .. }) => {
                left.push(LeftOut::say(P::ABOUT.title, why));
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}
