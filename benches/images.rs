//! Image files: how fast sets of them are read beside Pillow, and how near resized pictures are to torchvision's.
//!
//!     cargo bench --no-default-features --bench images
//!
//! - Reading: 50,000 colour images of 32×32 pixels in a Parquet file, for each format. Ours are float32 planes of
//!   numbers in [0, 1], Pillow's bytes as they are decoded; each in one array. Pillow has as many processes as we have
//!   threads, started before the clock, and then one. What each set costs but for its images is told by reading few.
//! - Resizing: the shorter side and a cut out of the middle, of the sample pictures of scikit-image and scikit-learn
//!   that need no network. Torchvision does that on Pillow's images, which are bytes after each of two passes: rounded,
//!   and cut off at 0 and 255; and on float tensors, which are not cut off. Ours are cut off after each pass, too, and
//!   not rounded. Differences are in units of 1/255.
//!
//! The files are made in a temporary folder by `DOMFREQ_BENCH_PYTHON`, a Python with torchvision, pyarrow,
//! scikit-image and scikit-learn (default `.venv-bench/bin/python`); without one there is nothing to read.
//! `DOMFREQ_BENCH_IMAGES` says how many images, `DOMFREQ_BENCH_THREADS` how many threads (default 2).

#[path = "peers/process.rs"]
mod process;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use domfreq::data::{self, Interpolation, Options, Spec};
use domfreq::field::ImageSet;
use process::Process;
use serde_json::json;

const ROUNDS: usize = 3;
/// Files that the peer makes; whether their pixels are the same whoever decodes them.
const SETS: [(&str, bool); 4] = [("webp", false), ("webp-lossless", true), ("png", true), ("jpeg", false)];
/// Images that tell what a set costs beside them.
const FEW: usize = 1000;
/// The shorter side, and the side of what is cut out.
const SIZES: [(usize, usize); 5] = [(256, 224), (232, 224), (256, 256), (64, 56), (36, 32)];
/// Rounding moves floats by less.
const SLACK: f32 = 1e-6;

fn main() -> Result<()> {
    let number = |name: &str, default| std::env::var(name).map_or(Ok(default), |v| v.parse::<usize>());
    let threads = number("DOMFREQ_BENCH_THREADS", 2)?;
    let images = number("DOMFREQ_BENCH_IMAGES", 50_000)?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let python = std::env::var_os("DOMFREQ_BENCH_PYTHON")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-bench/bin/python"), PathBuf::from);
    let mut peer = match Peer::start(&python, threads, images) {
        Ok(peer) => peer,
        Err(e) => {
            println!("no peer ({e:#}), and so no files: set DOMFREQ_BENCH_PYTHON");
            return Ok(());
        }
    };
    let dir = tempfile::tempdir()?;
    reading(&mut peer, dir.path(), images, threads)?;
    resizing(&mut peer, dir.path())
}

