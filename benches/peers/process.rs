//! A Python process beside a benchmark: one request a line, one answer a line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The process.
pub struct Process {
    child: Child,
    // None once there are no more.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts `script` of benches/peers; it and its first answer, the versions of what it times.
    pub fn start(python: &Path, script: &str, args: &[String]) -> Result<(Self, Value)> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(script);
        let mut child = Command::new(python)
            .arg(script)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| python.display().to_string())?;
        let requests = child.stdin.take().context("its stdin is a pipe")?;
        let answers = BufReader::new(child.stdout.take().context("its stdout is a pipe")?);
        let mut process = Self { child, requests: Some(requests), answers };
        let mut first = process.answer()?;
        Ok((process, first["versions"].take()))
    }

    pub fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.requests.as_mut().context("it is over")?, "{request}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the Python process ended: {}", self.child.wait()?);
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of requests ends it, and it its own processes, which a signal would leave behind.
        self.requests = None;
        let _ = self.child.wait();
    }
}
