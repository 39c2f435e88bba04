//! Which samples to keep, decided from the labels alone, before any image is
//! decoded.

use std::collections::{BTreeSet, HashMap};

use rand::seq::index::sample;

use super::Options;
use crate::error::{Error, Result, listed, shown};
use crate::field::{ImageSet, Provenance, Stored, Targets};
use crate::seed;

/// Label sets larger than this are taken for damage, not for classes.
pub(crate) const MAX_CLASSES: usize = 1 << 16;

/// The samples to keep and their new labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Indices into the stored set, ascending.
    pub rows: Vec<usize>,
    /// One label per kept sample, an index into `names`.
    pub labels: Vec<u32>,
    /// Names of the kept classes.
    pub names: Vec<String>,
    /// All classes, where some had no samples and are no classes here.
    pub stored: Option<Stored>,
}

impl Selection {
    /// Says in `source` which classes had no samples.
    pub(crate) fn tell(&self, source: &mut Provenance) {
        if let Some(stored) = &self.stored {
            source.told.notes.push(absent(stored, "without samples"));
            source.stored = Some(stored.clone());
        }
    }
}

fn absent(stored: &Stored, why: &str) -> String {
    let all = stored.names.iter().enumerate();
    let absent: Vec<_> =
        all.filter(|(at, _)| !stored.places.contains(&(*at as u32))).map(|(_, name)| shown(name)).collect();
    format!(
        "{} of {} classes {why}: {} (they are no classes here; the others keep their names)",
        absent.len(),
        stored.names.len(),
        listed(&absent)
    )
}

/// Where images were left out because they did not decode: a class of the labels `had` that has none left is
/// no class of `set` any more, and it is said.
pub(crate) fn without_lost(set: &mut ImageSet, had: &[u32], options: &Options) {
    let Targets::Classes { labels, names } = &mut set.targets else { return };
    let left: BTreeSet<u32> = labels.iter().copied().collect();
    let lost: BTreeSet<u32> = had.iter().copied().filter(|label| !left.contains(label)).collect();
    if lost.is_empty() || !options.labels || set.source.told.skipped == 0 {
        return;
    }
    let places: Vec<u32> = (0..names.len() as u32).filter(|place| !lost.contains(place)).collect();
    for label in labels.iter_mut() {
        *label = places.partition_point(|place| place < label) as u32;
    }
    let left = places.iter().map(|&place| names[place as usize].clone()).collect();
    let stored = Stored { names: std::mem::replace(names, left), places };
    set.source.told.notes.push(absent(&stored, "of which no image decodes"));
    set.source.stored = Some(match set.source.stored.take() {
        Some(all) => {
            Stored { places: stored.places.iter().map(|&place| all.places[place as usize]).collect(), ..all }
        }
        None => stored,
    });
}

/// Applies `classes`, then `limit_per_class`, then `limit` (the first, or drawn with the
/// seed `sample`) to a labelled set.
/// A class is named by its name or, where no class has that name, by its
/// index; the chosen ones are relabelled 0, 1, … in the order given.
///
/// # Errors
/// An unknown or repeated class, a chosen class without samples, a limit of
/// zero, a label without a name, and fewer than two classes among the samples
/// that are left, where labels count.
///
/// Where none are chosen, a class without samples is none: it would be a mode of singular value 0, and labels
/// that are counted from 1 have one.
pub fn select(labels: &[u32], names: &[String], options: &Options) -> Result<Selection> {
    let least = least(options);
    let mut place = vec![None; names.len()];
    for &label in labels {
        match place.get_mut(label as usize) {
            Some(place) => *place = Some(0),
            None => return select_least(labels, names, options, least),
        }
    }
    let there: Vec<usize> = (0..names.len()).filter(|&class| place[class].is_some()).collect();
    if !options.labels || !options.classes.is_empty() || labels.is_empty() || there.len() == names.len() {
        return select_least(labels, names, options, least);
    }
    there.iter().enumerate().for_each(|(new, &old)| place[old] = Some(new as u32));
    let labels: Vec<u32> = labels.iter().filter_map(|&label| place[label as usize]).collect();
    let places = there.iter().map(|&class| class as u32).collect();
    let there: Vec<String> = there.into_iter().map(|class| names[class].clone()).collect();
    let selection = select_least(&labels, &there, options, least)?;
    Ok(Selection { stored: Some(Stored { names: names.to_vec(), places }), ..selection })
}