fn reading(peer: &mut Peer, dir: &Path, images: usize, threads: usize) -> Result<()> {
    let made = peer.0.ask(&json!({ "make": dir }))?;
    println!(
        "{images} images of 32×32 in colour, {threads} threads, best of {ROUNDS} rounds, images per second"
    );
    println!(
        "{:<14} {:>10} | {:>9} {:>9} {:>9} | {:>8} {:>8} | {:>9} {:>12} | {:>10} {:>8}",
        "set",
        "bytes each",
        "domfreq",
        format!("Pillow ×{threads}"),
        "Pillow ×1",
        format!("of ×{threads}"),
        "of ×1",
        "fixed, ms",
        "but for that",
        "apart, mean",
        "at most"
    );
    for (name, exact) in SETS {
        let file = dir.join(format!("{name}.parquet"));
        let spec: Spec = format!("parquet:{}", file.display()).parse()?;
        let few = Options { limit: Some(FEW), ..Options::default() };
        let [mut ours, mut ours_few, mut pool, mut one] = [f64::INFINITY; 4];
        let mut apart = Apart::default();
        for round in 0..ROUNDS {
            let (seconds, set) = timed(|| data::load(&spec, &Options::default()));
            let set = set?;
            ours = ours.min(seconds);
            if images > FEW {
                let (seconds, set) = timed(|| data::load(&spec, &few));
                set?;
                ours_few = ours_few.min(seconds);
            }
            pool = pool.min(peer.decode(&file, threads)?);
            if round == 0 {
                apart = differences(&set, &peer.keep(dir)?)?;
                ensure!(!exact || apart.most < 1e-3, "{name}: {} apart from Pillow", apart.most);
            }
            drop(set);
            one = one.min(peer.decode(&file, 1)?);
        }
        let speed = |seconds: f64| images as f64 / seconds;
        // Seconds over images are a line.
        let each = (ours - ours_few) / images.saturating_sub(FEW) as f64;
        let (fixed, alone) = if images > FEW {
            let fixed = ours_few - FEW as f64 * each;
            (format!("{:.1}", 1e3 * fixed), format!("{:.0}", 1.0 / each))
        } else {
            ("-".to_owned(), "-".to_owned())
        };
        println!(
            "{name:<14} {:>10.0} | {:>9.0} {:>9.0} {:>9.0} | {:>8.2} {:>8.2} | {fixed:>9} {alone:>12} | {:>10.3} {:>8.1}",
            made["bytes"][name].as_f64().with_context(|| format!("bytes of {name} in {made}"))?,
            speed(ours),
            speed(pool),
            speed(one),
            pool / ours,
            one / ours,
            apart.mean(),
            apart.most,
        );
    }
    Ok(())
}

/// How far our pixels are from bytes `[N, H, W, C]`.
fn differences(set: &ImageSet, bytes: &[u8]) -> Result<Apart> {
    let (n, c, h, w) = set.images.dim();
    ensure!(bytes.len() == n * c * h * w, "{} bytes, not of {n}×{c}×{h}×{w}", bytes.len());
    let mut apart = Apart::default();
    for ((i, k, y, x), value) in set.images.indexed_iter() {
        let byte = bytes[((i * h + y) * w + x) * c + k];
        apart.add(255.0 * value - f32::from(byte), i);
    }
    Ok(apart)
}

