//! `domfreq gpu-check`: whether a device computes what the CPU computes, whether it
//! gives the same bits twice, and how fast it is.
//!
//! Made to be run on a machine that nothing was built on and that has no network: the
//! binary brings networks and images along.

mod material;
mod parity;
mod speed;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tch::Device;

use super::{print, print_json, use_threads};
use crate::cli::GpuCheckArgs;
use crate::disk;
use crate::error::Error;
use crate::model::device;

/// What is compared, and how far it may be off.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    /// Relative distance ‖a − b‖/‖b‖ from the CPU in double precision.
    error: f64,
    /// What the CPU in the same precision is off, where the bound follows from it.
    cpu: Option<f64>,
    bound: f64,
    passed: bool,
}

impl Check {
    fn new(what: impl Into<String>, error: f64, cpu: Option<f64>, bound: f64) -> Self {
        // Neither NaN nor infinities pass.
        Self { what: what.into(), error, cpu, bound, passed: error <= bound && bound.is_finite() }
    }
}

/// Images per second.
#[derive(Debug, Serialize)]
struct Speed {
    what: String,
    /// Name of the same in the report of the peer.
    family: Option<String>,
    images_per_s: f64,
    /// Of the slowest and the fastest block of updates.
    range: [f64; 2],
    /// Of PyTorch's best way.
    peer: Option<f64>,
    /// Memory of the device that is in use after it, of all programs; libtorch keeps
    /// what it once had, so that it is the most so far.
    bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Report {
    domfreq: &'static str,
    commit: &'static str,
    libtorch: String,
    device: String,
    threads: usize,
    checks: Vec<Check>,
    speeds: Vec<Speed>,
    passed: bool,
}

/// Of the peer's report, what is read.
#[derive(Deserialize)]
struct Peer {
    results: std::collections::BTreeMap<String, PeerFamily>,
}

#[derive(Deserialize)]
struct PeerFamily {
    best: PeerBest,
}

#[derive(Deserialize)]
struct PeerBest {
    images_per_s: f64,
}

pub fn run(args: &GpuCheckArgs) -> Result<()> {
    if !args.seconds.is_finite() || args.seconds < 0.0 {
        return Err(Error::input("--seconds", "a number of seconds, 0 or more", args.seconds).into());
    }
    let peer = args.peer.as_deref().map(read_peer).transpose()?;
    let threads = use_threads(args.threads)?;
    crate::model::neighbours::use_threads(threads);
    let (device, described) = device::select(&args.device, device::Arithmetic::default())?;
    let checks = parity::checks(device, &args.only)?;
    let speeds = if args.seconds > 0.0 { speed::speeds(device, args.seconds)? } else { Vec::new() };
    let mut report = Report {
        domfreq: env!("CARGO_PKG_VERSION"),
        commit: env!("DOMFREQ_COMMIT"),
        libtorch: device::libtorch_version().unwrap_or_else(|| "unknown".to_owned()),
        device: described,
        threads,
        passed: checks.iter().all(|c| c.passed),
        checks,
        speeds,
    };
    for speed in &mut report.speeds {
        let found = peer.as_ref().zip(speed.family.as_ref()).and_then(|(p, f)| p.results.get(f));
        speed.peer = found.map(|family| family.best.images_per_s);
    }
    if let Some(path) = &args.out {
        disk::write_bytes(path, serde_json::to_string_pretty(&report)?.as_bytes())?;
    }
    if args.json {
        print_json(&report)?;
    } else {
        print(table(&report, device).as_bytes())?;
    }
    let failed: Vec<_> = report.checks.iter().filter(|c| !c.passed).map(|c| c.what.as_str()).collect();
    anyhow::ensure!(
        failed.is_empty(),
        "{described}: off by more than its bound: {}",
        failed.join("; "),
        described = report.device
    );
    Ok(())
}

fn read_peer(path: &Path) -> Result<Peer> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| {
        let expected = "what benches/peers/resnet.py prints";
        Error::input(path.display(), expected, e.to_string()).into()
    })
}

fn table(report: &Report, device: Device) -> String {
    let mut text = format!("{}, libtorch {}, {} threads\n\n", report.device, report.libtorch, report.threads);
    let width = report.checks.iter().map(|c| c.what.chars().count()).max().unwrap_or(0);
    let _ = writeln!(text, "{:width$}     error       CPU     bound", "against the CPU in double precision");
    for Check { what, error, cpu, bound, passed } in &report.checks {
        let cpu = cpu.map_or_else(|| "-".to_owned(), |e| format!("{e:.1e}"));
        let verdict = if *passed { "" } else { "  FAILS" };
        let _ = writeln!(text, "{what:width$}  {error:8.1e}  {cpu:>8}  {bound:8.1e}{verdict}");
    }
    if report.speeds.is_empty() {
        return text;
    }
    let width = report.speeds.iter().map(|s| s.what.chars().count()).max().unwrap_or(0);
    let memory = if device.is_cuda() { "memory held" } else { "" };
    let _ = writeln!(text, "\n{:width$}  images/s     slowest–fastest   PyTorch  ratio  {memory}", "");
    for Speed { what, images_per_s, range: [least, most], peer, bytes, .. } in &report.speeds {
        let (peer, ratio) = match peer {
            Some(peer) => (format!("{peer:.0}"), format!("{:.2}", images_per_s / peer)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let bytes = bytes.map_or_else(String::new, |b| format!("{:.1} GiB", b as f64 / f64::from(1 << 30)));
        let range = format!("{least:.0}–{most:.0}");
        let _ =
            writeln!(text, "{what:width$}  {images_per_s:8.0}  {range:>18}  {peer:>8}  {ratio:>5}  {bytes}");
    }
    text
}