/// [`select`], which must leave at least `least` classes.
pub(crate) fn select_least(
    labels: &[u32],
    names: &[String],
    options: &Options,
    least: usize,
) -> Result<Selection> {
    check_limits(options)?;
    if labels.is_empty() {
        return Err(Error::input("data set", "samples", "none"));
    }
    let mut counts = vec![0usize; names.len()];
    for (row, &label) in labels.iter().enumerate() {
        match counts.get_mut(label as usize) {
            Some(count) => *count += 1,
            None => {
                let expected = format!("a label below {}", names.len());
                return Err(Error::input(format!("sample {row}"), expected, label));
            }
        }
    }

    // relabel[old] = new, for the classes that stay
    let mut relabel: Vec<Option<u32>> = vec![None; names.len()];
    let mut kept_names = Vec::new();
    if options.classes.is_empty() {
        relabel = (0..names.len() as u32).map(Some).collect();
        kept_names = names.to_vec();
    } else {
        for (wanted, old) in chosen(&options.classes, names)? {
            if relabel[old].is_some() {
                return Err(Error::input("--classes", "each class once", format!("{wanted} twice")));
            }
            if counts[old] == 0 {
                let found = format!("none of class {wanted}");
                return Err(Error::input("--classes", "samples of every class", found));
            }
            relabel[old] = Some(kept_names.len() as u32);
            kept_names.push(names[old].clone());
        }
        at_least(least, kept_names.len(), "--classes")?;
    }

    let most = options.limit.unwrap_or(usize::MAX);
    // Samples are drawn from all of them.
    let limit = if options.sample.is_some() { usize::MAX } else { most };
    let per_class = options.limit_per_class.unwrap_or(usize::MAX);
    let mut taken = vec![0usize; kept_names.len()];
    let (mut rows, mut new_labels) = (Vec::new(), Vec::new());
    for (row, &old) in labels.iter().enumerate() {
        if rows.len() == limit {
            break;
        }
        let Some(new) = relabel[old as usize] else { continue };
        if taken[new as usize] < per_class {
            taken[new as usize] += 1;
            rows.push(row);
            new_labels.push(new);
        }
    }
    if let Some(seed) = options.sample.filter(|_| rows.len() > most) {
        let mut chosen = sample(&mut seed::rng(seed, "data/sample", 0), rows.len(), most).into_vec();
        chosen.sort_unstable();
        rows = chosen.iter().map(|&i| rows[i]).collect();
        new_labels = chosen.iter().map(|&i| new_labels[i]).collect();
        taken = vec![0; kept_names.len()];
        new_labels.iter().for_each(|&label| taken[label as usize] += 1);
    }
    let place = if options.limit.is_some() { "--limit" } else { "data set" };
    at_least(least, taken.iter().filter(|&&n| n > 0).count(), place)?;
    Ok(Selection { rows, labels: new_labels, names: kept_names, stored: None })
}

/// How many of `count` samples with real targets to keep: the first ones.
///
/// # Errors
/// `classes` and `limit_per_class`, which need classes; a limit of zero; an
/// empty set.
pub fn select_real(count: usize, options: &Options) -> Result<usize> {
    check_limits(options)?;
    for (set, option) in
        [(!options.classes.is_empty(), "--classes"), (options.limit_per_class.is_some(), "--limit-per-class")]
    {
        if set {
            return Err(Error::input(option, "class labels to choose by", "real targets"));
        }
    }
    if count == 0 {
        return Err(Error::input("data set", "samples", "none"));
    }
    Ok(options.limit.map_or(count, |limit| limit.min(count)))
}

/// Classes that must be there: two to tell apart, where labels count.
pub(crate) fn least(options: &Options) -> usize {
    if options.labels { 2 } else { 1 }
}

/// Fails unless there are `least` classes.
pub(crate) fn at_least(least: usize, classes: usize, place: &str) -> Result<()> {
    if classes < least {
        let plural = if least == 1 { "class" } else { "classes" };
        return Err(Error::input(place, format_args!("samples of at least {least} {plural}"), classes));
    }
    Ok(())
}

/// A label as stored, checked against the number of names where it is known.
/// The error is what was expected.
pub(crate) fn label(value: i64, classes: Option<usize>) -> Result<u32, String> {
    let bound = classes.unwrap_or(MAX_CLASSES);
    match u32::try_from(value) {
        Ok(label) if (label as usize) < bound => Ok(label),
        _ => Err(format!("a label in 0..{bound}")),
    }
}

/// Names "0", "1", … for labels that come without.
pub(crate) fn numbered(labels: &[u32]) -> Vec<String> {
    let classes = labels.iter().max().map_or(0, |&max| max as usize + 1);
    (0..classes).map(|class| class.to_string()).collect()
}

