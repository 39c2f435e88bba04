//! Refusing what cannot fit before the allocator gives up.

use crate::error::{Error, Result};

/// Checks that `bytes` for `what` fit into the memory that is free now.
///
/// # Errors
/// [`Error::Input`] with both numbers and `advice`.
pub fn require(what: &str, bytes: u128, advice: &str) -> Result<()> {
    let gib = |b: u128| b as f64 / f64::from(1 << 30);
    match available() {
        Some(free) if bytes > free => Err(Error::input(
            what,
            format_args!("at most the {:.1} GiB of memory that are free", gib(free)),
            format_args!("{:.1} GiB; {advice}", gib(bytes)),
        )),
        _ => Ok(()),
    }
}

// What Linux says it can give without swapping; elsewhere nothing is known.
fn available() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u128>().ok()? * 1024)
}
