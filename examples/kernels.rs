//! At which frequencies the convolutions of a checkpoint have their energy:
//! `cargo run --release --example kernels -- model.pth` (PyTorch's, or safetensors).

use std::path::Path;

use domfreq::audit::layers::{Options, audit};
use domfreq::weights;

fn main() -> domfreq::Result<()> {
    let Some(file) = std::env::args().nth(1) else {
        return Err(domfreq::Error::input("arguments", "a file of weights", "none"));
    };
    // Nothing in the file is executed.
    let checkpoint = weights::open(Path::new(&file))?;
    let found = audit(&file, &checkpoint.dict, &Options::default())?;
    println!("centroid  at random       layer   (cycles per pixel)");
    for layer in &found.layers {
        match (&layer.spectrum, &layer.init) {
            (Some(spectrum), Some(init)) => {
                let [low, high] = init.centroid.interval;
                println!("{:8.4}  {low:.4}–{high:.4}   {}", spectrum.centroid, layer.name);
            }
            _ => println!("       –  –               {}", layer.name),
        }
    }
    Ok(())
}
