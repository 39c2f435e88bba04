//! Parts of a set, by the names that people give them.

const PARTS: [&[&str]; 3] =
    [&["train", "training"], &["test", "testing", "t10k"], &["validation", "val", "valid", "dev"]];

/// The part that `word` is a name of ("train", "test", "validation"), in any case.
pub fn part(word: &str) -> Option<&'static str> {
    let lower = word.to_lowercase();
    PARTS.iter().find(|names| names.contains(&lower.as_str())).map(|names| names[0])
}

/// The part that a name ends in, whatever the words before it say (`seg_train`).
pub fn part_in(name: &str) -> Option<&'static str> {
    part(name).or_else(|| part(name.rsplit(['_', '-', '.', ' ']).next().unwrap_or_default()))
}

/// Whether `name` is one of the part `wanted`: the same word, or one that means the same at its end.
pub fn is(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted) || part(wanted).is_some_and(|wanted| part_in(name) == Some(wanted))
}

/// All words for parts.
pub fn all() -> impl Iterator<Item = &'static str> {
    PARTS.iter().copied().flatten().copied()
}

/// All words for `wanted`, itself first.
pub fn words(wanted: &str) -> Vec<&str> {
    let others = PARTS.iter().find(|names| names.contains(&wanted)).copied().unwrap_or_default();
    std::iter::once(wanted).chain(others.iter().copied().filter(|word| *word != wanted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_several_names() {
        for (word, found) in [
            ("train", Some("train")),
            ("Training", Some("train")),
            ("seg_train", Some("train")),
            ("TEST", Some("test")),
            ("t10k", Some("test")),
            ("my-val", Some("validation")),
            ("dev", Some("validation")),
            ("trains", None),
            ("test_tube", None),
            ("restrain", None),
            ("", None),
        ] {
            assert_eq!(part_in(word), found, "{word}");
            assert_eq!(part(word).is_some(), found.is_some() && !word.contains(['_', '-']), "{word}");
        }
        assert!(is("valid", "val") && is("Testing", "test") && is("holdout", "holdout"));
        assert!(!is("train", "test") && !is("holdout", "test") && !is("train", "holdout"));
        assert_eq!(words("val"), ["val", "validation", "valid", "dev"]);
        assert_eq!(words("holdout"), ["holdout"]);
    }
}
