//! The weight-only audit of a ResNet-50 with random weights, without reading a file.
//!
//!     cargo bench --no-default-features --bench layers
//!
//! `DOMFREQ_BENCH_THREADS` threads (default 2), the best of several rounds; and how much
//! more memory the process took at its peak than with the weights alone.

use std::time::Instant;

use anyhow::Result;
use domfreq::audit::layers::{Options, Quantity, audit, compare};
use domfreq::seed;
use domfreq::weights::{Data, NamedTensor, StateDict};
use rand::Rng;

const ROUNDS: usize = 5;

/// Names and shapes of the 53 convolutions.
fn resnet50() -> Vec<(String, [usize; 4])> {
    let mut shapes = vec![("conv1.weight".to_owned(), [64, 3, 7, 7])];
    let mut inputs = 64;
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let width = 64 << stage;
        for block in 0..blocks {
            let name = |part: &str| format!("layer{}.{block}.{part}.weight", stage + 1);
            shapes.push((name("conv1"), [width, inputs, 1, 1]));
            shapes.push((name("conv2"), [width, width, 3, 3]));
            shapes.push((name("conv3"), [4 * width, width, 1, 1]));
            if block == 0 {
                shapes.push((name("downsample.0"), [4 * width, inputs, 1, 1]));
            }
            inputs = 4 * width;
        }
    }
    shapes
}

fn network(run: u64) -> Result<StateDict> {
    let mut network = StateDict::new();
    for (name, shape) in resnet50() {
        let count = shape.iter().product();
        let mut rng = seed::rng(run, &name, 0);
        let weights = (0..count).map(|_| rng.random_range(-0.1f32..0.1)).collect();
        network.push(NamedTensor::new(name, shape.to_vec(), Data::F32(weights))?)?;
    }
    Ok(network)
}

fn best(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Most memory the process has had, MiB; None where the system does not say.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn main() -> Result<()> {
    let threads = std::env::var("DOMFREQ_BENCH_THREADS").map_or(Ok(2), |v| v.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let first = network(0)?;
    let before = peak();
    let table = audit("bench", &first, &Options::default())?;
    println!(
        "{threads} threads, best of {ROUNDS} rounds; ResNet-50, {} convolutions, {:.1} MiB of weights",
        table.layers.len(),
        first.bytes() as f64 / (1 << 20) as f64
    );
    if let (Some(before), Some(after)) = (before, peak()) {
        println!("peak memory above that with the weights: {:.1} MiB", after - before);
    }
    for draws in [0, 100, Options::default().draws, 1000] {
        let options = Options { draws, ..Options::default() };
        println!(
            "audit, {draws:>4} draws: {:.3} s",
            best(|| audit("bench", &first, &options).map(drop).map_err(Into::into))?
        );
    }
    for quantity in Quantity::ALL {
        let (outside, all) = table.outside(quantity);
        println!("{quantity}: {outside} of {all} outside the interval of their initialisations");
    }
    let second = network(1)?;
    let other = audit("bench", &second, &Options { draws: 0, ..Options::default() })?;
    let compared = best(|| compare(&table, &other, Some((&first, &second))).map(drop).map_err(Into::into))?;
    println!("comparison of two: {compared:.3} s");
    Ok(())
}