fn check_limits(options: &Options) -> Result<()> {
    for (value, option) in [(options.limit, "--limit"), (options.limit_per_class, "--limit-per-class")] {
        if value == Some(0) {
            return Err(Error::input(option, "a number of samples above 0", 0));
        }
    }
    Ok(())
}

// What words name: the name, its place, and the word behind it.
type Piece = (String, usize, usize);

// The classes that `words` name: a name with commas in it comes as several words. Names are read as such where all
// can be, and numbers as indices only where they must be.
fn chosen(words: &[String], names: &[String]) -> Result<Vec<(String, usize)>> {
    let parts = 1 + names.iter().map(|name| name.matches(',').count()).max().unwrap_or(0);
    let places: HashMap<&str, usize> =
        names.iter().enumerate().rev().map(|(place, name)| (name.as_str(), place)).collect();
    for by_index in [false, true] {
        // Of the words from each place on: in how many ways they can be read (2 is many), and the first piece.
        let mut ways: Vec<(u8, Option<Piece>)> = vec![(0, None); words.len()];
        ways.push((1, None));
        for at in (0..words.len()).rev() {
            for count in 1..=parts.min(words.len() - at) {
                let name = words[at..at + count].join(",");
                let index = || name.parse().ok().filter(|&index: &usize| by_index && index < names.len());
                if let Some(place) = places.get(name.as_str()).copied().or_else(index)
                    && ways[at + count].0 > 0
                {
                    ways[at].0 = (ways[at].0 + ways[at + count].0).min(2);
                    ways[at].1 = Some((name, place, at + count));
                }
            }
        }
        match ways[0].0 {
            0 => continue,
            1 => {}
            _ => {
                let expected = "names that can be read in one way (a class is named by its index, too)";
                return Err(Error::input("--classes", expected, words.join(",")));
            }
        }
        let (mut at, mut found) = (0, Vec::new());
        while let Some((name, place, next)) = ways[at].1.take() {
            found.push((name, place));
            at = next;
        }
        return Ok(found);
    }
    let wrong = words.iter().find_map(|word| Some((word, find_class(word, names).err()?)));
    let (word, expected) = wrong.expect("some word is no class, for all could be read else");
    Err(Error::input("--classes", expected, word))
}

