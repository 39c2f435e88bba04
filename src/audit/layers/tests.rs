use ndarray::{Array4, Axis};
use proptest::prelude::*;
use rand::Rng;
use rand_distr::StandardNormal;

use super::*;
use crate::seed;
use crate::weights::Data;

fn normal(shape: [usize; 4], seed: u64) -> Array4<f64> {
    let mut rng = seed::rng(seed, "test/layers", 0);
    let [o, i, r, s] = shape;
    Array4::from_shape_simple_fn((o, i, r, s), || rng.sample(StandardNormal))
}

fn tensor(name: &str, weights: &Array4<f64>) -> NamedTensor {
    NamedTensor::new(name, weights.shape().to_vec(), Data::F64(weights.iter().copied().collect())).unwrap()
}

fn dict(tensors: impl IntoIterator<Item = NamedTensor>) -> StateDict {
    let mut dict = StateDict::new();
    tensors.into_iter().for_each(|t| dict.push(t).unwrap());
    dict
}

fn other(name: &str, shape: &[usize], data: Data) -> NamedTensor {
    NamedTensor::new(name, shape.to_vec(), data).unwrap()
}

const PLAIN: Options = Options { draws: 0, seed: 0, grid: None };

fn one(weights: &Array4<f64>) -> Layer {
    audit("test", &dict([tensor("conv", weights)]), &PLAIN).unwrap().layers.remove(0)
}

fn kernel(rows: usize, weights: &[f64]) -> Array4<f64> {
    Array4::from_shape_vec((1, 1, rows, weights.len() / rows), weights.to_vec()).unwrap()
}

fn spectrum(weights: &Array4<f64>) -> Spectrum {
    one(weights).spectrum.unwrap()
}

#[test]
fn kernels_by_hand() {
    // One weight among nine: flat.
    let delta = spectrum(&kernel(3, &[0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]));
    assert!(delta.energies.iter().flatten().all(|e| (e - 4.0 / 1024.0).abs() < 1e-15));
    assert!(delta.radial.density.iter().all(|d| (d - 1.0).abs() < 1e-12));
    assert!((delta.participation - 1024.0).abs() < 1e-6 && (delta.dominant_share - 0.1).abs() < 1e-12);
    assert!(delta.anisotropy < 1e-12 && delta.kernel_anisotropy < 1e-12);
    // The mean radius of the 32×32 frequencies themselves.
    let radii = (0..32).flat_map(|r| (0..32).map(move |c| (r, c)));
    let fold = |k: i32| f64::from(k.min(32 - k)) / 32.0;
    let mean = radii.map(|(r, c)| fold(r).hypot(fold(c))).sum::<f64>() / 1024.0;
    assert!((delta.centroid - mean).abs() < 1e-12, "{}", delta.centroid);

    let blur = spectrum(&kernel(3, &[1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0]));
    assert_eq!(blur.strongest, Frequency { row: 0, col: 0 });
    assert!(blur.centroid < 0.5 * delta.centroid && blur.dominant_share > 0.5, "{blur:?}");
    // DC: (Σw)² / Σw².
    assert!((blur.radial.density[0] - 256.0 / 36.0).abs() < 1e-12 && blur.anisotropy < 1e-12);
    let laplace = spectrum(&kernel(3, &[0.0, -1.0, 0.0, -1.0, 4.0, -1.0, 0.0, -1.0, 0.0]));
    assert!(laplace.centroid > 1.2 * delta.centroid && laplace.energies[0][0] < 1e-15);
    assert_eq!(laplace.strongest, Frequency { row: 16, col: 16 });
}

