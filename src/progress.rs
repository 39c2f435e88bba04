//! Progress of long work: a bar on a terminal, plain lines in a log; always on
//! stderr, so that stdout stays the result.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line of the log, on stderr. A log that cannot be written is no reason to stop.
pub fn say(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One piece of work of known length; shared freely between threads.
pub struct Progress {
    bar: ProgressBar,
    label: String,
    // None on a terminal and where nothing is to be said.
    plain: Option<Mutex<Plain>>,
}

struct Plain {
    start: Instant,
    next: Duration,
    before: u64,
}

const FIRST_LINE: Duration = Duration::from_secs(3);
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// Starts showing `label` with `total` units of work.
    pub fn new(label: &str, total: u64) -> Self {
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            let style = "{msg:<24} {wide_bar} {pos}/{len} {per_sec} {eta}";
            bar.set_style(ProgressStyle::with_template(style).expect("the template is a constant"));
            bar.set_message(label.to_owned());
            Self { bar, label: label.to_owned(), plain: None }
        } else {
            let plain = Plain { start: Instant::now(), next: FIRST_LINE, before: 0 };
            Self {
                bar: ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()),
                label: label.to_owned(),
                plain: Some(Mutex::new(plain)),
            }
        }
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), label: String::new(), plain: None }
    }

    /// Counts `n` more units as done.
    pub fn inc(&self, n: u64) {
        self.bar.inc(n);
        let Some(plain) = &self.plain else { return };
        // A thread that finds the lock taken has nothing to add to the line.
        let Ok(mut plain) = plain.try_lock() else { return };
        let elapsed = plain.start.elapsed();
        if elapsed >= plain.next {
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
            let rate = (done - plain.before.min(done)) as f64 / elapsed.as_secs_f64();
            let left = total.saturating_sub(done) as f64 / rate;
            say(format_args!("{}: {done}/{total}, {}, {} left", self.label, pace(rate), time(left)));
            plain.next = elapsed + LINE_EVERY;
        }
    }

    /// Says that `position` units were done before; they do not count for the rate.
    pub fn begin_at(&self, position: u64) {
        self.bar.set_position(position);
        self.bar.reset_eta();
        if let Some(Ok(mut plain)) = self.plain.as_ref().map(Mutex::lock) {
            plain.before = position;
        }
    }

    /// Counts `position` units as done in all.
    pub fn set(&self, position: u64) {
        self.inc(position.saturating_sub(self.bar.position()));
    }
}

fn pace(rate: f64) -> String {
    match rate {
        r if r >= 10.0 => format!("{r:.0}/s"),
        r if r >= 1.0 => format!("{r:.1}/s"),
        r if r > 0.0 => format!("{:.1} s each", 1.0 / r),
        _ => "none yet".to_owned(),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "unknown time".to_owned(),
        s if s < 600.0 => format!("{s:.0} s"),
        s if s < 36_000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_and_times_are_short() {
        let paces = [2384.2, 10.0, 2.34, 0.0113, 0.0].map(pace);
        assert_eq!(paces, ["2384/s", "10/s", "2.3/s", "88.5 s each", "none yet"]);
        let times = [12.3, 599.0, 5664.0, 86_400.0, f64::INFINITY].map(time);
        assert_eq!(times, ["12 s", "599 s", "94 min", "24.0 h", "unknown time"]);
    }
}
