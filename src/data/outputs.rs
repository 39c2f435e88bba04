//! Names of a network's outputs, by which classes of images are matched to them: for
//! images of some of the classes, or of classes in another order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result, listed};
use crate::field::{ImageSet, Targets};

/// What the outputs of a network stand for, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    file: PathBuf,
    // All names of each, the first of them to be shown.
    names: Vec<Vec<String>>,
}

impl Outputs {
    /// From a file with a line for each output, which is its name, as is the line's
    /// first word (`n01440764 tench, Tinca tinca`); or from JSON, a list of names or of
    /// lists of names, or an object with the indices as keys (`{"0": ["n01440764",
    /// "tench"], …}`).
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for what is neither, or has an output without a name.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).map_err(Error::io(file, "read"))?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::input(file.display(), "names of outputs, as text", "bytes that are not UTF-8")
        })?;
        let text = text.trim_start_matches('\u{feff}');
        let names = match text.trim_start().chars().next() {
            Some('[' | '{') => of_json(text),
            _ => of_lines(text),
        };
        let names = names.map_err(|found| {
            let expected =
                "a line with a name for each output, or JSON: a list of names, or an object of them by index";
            Error::input(file.display(), expected, found)
        })?;
        if names.is_empty() {
            return Err(Error::input(file.display(), "names of outputs", "none"));
        }
        Ok(Self { file: file.to_path_buf(), names })
    }

    /// A name for each output.
    pub fn names(&self) -> Vec<String> {
        self.names.iter().map(|aliases| aliases[0].clone()).collect()
    }

    /// Whether there are as many names as the network has `outputs`.
    ///
    /// # Errors
    /// [`Error::Input`] where there are not.
    pub fn check(&self, outputs: usize) -> Result<()> {
        if self.names.len() == outputs {
            return Ok(());
        }
        let expected = format!("a name for each of the network's {outputs} outputs");
        Err(Error::input(self.file.display(), expected, self.names.len()))
    }

    /// The images with the outputs for classes: labels are indices of outputs, and an
    /// output is called what its class of images was called.
    ///
    /// # Errors
    /// [`Error::Input`] for images without classes, for a class that no output, or more
    /// than one, is named after, and for two classes of one output.
    pub fn matched(&self, set: ImageSet) -> Result<ImageSet> {
        let Targets::Classes { labels, names } = &set.targets else {
            return Err(Error::input("--outputs", "images with classes", "images without labels"));
        };
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (output, aliases) in self.names.iter().enumerate() {
            for alias in aliases {
                let outputs = by_name.entry(alias).or_default();
                if outputs.last() != Some(&output) {
                    outputs.push(output);
                }
            }
        }
        let refuse =
            |expected: String, found: String| Err(Error::input("classes of the images", expected, found));
        let unknown = |name: &&String| !by_name.contains_key(name.as_str());
        let unknown: Vec<_> = names.iter().filter(unknown).map(|name| format!("`{name}`")).collect();
        if !unknown.is_empty() {
            return refuse(format!("names of outputs in {}", self.file.display()), listed(&unknown));
        }
        let mut called: Vec<Option<&str>> = vec![None; self.names.len()];
        let mut output_of = Vec::with_capacity(names.len());
        for name in names {
            let &[output] = by_name[name.as_str()].as_slice() else {
                let expected = format!("names of one output each in {}", self.file.display());
                return refuse(expected, format!("`{name}`, of outputs {:?}", by_name[name.as_str()]));
            };
            if let Some(other) = called[output].replace(name) {
                return refuse(
                    "each of another output".to_owned(),
                    format!("`{other}` and `{name}`, both output {output}"),
                );
            }
            output_of.push(output as u32);
        }
        let shown = |(aliases, called): (&Vec<String>, &Option<&str>)| {
            called.map_or_else(|| aliases[0].clone(), ToOwned::to_owned)
        };
        let targets = Targets::Classes {
            labels: labels.iter().map(|&label| output_of[label as usize]).collect(),
            names: self.names.iter().zip(&called).map(shown).collect(),
        };
        let mut source = set.source;
        source.description +=
            &format!("; {} classes, matched to outputs by {}", names.len(), self.file.display());
        Ok(ImageSet { images: set.images, targets, source })
    }
}

// What is wrong, in words, where something is.
type Names = std::result::Result<Vec<Vec<String>>, String>;

fn of_lines(text: &str) -> Names {
    let name = |(i, line): (usize, &str)| {
        let line = line.trim();
        let Some(word) = line.split_whitespace().next() else {
            return Err(format!("an empty line {}", i + 1));
        };
        let mut names = vec![line.to_owned()];
        names.extend((word != line).then(|| word.to_owned()));
        Ok(names)
    };
    text.trim_end().lines().enumerate().map(name).collect()
}