#[test]
fn edges_lie_along_their_axis() {
    // Rows differ: the pattern varies downwards, θ = π/2.
    let sobel = [1.0, 2.0, 1.0, 0.0, 0.0, 0.0, -1.0, -2.0, -1.0];
    let horizontal = kernel(3, &sobel);
    let vertical = horizontal.clone().permuted_axes([0, 1, 3, 2]).as_standard_layout().to_owned();
    let [down, across] = [&horizontal, &vertical].map(spectrum);
    let half = std::f64::consts::FRAC_PI_2;
    assert!(
        (down.orientation - half).abs() < 1e-12
            && across.orientation.min(2.0 * half - across.orientation) < 1e-12
    );
    assert!(down.anisotropy > 0.5 && (down.anisotropy - across.anisotropy).abs() < 1e-12);
    assert!((down.kernel_anisotropy - down.anisotropy).abs() < 1e-12, "one kernel");
    // Both of them, in one layer: none is preferred, each has its own.
    let both = ndarray::concatenate(Axis(0), &[horizontal.view(), vertical.view()]).unwrap();
    let both = spectrum(&both);
    assert!(both.anisotropy < 1e-12 && (both.kernel_anisotropy - down.anisotropy).abs() < 1e-12);
    // By the closed form of the Sobel kernel: e(f) = 16 cos⁴(πf_x) · 4 sin²(2πf_y) / 1024.
    let e = |r: f64, c: f64| {
        let pi = std::f64::consts::PI;
        16.0 * (pi * c / 32.0).cos().powi(4) * 4.0 * (2.0 * pi * r / 32.0).sin().powi(2) / 1024.0
    };
    for (r, row) in down.energies.iter().enumerate() {
        for (c, found) in row.iter().enumerate() {
            assert!((found - e(r as f64, c as f64)).abs() < 1e-14, "({r}, {c})");
        }
    }
}

#[test]
fn layers_in_the_order_of_the_file_and_what_is_left_out() {
    let mut dict = dict([
        tensor("z.conv", &normal([4, 3, 5, 3], 1)),
        other("bn.weight", &[4], Data::F32(vec![1.0; 4])),
        tensor("point", &normal([4, 4, 1, 1], 2)),
        tensor("silent", &Array4::zeros((2, 1, 3, 3))),
        tensor("a.conv", &normal([2, 2, 1, 7], 3)),
    ]);
    dict.push(other("mask", &[1, 1, 2, 2], Data::Bool(vec![1; 4]))).unwrap();
    dict.push(other("none", &[0, 1, 3, 3], Data::F32(Vec::new()))).unwrap();
    dict.push(other("attn", &[1, 1, 1, 300], Data::F32(vec![1.0; 300]))).unwrap();
    let options = Options { draws: 9, ..Options::default() };
    let table = audit("w.pth", &dict, &options).unwrap();
    assert_eq!(table.grid, [32, 32]);
    let names: Vec<_> = table.layers.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["z.conv", "point", "silent", "a.conv"]);
    let skipped: Vec<_> = table.skipped.iter().map(|s| format!("{}: {}", s.name, s.reason)).collect();
    assert_eq!(
        skipped,
        [
            "mask: numbers of type BOOL, not floating-point ones",
            "none: no weights",
            "attn: 1x300 is more than a kernel of 256x256"
        ]
    );
    let [conv, point, silent, _] = &table.layers[..] else { panic!("four layers") };
    assert_eq!((conv.shape, conv.weights), ([4, 3, 5, 3], 180));
    assert!(conv.spectrum.is_some() && conv.init.is_some() && conv.without().is_none());
    assert!(point.spectrum.is_none() && point.init.is_none() && point.energy > 0.0);
    assert_eq!(point.without(), Some("kernels of one weight: flat"));
    assert_eq!((silent.without(), silent.energy), (Some("all weights are zero"), 0.0));
    assert_eq!(table.outside(Quantity::Centroid).1, 2);
    // Kernels larger than the grid: the grid grows, for all layers.
    let large = audit("w", &dict_of_large(), &PLAIN).unwrap();
    assert_eq!(large.grid, [32, 40]);
    assert!(large.layers.iter().all(|l| l.spectrum.as_ref().unwrap().energies[0].len() == 21));
}

fn dict_of_large() -> StateDict {
    dict([tensor("small", &normal([2, 2, 3, 3], 1)), tensor("large", &normal([2, 1, 4, 40], 2))])
}

