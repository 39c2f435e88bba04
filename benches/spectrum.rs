//! Mean energies of many images, beside numpy.fft, scipy.fft and torch.fft in
//! the same run.
//!
//!     cargo bench --no-default-features --bench spectrum
//!
//! `DOMFREQ_BENCH_PYTHON` names a Python with numpy, scipy and torch (default
//! `.venv-bench/bin/python`); without one, ours alone is timed. Everybody gets
//! `DOMFREQ_BENCH_THREADS` threads (default 2) and the same images, takes turns
//! in every round, and is shown at the best of its rounds.

#[path = "peers/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use domfreq::spectrum::mean_energies;
use ndarray::{Array3, Array4};
use process::Process;
use rand::Rng;
use rayon::prelude::*;
use serde_json::json;

const SHAPES: [(usize, usize, usize, usize); 4] =
    [(20_000, 3, 32, 32), (20_000, 3, 33, 33), (2_000, 3, 97, 101), (400, 3, 224, 224)];
const PEERS: [&str; 4] = ["numpy", "scipy", "torch", "torch_plain"];
const ROUNDS: usize = 9;

fn main() -> Result<()> {
    let threads = std::env::var("DOMFREQ_BENCH_THREADS").map_or(Ok(2), |v| v.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let python = std::env::var_os("DOMFREQ_BENCH_PYTHON")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-bench/bin/python"), PathBuf::from);
    let mut peers = match Peers::start(&python, threads) {
        Ok(peers) => Some(peers),
        Err(e) => {
            println!("no peers ({e:#}): ours only; set DOMFREQ_BENCH_PYTHON");
            None
        }
    };
    println!("{threads} threads, best of {ROUNDS} rounds, milliseconds");
    println!(
        "{:<16} {:>8} {:>8} {:>8} {:>8} {:>8} | {:>10} {:>10} | {:>9} {:>9} {:>6}",
        "images",
        "ours",
        "numpy",
        "scipy",
        "torch",
        "t.plain",
        "ours/torch",
        "ours/plain",
        "GB/s read",
        "machine",
        "share"
    );
    let mut notes = Vec::new();
    for shape in SHAPES {
        notes.push(row(shape, peers.as_mut())?);
    }
    if peers.is_some() {
        println!("torch is its fastest way here, t.plain the whole set in one call; the ways chosen:");
        notes.iter().for_each(|note| println!("  {note}"));
    }
    Ok(())
}

fn row(shape: (usize, usize, usize, usize), mut peers: Option<&mut Peers>) -> Result<String> {
    let (n, c, h, w) = shape;
    let mut rng = domfreq::seed::rng(0, "spectrum bench", 0);
    let images = Array4::from_shape_simple_fn(shape, || rng.random::<f32>());
    let pixels = images.as_slice().context("just made, in standard order")?;
    let name = format!("{n}x{c}x{h}x{w}");
    let ways = peers.as_deref_mut().map(|p| p.load(pixels, shape)).transpose()?;

    let mut best: BTreeMap<&str, f64> = BTreeMap::new();
    let mut record = |who, seconds: f64| {
        best.entry(who).and_modify(|b| *b = seconds.min(*b)).or_insert(seconds);
    };
    for round in 0..ROUNDS {
        let (seconds, ours) = timed(|| mean_energies(images.view()));
        record("ours", seconds);
        record("read", timed(|| read(pixels)).0);
        for peer in PEERS {
            let Some(peers) = peers.as_deref_mut() else { break };
            let (seconds, mean) = peers.time(peer)?;
            record(peer, seconds);
            if round == 0 {
                agree(peer, &mean, &ours)?;
            }
        }
    }
    let ms = |who| best.get(who).map_or("-".to_owned(), |s| format!("{:.1}", s * 1e3));
    let ratio = |who| best.get(who).map_or("-".to_owned(), |s| format!("{:.2}", best["ours"] / s));
    let bandwidth = |who| size_of_val(pixels) as f64 / best[who] * 1e-9;
    println!(
        "{name:<16} {:>8} {:>8} {:>8} {:>8} {:>8} | {:>10} {:>10} | {:>9.1} {:>9.1} {:>5.0}%",
        ms("ours"),
        ms("numpy"),
        ms("scipy"),
        ms("torch"),
        ms("torch_plain"),
        ratio("torch"),
        ratio("torch_plain"),
        bandwidth("ours"),
        bandwidth("read"),
        100.0 * bandwidth("ours") / bandwidth("read"),
    );
    Ok(format!("{name}: {}", ways.unwrap_or_default()))
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed().as_secs_f64(), result)
}

/// The machine's memory bandwidth: every thread reads and adds, in enough
/// independent sums to be limited by nothing else.
fn read(pixels: &[f32]) -> f32 {
    pixels
        .par_chunks(1 << 16)
        .map(|chunk| {
            let mut sums = [0f32; 32];
            for part in chunk.chunks_exact(32) {
                sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
            sums.iter().sum::<f32>()
        })
        .sum()
}

/// Nobody is timed on another computation: channel 0 agrees to the accuracy of
/// single-precision sums.
fn agree(peer: &str, mean: &[f64], ours: &Array3<f64>) -> Result<()> {
    let ours = ours.index_axis(ndarray::Axis(0), 0);
    ensure!(mean.len() == ours.len(), "{peer} gives {} energies, not {}", mean.len(), ours.len());
    for (((r, c), &a), &b) in ours.indexed_iter().zip(mean) {
        ensure!((a - b).abs() <= 1e-3 * a.abs(), "{peer} at ({r}, {c}): {b}, ours is {a}");
    }
    Ok(())
}

/// The FFTs of others.
struct Peers(Process);

impl Peers {
    fn start(python: &Path, threads: usize) -> Result<Self> {
        let (process, versions) =
            Process::start(python, "spectrum.py", &["--serve".to_owned(), threads.to_string()])?;
        println!("{versions}");
        Ok(Self(process))
    }

    /// Hands over the images; the ways in which each peer is fastest on them.
    fn load(&mut self, pixels: &[f32], (n, c, h, w): (usize, usize, usize, usize)) -> Result<String> {
        let mut file = tempfile::NamedTempFile::new()?;
        for chunk in pixels.chunks(1 << 16) {
            let bytes: Vec<u8> = chunk.iter().flat_map(|x| x.to_ne_bytes()).collect();
            file.write_all(&bytes)?;
        }
        file.flush()?;
        let answer = self.0.ask(&json!({ "load": file.path(), "shape": [n, c, h, w] }))?;
        Ok(answer["ways"].to_string())
    }

    /// Seconds of one run, and the mean energies of channel 0.
    fn time(&mut self, peer: &str) -> Result<(f64, Vec<f64>)> {
        let mut answer = self.0.ask(&json!({ "time": peer }))?;
        let seconds = answer["seconds"].as_f64().with_context(|| format!("no time in {answer}"))?;
        Ok((seconds, serde_json::from_value(answer["mean"].take())?))
    }
}
