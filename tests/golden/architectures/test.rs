//! torchvision's networks: names, shapes, order and logits, and that they are known
//! again by names and shapes. `make.py` beside this file made what is expected.

use std::io::Read;
use std::str::FromStr;

use domfreq::blueprint::Plan;
use domfreq::blueprint::guess::{Guess, guess};
use domfreq::blueprint::locate::locate;
use domfreq::blueprint::names::SCHEMES;
use domfreq::run::config::{ModelKind, Shortcut, Stem};
use domfreq::weights::{Data, NamedTensor, StateDict};
use proptest::prelude::*;
use serde_json::Value;

type State = Vec<(String, Vec<usize>)>;

fn kind(name: &str) -> ModelKind {
    clap::ValueEnum::from_str(name, false).unwrap()
}

/// Each network of states.txt.gz with the tensors of its state dict; again, those with heads for
/// training alone; and all names that torchvision lists.
#[derive(Default)]
struct States {
    plain: Vec<(ModelKind, State)>,
    auxiliary: Vec<(ModelKind, State)>,
    listed: Vec<String>,
}

fn all_states() -> States {
    let mut text = String::new();
    let packed = &include_bytes!("states.txt.gz")[..];
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let mut all = Vec::new();
    let mut states = States::default();
    for line in text.lines() {
        let (name, shape) = line.split_once(' ').unwrap();
        if name == "=" {
            all.push((kind(shape), State::new()));
        } else if name == "#" {
            states.listed = shape.split(' ').map(str::to_owned).collect();
        } else {
            let shape = shape.split(',').filter(|n| !n.is_empty()).map(|n| usize::from_str(n).unwrap());
            all.last_mut().unwrap().1.push((name.to_owned(), shape.collect()));
        }
    }
    for (kind, state) in all {
        let again = states.plain.iter().any(|(other, _)| *other == kind);
        if again { &mut states.auxiliary } else { &mut states.plain }.push((kind, state));
    }
    states
}

fn states() -> Vec<(ModelKind, State)> {
    all_states().plain
}

