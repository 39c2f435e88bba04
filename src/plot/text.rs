//! Text that fits the room there is.

use super::canvas::{Lettering, text_width};

/// The text, cut at its end with "…" where it is wider than `width` pixels.
pub(super) fn fit(text: &str, width: f64, how: Lettering) -> String {
    if text_width(text, how.em, how.bold) <= width {
        return text.to_owned();
    }
    let mut characters: Vec<char> = text.chars().collect();
    while characters.pop().is_some() {
        let shorter: String = characters.iter().collect::<String>().trim_end().to_owned() + "…";
        if text_width(&shorter, how.em, how.bold) <= width {
            return shorter;
        }
    }
    String::new()
}

/// Each text as [`fit`] has it; cut at the beginning where different ones would look
/// alike otherwise.
pub(super) fn fit_apart(texts: &[String], width: f64, how: Lettering) -> Vec<String> {
    let cut: Vec<_> = texts.iter().map(|text| fit(text, width, how)).collect();
    let alike = |i: usize| (0..texts.len()).any(|j| cut[j] == cut[i] && texts[j] != texts[i]);
    let cut_or_end = |i: usize| if alike(i) { fit_end(&texts[i], width, how) } else { cut[i].clone() };
    (0..texts.len()).map(cut_or_end).collect()
}

fn fit_end(text: &str, width: f64, how: Lettering) -> String {
    let mut ends = text.char_indices().skip(1).map(|(at, _)| format!("…{}", text[at..].trim_start()));
    ends.find(|end| text_width(end, how.em, how.bold) <= width).unwrap_or_default()
}

/// The text in lines of at most `width` pixels and at most `most` of them,
/// broken at spaces (not at no-break spaces); what does not fit ends in "…".
pub fn wrap(text: &str, width: f64, most: usize, how: Lettering) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), how.em, how.bold) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.len() > most {
        let rest = lines.split_off(most.saturating_sub(1)).join(" ");
        lines.push(rest);
        lines.truncate(most);
    }
    lines.iter().map(|line| fit(line, width, how)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::style::{INK, SMALL, letters};
    use super::*;

    #[test]
    fn text_is_cut_and_wrapped_to_its_width() {
        let how = letters(SMALL, INK);
        let width = |t: &str| text_width(t, how.em, how.bold);
        assert_eq!(fit("short", 1000.0, how), "short");
        let cut = fit("a rather long title", width("a rather l…") + 0.5, how);
        assert_eq!(cut, "a rather l…");
        assert_eq!(fit("word", 1.0, how), "");
        let names = ["n02102040", "n02102047", "cat", "a rather long title"].map(ToOwned::to_owned);
        let room = width("…2102040") + 0.5;
        assert_eq!(fit_apart(&names, room, how)[..3], ["…2102040", "…2102047", "cat"]);
        assert_eq!(fit_apart(&names, room, how)[3], fit(&names[3], room, how));
        assert_eq!(fit_apart(&names, 1.0, how), ["", "", "", ""]);
        let room = width("one two") + 0.5;
        assert_eq!(wrap("one two three four", room, 3, how), ["one two", "three", "four"]);
        let lines = wrap("one two three four", room, 2, how);
        assert_eq!((lines.len(), lines[0].as_str()), (2, "one two"));
        assert!(lines[1].ends_with('…') && width(&lines[1]) <= room);
        assert!(wrap("", room, 2, how).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_fitted_fits(text in "\\PC{0,30}", width in 1.0f64..300.0) {
            let how = letters(SMALL, INK);
            let cut = fit(&text, width, how);
            prop_assert!(text_width(&cut, how.em, how.bold) <= width);
            prop_assert!(wrap(&text, width, 3, how).len() <= 3);
        }
    }
}