#[test]
fn what_is_no_network_is_an_error_that_names_it() {
    let refused = |dict: &StateDict| audit("w.pth", dict, &PLAIN).unwrap_err().to_string();
    let linear = dict([
        other("fc.weight", &[2, 3], Data::F32(vec![0.0; 6])),
        other("fc.bias", &[2], Data::F32(vec![0.0; 2])),
    ]);
    assert_eq!(
        refused(&linear),
        "w.pth: expected the weights of a convolution, a 4-D tensor, found 2 tensors, none of them 4-D: \
         fc.weight [2,3], fc.bias [2]"
    );
    assert!(refused(&StateDict::new()).contains("no tensor at all"));
    let mask = dict([other("mask", &[1, 1, 1, 1], Data::U8(vec![1]))]);
    assert!(refused(&mask).contains("mask [1,1,1,1] (numbers of type U8"), "{}", refused(&mask));
    for (bad, words) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let mut weights = normal([40, 30, 3, 3], 1);
        weights[[37, 2, 1, 1]] = bad;
        let error = refused(&dict([tensor("ok", &normal([1, 1, 2, 2], 1)), tensor("conv7", &weights)]));
        let number = (37 * 30 + 2) * 9 + 4;
        let expected = format!("tensor conv7: expected finite weights, found {words} (number {number})");
        assert_eq!(error, expected);
    }
    // Of one weight: no spectrum, yet looked at.
    let error = refused(&dict([tensor("p", &Array4::from_elem((1, 1, 1, 1), f64::NAN))]));
    assert!(error.starts_with("tensor p: expected finite weights"), "{error}");
    let error = refused(&dict([tensor("huge", &Array4::from_elem((1, 1, 2, 2), 1e200))]));
    assert!(error.contains("tensor huge") && error.contains("finite"), "{error}");
    let small = Options { grid: Some([4, 4]), ..PLAIN };
    let error = audit("w", &dict_of_large(), &small).unwrap_err().to_string();
    assert_eq!(error, "tensor large: expected kernels of at most 4x4, the grid, found 4x40");
}

#[test]
fn an_initialisation_is_inside_and_a_blur_outside() {
    let mut blurs = normal([24, 8, 3, 3], 5);
    for mut kernel in blurs.outer_iter_mut() {
        for mut kernel in kernel.outer_iter_mut() {
            kernel.mapv_inplace(|w| 1.0 + 0.2 * w);
        }
    }
    let network = dict([tensor("blurs", &blurs)]);
    let table = audit("test", &network, &Options::default()).unwrap();
    let init = table.layers[0].init.as_ref().unwrap();
    assert!(init.centroid.outside && init.centroid.z.unwrap() < -10.0, "{:?}", init.centroid);
    assert!(init.dominant_share.outside && init.participation.z.unwrap() < -10.0);
    assert!(init.density[0].outside && init.density[0].z.unwrap() > 10.0);
    assert_eq!(
        (init.kernels, init.density.len()),
        (192, table.layers[0].spectrum.as_ref().unwrap().radial.radius.len())
    );
    // 60 layers of random weights: of the interval's 5 %, 3 are expected outside; more
    // than 10 have a probability below 1e-3.
    let network =
        dict((0..60).map(|i| tensor(&format!("c{i}"), &normal([16, 40 + i, 3, 3], 100 + i as u64))));
    let table = audit("test", &network, &Options { draws: 100, ..Options::default() }).unwrap();
    for quantity in Quantity::ALL {
        let (outside, all) = table.outside(quantity);
        assert!(all == 60 && outside <= 10, "{quantity}: {outside}");
    }
    // Nor are uniform weights anything but an initialisation.
    let uniform = |i: usize| {
        let mut rng = seed::rng(i as u64, "test/uniform", 0);
        Array4::from_shape_simple_fn((8, 20 + i, 3, 3), || rng.random_range(-0.1..0.1))
    };
    let network = dict((0..60).map(|i| tensor(&format!("c{i}"), &uniform(i))));
    let table = audit("test", &network, &Options { draws: 100, ..Options::default() }).unwrap();
    for quantity in Quantity::ALL {
        assert!(table.outside(quantity).0 <= 10, "{quantity}: {:?}", table.outside(quantity));
    }
}

