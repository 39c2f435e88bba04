//! A page that shows the figures of a report beside each other, without any
//! network.

use std::path::Path;

use crate::disk;
use crate::error::Result;

/// One figure of the page.
#[derive(Clone, Debug)]
pub struct Entry {
    /// File name of the figure, relative to the page.
    pub file: String,
    /// Heading.
    pub title: String,
    /// What it shows.
    pub caption: String,
    /// The command that draws it; may be empty.
    pub command: String,
    /// Sentences that say what passed or failed ("pass: …", "fail: …").
    pub verdicts: Vec<String>,
}

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 16px/1.5 'DejaVu Sans', Verdana, sans-serif; color: #222; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.15rem; margin: 0 0 .6rem; }
section { border-top: 1px solid #ccc; padding: 1.4rem 0; }
figure { margin: 0; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto .8rem; }
figcaption { max-width: 48rem; }
code { display: block; margin: .8rem 0; padding: .4rem .6rem; background: #f4f4f4; border: 1px solid #ddd;
       overflow-wrap: anywhere; white-space: pre-wrap; font: .85rem/1.4 'DejaVu Sans Mono', monospace; }
ul { padding-left: 1.2rem; margin: .4rem 0 0; }
.pass strong { color: #00563b; }
.fail strong { color: #8a1538; }
@media print {
  body { font-size: 10pt; max-width: none; margin: 0; padding: 0; }
  section { break-inside: avoid; }
  h2 { break-after: avoid; }
  img { max-height: 20cm; }
}
";

/// Text as HTML shows it, in elements and in attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // No character of HTML.
            c if c.is_control() && !c.is_whitespace() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

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

/// What a verdict begins with, as a class, and the rest of it.
fn verdict(text: &str) -> (Option<(&'static str, &str)>, &str) {
    for (class, words) in [("pass", ["pass", "passed"]), ("fail", ["fail", "failed"])] {
        let word = text.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        if words.iter().any(|w| word.eq_ignore_ascii_case(w)) {
            return (Some((class, word)), &text[word.len()..]);
        }
    }
    (None, text)
}

fn section(entry: &Entry) -> String {
    let (title, file) = (escape(&entry.title), address(&entry.file));
    let mut html = format!("<section>\n<h2>{title}</h2>\n<figure>\n");
    html += &format!("<img src=\"{file}\" alt=\"{title}\">\n");
    if !entry.caption.is_empty() {
        html += &format!("<figcaption>{}</figcaption>\n", escape(&entry.caption));
    }
    html += "</figure>\n";
    if !entry.command.is_empty() {
        html += &format!("<code>{}</code>\n", escape(&entry.command));
    }
    if !entry.verdicts.is_empty() {
        html += "<ul>\n";
        for text in &entry.verdicts {
            match verdict(text) {
                (Some((class, word)), rest) => {
                    let (word, rest) = (escape(word), escape(rest));
                    html += &format!("<li class=\"{class}\"><strong>{word}</strong>{rest}</li>\n");
                }
                (None, text) => html += &format!("<li>{}</li>\n", escape(text)),
            }
        }
        html += "</ul>\n";
    }
    html + "</section>\n"
}

/// Writes the page to `out`, complete or not at all. It needs no other file
/// than the figures.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) if `out` cannot be written.
pub fn write(entries: &[Entry], out: &Path) -> Result<()> {
    let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html +=
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Figures</title>\n";
    html += &format!("<style>{STYLE}</style>\n</head>\n<body>\n<h1>Figures</h1>\n");
    if entries.is_empty() {
        html += "<p>No figures.</p>\n";
    }
    for entry in entries {
        html += &section(entry);
    }
    html += "</body>\n</html>\n";
    disk::write_bytes(out, html.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn page(entries: &[Entry]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.html");
        write(entries, &path).unwrap();
        std::fs::read_to_string(&path).unwrap()
    }

    fn entry() -> Entry {
        Entry {
            file: "fast & slow 50%.png".to_owned(),
            title: "a < b > \"c\" & 'd'".to_owned(),
            caption: "<script>alert(1)</script>".to_owned(),
            command: "domfreq report --out 'x y' && ls".to_owned(),
            verdicts: vec!["pass: 3 of 3".to_owned(), "FAILED, by 2 %".to_owned(), "passable <i>".to_owned()],
        }
    }

    #[test]
    fn all_text_is_escaped() {
        let html = page(&[entry()]);
        assert!(html.contains("<h2>a &lt; b &gt; &quot;c&quot; &amp; &#39;d&#39;</h2>"));
        assert!(html.contains("src=\"fast%20%26%20slow%2050%25.png\" alt=\"a &lt; b"));
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"));
        assert!(html.contains("&#39;x y&#39; &amp;&amp; ls"));
        assert_eq!(escape("a\u{1}\n"), "a\u{fffd}\n");
    }

    #[test]
    fn verdicts_say_pass_and_fail_in_words() {
        let html = page(&[entry()]);
        assert!(html.contains("<li class=\"pass\"><strong>pass</strong>: 3 of 3</li>"));
        assert!(html.contains("<li class=\"fail\"><strong>FAILED</strong>, by 2 %</li>"));
        assert!(html.contains("<li>passable &lt;i&gt;</li>"));
    }

    #[test]
    fn page_needs_no_network() {
        let html = page(&[entry(), entry()]);
        assert_eq!(html.matches("<img ").count(), 2);
        for word in ["http", "url(", "@import", "<link", "<script"] {
            assert!(!html.contains(word), "{word}");
        }
        assert!(page(&[]).contains("No figures"));
    }

    #[test]
    fn page_that_cannot_be_written_is_an_error() {
        let error = write(&[], Path::new("no-such-directory/index.html")).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}
