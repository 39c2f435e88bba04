//! What a network makes of the modes of a data set: the templates it uses for them, and
//! the share of each that it answers with. Conventions:
//! [`gradient`](crate::audit::gradient).

use serde::{Deserialize, Serialize};

use crate::audit::gradient::{Estimate, Share};

/// What a network does with the modes of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModeUses {
    /// Images that strengths are measured on.
    pub images: usize,
    /// Those of them that Jacobians are taken at.
    pub jacobians: usize,
    /// The seed they were drawn with.
    pub seed: u64,
    /// Modes of the data set.
    pub count: usize,
    /// The strongest of them.
    pub modes: Vec<ModeUse>,
}

/// What a network does with one mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModeUse {
    /// Strength s of the mode in the data.
    pub s: f64,
    /// Concentration ρ of its image v.
    pub rho: f64,
    /// Participation ratio of v.
    pub participation: f64,
    /// Energy-weighted mean radial frequency of v, in cycles per pixel.
    pub centroid: f64,
    /// The frequencies of the largest entries of v, its dominant one first.
    pub strongest: Vec<Share>,
    /// a/s: the share of the mode that the network answers with,
    /// u_αᵀΣŷxv_α / u_αᵀΣyxv_α over the images, ŷ being the softmax of the logits
    /// less what was subtracted from y; 1 for right answers in full confidence.
    /// None where the images have less than a quarter of the mode.
    pub strength: Option<Estimate>,
    /// The image the network uses for it, u_αᵀE; None where it is zero.
    pub template: Option<TemplateUse>,
}

/// The template u_αᵀE of a mode, E being the mean Jacobian of the logits over
/// images, with respect to images normalised as the data set of the modes is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateUse {
    /// Its norm.
    pub norm: f64,
    /// Participation ratio. What is left of the single images' Jacobians in the mean
    /// makes it larger: fewer images, more of it.
    pub participation: Estimate,
    /// Energy-weighted mean radial frequency, in cycles per pixel.
    pub centroid: Estimate,
    /// Σ_k min(e(k), e_v(k)), both energies normalised to 1: 1 where template
    /// and v have the same spectrum, 0 where they share no frequency.
    pub overlap: Estimate,
    /// Share of its energy at the fewest frequencies that hold half of v's.
    pub on_dominant: Estimate,
    /// Cosine of the angle between template and v: 1 where the network uses v.
    pub cosine: Estimate,
    /// The frequencies of its largest entries.
    pub strongest: Vec<Share>,
}

#[cfg(feature = "torch")]
pub use run::modes;

#[cfg(feature = "torch")]
mod run {
    use ndarray::{Array1, Array2, Array3, Array4, ArrayView3, Axis, s};

    use super::*;
    use crate::audit::clean::Clean;
    use crate::audit::gradient::{Groups, Options, chunk, forward, gradient, mean, not_finite, rows, strongest};
    use crate::audit::subject::Subject;
    use crate::data::Samples;
    use crate::error::{Error, Result};
    use crate::model::convert;
    use crate::progress::Progress;
    use crate::run::dir::Templates;
    use crate::run::summary::Template;
    use crate::spectrum::Energies;
    use crate::theory::{Mode, Modes};

    /// A mode of which the images have less than this share cannot be measured on them.
    const LEAST: f64 = 0.25;

