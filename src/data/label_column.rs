//! Which column of a table holds the labels, and what they are.

use std::collections::BTreeSet;

use crate::error::{Error, Result, listed, shown};

/// What a column holds, as far as it matters for labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Whole numbers, or truth values.
    Integers,
    /// Floating-point numbers, which may be whole ones.
    Numbers,
    /// Text.
    Texts,
    /// What no labels are made of.
    Else,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub holds: Holds,
    /// Whether the file says that these are classes (`ClassLabel` of Hugging Face's datasets).
    pub classes: bool,
}

/// The column of the labels, and why that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its place among the columns.
    pub place: usize,
    /// Whether nothing but its type speaks for it: its numbers must look like those of classes.
    pub guessed: bool,
    /// What its user has to know.
    pub note: Option<String>,
}

// In order of preference.
const USUAL: [&str; 9] =
    ["label", "labels", "fine_label", "class", "target", "y", "class_label", "category", "coarse_label"];

/// The column called `said` or, without, one of a usual name, whatever else there is; else the only one that
/// the file says is of classes; else the only one of whole numbers.
///
/// # Errors
/// For none of these, and for several; `place` names the table.
pub fn choose(place: &str, columns: &[Column], said: Option<&str>) -> Result<Choice> {
    let all = || {
        let names: Vec<_> = columns.iter().map(|c| shown(&c.name)).collect();
        format!("columns {}", listed(&names))
    };
    if let Some(said) = said {
        let found = columns.iter().position(|c| c.name == said);
        let choice = |place| Choice { place, guessed: false, note: None };
        return match found {
            Some(at) if columns[at].holds != Holds::Else => Ok(choice(at)),
            Some(_) => {
                let expected = "a column of numbers or texts (--labels)";
                Err(Error::input(place, expected, format!("{}, which holds neither", shown(said))))
            }
            None => Err(Error::input(place, format!("a column {} (--labels)", shown(said)), all())),
        };
    }
    let able = |c: &&Column| c.holds != Holds::Else;
    let at = |name: &str| columns.iter().position(|c| c.name == name);
    let named: Vec<&Column> = USUAL
        .iter()
        .flat_map(|usual| columns.iter().filter(able).filter(move |c| c.name.eq_ignore_ascii_case(usual)))
        .collect();
    if let Some((first, others)) = named.split_first() {
        let others: Vec<_> = others.iter().map(|c| shown(&c.name)).collect();
        let note = (!others.is_empty()).then(|| {
            format!(
                "labels are those of {}; there is {}, too (--labels)",
                shown(&first.name),
                listed(&others)
            )
        });
        let place = at(&first.name).unwrap_or(0);
        return Ok(Choice { place, guessed: false, note });
    }
    let of_classes: Vec<&Column> = columns.iter().filter(able).filter(|c| c.classes).collect();
    let whole: Vec<&Column> = columns.iter().filter(|c| c.holds == Holds::Integers).collect();
    let (found, guessed) = if of_classes.is_empty() { (whole, true) } else { (of_classes, false) };
    match found.as_slice() {
        [only] => {
            let note = format!("labels are those of {} (--labels takes another column)", shown(&only.name));
            Ok(Choice { place: at(&only.name).unwrap_or(0), guessed, note: Some(note) })
        }
        [] => Err(Error::input(place, "a column of labels, called label (--labels says which it is)", all())),
        several => {
            let names: Vec<_> = several.iter().map(|c| shown(&c.name)).collect();
            let expected = "one column of labels, or one called label (--labels says which it is)";
            Err(Error::input(place, expected, listed(&names)))
        }
    }
}

/// Labels as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
}

impl Stored {
    /// Whether numbers look like those of classes: no image of its own for each, which numbers of images are.
    pub fn look_like_classes(&self) -> bool {
        let Self::Integers(values) = self else { return true };
        let distinct: BTreeSet<i64> = values.iter().copied().collect();
        distinct.first().is_none_or(|&least| least >= 0) && 2 * distinct.len() <= values.len()
    }
}

/// Texts as labels: indices of their sorted names.
pub fn of_texts(texts: &[String]) -> (Vec<u32>, Vec<String>) {
    let names: Vec<String> = texts.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let index = |text: &String| names.binary_search(text).expect("each is a name") as u32;
    (texts.iter().map(index).collect(), names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(list: &[(&str, Holds)]) -> Vec<Column> {
        list.iter().map(|&(name, holds)| Column { name: name.to_owned(), holds, classes: false }).collect()
    }

    fn chosen(list: &[(&str, Holds)], said: Option<&str>) -> std::result::Result<(usize, bool), String> {
        choose("t", &columns(list), said).map(|c| (c.place, c.guessed)).map_err(|e| e.to_string())
    }

    use Holds::{Else, Integers, Numbers, Texts};

    #[test]
    fn a_column_called_label_wins_whatever_it_holds() {
        for holds in [Integers, Numbers, Texts] {
            let all = [("image", Else), ("image_id", Integers), ("label", holds)];
            assert_eq!(chosen(&all, None), Ok((2, false)));
        }
        assert_eq!(chosen(&[("id", Integers), ("Label", Texts)], None), Ok((1, false)));
        assert_eq!(chosen(&[("coarse_label", Integers), ("fine_label", Integers)], None), Ok((1, false)));
        let both = choose("t", &columns(&[("label", Integers), ("target", Texts)]), None).unwrap();
        assert!(both.note.unwrap().contains("there is target, too"));
        // One that holds no labels is none.
        assert_eq!(chosen(&[("label", Else), ("kind", Integers)], None), Ok((1, true)));
    }

    #[test]
    fn others_are_said_or_classes_by_the_file_or_the_only_whole_numbers() {
        let all = [("a", Integers), ("b", Integers), ("c", Texts), ("d", Else)];
        assert_eq!(chosen(&all, Some("c")), Ok((2, false)));
        assert!(chosen(&all, Some("d")).unwrap_err().contains("d, which holds neither"));
        assert!(chosen(&all, Some("x")).unwrap_err().contains("columns a, b, c, d"));
        assert!(chosen(&all, None).unwrap_err().contains("found a, b"));
        let mut of_classes = columns(&all);
        of_classes[1].classes = true;
        let choice = choose("t", &of_classes, None).unwrap();
        assert_eq!((choice.place, choice.guessed), (1, false));
        assert_eq!(chosen(&all[1..], None), Ok((0, true)));
        assert!(chosen(&all[2..], None).unwrap_err().contains("--labels"));
    }

    #[test]
    fn numbers_of_images_do_not_look_like_classes() {
        let look = |values: &[i64]| Stored::Integers(values.to_vec()).look_like_classes();
        assert!(look(&[0, 1, 0, 1]) && look(&[3, 3, 7, 7]));
        assert!(!look(&[0, 1, 2, 3]) && !look(&[-1, -1, -1, -1]) && !look(&[5, 6, 7, 7]));
        let texts = ["dog", "cat", "dog"].map(str::to_owned);
        assert_eq!(of_texts(&texts), (vec![1, 0, 1], vec!["cat".to_owned(), "dog".to_owned()]));
    }
}
