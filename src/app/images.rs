//! Images of deep networks: to train on, and to evaluate on.

use anyhow::Result;

use super::{load, prepared, tell};
use crate::data::{self, Outputs, Samples, Spec};
use crate::error::Error;
use crate::field::{ImageSet, Targets};
use crate::run::config::Config;
use crate::train::deep::Pixels;

/// The prepared training samples, and the images as they were stored.
pub fn training_set<I, T>(config: &Config<I, T>) -> Result<(Samples, Pixels)> {
    let set = load(&config.data.spec, &config.data.options())?;
    let pixels = Pixels::new(set.images.view());
    Ok((prepared(set, &config.data)?, pixels))
}

/// The images of the splits to evaluate on while training, the first of which decides
/// what is best; all must be of the training set's kind.
pub fn evaluation_sets<I, T>(config: &Config<I, T>, samples: &Samples) -> Result<Vec<ImageSet>> {
    let splits = config.eval.split.iter().map(|split| ("eval.split", split));
    let splits = splits.chain(config.eval.beside.iter().map(|split| ("eval.beside", split)));
    let set = |(key, split): (&str, &String)| {
        if data::split::is(split, &config.data.split) {
            return Err(Error::input(key, "another split than that of training", split).into());
        }
        named_split(config, samples, (key, split), None, None)
    };
    splits.map(set).collect()
}

/// The images of a split of a run's source, which must be of the training set's kind;
/// of that of training, all. As many as `config.eval.limit` says: the first, or drawn
/// with the seed `sample`. `key` says who asks for it; `flag` is what another split is
/// named with, where one may be.
pub fn named_split<I, T>(
    config: &Config<I, T>,
    samples: &Samples,
    (key, split): (&str, &str),
    flag: Option<&str>,
    sample: Option<u64>,
) -> Result<ImageSet> {
    let mut options = data::Options { sample, ..config.data.options() };
    (options.split, options.limit, options.limit_per_class) = (split.to_owned(), config.eval.limit, None);
    let set = data::load(&config.data.spec, &options)?;
    if set.source.split.is_none() && !data::split::is(split, &config.data.split) {
        let expected = format!("a set with a split '{split}'");
        let train = &config.data.split;
        let way =
            flag.map_or_else(|| format!("split '{train}'"), |flag| format!("{flag} {train} takes them"));
        let found = format!("one that is stored in one piece: its images are those of training ({way})");
        return Err(Error::input(&config.data.spec, expected, found).into());
    }
    tell(&config.data.spec, &set);
    let names = match &set.targets {
        Targets::Classes { names, .. } => names.clone(),
        Targets::Real(y) => (0..y.ncols()).map(|i| i.to_string()).collect(),
    };
    let shape = set.shape();
    let among = if shape == samples.shape { set.among(&samples.names) } else { None };
    let Some(set) = among.filter(|set| set.targets.outputs() == samples.names.len()) else {
        let of =
            |[c, h, w]: [usize; 3], names: &[String]| format!("{c}x{h}x{w} images of {}", names.join(", "));
        let expected = format!("{}, as in training", of(samples.shape, &samples.names));
        return Err(Error::input(format_args!("{key}, {split}"), expected, of(shape, &names)).into());
    };
    Ok(set)
}

/// The images of `spec` for a network of `count` outputs, matched to these by name where
/// `outputs` has names; otherwise as they are, if they have classes, of as many. `else_`
/// is what the user may do besides.
pub fn for_outputs(
    set: ImageSet,
    spec: &Spec,
    count: usize,
    outputs: Option<&Outputs>,
    else_: &str,
) -> Result<ImageSet> {
    if let Some(outputs) = outputs {
        outputs.check(count)?;
        return Ok(outputs.matched(set)?);
    }
    // Of classes without samples it counts how many there are, as of the network's outputs.
    let all = set.source.stored.as_ref().map(|stored| stored.names.len());
    let set = if all == Some(count) { set.with_all_stored() } else { set };
    if let Targets::Classes { names, .. } = &set.targets
        && names.len() != count
    {
        let expected = format!(
            "images of the network's {count} classes (or the names of its outputs, --outputs{else_})"
        );
        return Err(Error::input(spec, expected, format_args!("{} classes", names.len())).into());
    }
    Ok(set)
}