/// The class called `wanted` or, where no class has that name, of that index. The error is
/// what was expected.
pub(super) fn find_class(wanted: &str, names: &[String]) -> Result<usize, String> {
    let by_index = || wanted.parse::<usize>().ok().filter(|&index| index < names.len());
    names
        .iter()
        .position(|name| name == wanted)
        .or_else(by_index)
        .ok_or_else(|| format!("one of {} (or an index below {})", listed(names), names.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Told;
    use proptest::prelude::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    fn chosen(list: &[&str]) -> Options {
        Options { classes: names(list), ..Options::default() }
    }

    fn message(result: Result<Selection>) -> String {
        result.expect_err("must be refused").to_string()
    }

    const LABELS: [u32; 8] = [2, 0, 0, 1, 2, 1, 0, 2];

    #[test]
    fn classes_of_which_no_image_decodes_are_none() {
        let set = |labels: &[u32], stored| ImageSet {
            images: ndarray::Array4::zeros((labels.len(), 1, 1, 1)),
            targets: Targets::Classes { labels: labels.to_vec(), names: names(&["a", "b", "c"]) },
            source: Provenance {
                told: Told { skipped: 1, ..Told::default() },
                stored,
                ..Provenance::default()
            },
        };
        let mut lost = set(&[0, 2, 2], None);
        without_lost(&mut lost, &[0, 1, 2, 2], &Options::default());
        let Targets::Classes { labels, names: left } = &lost.targets else { panic!("classes") };
        assert_eq!((labels.as_slice(), left), (&[0, 1, 1][..], &names(&["a", "c"])));
        assert!(lost.source.told.notes[0].starts_with("1 of 3 classes of which no image decodes: b"));
        // Of those that were stored at first some were none already.
        let stored = Stored { names: names(&["a", "x", "b", "c"]), places: vec![0, 2, 3] };
        let mut lost = set(&[0, 2], Some(stored));
        without_lost(&mut lost, &[0, 1, 2], &Options::default());
        assert_eq!(lost.source.stored.unwrap().places, [0, 3]);
        // What a limit has left out is not lost.
        let mut kept = set(&[0, 2], None);
        without_lost(&mut kept, &[0, 2], &Options::default());
        assert_eq!((kept.targets.outputs(), kept.source.told.notes.len()), (3, 0));
    }

    #[test]
    fn classes_without_samples_are_none() {
        let all = names(&["a", "b", "c", "d"]);
        let found = select(&[1, 3, 1], &all, &Options::default()).unwrap();
        assert_eq!(
            (found.labels, found.names, found.rows),
            (vec![0, 1, 0], names(&["b", "d"]), vec![0, 1, 2])
        );
        assert_eq!(found.stored, Some(Stored { names: all.clone(), places: vec![1, 3] }));
        // Where all have some, where classes are chosen and where labels do not count, nothing changes.
        assert!(select(&LABELS, &all[..3], &Options::default()).unwrap().stored.is_none());
        let bare = Options { labels: false, ..Options::default() };
        assert_eq!(select(&[1, 3], &all, &bare).unwrap().names, all);
        assert_eq!(select(&[1, 3], &all, &chosen(&["d", "1"])).unwrap().names, names(&["d", "b"]));
        assert!(message(select(&[1, 4], &all, &Options::default())).contains("a label below 4"));
        assert!(message(select(&[1, 1], &all, &Options::default())).contains("at least 2 classes"));
    }

    #[test]
    fn everything_is_kept_unless_told_otherwise() {
        let all = select(&LABELS, &names(&["a", "b", "c"]), &Options::default()).unwrap();
        assert_eq!(all.rows, (0..8).collect::<Vec<_>>());
        assert_eq!(all.labels, LABELS);
    }

    #[test]
    fn names_with_commas_come_in_parts() {
        let all = names(&["crane, bird", "crane, machine", "ox", "a", "a,b"]);
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            super::chosen(&words, &all)
                .map(|found| found.into_iter().map(|(_, place)| place).collect::<Vec<_>>())
        };
        assert_eq!(found(&["ox", "crane", " machine", "0"]).unwrap(), [2, 1, 0]);
        assert_eq!(found(&["a", "ox"]).unwrap(), [3, 2]);
        // Both "a,b" and a, which is followed by no b.
        assert_eq!(found(&["a", "b"]).unwrap(), [4]);
        assert!(found(&["crane", "ox"]).unwrap_err().to_string().contains("found crane"));
        let all = names(&["1,0", "0,1", "z", "a", "b", "a,b", "drum", "drum, tympan"]);
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            super::chosen(&words, &all)
                .map(|found| found.into_iter().map(|(_, place)| place).collect::<Vec<_>>())
        };
        assert_eq!(found(&["1", "0"]).unwrap(), [0]);
        assert_eq!(found(&["drum", " tympan", "z"]).unwrap(), [7, 2]);
        assert_eq!(found(&["2", "drum"]).unwrap(), [2, 6]);
        assert!(found(&["a", "b"]).unwrap_err().to_string().contains("read in one way"));
        assert_eq!(found(&["b", "a"]).unwrap(), [4, 3]);
    }

    #[test]
    fn classes_are_relabelled_in_the_order_given() {
        let s = select(&LABELS, &names(&["a", "b", "c"]), &chosen(&["c", "a"])).unwrap();
        assert_eq!(s.rows, [0, 1, 2, 4, 6, 7]);
        assert_eq!(s.labels, [0, 1, 1, 0, 1, 0]);
        assert_eq!(s.names, ["c", "a"]);
        let by_index = select(&LABELS, &names(&["a", "b", "c"]), &chosen(&["2", "0"])).unwrap();
        assert_eq!(by_index, s);
    }

    #[test]
    fn a_name_that_is_a_number_wins_over_the_index() {
        let s = select(&LABELS, &names(&["1", "0", "2"]), &chosen(&["0", "2"])).unwrap();
        assert_eq!(s.rows, [0, 3, 4, 5, 7]);
    }

    #[test]
    fn limits_take_the_first_in_stored_order() {
        let options = Options { limit_per_class: Some(1), ..Options::default() };
        assert_eq!(select(&LABELS, &names(&["a", "b", "c"]), &options).unwrap().rows, [0, 1, 3]);
        let options = Options { limit: Some(4), limit_per_class: Some(2), ..Options::default() };
        assert_eq!(select(&LABELS, &names(&["a", "b", "c"]), &options).unwrap().rows, [0, 1, 2, 3]);
    }

    #[test]
    fn samples_may_be_drawn_instead() {
        let labels: Vec<u32> = (0..90).map(|i| i / 30).collect();
        let abc = names(&["a", "b", "c"]);
        let drawn = |seed, limit| {
            let options = Options { sample: Some(seed), limit: Some(limit), ..Options::default() };
            select(&labels, &abc, &options).unwrap()
        };
        let s = drawn(0, 30);
        assert!(s.rows.len() == 30 && s.rows.windows(2).all(|w| w[0] < w[1]));
        assert!(s.rows.iter().zip(&s.labels).all(|(&row, &label)| labels[row] == label));
        // Sorted by class as it is, the first would be one class alone.
        assert!((0..3).all(|class| s.labels.iter().filter(|l| **l == class).count() > 3));
        assert_eq!(drawn(0, 30), s);
        assert_ne!(drawn(1, 30), s);
        assert_eq!(drawn(0, 200).rows.len(), 90);
    }

    #[test]
    fn bad_choices_are_refused_by_name() {
        let abc = names(&["a", "b", "c"]);
        let text = message(select(&LABELS, &abc, &chosen(&["a", "dog"])));
        assert!(text.contains("dog") && text.contains("a, b, c"), "{text}");
        assert!(message(select(&LABELS, &abc, &chosen(&["a", "0"]))).contains("twice"));
        assert!(message(select(&LABELS, &abc, &chosen(&["b"]))).contains("at least 2 classes"));
        let abcd = names(&["a", "b", "c", "d"]);
        assert!(message(select(&LABELS, &abcd, &chosen(&["a", "d"]))).contains("none of class d"));
        for (options, option) in [
            (Options { limit: Some(0), ..Options::default() }, "--limit:"),
            (Options { limit_per_class: Some(0), ..Options::default() }, "--limit-per-class:"),
        ] {
            assert!(message(select(&LABELS, &abc, &options)).contains(option));
        }
        let one = Options { limit: Some(1), ..Options::default() };
        assert!(message(select(&LABELS, &abc, &one)).contains("at least 2 classes"));
        assert!(message(select(&[], &abc, &Options::default())).contains("none"));
        assert!(message(select(&[0, 3], &abc, &Options::default())).contains("sample 1"));
    }

    #[test]
    fn long_lists_of_classes_are_cut() {
        let many: Vec<String> = (0..1000).map(|i| format!("class{i}")).collect();
        let text = message(select(&LABELS, &many, &chosen(&["x", "y"])));
        assert!(text.len() < 400 && text.contains("1000 in all"), "{text}");
    }

    #[test]
    fn real_targets_have_no_classes_to_choose() {
        assert!(select_real(5, &chosen(&["a", "b"])).is_err());
        assert!(select_real(5, &Options { limit_per_class: Some(1), ..Options::default() }).is_err());
        assert!(select_real(0, &Options::default()).is_err());
        assert_eq!(select_real(5, &Options { limit: Some(3), ..Options::default() }).unwrap(), 3);
        assert_eq!(select_real(5, &Options { limit: Some(9), ..Options::default() }).unwrap(), 5);
    }

    proptest! {
        #[test]
        fn kept_samples_are_a_prefix_of_the_matching_ones(
            labels in prop::collection::vec(0u32..4, 1..60),
            limit in prop::option::of(1usize..20),
            per_class in prop::option::of(1usize..8),
            pick in prop::sample::subsequence(vec!["a", "b", "c", "d"], 2..=4).prop_shuffle(),
        ) {
            let all = names(&["a", "b", "c", "d"]);
            let options = Options { limit, limit_per_class: per_class, ..chosen(&pick) };
            let Ok(s) = select(&labels, &all, &options) else { return Ok(()) };
            prop_assert!(s.rows.windows(2).all(|w| w[0] < w[1]));
            prop_assert_eq!(s.rows.len(), s.labels.len());
            prop_assert!(s.rows.len() <= limit.unwrap_or(usize::MAX));
            for (&row, &new) in s.rows.iter().zip(&s.labels) {
                prop_assert_eq!(&s.names[new as usize], &all[labels[row] as usize]);
            }
            // Naive: walk all rows and keep what every rule lets through.
            let mut seen = [0usize; 4];
            let mut naive = Vec::new();
            for (row, &l) in labels.iter().enumerate() {
                if pick.contains(&all[l as usize].as_str()) {
                    seen[l as usize] += 1;
                    if seen[l as usize] <= per_class.unwrap_or(usize::MAX) {
                        naive.push(row);
                    }
                }
            }
            naive.truncate(limit.unwrap_or(usize::MAX));
            prop_assert_eq!(s.rows, naive);
        }
    }
}
