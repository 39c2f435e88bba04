//! When linear networks will discover the modes of a data set, in units of time, from
//! small matched weights: `cargo run --release --example forecast -- cosines`.

use domfreq::data::{self, Normalize, Options, Spec};
use domfreq::theory::Modes;
use domfreq::theory::closed::Closed;

fn main() -> domfreq::Result<()> {
    let spec: Spec = std::env::args().nth(1).as_deref().unwrap_or("cosines").parse()?;
    let set = data::load(&spec, &Options::default())?;
    let samples = data::prepare(set, Normalize::None, false)?;
    let modes = Modes::new(&samples)?;
    println!("mode        s       ρ   half-time, FCNN   half-time, LCNN");
    for (i, mode) in modes.list.iter().enumerate() {
        // The closed form, which is exact where every mode is a single frequency.
        let half = |convolutional| -> domfreq::Result<f64> {
            Ok(Closed::new(mode.s, 1e-3 * mode.s, mode.gain(convolutional))?.time_to(0.5))
        };
        println!("{:4} {:8.4} {:7.2} {:17.4} {:17.4}", i + 1, mode.s, mode.rho, half(false)?, half(true)?);
    }
    Ok(())
}
