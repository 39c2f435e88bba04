//! What scripts of batch systems are made of.

pub mod slurm;

use std::path::Path;

use anyhow::{Context, Result};

use crate::error::Error;

/// Refuses texts that are no line.
pub fn one_line(flag: &str, texts: &[String]) -> Result<()> {
    match texts.iter().find(|text| text.contains('\n') || text.is_empty()) {
        Some(text) => Err(Error::input(flag, "one line", format_args!("`{}`", text.escape_debug())).into()),
        None => Ok(()),
    }
}

/// An absolute path that a script can hold.
pub fn whole(path: &Path) -> Result<String> {
    let path =
        std::path::absolute(path).with_context(|| format!("no absolute path of {}", path.display()))?;
    let text = path.to_str().filter(|text| !text.contains('\n'));
    let expected = "a path in UTF-8 without line breaks";
    Ok(text.ok_or_else(|| Error::input(path.display(), expected, "another"))?.to_owned())
}

/// The path of this program.
pub fn program() -> Result<String> {
    whole(&std::env::current_exe().context("this program cannot be found")?)
}
