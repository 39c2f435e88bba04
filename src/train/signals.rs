//! Signals that ask a run to stop or to write a checkpoint.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

use crate::error::{Error, Result};

/// What was asked for since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To finish the step, write a checkpoint and end; by the signal of this name.
    Stop(&'static str),
    /// To write a checkpoint and go on.
    Checkpoint,
}

/// Signals of this process, noted from when this is made until it is dropped: TERM
/// and INT (stop; another one, two seconds later or more, kills at once), USR1 (checkpoint).
/// A batch system sends TERM to every process of a job, and its script sends it on: what comes
/// twice at once is one request.
#[derive(Debug)]
pub struct Signals {
    stop: [(Arc<AtomicBool>, &'static str); 2],
    checkpoint: Arc<AtomicBool>,
    registered: Vec<signal_hook::SigId>,
}

impl Signals {
    /// Notes signals from now on.
    ///
    /// # Errors
    /// [`Error::Device`] when the system refuses.
    pub fn note() -> Result<Self> {
        let mut registered = Vec::new();
        let mut register = || -> std::io::Result<_> {
            let stop = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")].map(|(signal, name)| {
                let asked = Arc::new(AtomicBool::new(false));
                (signal, asked, name)
            });
            for (signal, asked, _) in &stop {
                let armed = Arc::new(AtomicBool::new(false));
                registered.push(flag::register_conditional_shutdown(*signal, 128 + signal, armed.clone())?);
                registered.push(flag::register(*signal, asked.clone())?);
                arm(Arc::downgrade(asked), armed);
            }
            let checkpoint = Arc::new(AtomicBool::new(false));
            registered.push(flag::register(SIGUSR1, checkpoint.clone())?);
            Ok((stop.map(|(_, asked, name)| (asked, name)), checkpoint))
        };
        let (stop, checkpoint) =
            register().map_err(|e| Error::Device(format!("signals cannot be noted: {e}")))?;
        Ok(Self { stop, checkpoint, registered })
    }

    /// What has been asked for since the last time this was called.
    pub fn take(&self) -> Option<Request> {
        let asked = self.stop.iter().find(|(asked, _)| asked.load(Ordering::Relaxed));
        match asked {
            Some((_, name)) => Some(Request::Stop(name)),
            None => self.checkpoint.swap(false, Ordering::Relaxed).then_some(Request::Checkpoint),
        }
    }
}

/// After a request, another one is the same for so long.
const ONE: Duration = Duration::from_secs(2);

// Sets `armed` some time after `asked` was, while that is there.
fn arm(asked: Weak<AtomicBool>, armed: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        while let Some(asked) = asked.upgrade() {
            if asked.load(Ordering::Relaxed) {
                std::thread::sleep(ONE);
                armed.store(true, Ordering::Relaxed);
                return;
            }
            drop(asked);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.registered.drain(..).for_each(|id| {
            signal_hook::low_level::unregister(id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_noted_and_taken_once() {
        let signals = Signals::note().unwrap();
        assert_eq!(signals.take(), None);
        signal_hook::low_level::raise(SIGUSR1).unwrap();
        assert_eq!(signals.take(), Some(Request::Checkpoint));
        assert_eq!(signals.take(), None);
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(signals.take(), Some(Request::Stop("SIGTERM")));
    }
}
