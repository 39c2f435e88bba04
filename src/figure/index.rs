//! A page that shows the figures of a folder one below the other, without any
//! network.

use std::path::{Path, PathBuf};

use minijinja::context;

use super::verdict::{Note, SCHEMA};
use crate::error::{Error, Result};
use crate::{disk, html};

/// A file name as a relative address: a colon or a percent sign in it would
/// otherwise mean something else.
fn address(file: &str) -> String {
    let mut safe = String::new();
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                safe.push(byte as char)
            }
            _ => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    safe
}

/// The page of these notes, each with the file name of its picture; all text is escaped.
fn page(notes: &[(String, Note)]) -> String {
    let figures = notes.iter().map(|(file, note)| {
        let verdicts = note.verdicts.iter().map(|v| context! { word => v.word(), text => v.text() });
        context! {
            address => address(file),
            title => note.title.as_str(),
            caption => note.caption.as_str(),
            command => note.command.as_str(),
            verdicts => verdicts.collect::<Vec<_>>(),
        }
    });
    let figures = context! { figures => figures.collect::<Vec<_>>() };
    let html = html::page(include_str!("../../assets/templates/figures.html"), &figures);
    // No characters of HTML.
    html.replace(|c: char| c.is_control() && !c.is_whitespace(), "\u{fffd}")
}

/// Writes `index.html` into `dir` for all figures there (NAME.png beside NAME.json),
/// complete or not at all; where it is. It needs no other file than the figures.
///
/// # Errors
/// [`Error::Input`] without figures and for notes that are none; [`Error::Io`].
pub fn write(dir: &Path) -> Result<PathBuf> {
    let mut notes = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
        let path = entry.map_err(Error::io(dir, "read"))?.path();
        let picture = path.with_extension("png");
        if path.extension().is_none_or(|e| e != "json") || !picture.exists() {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        let wrong = |found: String| {
            Error::input(path.display(), "what `domfreq figure` wrote beside a picture", found)
        };
        let note: Note = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        if note.schema != SCHEMA {
            return Err(wrong(format!("schema {}, this domfreq reads {SCHEMA}", note.schema)));
        }
        notes.push((picture.file_name().unwrap_or_default().to_string_lossy().into_owned(), note));
    }
    if notes.is_empty() {
        let expected = "figures (NAME.png beside NAME.json) in the folder";
        return Err(Error::input(dir.display(), expected, "none"));
    }
    notes.sort_by(|a, b| (a.1.order, &a.0).cmp(&(b.1.order, &b.0)));
    let out = dir.join("index.html");
    disk::write_bytes(&out, page(&notes).as_bytes())?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Verdict;
    use super::*;

    fn verdict(what: &str, pass: Option<bool>) -> Verdict {
        Verdict { what: what.to_owned(), value: Some(2.0), bar: "at most 3".to_owned(), pass }
    }

    fn entry() -> (String, Note) {
        let note = Note {
            schema: SCHEMA,
            order: 1,
            title: "a < b > \"c\" & 'd'".to_owned(),
            caption: "<script>alert(1)</script>\u{1}".to_owned(),
            command: "domfreq report --out 'x y' && ls".to_owned(),
            verdicts: vec![
                verdict("3 of 3", Some(true)),
                verdict("FAILED", Some(false)),
                verdict("passable <i>", None),
            ],
        };
        ("fast & slow 50%.png".to_owned(), note)
    }

    #[test]
    fn all_text_is_escaped() {
        let html = page(&[entry()]);
        assert!(html.contains("<h2>a &lt; b &gt; &quot;c&quot; &amp; &#x27;d&#x27;</h2>"), "{html}");
        assert!(html.contains("src=\"fast%20%26%20slow%2050%25.png\" alt=\"a &lt; b"));
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"));
        assert!(html.contains("&#x27;x y&#x27; &amp;&amp; ls"));
        let caption = "<figcaption>&lt;script&gt;alert(1)&lt;&#x2f;script&gt;\u{fffd}</figcaption>\n";
        assert!(html.contains(caption), "{html}");
    }

    #[test]
    fn verdicts_say_pass_and_fail_in_words() {
        let html = page(&[entry()]);
        assert!(
            html.contains("<li class=\"pass\"><strong>pass</strong>: 3 of 3: 2 (at most 3)</li>"),
            "{html}"
        );
        assert!(html.contains("<li class=\"fail\"><strong>fail</strong>: FAILED: 2 (at most 3)</li>"));
        assert!(html.contains("<li>passable &lt;i&gt;: 2</li>"));
    }

    #[test]
    fn page_needs_no_network() {
        let both = page(&[entry(), entry()]);
        assert_eq!(both.matches("<img ").count(), 2);
        for word in ["http", "url(", "@import", "<link", "<script"] {
            assert!(!both.contains(word), "{word}");
        }
        assert!(page(&[]).contains("No figures"));
    }

    #[test]
    fn page_that_cannot_be_written_is_an_error() {
        let error = write(Path::new("no-such-directory")).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }

    #[test]
    fn the_page_has_every_figure_of_the_folder_in_order() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write(dir.path()).unwrap_err().to_string().contains("none"));
        for (order, name) in [(2, "b"), (1, "z")] {
            let picture = dir.path().join(format!("{name}.png"));
            std::fs::write(&picture, b"").unwrap();
            Note::new(order, &format!("Title {name}"), "c").write(&picture).unwrap();
        }
        write(dir.path()).unwrap();
        let page = std::fs::read_to_string(dir.path().join("index.html")).unwrap();
        assert!(page.find("Title z").unwrap() < page.find("Title b").unwrap());
        let other = Note { schema: SCHEMA + 1, ..Note::new(3, "t", "c") };
        std::fs::write(dir.path().join("o.png"), b"").unwrap();
        other.write(&dir.path().join("o.png")).unwrap();
        assert!(write(dir.path()).unwrap_err().to_string().contains("schema 2"));
    }
}