/// The cases of ../resnet: what is to be guessed, and the tensors.
fn resnets() -> Vec<(Guess, State)> {
    let expected: Value = serde_json::from_str(include_str!("../resnet/expected.json")).unwrap();
    let cases = expected["cases"].as_array().unwrap().iter().map(|case| {
        let arch = case["arch"].as_str().unwrap();
        let cifar = arch.starts_with("cifar");
        let stem = if case["stem"] == "cifar" { Stem::Cifar } else { Stem::Imagenet };
        let shortcut = if case["shortcut"] == "B" { Shortcut::B } else { Shortcut::A };
        let guess = Guess {
            kind: kind(&arch.replace("cifar", "resnet")),
            classes: case["classes"].as_u64().unwrap() as usize,
            channels: 3,
            stem: (!cifar).then_some(stem),
            shortcut: cifar.then_some(shortcut),
            norm: case["norm"] == true,
            side: None,
        };
        let state = case["state"].as_array().unwrap().iter().map(|entry| {
            let shape = entry[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
            (entry[0].as_str().unwrap().to_owned(), shape)
        });
        (guess, state.collect())
    });
    cases.collect()
}

/// All networks as torchvision's files have them, with what is to be guessed.
fn known() -> Vec<(Guess, State)> {
    let others = states().into_iter().map(|(kind, state)| {
        let stem = kind.has_stem().then_some(Stem::Imagenet);
        let side = kind.to_string().starts_with("vit").then_some(224);
        (Guess { kind, classes: 1000, channels: 3, stem, shortcut: None, norm: true, side }, state)
    });
    others.chain(resnets()).collect()
}

/// Tensors without numbers that matter.
fn dict(state: &State) -> StateDict {
    let mut dict = StateDict::new();
    for (name, shape) in state {
        let zeros = Data::U8(vec![0; shape.iter().product()]);
        dict.push(NamedTensor::new(name, shape.clone(), zeros).unwrap()).unwrap();
    }
    dict
}

/// The state with another number of classes and of channels.
fn with_sizes(state: &State, classes: usize, channels: usize) -> State {
    let mut state = state.clone();
    let head = state.last().unwrap().0.rsplit_once('.').unwrap().0.to_owned();
    for (_, shape) in state.iter_mut().filter(|(name, _)| name.starts_with(&head)) {
        shape[0] = classes;
    }
    state.iter_mut().find(|(_, shape)| shape.len() == 4).unwrap().1[1] = channels;
    state
}

#[test]
fn tensors_are_those_of_torchvision() {
    let known = known();
    assert!(known.len() > 35);
    for (guess, state) in known {
        let plan = Plan::new(&guess.architecture((224, 224))).unwrap();
        assert_eq!(plan.tensors(), state, "{guess}");
    }
}

#[test]
fn no_network_of_torchvision_is_missing() {
    let States { plain, listed, .. } = all_states();
    assert!(listed.len() >= 80);
    for name in listed {
        assert!(plain.iter().any(|(own, _)| own.to_string() == name), "{name}");
        let kind: Result<ModelKind, _> = clap::ValueEnum::from_str(&name, false);
        assert_eq!(serde_json::to_value(kind.unwrap()).unwrap(), name.as_str());
    }
}

#[test]
fn heads_for_training_alone_are_left_aside() {
    let States { plain, auxiliary, .. } = all_states();
    assert_eq!(auxiliary.len(), 2);
    for (kind, state) in auxiliary {
        let own = &plain.iter().find(|(other, _)| *other == kind).unwrap().1;
        assert!(own.len() < state.len());
        let guess = guess(&dict(&state)).unwrap();
        assert_eq!((guess.kind, guess.classes), (kind, 1000));
        let (file, outside) = guess.own(dict(&state));
        let left: State = file.iter().map(|t| (t.name().to_owned(), t.shape().to_vec())).collect();
        assert_eq!(&left, own);
        let expected = if kind == ModelKind::Googlenet {
            vec!["aux1 (10 tensors)", "aux2 (10 tensors)"]
        } else {
            vec!["AuxLogits (14 tensors)"]
        };
        assert_eq!(outside, expected);
        // All of a head or nothing of it.
        let first = state.iter().position(|(name, _)| name.to_lowercase().starts_with("aux")).unwrap();
        let mut short = state;
        short.remove(first);
        assert!(domfreq::blueprint::guess::guess(&dict(&short)).is_err());
    }
}

#[test]
fn transformers_say_the_size_of_their_images() {
    let (_, state) = states().into_iter().find(|(kind, _)| *kind == ModelKind::VitB_16).unwrap();
    let with = |rows: usize| -> State {
        let mut state = state.clone();
        state.iter_mut().find(|(name, _)| name == "encoder.pos_embedding").unwrap().1[1] = rows;
        state
    };
    for (rows, side) in [(197, 224), (577, 384), (5, 32), (2, 16)] {
        let guess = guess(&dict(&with(rows))).unwrap();
        assert_eq!((guess.side, guess.kind), (Some(side), ModelKind::VitB_16));
        assert_eq!(guess.architecture((7, 9)).shape, [3, side, side]);
        assert!(guess.to_string().ends_with(&format!("images of {side}x{side}")));
    }
    for rows in [0, 1, 198, usize::MAX] {
        let mut file = with(196);
        file.retain(|(name, _)| name != "encoder.pos_embedding");
        if rows < 1000 {
            file.push(("encoder.pos_embedding".to_owned(), vec![1, rows, 768]));
        }
        assert!(guess(&dict(&file)).unwrap_err().starts_with("of the known networks vit_b_16 is nearest"));
    }
}

#[test]
fn every_network_is_known_again() {
    for (expected, state) in known() {
        assert_eq!(guess(&dict(&state)), Ok(expected.clone()));
        // As PyTorch wrote it before there were counters.
        let old: State =
            state.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")).cloned().collect();
        assert_eq!(guess(&dict(&old)), Ok(expected));
    }
}

#[test]
fn old_names_of_densenets_are_known() {
    for (expected, mut state) in known() {
        if !expected.kind.to_string().starts_with("densenet") {
            continue;
        }
        for (name, _) in &mut state {
            if name.contains("denselayer") {
                for module in ["norm1", "norm2", "conv1", "conv2"] {
                    let (stem, digit) = module.split_at(4);
                    *name = name.replace(&format!(".{module}."), &format!(".{stem}.{digit}."));
                }
            }
        }
        assert!(state.iter().any(|(name, _)| name.contains(".norm.1.")));
        assert_eq!(guess(&dict(&state)), Ok(expected));
    }
}

#[test]
fn guesses_are_in_words() {
    let words = |name: &str| {
        let all = known();
        all.into_iter().find(|(g, _)| g.kind == kind(name)).unwrap().0.to_string()
    };
    assert_eq!(words("vgg16_bn"), "vgg16_bn, 3 channels, 1000 classes");
    assert_eq!(words("resnet20"), "resnet20 with shortcuts A, 3 channels, 10 classes");
    let (guess, _) = resnets().into_iter().find(|(g, _)| !g.norm).unwrap();
    assert_eq!(guess.to_string(), "resnet20 with shortcuts A without batch norm, 3 channels, 10 classes");
    let text = serde_json::to_string(&guess).unwrap();
    assert_eq!(serde_json::from_str::<Guess>(&text).unwrap(), guess);
}

#[test]
fn what_does_not_fit_is_not_guessed() {
    let all = known();
    let of = |name: &str| all.iter().find(|(g, _)| g.kind == kind(name)).unwrap().1.clone();
    let near = |state: &State| guess(&dict(state)).expect_err("nothing fits");

    // A seventh block in a stage of six.
    let mut state = of("resnet34");
    let more: State = state.iter().filter(|(name, _)| name.starts_with("layer3.5.")).cloned().collect();
    state.extend(more.into_iter().map(|(name, shape)| (name.replace("layer3.5.", "layer3.6."), shape)));
    let text = near(&state);
    assert!(text.contains("resnet34 is nearest: 12 that it does not have (layer3.6.bn1.bias"), "{text}");

    // A network with another tensor in it.
    let mut state = of("resnet18");
    state.push(("ema.decay".to_owned(), vec![]));
    assert!(near(&state).contains("resnet18 is nearest: 1 that it does not have (ema.decay)"));
    state.pop();
    state.pop();
    assert!(near(&state).contains("1 of its tensors missing (fc.bias)"));
    let mut state = of("resnet18");
    state[6].1 = vec![64, 64, 5, 5];
    assert!(near(&state).contains("1 of another shape (layer1.0.conv1.weight)"));

    let other = vec![("net.0.weight\u{1b}[31m".to_owned(), vec![3, 2]), ("net.0.bias".to_owned(), vec![3])];
    let text = near(&other);
    assert!(text.starts_with("no known network") && text.contains("net.0.bias") && !text.contains('\u{1b}'));
    assert!(near(&State::new()).starts_with("no known network"));
    // No class, no channel.
    assert!(guess(&dict(&with_sizes(&of("resnet18"), 0, 3))).is_err());
    assert!(guess(&dict(&with_sizes(&of("resnet18"), 10, 0))).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn order_and_sizes_do_not_matter_but_every_tensor_does(
        index in any::<prop::sample::Index>(),
        classes in 1usize..2000,
        channels in 1usize..8,
        (seed, at, what) in (any::<u64>(), any::<prop::sample::Index>(), 0..3),
    ) {
        use rand::seq::SliceRandom;
        let all = known();
        let (expected, state) = &all[index.index(all.len())];
        let expected = Guess { classes, channels, ..expected.clone() };
        let mut state = with_sizes(state, classes, channels);
        state.shuffle(&mut domfreq::seed::rng(seed, "test/guess", 0));
        prop_assert_eq!(guess(&dict(&state)), Ok(expected));
        let at = at.index(state.len());
        match what {
            0 => { state.remove(at); }
            1 => state[at].1.push(2),
            _ => state[at].0.push('x'),
        }
        prop_assert!(guess(&dict(&state)).is_err());
    }
}

// The same networks under the names of other libraries ("cases"), or with other layers between the same
// tensors ("variants").
fn foreign(which: &str) -> Vec<Value> {
    let mut all: Value = serde_json::from_str(include_str!("foreign.json")).unwrap();
    let Value::Array(cases) = all[which].take() else { panic!("{which}") };
    cases
}

fn tensors(case: &Value) -> State {
    let side = |side: &Value| side.as_u64().unwrap() as usize;
    let of =
        |t: &Value| (t[0].as_str().unwrap().to_owned(), t[1].as_array().unwrap().iter().map(side).collect());
    case["tensors"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn names_of_other_libraries_are_known() {
    let mut schemes = std::collections::HashSet::new();
    for case in foreign("cases") {
        let file = dict(&tensors(&case));
        let found = locate(&file);
        let guess = found.guess.unwrap();
        let (of, arch) = (case["of"].as_str().unwrap(), case["arch"].as_str().unwrap());
        assert_eq!((guess.kind.to_string().as_str(), guess.classes), (arch, 10), "{of}");
        let scheme = found.scheme.expect("a scheme");
        assert_eq!(scheme.of, of);
        // Without its head it is known as well, and with one tensor of another shape it is not.
        let body: State = tensors(&case)
            .into_iter()
            .filter(|(name, _)| {
                let heads = ["classifier", "fc.", "linear", "head", "norm.", "convnext.layernorm"];
                // The last norm of a transformer is not of its head.
                let transformer = arch.starts_with("vit");
                !heads.iter().any(|h| name.starts_with(h) && !(transformer && *h == "norm."))
            })
            .collect();
        let near = locate(&dict(&body)).guess.unwrap_err();
        assert!(near.starts_with(&format!("{arch} with another head")), "{of}: {near}");
        let mut other = tensors(&case);
        other[0].1[0] += 1;
        assert!(locate(&dict(&other)).guess.is_err(), "{of}");
        schemes.insert(scheme.of);
    }
    // As the ImageNet example of PyTorch saves it.
    let (of, state) = states().into_iter().find(|(of, _)| of.to_string() == "vgg11_bn").unwrap();
    let wrapped =
        state.iter().map(|(name, shape)| (name.replace("features.", "features.module."), shape.clone()));
    let file = dict(&wrapped.collect::<State>());
    let found = locate(&file);
    assert_eq!(found.guess.unwrap().kind, of);
    let scheme = found.scheme.expect("a scheme");
    assert_eq!(scheme.translate(file).iter().map(|t| t.name().to_owned()).collect::<Vec<_>>(), {
        state.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    });
    schemes.insert(scheme.of);
    assert_eq!(schemes.len(), SCHEMES.len());
}

#[test]
fn variants_are_taken_for_the_plain_network() {
    for case in foreign("variants") {
        let variant = kind(case["arch"].as_str().unwrap());
        let guess = guess(&dict(&tensors(&case))).unwrap();
        assert_eq!((Some(guess.kind), guess.classes), (variant.twin(), 10));
        assert_ne!(guess.kind, variant);
        let own = Guess { kind: variant, ..guess.clone() };
        let plans = [&own, &guess].map(|guess| Plan::new(&guess.architecture((224, 224))).unwrap());
        assert_eq!(plans[0].tensors(), plans[1].tensors());
        assert_ne!(plans[0], plans[1]);
    }
    // Halves of odd sides are not alike in a block's two ways where the mean leaves the last pixel out.
    let resnet = Guess { kind: ModelKind::Resnetaa50, ..known().remove(0).0 };
    let text = Plan::new(&resnet.architecture((75, 75))).unwrap_err().to_string();
    assert!(text.contains("sides that resnetaa50 can take, such as"), "{text}");
}

#[cfg(feature = "torch")]
mod logits {
    use domfreq::model::deep::{Architecture, Deep, Pass};
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::formula;

    /// Set, all networks are run, in minutes and 3 GB of memory.
    const ALL: &str = "DOMFREQ_ALL_NETWORKS";

    // One of each kind of layers.
    const SOME: [&str; 20] = [
        "resnext50_32x4d",
        "alexnet",
        "vgg11_bn",
        "densenet121",
        "mobilenet_v2",
        "squeezenet1_0",
        "squeezenet1_1",
        "convnext_tiny",
        "mnasnet0_5",
        "regnet_y_400mf",
        "mobilenet_v3_small",
        "efficientnet_b0",
        "efficientnet_v2_s",
        "shufflenet_v2_x0_5",
        "googlenet",
        "inception_v3",
        "vit_b_32",
        "swin_t",
        "swin_v2_t",
        "maxvit_t",
    ];
    // More than these need not be run in double precision.
    const LARGE: usize = 40_000_000;

    fn numbers(value: &Value) -> Vec<f64> {
        match value {
            Value::Array(list) => list.iter().flat_map(numbers).collect(),
            number => vec![number.as_f64().expect("a number")],
        }
    }

    // Largest distance of an image's logits, relative to their norm.
    fn far(found: &Tensor, expected: &Value) -> f64 {
        let rows = expected.as_array().unwrap().iter().enumerate().map(|(i, row)| {
            let row = numbers(row);
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            let off = row
                .iter()
                .enumerate()
                .map(|(j, want)| (found.double_value(&[i as i64, j as i64]) - want).abs());
            off.fold(0.0, f64::max) / norm
        });
        rows.fold(0.0, f64::max)
    }

    #[test]
    fn logits_are_those_of_other_libraries() {
        for case in foreign("cases") {
            let weights = formula::state(&tensors(&case), false);
            let found = locate(&weights);
            let own = found.scheme.unwrap().translate(weights);
            let size: Vec<i64> = numbers(&case["input"]).iter().map(|n| *n as i64).collect();
            let architecture = found.guess.unwrap().architecture((size[2] as usize, size[3] as usize));
            let net = Deep::with_weights(architecture, &own, "it", Kind::Float, Device::Cpu).unwrap();
            let count = size.iter().product::<i64>() as usize;
            let x =
                Tensor::from_slice(&formula::signed("input", count)).reshape(&size[..]).to_kind(Kind::Float);
            let off = far(&net.forward(&x, &Pass::eval(false)).unwrap(), &case["logits"]);
            println!("{}, {}: off by {off:.1e}", case["of"], case["arch"]);
            assert!(off < 1e-5, "{}: {off:e}", case["of"]);
        }
    }

    #[test]
    fn logits_of_variants_are_those_of_their_library() {
        let mut apart = Vec::new();
        for case in foreign("variants") {
            let weights = formula::state(&tensors(&case), false);
            let size: Vec<i64> = numbers(&case["input"]).iter().map(|n| *n as i64).collect();
            let guess = guess(&weights).unwrap();
            let x = Tensor::from_slice(&formula::signed("input", size.iter().product::<i64>() as usize));
            let x = x.reshape(&size[..]).to_kind(Kind::Float);
            let off = |kind| {
                let architecture =
                    Guess { kind, ..guess.clone() }.architecture((size[2] as usize, size[3] as usize));
                // The stem is that of the file, however small the images.
                let net = Deep::with_weights(architecture, &weights, "it", Kind::Float, Device::Cpu).unwrap();
                far(&net.forward(&x, &Pass::eval(false)).unwrap(), &case["logits"])
            };
            let variant = kind(case["arch"].as_str().unwrap());
            println!("{variant}: off by {:.1e}", off(variant));
            assert!(off(variant) < 1e-5, "{variant}: {:e}", off(variant));
            apart.push(off(guess.kind));
        }
        assert!(apart.iter().all(|&off| off > 1e-2), "what tells them apart shows in the logits: {apart:?}");
    }

    #[test]
    fn logits_are_those_of_torchvision() {
        let expected: Value = serde_json::from_str(include_str!("expected.json")).unwrap();
        let cases = expected["cases"].as_array().unwrap();
        let all = std::env::var_os(ALL).is_some();
        let mut run = 0;
        for (of, state) in states() {
            let name = of.to_string();
            if !all && !SOME.contains(&name.as_str()) {
                continue;
            }
            let cases: Vec<_> = cases.iter().filter(|case| case["arch"] == name.as_str()).collect();
            if cases.is_empty() {
                assert!(["regnet_y_128gf", "vit_h_14"].contains(&name.as_str()), "{name}");
                continue;
            }
            let classes = cases[0]["classes"].as_u64().unwrap() as usize;
            let mut state = with_sizes(&state, classes, 3);
            let size = |case: &Value| numbers(&case["input"]).iter().map(|n| *n as usize).collect::<Vec<_>>();
            let architecture = |size: &[usize]| {
                let stem = Stem::Imagenet;
                Architecture { stem, ..Architecture::usual(of, [size[1], size[2], size[3]], classes) }
            };
            // Positions of the images of the case, not of 224x224.
            let planned = Plan::new(&architecture(&size(cases[0]))).unwrap().tensors();
            for ((name, shape), (_, here)) in state.iter_mut().zip(planned) {
                if name == "encoder.pos_embedding" {
                    *shape = here;
                }
            }
            let gain = cases[0]["gain"].as_f64().unwrap_or(1.0);
            let weights = formula::state_with(&state, false, gain);
            let large = state.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>() > LARGE;
            let precisions = [("float32", Kind::Float, 1e-5), ("float64", Kind::Double, 1e-12)];
            for (precision, number, bound) in precisions.into_iter().take(if large { 1 } else { 2 }) {
                let first = architecture(&size(cases[0]));
                let net = Deep::with_weights(first, &weights, &name, number, Device::Cpu).unwrap();
                let own: State = net
                    .entries()
                    .iter()
                    .map(|e| (e.name.clone(), e.tensor.size().iter().map(|&n| n as usize).collect()))
                    .collect();
                assert_eq!(own, state, "{name}");
                for case in &cases {
                    let size = size(case);
                    Plan::new(&architecture(&size)).unwrap();
                    let shape: Vec<i64> = size.iter().map(|&n| n as i64).collect();
                    let x = Tensor::from_slice(&formula::signed("input", size.iter().product()));
                    let x = x.reshape(&shape[..]).to_kind(number);
                    let off = far(&net.forward(&x, &Pass::eval(false)).unwrap(), &case[precision]);
                    println!("{name} at {}x{}, {precision}: off by {off:.1e}", size[2], size[3]);
                    assert!(off < bound, "{name} {precision}: {off:e}");
                    run += 1;
                }
                // The last: it changes running statistics.
                for case in cases.iter().filter(|case| !case["train"].is_null() && number == Kind::Double) {
                    let size = size(case);
                    let shape: Vec<i64> = size.iter().map(|&n| n as i64).collect();
                    let x = Tensor::from_slice(&formula::signed("input", size.iter().product()));
                    let logits = tch::no_grad(|| net.forward(&x.reshape(&shape[..]), &Pass::train(false)));
                    let off = far(&logits.unwrap(), &case["train"]);
                    println!("{name} in training, {precision}: off by {off:.1e}");
                    assert!(off < 1e-10, "{name} in training: {off:e}");
                    run += 1;
                }
            }
        }
        assert!(run >= 20, "{run}");
        if !all {
            println!("{} of all networks; {ALL}=1 runs the others, too", SOME.len());
        }
    }
}
