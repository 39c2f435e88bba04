//! The gradient flow against SciPy's: `make.py` beside this file integrates the
//! same networks in pixel space, by other methods and other definitions.

use std::path::Path;

use domfreq::run::arrays::read;
use domfreq::theory::flow::{self, Flow, Follow};
use domfreq::theory::linear::{Padding, Weights};
use domfreq::theory::{Forecast, Modes, Moments};
use ndarray::{Array1, Array2, Array3, Dimension};

const CASES: [&str; 6] = ["fcnn", "lcnn_full", "lcnn_channels", "lcnn_deep", "lcnn_small", "lcnn_small_deep"];
/// Largest difference allowed, relative to s_α (strengths) and to ‖E‖ (maps).
const BOUND: f64 = 1e-6;

fn array<D: Dimension>(case: &str, name: &str) -> ndarray::Array<f64, D> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/flow");
    read(&dir.join(format!("{case}.npz")), name).unwrap().into_dimensionality().unwrap()
}

fn weights(case: &str) -> Weights {
    if case == "fcnn" {
        return Weights::Fcnn { w1: array(case, "w1"), w2: array(case, "w2") };
    }
    let names: &[&str] = if case.ends_with("deep") { &["kernels", "kernels_2"] } else { &["kernels"] };
    Weights::Lcnn {
        kernels: names.iter().map(|name| array(case, name)).collect(),
        dense: array(case, "dense"),
        padding: Padding::Circular,
    }
}

#[test]
fn strengths_and_maps_are_those_of_scipy() {
    for case in CASES {
        let shape: Array1<f64> = array(case, "shape");
        let shape = [0, 1, 2].map(|i| shape[i] as usize);
        let (s, t): (Array1<f64>, Array1<f64>) = (array(case, "s"), array(case, "t"));
        let (a, maps): (Array2<f64>, Array3<f64>) = (array(case, "a"), array(case, "map"));
        let moments = Moments { yx: array(case, "yx"), xx: array(case, "xx"), yy_trace: 1.0 };
        let modes = Modes::from_moments(&moments, shape).unwrap();
        assert!(modes.list.iter().zip(&s).all(|(m, s)| (m.s / s - 1.0).abs() < 1e-12));
        // A network's first map is checked too: the conventions are the same.
        let first = weights(case).end_to_end();
        assert!((&first - &maps.index_axis(ndarray::Axis(0), 0)).iter().all(|e| e.abs() < 1e-13), "{case}");

        let end = t[t.len() - 1];
        let follow = Follow { tolerance: 1e-10, ..Follow::to(end) };
        let flow = Flow::new(&modes, &moments, &weights(case), follow, |_, _| ()).unwrap();
        let mut worst = 0.0f64;
        for (t, a) in t.iter().zip(a.outer_iter()) {
            for ((got, want), s) in flow.strengths(*t).iter().zip(a).zip(&s) {
                worst = worst.max((got - want).abs() / s);
            }
        }
        let times = t.to_vec();
        let ours = flow::maps(&modes, &moments, &weights(case), &times, 1e-10).unwrap();
        let norm = |m: &Array2<f64>| m.mapv(|x| x * x).sum().sqrt();
        let mut of_maps = 0.0f64;
        for (got, want) in ours.iter().zip(maps.outer_iter()) {
            of_maps = of_maps.max(norm(&(got - &want)) / norm(&want.to_owned()));
        }
        println!("{case}: {worst:.1e} of s, {of_maps:.1e} of the map, {} steps", flow.steps());
        assert!(worst <= BOUND && of_maps <= BOUND, "{case}: {worst:e} {of_maps:e}");
    }
}
