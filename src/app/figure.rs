//! `domfreq figure`: figures read run directories only.
//!
//! Beside every PNG stands a JSON file with what the figure shows and the
//! verdicts on it: numbers with the bars they are held to.

use anyhow::Result;

use crate::cli::Figure;
use crate::error::Error;
use crate::figure::index;
use crate::progress::say;

pub fn run(figure: &Figure) -> Result<()> {
    let figure = match figure {
        Figure::Of(figure) => figure,
        Figure::Index { dir } => {
            say(format_args!("wrote {}", index::write(dir)?.display()));
            return Ok(());
        }
    };
    let out = figure.out();
    if out.extension().is_none_or(|e| e != "png") {
        return Err(Error::input("--out", "a name that ends in .png", out.display()).into());
    }
    let note = figure.draw()?;
    note.write(out)?;
    say(format_args!("wrote {}", out.display()));
    // The verdicts are the result in numbers.
    super::print(note.lines().as_bytes())
}
