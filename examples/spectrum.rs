//! The mean spectrum of a folder of images, by radius:
//! `cargo run --release --example spectrum -- folder:photos 64`
//! (any `--data` of the program does; without arguments images made here).

use domfreq::data::{self, Options, Spec};
use domfreq::spectrum::{Energies, Grid, mean_energies};
use ndarray::Axis;

fn main() -> domfreq::Result<()> {
    let mut args = std::env::args().skip(1);
    let spec: Spec = args.next().as_deref().unwrap_or("leaves:count=200").parse()?;
    let side = args.next().and_then(|side| side.parse().ok());
    let options = Options { size: side.map(|side| (side, side)), ..Options::default() };
    let set = data::load(&spec, &options)?;
    let [_, h, w] = set.shape();
    // Energies |x̂(k)|² per channel, of the unitary DFT; here their mean over the channels.
    let mean = mean_energies(set.images.view()).mean_axis(Axis(0)).expect("images have channels");
    let profile = Energies::new(Grid::new(h, w), mean)?.radial_profile(None);
    println!("{} images of {h}x{w}", set.len());
    println!("cycles/pixel  energy per frequency");
    for (radius, energy) in profile.radius.iter().zip(profile.mean()) {
        println!("{radius:12.4}  {energy:.4e}");
    }
    Ok(())
}
