//! Typed errors: every one says where, what was expected and what was found.

use std::path::{Path, PathBuf};

/// Result of every fallible function of the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, in the words the user reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad input: a file, a key, an option or a combination of them.
    #[error("{place}: expected {expected}, found {found}")]
    Input {
        /// File (with row or byte), configuration key or option.
        place: String,
        /// What would have been right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// What was asked for does not apply to this network or these images. Nothing is
    /// wrong with them: where several things were asked for, the others still do.
    #[error("{place}: expected {expected}, found {found}")]
    Lacking {
        /// What they have not, to be matched.
        lack: Lack,
        /// Network, images, or the part of them.
        place: String,
        /// What would have been needed.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The operating system refused a file operation.
    #[error("{}: cannot {action}: {reason}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as a verb phrase ("read", "create").
        action: &'static str,
        /// The system's reason. (Not called `source`: a chain would print it twice.)
        reason: std::io::Error,
    },
    /// A training run left the numbers.
    #[error("training diverged by step {step}: {}; {hint}", lost(*loss, *start))]
    Diverged {
        /// Step by which a loss or weights were found not finite, or the loss grown past all use.
        step: u64,
        /// Loss there; none where weights were found not finite while the losses still were.
        loss: Option<f64>,
        /// Loss before the first step, where it is known.
        start: Option<f64>,
        /// What to change: the step size, with the bound that holds.
        hint: String,
    },
    /// An integrator cannot follow its equation.
    #[error(
        "the gradient flow cannot be followed beyond t = {t:.6e} (step {h:.2e}, relative tolerance {tolerance:.0e}): {why}"
    )]
    Integration {
        /// Time reached.
        t: f64,
        /// Step that failed.
        h: f64,
        /// Relative tolerance asked for.
        tolerance: f64,
        /// What happened.
        why: String,
    },
    /// libtorch, or the device asked for, is not usable.
    #[error("{0}")]
    Device(String),
    /// A sweep was asked to stop, and can be gone on with.
    #[error("stopped by {signal}; running the sweep again goes on from here")]
    Interrupted {
        /// The signal's name.
        signal: &'static str,
    },
    /// Runs of a sweep are written by another process, which may end without finishing them.
    #[error("{runs} runs are being written by others: running the sweep again later sees to them")]
    Elsewhere {
        /// How many.
        runs: usize,
    },
    /// A run was asked to stop, and can be gone on with.
    #[error("stopped by {signal} after step {step}; the checkpoint is written, `--resume` goes on from it")]
    Stopped {
        /// The signal's name.
        signal: &'static str,
        /// Updates made.
        step: u64,
    },
}

/// What a network or images can lack ([`Error::Lacking`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Labels of the network's classes.
    Labels,
    /// A second class.
    Classes,
    /// Pixels in [0, 1].
    Range,
    /// The images of `--stimuli` that are needed.
    Stimuli,
    /// Finite numbers: outputs or gradients are none.
    Numbers,
    /// Something that varies, in a layer or in images.
    Variation,
    /// A layer of the kind that is looked at.
    Layer,
    /// A size at which it can be had in passable time.
    Size,
    /// libtorch, in this build of domfreq.
    Libtorch,
}

/// Exit code of a run that was asked to stop and can be gone on with (EX_TEMPFAIL
/// of sysexits.h): a batch job that sees it may queue itself again.
pub const STOPPED: u8 = 75;

#[cfg(feature = "torch")]
impl From<tch::TchError> for Error {
    fn from(e: tch::TchError) -> Self {
        let text = e.to_string();
        let first = text.lines().next().unwrap_or_default();
        // What CUDA's and the CPU's allocators say.
        let full = ["out of memory", "can't allocate memory"].iter().any(|words| text.contains(words));
        let hint = if full {
            "; a smaller train.batch, or a larger optim.accumulate, needs less memory; the last checkpoint stands"
        } else {
            ""
        };
        Self::Device(format!("libtorch failed: {first}{hint}"))
    }
}

impl Error {
    /// Bad input at `place`.
    pub fn input(
        place: impl std::fmt::Display,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Input { place: place.to_string(), expected: expected.to_string(), found: found.to_string() }
    }

    /// Something that does not apply at `place`.
    pub fn lacking(
        lack: Lack,
        place: impl std::fmt::Display,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        let [expected, found] = [expected.to_string(), found.to_string()];
        Self::Lacking { lack, place: place.to_string(), expected, found }
    }

    /// For `map_err`, where what was read is right and what is asked of it may not
    /// apply: bad input to a calculation is then a lack of what it needs.
    pub fn lack_of(lack: Lack) -> impl FnOnce(Self) -> Self {
        move |e| match e {
            Self::Input { place, expected, found } => Self::Lacking { lack, place, expected, found },
            other => other,
        }
    }

    /// For `map_err`: bad input in what `of` names, beside the place.
    pub fn within(of: &str) -> impl FnOnce(Self) -> Self {
        let of = of.to_owned();
        move |e| match e {
            Self::Input { place, expected, found } => {
                Self::Input { place: format!("{of}: {place}"), expected, found }
            }
            other => other,
        }
    }

    /// For `map_err`: names the file and the action that failed.
    pub fn io(path: impl AsRef<Path>, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |reason| Self::Io { path, action, reason }
    }
}

/// Text from a file as an error shows it: it must neither steer the terminal nor fill it.
pub(crate) fn shown(name: &str) -> String {
    const MOST: usize = 120;
    if name.is_empty() {
        return "\"\"".to_owned();
    }
    let mut text = String::new();
    for c in name.chars().take(MOST) {
        match c {
            '"' | '\'' | '\\' => text.push(c),
            _ => text.extend(c.escape_debug()),
        }
    }
    if name.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text
}

fn lost(loss: Option<f64>, start: Option<f64>) -> String {
    let Some(loss) = loss else { return "weights are no numbers".to_owned() };
    let start = start.map_or_else(String::new, |start| format!(" (it was {start:e} at the start)"));
    format!("loss {loss:e}{start}")
}

/// The known name that is most like `word`, and how like it is (Jaro & Winkler, 0 to 1).
pub(crate) fn nearest<'a>(known: impl IntoIterator<Item = &'a str>, word: &str) -> Option<(&'a str, f64)> {
    let like = known.into_iter().map(|name| (name, strsim::jaro_winkler(name, word)));
    like.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// From here on a name may have been meant.
pub(crate) const LIKELY: f64 = 0.7;

/// What others say of a file, on one line and not longer than a few of them: it may be made of the file's bytes.
pub(crate) fn brief(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut short: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '·' } else { c }).collect();
    if short.len() < text.len() && text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// The names with commas between, the first 20 of them; "none" where there is none.
pub(crate) fn listed(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 20;
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(", … ({} in all)", names.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_apply_says_the_same_and_can_be_told() {
        let bad = || Error::input("images", "two classes", 1);
        let lacking = Error::lack_of(Lack::Classes)(bad());
        assert_eq!(lacking.to_string(), bad().to_string());
        assert!(matches!(lacking, Error::Lacking { lack: Lack::Classes, .. }));
        assert!(matches!(Error::lack_of(Lack::Labels)(Error::Device(String::new())), Error::Device(_)));
    }

    #[test]
    fn names_stay_readable() {
        assert_eq!(shown("größe.weight"), "größe.weight");
        assert_eq!(shown("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
        assert_eq!(shown(""), "\"\"");
        assert_eq!(shown(&"é".repeat(500)).chars().count(), 121);
    }
}
