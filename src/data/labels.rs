//! Labels as they are stored, whole numbers or texts or none, and the classes that they make.

use std::collections::{BTreeSet, HashMap};

use super::Options;
use super::select::{Selection, label, numbered, select};
use crate::error::{Error, Result, listed, shown};

/// The labels of samples, in stored order.
#[derive(Debug, Default)]
pub struct Labels {
    stored: Vec<Stored>,
    places: HashMap<String, u32>,
}

#[derive(Clone, Copy, Debug)]
enum Stored {
    Number(i64),
    // The place of a text
    Text(u32),
    None,
}

/// Samples that have a label, and their classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// Which of the stored samples they are, ascending.
    pub rows: Vec<usize>,
    /// The class of each, an index into `names`.
    pub labels: Vec<u32>,
    /// One name per class.
    pub names: Vec<String>,
    /// What its user has to know.
    pub notes: Vec<String>,
}

/// What stands for no label among numbers.
const HIDDEN: i64 = -1;

/// The whole number that a floating-point one is, which must not be too large for a label.
pub fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < f64::from(1u32 << 31)).then_some(value as i64)
}

impl Labels {
    /// The next sample's is a number.
    pub fn number(&mut self, value: i64) {
        self.stored.push(Stored::Number(value));
    }

    /// The next sample's is a text, which is kept once however often it comes.
    pub fn text(&mut self, text: &str) {
        let next = self.places.len() as u32;
        let place = match self.places.get(text) {
            Some(&place) => place,
            None => *self.places.entry(text.to_owned()).or_insert(next),
        };
        self.stored.push(Stored::Text(place));
    }

    /// The next sample has none.
    pub fn none(&mut self) {
        self.stored.push(Stored::None);
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.stored.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    /// The classes: the sorted texts; or the numbers, called by `names` or, without, "0", "1", …. −1 is no label,
    /// as nothing is, but where all are −1 or 1: these are two classes. `place` names the set and `item` a sample
    /// in errors.
    ///
    /// # Errors
    /// Numbers and texts, numbers out of range, and no labels at all.
    pub fn classes(
        self,
        place: &str,
        names: Option<Vec<String>>,
        item: impl Fn(usize) -> String,
    ) -> Result<Classes> {
        let count = self.len();
        let numbers: BTreeSet<i64> = self.numbers().collect();
        if !numbers.is_empty() && !self.places.is_empty() {
            return Err(Error::input(place, "labels of one type", "numbers and texts"));
        }
        let mut notes = Vec::new();
        let signs = names.is_none() && numbers.iter().eq([&HIDDEN, &1]);
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        let known = names.as_ref().map(Vec::len);
        for (row, stored) in self.stored.iter().enumerate() {
            labels.push(match *stored {
                Stored::None => continue,
                Stored::Number(value) if signs => u32::from(value > 0),
                Stored::Number(HIDDEN) => continue,
                Stored::Number(value) => {
                    label(value, known).map_err(|expected| Error::input(item(row), expected, value))?
                }
                Stored::Text(place) => place,
            });
            rows.push(row);
        }
        if rows.is_empty() && count > 0 {
            let found =
                format!("none: null or {HIDDEN} for all {count} images, as where they are kept secret");
            return Err(Error::input(place, "labels", found));
        }
        if rows.len() < count {
            let without = count - rows.len();
            notes
                .push(format!("{without} of {count} images without a label (null or {HIDDEN}) are left out"));
        }
        let names = if !self.places.is_empty() {
            let sorted = self.sorted(&mut labels);
            let words: Vec<_> = sorted.iter().map(|name| shown(name)).collect();
            notes.push(format!("labels are texts; the classes are their sorted names: {}", listed(&words)));
            sorted
        } else if signs {
            notes.push(format!("labels are {HIDDEN} and 1, which are two classes"));
            vec![HIDDEN.to_string(), "1".to_owned()]
        } else {
            names.unwrap_or_else(|| numbered(&labels))
        };
        Ok(Classes { rows, labels, names, notes })
    }

    fn numbers(&self) -> impl Iterator<Item = i64> + '_ {
        self.stored.iter().filter_map(|stored| match stored {
            Stored::Number(value) => Some(*value),
            _ => None,
        })
    }

    // The sorted texts, whose indices `labels` become.
    fn sorted(self, labels: &mut [u32]) -> Vec<String> {
        let mut names: Vec<(String, u32)> = self.places.into_iter().collect();
        names.sort();
        let mut places = vec![0; names.len()];
        names.iter().enumerate().for_each(|(new, (_, old))| places[*old as usize] = new as u32);
        labels.iter_mut().for_each(|label| *label = places[*label as usize]);
        names.into_iter().map(|(name, _)| name).collect()
    }
}