    /// What the network, whose answers are `clean`, does with `modes`, found in `samples`, which are the images of
    /// `subject` in their order, normalised in whatever way; and the templates, of the
    /// modes that are looked at. One backward pass for each of these modes.
    ///
    /// # Errors
    /// [`Error::Input`] for modes of other images or of other classes than the
    /// network's outputs, for samples without classes or of other images, and for
    /// options that ask for nothing; [`Error::Lacking`] for gradients that are not
    /// finite; [`Error::Device`].
    pub fn modes(
        subject: &Subject,
        clean: &Clean,
        samples: &Samples,
        modes: &Modes,
        options: &Options,
        progress: impl FnOnce(u64) -> Progress,
    ) -> Result<(ModeUses, Templates)> {
        let shape @ [c, h, w] = subject.net.shape();
        let outputs = subject.net.outputs();
        let image = |[c, h, w]: [usize; 3]| format!("{c}x{h}x{w}");
        if modes.shape != shape || samples.shape != shape {
            let expected = format!("those of images of {}, as the network sees", image(shape));
            return Err(Error::input("modes", expected, image(modes.shape)));
        }
        if samples.outputs() != outputs || modes.list.iter().any(|m| m.u.len() != outputs) {
            let expected = format!("{outputs} classes, as the network has outputs");
            return Err(Error::input("labels of the modes", expected, samples.outputs()));
        }
        if samples.len() != subject.len() {
            let expected = format!("of the {} images that the network is shown", subject.len());
            return Err(Error::input("modes", expected, format_args!("of {}", samples.len())));
        }
        if samples.labels.is_none() {
            return Err(Error::input("labels of the modes", "classes", "numbers as targets"));
        }
        if modes.is_empty() || options.modes == 0 {
            return Err(Error::input("modes", "at least one to look at", 0));
        }
        let list = &modes.list[..options.modes.min(modes.len())];
        let rows = rows(subject, options)?;
        let bar = progress(rows.len() as u64);
        let strengths = strengths(clean, samples, list)?;
        let mut groups: Vec<_> = list.iter().map(|_| Groups::new(rows.len(), (c, h, w))).collect();
        for part in rows.chunks(chunk(subject)) {
            let (x, logits) = forward(subject, part)?;
            for (i, mode) in list.iter().enumerate() {
                let u = convert::tensor(mode.u.view(), logits.kind(), logits.device())?;
                let mut gradient = gradient(&logits.f_matmul(&u)?, &x, i + 1 < list.len())?;
                for (channel, scale) in subject.scale().iter().enumerate() {
                    // x of the samples is in units of their own.
                    gradient
                        .slice_mut(s![.., channel, .., ..])
                        .mapv_inplace(|g| g * samples.scale[channel] / scale);
                }
                gradient.outer_iter().for_each(|image| groups[i].add(&image.to_owned()));
            }
            bar.inc(part.len() as u64);
        }
        let mut images = Array4::zeros((list.len(), c, h, w));
        let mut energies = Vec::new();
        let mut found = Vec::new();
        for (i, (mode, strength)) in list.iter().zip(strengths).enumerate() {
            let template = groups[i].mean();
            let of_template = Energies::of_image(template.view()).map_err(|_| not_finite())?;
            found.push(ModeUse {
                s: mode.s,
                rho: mode.rho,
                participation: mode.participation,
                centroid: mode.energies.centroid(),
                strongest: strongest(&mode.energies),
                strength,
                template: template_use(&groups[i], mode, &of_template),
            });
            images.index_axis_mut(Axis(0), i).assign(&template);
            energies.push(of_template);
        }
        let uses = ModeUses {
            images: samples.len(),
            jacobians: rows.len(),
            seed: options.seed,
            count: modes.count,
            modes: found,
        };
        Ok((uses, Templates { images, energies }))
    }

    fn template_use(groups: &Groups<ndarray::Ix3>, mode: &Mode, energies: &Energies) -> Option<TemplateUse> {
        let of_image = |image: &Array3<f64>| {
            let energies = Energies::of_image(image.view()).ok()?;
            let Template { participation, overlap, on_dominant, .. } = Template::new(&energies, mode)?;
            let cosine = dot(image.view(), mode.v.view()) / energies.total().sqrt();
            Some([participation, energies.centroid(), overlap, on_dominant, cosine])
        };
        let [participation, centroid, overlap, on_dominant, cosine] = groups.estimates(&of_image)?;
        Some(TemplateUse {
            norm: energies.total().sqrt(),
            participation,
            centroid,
            overlap,
            on_dominant,
            cosine,
            strongest: strongest(energies),
        })
    }

    fn dot(a: ArrayView3<f64>, b: ArrayView3<f64>) -> f64 {
        a.iter().zip(&b).map(|(a, b)| a * b).sum()
    }

    /// a/s of each mode, over all images.
    fn strengths(clean: &Clean, samples: &Samples, list: &[Mode]) -> Result<Vec<Option<Estimate>>> {
        let answers = clean.logits.f_softmax(1, None)?;
        let answers = convert::matrix(&answers)? - &samples.y_mean;
        let of_mode = |mode: &Mode| {
            let v = Array1::from_iter(mode.v.iter().copied());
            let mut along: Vec<f64> = samples
                .x
                .rows()
                .into_iter()
                .map(|x| x.iter().zip(&v).map(|(x, v)| f64::from(*x) * v).sum())
                .collect();
            if samples.centred {
                let mean = along.iter().sum::<f64>() / along.len() as f64;
                along.iter_mut().for_each(|a| *a -= mean);
            }
            let product = |y: &Array2<f64>| {
                let y = y.dot(&mode.u);
                y.iter().zip(&along).map(|(y, a)| y * a).collect::<Vec<f64>>()
            };
            let (answered, asked) = (product(&answers), product(&samples.y));
            let mean_asked = mean(&asked).value;
            (mean_asked >= LEAST * mode.s).then(|| {
                let value = mean(&answered).value / mean_asked;
                // Of a ratio of two means over the same images.
                let off: Vec<f64> =
                    answered.iter().zip(&asked).map(|(a, b)| (a - value * b) / mean_asked).collect();
                Estimate { value, se: mean(&off).se }
            })
        };
        Ok(list.iter().map(of_mode).collect())
    }
}