fn of_json(text: &str) -> Names {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("JSON in which {e}"))?;
    match value {
        Value::Array(list) => list.into_iter().enumerate().map(|(i, value)| aliases(i, value)).collect(),
        Value::Object(map) => {
            let mut list = BTreeMap::new();
            for (key, value) in map {
                let index: usize = key.parse().map_err(|_| format!("the key `{key}`"))?;
                if list.insert(index, aliases(index, value)?).is_some() {
                    return Err(format!("the key {index} twice"));
                }
            }
            match list.keys().enumerate().find(|(i, key)| i != *key) {
                Some((i, _)) => Err(format!("no key {i}")),
                None => Ok(list.into_values().collect()),
            }
        }
        _ => unreachable!("it begins with a bracket or a brace"),
    }
}

fn aliases(index: usize, value: Value) -> std::result::Result<Vec<String>, String> {
    let names: Vec<String> = match value {
        Value::String(name) => vec![name],
        Value::Array(list) => list.iter().filter_map(|v| v.as_str().map(ToOwned::to_owned)).collect(),
        _ => Vec::new(),
    };
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err(format!("no name for output {index}"));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Provenance;
    use ndarray::Array4;

    fn read(text: &str) -> Result<Outputs> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("names.txt");
        std::fs::write(&file, text).unwrap();
        Outputs::read(&file)
    }

    fn set(labels: &[u32], names: &[&str]) -> ImageSet {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        ImageSet {
            images: Array4::zeros((labels.len(), 1, 2, 2)),
            targets: Targets::Classes { labels: labels.to_vec(), names },
            source: Provenance::default(),
        }
    }

    fn classes(set: &ImageSet) -> (Vec<u32>, Vec<String>) {
        match &set.targets {
            Targets::Classes { labels, names } => (labels.clone(), names.clone()),
            Targets::Real(_) => panic!("classes"),
        }
    }

    const LINES: &str = "n01 tench, Tinca tinca\nn02 goldfish\r\nn03 great white shark\n\n";

    #[test]
    fn classes_are_matched_by_name_whatever_their_order_and_number() {
        let json = r#"["n01", ["n02", "goldfish"], "n03 great white shark"]"#;
        let object = r#" {"2": ["n03"], "0": ["n01", "tench"], "1": ["n02", "goldfish"]}"#;
        for text in [LINES, &format!("\u{feff}{LINES}"), json, object] {
            let outputs = read(text).unwrap();
            outputs.check(3).unwrap();
            let error = outputs.check(10).unwrap_err().to_string();
            assert!(error.contains("network's 10 outputs") && error.contains("found 3"), "{error}");
            let images = if text == json {
                set(&[1, 0, 0], &["goldfish", "n01"])
            } else {
                set(&[1, 0, 0], &["n02", "n01"])
            };
            let (labels, names) = classes(&outputs.matched(images).unwrap());
            assert_eq!(labels, [0, 1, 1], "{text}");
            assert_eq!(names[0], "n01");
        }
        let (labels, names) = classes(&read(LINES).unwrap().matched(set(&[0], &["n02 goldfish"])).unwrap());
        assert_eq!((labels, names[2].as_str()), (vec![1], "n03 great white shark"));
    }

    #[test]
    fn what_cannot_be_matched_is_named() {
        let says = |outputs: &str, names: &[&str], parts: &[&str]| {
            let error = read(outputs).unwrap().matched(set(&[0], names)).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{error}");
            }
        };
        says(LINES, &["n02", "cat", "dog"], &["names.txt", "`cat`, `dog`"]);
        says("great white shark\ngreat auk", &["great"], &["`great`, of outputs [0, 1]"]);
        says(LINES, &["n02", "n02 goldfish"], &["both output 1"]);
        let mut unlabelled = set(&[0], &["n01"]);
        unlabelled.targets = Targets::Real(ndarray::Array2::zeros((1, 0)));
        let error = read(LINES).unwrap().matched(unlabelled).unwrap_err().to_string();
        assert!(error.contains("without labels"), "{error}");
    }

    #[test]
    fn files_that_are_no_names_are_refused() {
        for (text, found) in [
            ("", "found none"),
            ("a\n\nb", "an empty line 2"),
            ("[\"a\", 3]", "no name for output 1"),
            ("[\"a\", []]", "no name for output 1"),
            ("[]", "found none"),
            ("[\"a\"", "JSON in which"),
            ("{\"0\": \"a\", \"2\": \"b\"}", "no key 1"),
            ("{\"0\": \"a\", \"00\": \"b\"}", "the key 0 twice"),
            ("{\"a\": \"b\"}", "the key `a`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("names.txt") && error.contains(found), "{text}: {error}");
        }
    }
}
