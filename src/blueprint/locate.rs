//! Where in a file of weights a network is: files of training hold others beside it (a momentum
//! encoder, a teacher, a copy that is attacked), each under a prefix of its own, and other
//! libraries call its tensors by other names.

use std::collections::{BTreeSet, HashSet};

use super::current_name;
use super::guess::{Guess, Shapes, Tensors, compared, fits, guess, known};
use super::names::{SCHEMES, Scheme};
use crate::weights::StateDict;

/// A network in a file.
#[derive(Debug)]
pub struct Located {
    /// How the names of its tensors begin in the file ("encoder_q."); empty where all are its own.
    pub prefix: String,
    /// Prefixes of other networks.
    pub others: Vec<String>,
    /// Whose names its tensors have, where they are not those of here.
    pub scheme: Option<&'static Scheme>,
    /// Which it is; a sentence on the nearest where none fits.
    pub guess: Result<Guess, String>,
}

impl Located {
    /// All of a file, whatever is in it.
    pub fn whole(file: &StateDict) -> Self {
        Self::all(guess(file))
    }

    fn all(guess: Result<Guess, String>) -> Self {
        Self { prefix: String::new(), others: Vec::new(), scheme: None, guess }
    }
}

/// Pairs of networks that learn from each other, the one that is meant first.
const PAIRS: [(&str, &str); 5] = [
    ("encoder_q.", "encoder_k."),
    ("online_encoder.", "target_encoder."),
    ("online_network.", "target_network."),
    ("online.", "target."),
    // Of equal ones the teacher is the average that is evaluated (mean teachers, DINO).
    ("teacher.", "student."),
];

// Prefixes that are tried.
const MOST: usize = 64;
// Tensors that a head may have, and with heads for training alone.
const HEAD: usize = 16;
const MORE: usize = 40;

/// The network of `file`: all of it where it fits a known one, or one but for its head; else what fits one under a prefix, the
/// first in the order of the file (one of another head, or none, counts where no other is there); else
/// all of it, where its names are those of another library; else
/// the first of a pair of equal networks that are called as such pairs are ("encoder_q.", "encoder_k.").
pub fn locate(file: &StateDict) -> Located {
    let whole = guess(file);
    if whole.is_ok() {
        return Located::all(whole);
    }
    let known = known();
    let shapes: Shapes = file.iter().map(|t| (t.name().to_owned(), t.shape())).collect();
    if let Some(guess) = nearly(known, &shapes) {
        return Located::all(guess);
    }
    let firsts: BTreeSet<&str> =
        known.iter().filter_map(|(_, tensors)| tensors.first()).map(|(name, _)| name.as_str()).collect();
    let mut seen = HashSet::new();
    let prefixes = file.iter().flat_map(|tensor| {
        let ends = |first: &&str| tensor.name().strip_suffix(*first).filter(|rest| rest.ends_with('.'));
        { firsts.iter() }.filter_map(ends)
    });
    let prefixes: Vec<&str> = prefixes.filter(|prefix| seen.insert(*prefix)).take(MOST).collect();
    let mut found: Vec<(&str, Result<Guess, String>)> = Vec::new();
    // Prefixes of prefixes hold the same tensors again and again.
    let mut budget = 8 * file.len() + 10_000;
    for prefix in prefixes {
        budget = budget.saturating_sub(file.len() / 16);
        if budget == 0 {
            break;
        }
        let inside = file.iter().filter_map(|tensor| {
            let name = tensor.name().strip_prefix(prefix)?;
            Some((current_name(name).unwrap_or_else(|| name.to_owned()), tensor.shape()))
        });
        let shapes: Shapes = inside.collect();
        budget = budget.saturating_sub(shapes.len());
        found.extend(nearly(known, &shapes).map(|guess| (prefix, guess)));
    }
    // Of a network without its own head, what else there is may be the rest of it: a detector's, a decoder's.
    let convolutions_outside = |found: &[(&str, Result<Guess, String>)]| {
        file.iter()
            .any(|t| t.shape().len() == 4 && !found.iter().any(|(prefix, _)| t.name().starts_with(prefix)))
    };
    if found.iter().all(|(_, guess)| guess.is_err()) && convolutions_outside(&found) {
        found.clear();
    }
    if !found.is_empty() {
        let mut first = found.iter().position(|(_, guess)| guess.is_ok()).unwrap_or(0);
        for (meant, other) in PAIRS {
            let stem =
                found[first].0.strip_suffix(other).filter(|stem| stem.is_empty() || stem.ends_with('.'));
            let partner = stem.map(|stem| format!("{stem}{meant}"));
            let is_partner = |(prefix, guess): &(&str, Result<Guess, String>)| {
                Some(*prefix) == partner.as_deref() && guess.is_ok() == found[first].1.is_ok()
            };
            first = found.iter().position(is_partner).unwrap_or(first);
        }
        let (prefix, guess) = found.remove(first);
        // Its own parts are no other networks.
        let others = found.iter().map(|(other, _)| *other).filter(|other| !other.starts_with(prefix));
        let others = others.map(str::to_owned).collect();
        return Located { prefix: prefix.to_owned(), others, scheme: None, guess };
    }
    for scheme in &SCHEMES {
        let Some(own) = scheme.renamed(file) else { continue };
        let shapes: Shapes = own.iter().map(|(name, shape)| (name.clone(), shape.as_slice())).collect();
        if let Some(guess) = nearly(known, &shapes) {
            return Located { scheme: Some(scheme), ..Located::all(guess) };
        }
    }
    let pair = PAIRS.iter().find(|(first, second)| alike(file, first, second));
    let (prefix, others) = pair.map_or((String::new(), Vec::new()), |(first, second)| {
        ((*first).to_owned(), vec![(*second).to_owned()])
    });
    Located { prefix, others, scheme: None, guess: whole }
}