impl Classes {
    /// [`select`] among the samples that have a label; its rows are those of all.
    ///
    /// # Errors
    /// As there.
    pub fn select(&self, options: &Options) -> Result<Selection> {
        let mut selection = select(&self.labels, &self.names, options)?;
        selection.rows.iter_mut().for_each(|row| *row = self.rows[*row]);
        Ok(selection)
    }

    /// Whether the numbers look like those of classes: no image of its own for each, which numbers of images are.
    pub fn repeat(&self) -> bool {
        2 * self.labels.iter().collect::<BTreeSet<_>>().len() <= self.labels.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &[i64]) -> Labels {
        let mut labels = Labels::default();
        list.iter().for_each(|&value| labels.number(value));
        labels
    }

    fn classes(labels: Labels, names: Option<&[&str]>) -> Result<Classes> {
        let names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        labels.classes("set", names, |row| format!("row {row}"))
    }

    #[test]
    fn numbers_are_classes_and_minus_one_is_none() {
        let found = classes(numbers(&[2, -1, 0, 2]), None).unwrap();
        assert_eq!((found.rows.as_slice(), found.labels.as_slice()), (&[0, 2, 3][..], &[2, 0, 2][..]));
        assert_eq!(found.names, ["0", "1", "2"]);
        assert!(found.notes[0].starts_with("1 of 4 images without a label"), "{:?}", found.notes);
        let selection = found.select(&Options::default()).unwrap();
        assert_eq!((selection.rows, selection.labels), (vec![0, 2, 3], vec![1, 0, 1]));
        let found = classes(numbers(&[1, 0]), Some(&["a", "b"])).unwrap();
        assert_eq!((found.names.join(" "), found.notes.len()), ("a b".to_owned(), 0));
        let mut labels = numbers(&[5]);
        labels.none();
        assert_eq!((labels.len(), labels.is_empty()), (2, false));
        assert_eq!(classes(labels, None).unwrap().rows, [0]);
        assert!(classes(Labels::default(), None).unwrap().rows.is_empty());
        for hidden in [numbers(&[-1, -1]), {
            let mut l = Labels::default();
            l.none();
            l
        }] {
            let text = classes(hidden, None).unwrap_err().to_string();
            assert!(text.contains("set: expected labels, found none: null or -1 for all"), "{text}");
        }
        let text = classes(numbers(&[0, 1, 2]), Some(&["a", "b"])).unwrap_err().to_string();
        assert!(text.contains("row 2: expected a label in 0..2, found 2"), "{text}");
        assert!(classes(numbers(&[0, -2]), None).unwrap_err().to_string().contains("found -2"));
    }

    #[test]
    fn signs_are_two_classes_unless_names_say_otherwise() {
        let found = classes(numbers(&[1, -1, 1]), None).unwrap();
        assert_eq!((found.labels.as_slice(), found.names.join(" ")), (&[1, 0, 1][..], "-1 1".to_owned()));
        assert!(found.notes[0].contains("two classes"));
        let found = classes(numbers(&[1, -1, 1]), Some(&["a", "b"])).unwrap();
        assert_eq!(found.rows, [0, 2]);
        assert_eq!(classes(numbers(&[1, -1, 0]), None).unwrap().rows, [0, 2]);
    }

    #[test]
    fn texts_are_sorted_and_do_not_mix_with_numbers() {
        let mut labels = Labels::default();
        ["dog", "cat", "dog"].into_iter().for_each(|text| labels.text(text));
        labels.none();
        let found = classes(labels, None).unwrap();
        assert_eq!((found.labels.as_slice(), found.names.join(" ")), (&[1, 0, 1][..], "cat dog".to_owned()));
        assert!(found.notes[1].contains("sorted names: cat, dog"), "{:?}", found.notes);
        assert!(found.rows == [0, 1, 2] && !found.repeat());
        let mut mixed = numbers(&[1]);
        mixed.text("dog");
        assert!(classes(mixed, None).unwrap_err().to_string().contains("numbers and texts"));
    }

    #[test]
    fn numbers_of_images_do_not_repeat() {
        let repeat = |list: &[i64]| classes(numbers(list), None).unwrap().repeat();
        assert!(repeat(&[0, 1, 0, 1]) && repeat(&[3, 3, 7, 7]));
        assert!(!repeat(&[0, 1, 2, 3]) && !repeat(&[5, 6, 7, 7]));
    }
}