#[test]
fn draws_have_a_seed_and_no_order() {
    let network = dict([tensor("a", &normal([8, 8, 3, 3], 1)), tensor("b", &normal([8, 8, 3, 3], 1))]);
    let options = Options { draws: 20, ..Options::default() };
    let run = |threads: usize, options: &Options| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| audit("test", &network, options).unwrap())
    };
    let table = run(1, &options);
    assert_eq!(table, run(3, &options));
    let init = |t: &Layers, i: usize| t.layers[i].init.clone().unwrap().centroid;
    assert_ne!(init(&table, 0).mean, init(&table, 1).mean, "a name, a draw");
    assert_ne!(init(&table, 0).mean, init(&run(2, &Options { seed: 1, ..options }), 0).mean);
    let json = serde_json::to_string(&table).unwrap();
    assert_eq!(serde_json::from_str::<Layers>(&json).unwrap(), table);
}

#[test]
fn half_precision_is_single_precision_within_rounding() {
    let weights = normal([16, 8, 3, 3], 7).mapv(|w| w as f32);
    let shape = weights.shape().to_vec();
    let single = other("conv", &shape, Data::F32(weights.iter().copied().collect()));
    let bits = weights.iter().map(|&w| half::f16::from_f32(w).to_bits()).collect();
    let brain = weights.iter().map(|&w| half::bf16::from_f32(w).to_bits()).collect();
    let of = |t: NamedTensor| audit("test", &dict([t]), &PLAIN).unwrap().layers.remove(0);
    let reference = of(single);
    let half = of(other("conv", &shape, Data::F16(bits)));
    let brain = of(other("conv", &shape, Data::Bf16(brain)));
    // Relative rounding of a weight 2^-11 and 2^-8; of an energy, twice that at most.
    for (layer, tolerance) in [(half, 2f64.powi(-10)), (brain, 2f64.powi(-7))] {
        assert!((layer.energy / reference.energy - 1.0).abs() < tolerance);
        let [a, b] = [&layer, &reference].map(|l| l.spectrum.as_ref().unwrap());
        for quantity in Quantity::ALL {
            let (a, b) = (a.get(quantity), b.get(quantity));
            assert!((a - b).abs() < tolerance * b.abs().max(0.1), "{quantity}: {a} {b}");
        }
    }
}