// The network of these tensors; in a sentence one of which only the head is another, or missing.
fn nearly(known: &[(Guess, Tensors)], shapes: &Shapes) -> Option<Result<Guess, String>> {
    let mut of_other_head = None;
    for (guess, tensors) in known {
        let head = tensors.last().and_then(|(name, _)| name.split('.').next()).unwrap_or_default();
        let head = format!("{head}.");
        // Nothing is near that has many more tensors, or many less.
        let counters = tensors.iter().filter(|(name, _)| name.ends_with(".num_batches_tracked")).count();
        if shapes.len() > tensors.len() + MORE || shapes.len() + HEAD + counters < tensors.len() {
            continue;
        }
        let (guess, difference) = compared(guess, tensors, shapes);
        if fits(&guess, &difference) {
            return Some(Ok(guess));
        }
        if of_other_head.is_none() && difference.only_in(&head) {
            of_other_head = Some(Err(format!("{} with another head: {difference}", guess.kind)));
        }
    }
    of_other_head
}

// Whether there are convolutions under `second`, and all that is under it is under `first` too.
fn alike(file: &StateDict, first: &str, second: &str) -> bool {
    let mut convolutions = 0;
    file.iter().filter_map(|t| Some((t.name().strip_prefix(second)?, t.shape()))).all(|(name, shape)| {
        convolutions += usize::from(shape.len() == 4);
        file.get(&format!("{first}{name}")).is_some_and(|other| other.shape() == shape)
    }) && convolutions > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::{Architecture, ModelKind, Plan};
    use crate::weights::{Data, NamedTensor};

    fn net(kind: ModelKind) -> Vec<(String, Vec<usize>)> {
        Plan::new(&Architecture::usual(kind, [3, 32, 32], 10)).unwrap().tensors()
    }

    fn dict(parts: &[(&str, Tensors)]) -> StateDict {
        let mut dict = StateDict::new();
        for (prefix, tensors) in parts {
            for (name, shape) in tensors {
                let data = Data::U8(vec![0; shape.iter().product()]);
                dict.push(NamedTensor::new(format!("{prefix}{name}"), shape.clone(), data).unwrap()).unwrap();
            }
        }
        dict
    }

    fn extra(name: &str) -> Vec<(String, Vec<usize>)> {
        vec![(name.to_owned(), vec![2])]
    }

    #[test]
    fn networks_are_found_under_their_prefixes() {
        let (small, large) = (net(ModelKind::Resnet8), net(ModelKind::Resnet20));
        let kind = |located: &Located| located.guess.as_ref().map(|guess| guess.kind).map_err(Clone::clone);
        let whole = locate(&dict(&[("", small.clone())]));
        assert_eq!((whole.prefix.as_str(), kind(&whole)), ("", Ok(ModelKind::Resnet8)));
        // A counter, a loss with weights, and a copy of the network.
        for prefix in ["module.", "backbone.", "a.b.c."] {
            let others =
                [("", extra("n_averaged")), (prefix, small.clone()), ("criterion.", extra("weight"))];
            let located = locate(&dict(&others));
            assert_eq!((located.prefix.as_str(), kind(&located)), (prefix, Ok(ModelKind::Resnet8)));
            assert!(located.others.is_empty());
        }
        let two = [("teacher.", large), ("attacker.model.", small.clone()), ("model.", small.clone())];
        let located = locate(&dict(&two));
        assert_eq!((located.prefix.as_str(), kind(&located)), ("teacher.", Ok(ModelKind::Resnet20)));
        assert_eq!(located.others, ["attacker.model.", "model."]);
        // The query encoder of MoCo v2 has a head of two layers.
        let headless: Vec<_> = small.into_iter().filter(|(name, _)| !name.starts_with("linear.")).collect();
        let query = [&headless[..], &extra("linear.0.weight"), &extra("linear.2.weight")].concat();
        let located =
            locate(&dict(&[("", extra("queue")), ("encoder_q.", query.clone()), ("encoder_k.", query)]));
        assert_eq!(
            (located.prefix.as_str(), &located.others[..]),
            ("encoder_q.", &["encoder_k.".to_owned()][..])
        );
        let text = located.guess.unwrap_err();
        assert!(text.starts_with("resnet8 with another head: 2 of its tensors missing (linear."), "{text}");
        assert!(text.contains("2 that it does not have (linear.0.weight"), "{text}");
    }

    #[test]
    fn what_is_meant_is_taken_and_nothing_of_it_is_lost() {
        let small = net(ModelKind::Resnet8);
        // The pair decides, not the order in the file.
        let located =
            locate(&dict(&[("target_network.", small.clone()), ("online_network.", small.clone())]));
        assert_eq!(
            (located.prefix.as_str(), &located.others[..]),
            ("online_network.", &["target_network.".to_owned()][..])
        );
        // A network without its head is itself, under its own names.
        let headless: Vec<_> = small.into_iter().filter(|(name, _)| !name.starts_with("linear.")).collect();
        let located = locate(&dict(&[("", headless.clone())]));
        assert!(located.prefix.is_empty() && located.scheme.is_none());
        assert!(located.guess.unwrap_err().starts_with("resnet8 with another head"));
        // A decoder beside an encoder is no stranger to it.
        let decoder = vec![("up.weight".to_owned(), vec![4, 4, 3, 3])];
        let located = locate(&dict(&[("encoder.", headless), ("decoder.", decoder)]));
        assert!(located.prefix.is_empty() && located.guess.is_err());
    }

    #[test]
    fn pairs_are_known_by_their_names() {
        let own =
            |first: usize| vec![("a.weight".to_owned(), vec![first, 3, 2, 2]), ("b".to_owned(), vec![2])];
        let located = locate(&dict(&[("encoder_k.", own(4)), ("encoder_q.", own(4))]));
        assert_eq!(
            (located.prefix.as_str(), &located.others[..]),
            ("encoder_q.", &["encoder_k.".to_owned()][..])
        );
        assert!(located.guess.is_err());
        for file in [
            dict(&[("encoder_k.", own(4)), ("encoder_q.", own(5))]),
            dict(&[("first.", own(4)), ("second.", own(4))]),
            dict(&[("encoder_k.", extra("a")), ("encoder_q.", extra("a"))]),
        ] {
            assert_eq!((locate(&file).prefix.as_str(), locate(&file).others.len()), ("", 0));
        }
    }
}