fn resizing(peer: &mut Peer, dir: &Path) -> Result<()> {
    let dir = dir.join("pictures");
    std::fs::create_dir(&dir)?;
    let said = peer.0.ask(&json!({ "pictures": dir }))?;
    let names: Vec<String> = serde_json::from_value(said["names"].clone())?;
    let sizes: Vec<(usize, usize)> = serde_json::from_value(said["sizes"].clone())?;
    let list: Vec<String> =
        names.iter().zip(&sizes).map(|(name, (h, w))| format!("{name} {h}×{w}")).collect();
    println!("\n{} pictures (h×w): {}", names.len(), list.join(", "));
    println!(
        "\nmean and largest difference from torchvision in units of 1/255; from tensors, cut off at 0 and 1;"
    );
    println!(
        "and of the pixels alone for which nothing is cut off, in either of Pillow's passes: all but `cut off`"
    );
    println!(
        "{:<9} {:>7} {:>4} | {:>6} {:>6} {:>6} {:>6} | {:>7} {:>6} {:>6} {:>6} {:>6} | furthest from Pillow",
        "filter",
        "shorter",
        "crop",
        "Pillow",
        "most",
        "tensor",
        "most",
        "cut off",
        "Pillow",
        "most",
        "tensor",
        "most"
    );
    let spec: Spec = format!("folder:{}", dir.display()).parse()?;
    // Beside the pictures, and so no class of them.
    let [pil, tensor, twice] = ["pil.f32", "tensor.f32", "twice.f32"].map(|name| dir.with_file_name(name));
    let (mut ours_range, mut tensor_range) = (Range::default(), Range::default());
    for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
        for (shorter, crop) in SIZES {
            let options = Options {
                size: Some((crop, crop)),
                shorter: Some(shorter),
                interpolation,
                ..Options::default()
            };
            let set = data::load(&spec, &options)?;
            peer.0.ask(&json!({
                "resize": dir, "shorter": shorter, "crop": crop, "filter": interpolation.to_string(),
                "pil": pil, "tensor": tensor, "twice": twice
            }))?;
            let (by_pil, by_tensor, in_passes) = (floats(&pil)?, floats(&tensor)?, floats(&twice)?);
            let ours = set.images.as_slice().context("just read, in standard order")?;
            let size = 3 * crop * crop;
            ensure!(set.len() == names.len() && ours.len() == names.len() * size, "of all pictures");
            let lengths = [by_pil.len(), by_tensor.len(), in_passes.len()];
            ensure!(lengths == [ours.len(); 3], "references of our shape");
            let [mut pil, mut tensor, mut pil_within, mut tensor_within] = [Apart::default(); 4];
            for (i, &own) in ours.iter().enumerate() {
                let (p, t) = (by_pil[i], by_tensor[i]);
                let (from_pil, from_tensor) = (255.0 * (own - p), 255.0 * (own - t.clamp(0.0, 1.0)));
                pil.add(from_pil, i / size);
                tensor.add(from_tensor, i / size);
                if (t - in_passes[i]).abs() <= SLACK {
                    pil_within.add(from_pil, i / size);
                    tensor_within.add(from_tensor, i / size);
                }
                ours_range.add(own);
                tensor_range.add(t);
            }
            println!(
                "{:<9} {shorter:>7} {crop:>4} | {:>6.3} {:>6.3} {:>6.4} {:>6.4} | {:>5.2} % {:>6.3} {:>6.3} {:>6.4} {:>6.4} | {}",
                interpolation.to_string(),
                pil.mean(),
                pil.most,
                tensor.mean(),
                tensor.most,
                100.0 * (1.0 - tensor_within.count as f64 / tensor.count as f64),
                pil_within.mean(),
                pil_within.most,
                tensor_within.mean(),
                tensor_within.most,
                names[pil.place],
            );
        }
    }
    println!(
        "domfreq's numbers are in {:.3} to {:.3}: cut off after each pass, as Pillow's, and not rounded",
        ours_range.low, ours_range.high
    );
    println!(
        "torchvision's float tensors are in {:.3} to {:.3}: not cut off",
        tensor_range.low, tensor_range.high
    );
    Ok(())
}

/// Little-endian float32, as NumPy writes them.
fn floats(path: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    ensure!(rest.is_empty(), "{}: {} bytes", path.display(), bytes.len());
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

/// Differences: their mean size, the largest and in which image it is.
#[derive(Clone, Copy, Default)]
struct Apart {
    sum: f64,
    count: usize,
    most: f32,
    place: usize,
}

impl Apart {
    fn add(&mut self, difference: f32, place: usize) {
        self.sum += f64::from(difference.abs());
        self.count += 1;
        if difference.abs() > self.most {
            (self.most, self.place) = (difference.abs(), place);
        }
    }

    fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}

struct Range {
    low: f32,
    high: f32,
}

impl Default for Range {
    fn default() -> Self {
        Self { low: f32::INFINITY, high: f32::NEG_INFINITY }
    }
}

impl Range {
    fn add(&mut self, value: f32) {
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
    }
}

/// Pillow and torchvision.
struct Peer(Process);

impl Peer {
    fn start(python: &Path, threads: usize, images: usize) -> Result<Self> {
        let (process, versions) =
            Process::start(python, "images.py", &[threads.to_string(), images.to_string()])?;
        println!("{}", versions.as_str().context("versions")?);
        Ok(Self(process))
    }

    /// Seconds in which so many processes read and decode `file`.
    fn decode(&mut self, file: &Path, processes: usize) -> Result<f64> {
        let answer = self.0.ask(&json!({ "decode": file, "processes": processes }))?;
        answer["seconds"].as_f64().with_context(|| format!("no time in {answer}"))
    }

    /// What it decoded last, `[N, H, W, C]`.
    fn keep(&mut self, dir: &Path) -> Result<Vec<u8>> {
        let path = dir.join("decoded");
        self.0.ask(&json!({ "keep": path }))?;
        Ok(std::fs::read(path)?)
    }
}