fn close(a: &Spectrum, b: &Spectrum) {
    for quantity in Quantity::ALL {
        let (a, b) = (a.get(quantity), b.get(quantity));
        assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{quantity}: {a} is not {b}");
    }
    for (a, b) in a.radial.density.iter().zip(&b.radial.density) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn scale_sign_and_order_of_kernels_change_nothing(
        o in 1usize..4, i in 1usize..4, r in 1usize..6, s in 2usize..6,
        scale in prop_oneof![-1e3f64..-1e-3, 1e-3f64..1e3], seed in 0u64..1000,
    ) {
        let weights = normal([o, i, r, s], seed);
        let reference = spectrum(&weights);
        close(&spectrum(&(&weights * scale)), &reference);
        let swapped = weights.clone().permuted_axes([1, 0, 2, 3]).as_standard_layout().to_owned();
        close(&spectrum(&swapped), &reference);
        let mut reversed = weights;
        reversed.invert_axis(Axis(0));
        close(&spectrum(&reversed), &reference);
    }

    #[test]
    fn transposed_kernels_have_mirrored_orientations(
        o in 1usize..4, r in 2usize..6, s in 2usize..6, seed in 0u64..1000,
    ) {
        let weights = normal([o, 2, r, s], seed);
        let [a, b] = [weights.clone(), weights.permuted_axes([0, 1, 3, 2]).as_standard_layout().to_owned()]
            .map(|w| spectrum(&w));
        close(&a, &b);
        // About the diagonal: θ becomes π/2 − θ.
        let sum = (a.orientation + b.orientation - std::f64::consts::FRAC_PI_2) / std::f64::consts::PI;
        prop_assert!((sum - sum.round()).abs() < 1e-6 || a.anisotropy < 1e-6, "{} {}", a.orientation, b.orientation);
    }

    #[test]
    fn numbers_stay_in_their_ranges(
        o in 1usize..4, r in 1usize..8, s in 2usize..8, seed in 0u64..1000,
    ) {
        let layer = one(&normal([o, 2, r, s], seed));
        let found = layer.spectrum.unwrap();
        prop_assert!((0.0..=0.5f64.sqrt()).contains(&found.centroid));
        prop_assert!((0.0..=1.0).contains(&found.anisotropy) && found.anisotropy <= found.kernel_anisotropy + 1e-12);
        prop_assert!(found.kernel_anisotropy <= 1.0 && (0.1..=1.0).contains(&found.dominant_share));
        prop_assert!((1.0..=1024.0 + 1e-6).contains(&found.participation));
        prop_assert!((found.radial.share.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        prop_assert_eq!(found.radial.entries.iter().sum::<usize>(), 1024);
        let total: f64 = found.energies.iter()
            .flat_map(|row| row.iter().enumerate().map(|(c, e)| Grid::new(32, 32).weight(c) * e)).sum();
        prop_assert!((total - layer.energy).abs() < 1e-12 * total);
    }
}

#[test]
fn two_networks_by_hand() {
    let a = kernel(1, &[3.0, 4.0]);
    let b = kernel(1, &[4.0, 3.0]);
    let first =
        dict([tensor("conv", &a), tensor("gone", &a), tensor("grown", &a), tensor("p", &kernel(1, &[2.0]))]);
    let second = dict([
        tensor("new", &b),
        tensor("p", &kernel(1, &[3.0])),
        tensor("conv", &b),
        tensor("grown", &kernel(1, &[1.0, 2.0, 3.0])),
    ]);
    let [ta, tb] = [&first, &second].map(|d| audit("test", d, &PLAIN).unwrap());
    let found = compare(&ta, &tb, Some((&first, &second))).unwrap();
    assert_eq!((&found.only_a[..], &found.only_b[..]), (&["gone".to_owned()][..], &["new".to_owned()][..]));
    let expected = Misshapen { name: "grown".into(), a: [1, 1, 1, 2], b: [1, 1, 1, 3] };
    assert_eq!(found.misshapen, [expected]);
    let [conv, point] = &found.changes[..] else { panic!("two layers") };
    // (1, −1) of (3, 4): √2 / 5. Mirrored kernels have one spectrum.
    assert!((conv.relative.unwrap() - 2f64.sqrt() / 5.0).abs() < 1e-15);
    assert!(Quantity::ALL.iter().all(|&q| conv.get(q).unwrap().abs() < 1e-9));
    assert!(conv.distance.unwrap() < 1e-13);
    let difference = conv.difference.as_ref().unwrap();
    assert!(difference.energies[0][0] < 1e-15 && difference.strongest.col == 16);
    assert!((conv.difference_energy.unwrap() - 2.0).abs() < 1e-14);
    assert_eq!((point.relative, point.centroid, point.distance), (Some(0.5), None, None));
    assert!(point.difference.is_none());

    let without = compare(&ta, &tb, None).unwrap();
    assert_eq!((without.changes[0].relative, &without.changes[0].difference), (None, &None));
    assert_eq!(without.changes[0].distance, conv.distance);
    let same = compare(&ta, &ta, Some((&first, &first))).unwrap();
    assert!(same.changes.iter().all(|c| c.relative == Some(0.0) && c.difference.is_none()));
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&json).unwrap(), found);
}

#[test]
fn distances_of_energies_by_hand() {
    // A flat spectrum and 1 − cos: ½ Σ |1/W − (1 − cos 2πk/W)/W| is 1/π in the limit of
    // large W, and for W = 32 the mean of |cos 2πk/32| over 2.
    let [flat, edge] = [kernel(1, &[1.0, 0.0]), kernel(1, &[1.0, -1.0])]
        .map(|w| audit("test", &dict([tensor("conv", &w)]), &PLAIN).unwrap());
    let mean = (0..32).map(|k| (std::f64::consts::TAU * f64::from(k) / 32.0).cos().abs()).sum::<f64>() / 32.0;
    let found = compare(&flat, &edge, None).unwrap().changes[0].distance.unwrap();
    assert!(
        (found - mean / 2.0).abs() < 1e-14 && (found - 1.0 / std::f64::consts::PI).abs() < 2e-3,
        "{found}"
    );
}

