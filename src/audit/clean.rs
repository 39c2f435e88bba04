//! What a network answers to the images as they are, and what answers are held against.

use serde::{Deserialize, Serialize};

/// What answers are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reference {
    /// The images' labels.
    Labels,
    /// Where images have no labels: the network's own answers to them as they are.
    Predictions,
}

#[cfg(feature = "torch")]
pub use run::Clean;
#[cfg(feature = "torch")]
pub(super) use run::{at_once, chunks, decided, in_range, pixels, shown};

#[cfg(feature = "torch")]
mod run {
    use std::ops::Range;

    use ndarray::{Array4, Ix4};
    use tch::{Kind, Tensor};

    use super::Reference;
    use crate::audit::Rate;
    use crate::audit::subject::{CHUNK, Subject};
    use crate::error::{Error, Lack, Result};
    use crate::model::convert;

    /// Values of images that are transformed at a time.
    const VALUES: usize = 1 << 22;

    /// Answers to the images as they are: one pass, which all parts of an audit share.
    pub struct Clean {
        /// Logits `[N, K]`, where the network is.
        pub logits: Tensor,
        /// Outputs K.
        pub outputs: usize,
        /// The largest output of each image.
        pub predictions: Vec<u32>,
        /// The classes that count.
        pub classes: Vec<u32>,
        /// Where they are from.
        pub reference: Reference,
    }

    impl Clean {
        /// One pass over the images.
        ///
        /// # Errors
        /// [`Error::Input`] without images and for labels that the network has no output
        /// for; [`Error::Lacking`] for logits that are not finite; [`Error::Device`].
        pub fn new(subject: &Subject) -> Result<Self> {
            if subject.is_empty() {
                return Err(Error::input("images", "at least one image", "none"));
            }
            let outputs = subject.net.outputs();
            let logits = subject.logits(&subject.pixels)?;
            if !bool::try_from(logits.f_isfinite()?.f_all()?)? {
                let expected = "finite logits of the images";
                return Err(Error::lacking(Lack::Numbers, "network", expected, "NaN or infinite ones"));
            }
            let predictions = decided(&logits)?;
            let (classes, reference) = match &subject.labels {
                Some(labels) => (labels.clone(), Reference::Labels),
                None => (predictions.clone(), Reference::Predictions),
            };
            if classes.len() != subject.len() {
                let expected = format!("one label for each of {} images", subject.len());
                return Err(Error::input("labels", expected, classes.len()));
            }
            if let Some(label) = classes.iter().find(|l| **l as usize >= outputs) {
                let expected = format!("classes 0 to {}, as the network has {outputs} outputs", outputs - 1);
                return Err(Error::input("labels", expected, format_args!("class {label}")));
            }
            Ok(Self { logits, outputs, predictions, classes, reference })
        }

        /// Whether answers are held against labels.
        pub fn labelled(&self) -> bool {
            self.reference == Reference::Labels
        }

        /// Right answers; None without labels.
        pub fn accuracy(&self) -> Option<Rate> {
            let right = self.predictions.iter().zip(&self.classes).filter(|(a, b)| a == b).count();
            self.labelled().then(|| Rate::new(right as u64, self.classes.len() as u64))
        }

        /// The error where two classes are needed, and there is one.
        pub fn one_class(&self) -> Error {
            let found = match self.reference {
                Reference::Labels => format!("class {} only", self.classes[0]),
                Reference::Predictions => format!("the answer {} to all of them", self.classes[0]),
            };
            Error::lacking(Lack::Classes, "images", "images of at least two classes", found)
        }
    }

    /// The output that is largest, the first one of several, for each row of logits.
    pub fn decided(logits: &Tensor) -> Result<Vec<u32>> {
        let logits = convert::matrix(logits)?;
        if logits.iter().any(|value| value.is_nan()) {
            return Err(Error::lacking(Lack::Numbers, "outputs of the network", "numbers", "NaN"));
        }
        let rows = logits.rows().into_iter().map(|row| {
            let best = row.indexed_iter().fold((0, f64::NEG_INFINITY), |best, (i, &value)| {
                if value > best.1 { (i, value) } else { best }
            });
            best.0 as u32
        });
        Ok(rows.collect())
    }

    /// Images of shape `[c, h, w]` that are transformed at a time.
    pub fn at_once([c, h, w]: [usize; 3]) -> usize {
        (VALUES / (c * h * w)).clamp(1, CHUNK)
    }

    /// Ranges of images that are handled at a time.
    pub fn chunks(subject: &Subject) -> impl Iterator<Item = Range<usize>> {
        let (count, step) = (subject.len(), at_once(subject.net.shape()));
        (0..count).step_by(step).map(move |at| at..(at + step).min(count))
    }

    /// Pixels of some images.
    pub fn pixels(subject: &Subject, rows: &Range<usize>) -> Result<Array4<f64>> {
        let part = subject.pixels.f_narrow(0, rows.start as i64, rows.len() as i64)?;
        Ok(convert::array(&part)?.into_dimensionality::<Ix4>().expect("images have four axes"))
    }

    /// Fails for pixels that clipping to [0, 1] would change.
    pub fn in_range(pixels: &Array4<f64>) -> Result<()> {
        match pixels.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            Some(value) => {
                Err(Error::lacking(Lack::Range, "images", "pixels in [0, 1], or no clipping", value))
            }
            None => Ok(()),
        }
    }

    /// Pixels where the network is, in its precision.
    pub fn shown(subject: &Subject, pixels: &Array4<f64>) -> Result<Tensor> {
        let kind = if subject.net.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        convert::tensor(pixels.view(), kind, subject.pixels.device())
    }
}
