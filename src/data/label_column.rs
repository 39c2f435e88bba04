//! Which column of a table holds the labels.

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
const USUAL: [&str; 10] = [
    "label",
    "labels",
    "fine_label",
    "class",
    "cls",
    "target",
    "y",
    "class_label",
    "category",
    "coarse_label",
];

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
    let twice = |name: &str| columns.iter().filter(|c| c.name == name).count() > 1;
    let one = |name: &str| match twice(name) {
        false => Ok(()),
        true => Err(Error::input(place, "one column of that name", format!("{} twice", shown(name)))),
    };
    if let Some(said) = said {
        one(said)?;
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
        one(&first.name)?;
        let others: Vec<&str> = others.iter().map(|c| c.name.as_str()).collect();
        let note = (!others.is_empty()).then(|| beside(&first.name, &others));
        let place = at(&first.name).unwrap_or(0);
        return Ok(Choice { place, guessed: false, note });
    }
    let of_classes: Vec<&Column> = columns.iter().filter(able).filter(|c| c.classes).collect();
    // One that is called so, or holds parts, and none of which labels are: others are not meant.
    let is_usual = |c: &&Column| {
        let first = c.name.split('.').next().unwrap_or_default();
        USUAL.iter().any(|usual| first.eq_ignore_ascii_case(usual))
    };
    if let Some(other) = columns.iter().find(is_usual).filter(|_| of_classes.is_empty()) {
        let expected = "labels that are numbers or texts (--labels names another column)";
        return Err(Error::input(place, expected, format!("{}, which holds neither", shown(&other.name))));
    }
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

/// What its user has to know where other columns or arrays are called like labels, too.
pub fn beside(taken: &str, others: &[&str]) -> String {
    let others: Vec<_> = others.iter().map(|name| shown(name)).collect();
    format!("labels are those of {}; there is {}, too (--labels)", shown(taken), listed(&others))
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

    use Holds::{Else, Integers, Numbers, Texts as Words};

    #[test]
    fn a_column_called_label_wins_whatever_it_holds() {
        for holds in [Integers, Numbers, Words] {
            let all = [("image", Else), ("image_id", Integers), ("label", holds)];
            assert_eq!(chosen(&all, None), Ok((2, false)));
        }
        assert_eq!(chosen(&[("id", Integers), ("Label", Words)], None), Ok((1, false)));
        assert_eq!(chosen(&[("coarse_label", Integers), ("fine_label", Integers)], None), Ok((1, false)));
        let both = choose("t", &columns(&[("label", Integers), ("target", Words)]), None).unwrap();
        assert!(both.note.unwrap().contains("there is target, too"));
        // One that holds something else is no reason to take another.
        for name in ["label", "label.list.element"] {
            let text = chosen(&[(name, Else), ("width", Integers)], None).unwrap_err();
            assert!(text.contains(name) && text.contains("holds neither"), "{text}");
        }
    }

    #[test]
    fn others_are_said_or_classes_by_the_file_or_the_only_whole_numbers() {
        let all = [("a", Integers), ("b", Integers), ("c", Words), ("d", Else)];
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
}