#[test]
fn networks_that_do_not_compare() {
    let [a, b] = ["one", "two"].map(|name| dict([tensor(name, &normal([1, 1, 3, 3], 1))]));
    let [ta, tb] = [&a, &b].map(|d| audit("test", d, &PLAIN).unwrap());
    let error = compare(&ta, &tb, None).unwrap_err().to_string();
    assert!(error.contains("one [1, 1, 3, 3]") && error.contains("two [1, 1, 3, 3]"), "{error}");
    assert!(traces(&[ta.clone(), tb.clone()]).unwrap_err().to_string().contains("two"));
    let wide = audit("test", &a, &Options { grid: Some([40, 32]), ..PLAIN }).unwrap();
    let error = compare(&ta, &wide, None).unwrap_err().to_string();
    assert!(error.contains("32x32, found 40x32"), "{error}");
    assert!(traces(&[ta.clone(), wide]).unwrap_err().to_string().contains("40x32"));
    let error = compare(&ta, &ta, Some((&b, &a))).unwrap_err().to_string();
    assert!(error.contains("tensor one"), "{error}");
    assert_eq!(grid([&a, &dict_of_large()]), [32, 40]);
}

#[test]
fn a_run_is_traced_layer_by_layer() {
    let at = |noise: f64, both: bool| {
        let first = Array4::from_elem((2, 2, 3, 3), 1.0) + normal([2, 2, 3, 3], 1) * noise;
        let second = both.then(|| tensor("b", &kernel(1, &[noise])));
        audit("test", &dict([tensor("a", &first)].into_iter().chain(second)), &PLAIN).unwrap()
    };
    let found = traces(&[at(1.0, true), at(0.3, true), at(0.0, false)]).unwrap();
    assert_eq!(found.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let centroids: Vec<f64> = found[0].centroid.iter().map(|c| c.unwrap()).collect();
    assert!(centroids[0] > centroids[1] && centroids[1] > centroids[2], "{centroids:?}");
    assert_eq!(found[1].centroid, [None; 3]);
    assert_eq!(found[1].energy, [Some(1.0), Some(0.3 * 0.3), None]);
    assert_eq!(traces(&[]).unwrap(), []);
}

#[test]
fn tables_have_a_row_a_layer() {
    let dir = tempfile::tempdir().unwrap();
    let network =
        dict([tensor("a,\"b\".weight", &normal([2, 3, 3, 3], 1)), tensor("point", &normal([2, 2, 1, 1], 1))]);
    let table = audit("test", &network, &Options { draws: 5, ..Options::default() }).unwrap();
    let path = dir.path().join("layers.csv");
    csv::all(&table.layers).write(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let columns = lines[0].split(',').count();
    assert!(
        lines.len() == 3
            && lines[0].starts_with("name,out,in,rows,cols,weights,energy,centroid,centroid_init,")
    );
    assert!(lines[1].starts_with("\"a,\"\"b\"\".weight\",2,3,3,3,54,"), "{}", lines[1]);
    let spectrum = table.layers[0].spectrum.as_ref().unwrap();
    // One comma more, in the name.
    let cells: Vec<_> = lines[1].split(',').collect();
    assert_eq!(cells.len(), columns + 1);
    assert_eq!(cells[8].parse::<f64>().unwrap(), spectrum.centroid);
    assert_eq!(lines[2].split(',').count(), columns);
    assert!(lines[2].starts_with("point,2,2,1,1,4,") && lines[2].ends_with(",,,,,,,"));

    let path = dir.path().join("radial.csv");
    csv::radial(&table.layers).write(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 1 + spectrum.radial.radius.len());
    assert!(text.lines().nth(1).unwrap().starts_with("\"a,\"\"b\"\".weight\",0,1,"), "{text}");

    let path = dir.path().join("changes.csv");
    let changes = compare(&table, &table, Some((&network, &network))).unwrap().changes;
    csv::changes(&changes).write(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2], "point,2,2,1,1,0,,,,,,,0,,,,,");
}
