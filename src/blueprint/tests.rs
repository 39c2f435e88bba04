//! Sizes and switches of plans; names and shapes against torchvision's are in
//! `tests/golden/architectures`.

use clap::ValueEnum;

use super::*;

fn deep() -> impl Iterator<Item = ModelKind> {
    ModelKind::value_variants().iter().copied().filter(|kind| !kind.is_linear())
}

fn refused(architecture: &Architecture) -> String {
    Plan::new(architecture).expect_err("a refusal").to_string()
}

// torchvision's documentation has the same numbers ("min_size"), but for residual
// networks, which it lets take a single pixel.
#[test]
fn the_smallest_images_are_torchvisions() {
    let least = [
        ("alexnet", 63),
        ("vgg11", 32),
        ("vgg19_bn", 32),
        ("densenet121", 29),
        ("densenet161", 29),
        ("squeezenet1_0", 21),
        ("squeezenet1_1", 17),
        ("convnext_tiny", 32),
        ("mobilenet_v2", 32),
        ("googlenet", 15),
        ("inception_v3", 75),
        ("resnet8", 4),
    ];
    for (name, n) in least {
        let kind = ModelKind::from_str(name, false).unwrap();
        let of = |h, w| Architecture::usual(kind, [3, h, w], 10);
        for (h, w) in [(n, n), (n, n + 40), (n + 40, n)] {
            Plan::new(&of(h, w)).unwrap();
        }
        for (h, w) in [(n - 1, n), (n, n - 1)] {
            let text = refused(&of(h, w));
            assert!(text.contains(&format!("at least {n}x{n} for {name}")), "{text}");
            assert!(text.ends_with(&format!("{h}x{w}")), "{text}");
        }
    }
    for (name, (h, w), near) in [
        ("vit_b_16", (40, 64), "such as 64x64"),
        ("vit_h_14", (40, 40), "such as 42x42"),
        ("maxvit_t", (256, 256), "multiples of 224"),
        ("maxvit_t", (222, 224), "multiples of 224"),
    ] {
        let kind = ModelKind::from_str(name, false).unwrap();
        let text = refused(&Architecture::usual(kind, [3, h, w], 10));
        assert!(text.contains(near) && text.contains(name), "{text}");
    }
    let circular = Architecture {
        padding: Padding::Circular,
        ..Architecture::usual(ModelKind::ConvnextTiny, [3, 64, 64], 10)
    };
    assert!(refused(&circular).contains("at least 96x96"), "kernels of 7 reach around an image of 2");
}

#[test]
fn switches_that_a_network_does_not_have_are_refused() {
    for kind in deep() {
        // All that are for multiples of a size can take these.
        let usual = Architecture { plain: (2, 1, (3, 3)), ..Architecture::usual(kind, [3, 672, 672], 10) };
        let name = kind.to_string();
        let kept = Plan::new(&usual).unwrap();
        let without_norm = Architecture { norm: false, ..usual.clone() };
        let none =
            ["vgg", "alexnet", "squeezenet", "convnext", "vit", "swin"].iter().any(|n| name.starts_with(n));
        if none {
            let text = refused(&without_norm);
            assert!(text.starts_with("model.norm") && text.contains("batch norm"), "{text}");
        } else {
            let tensors = Plan::new(&without_norm).unwrap().tensors();
            assert!(tensors.len() < kept.tensors().len(), "{name}");
            assert!(!tensors.iter().any(|(name, _)| name.contains("running")), "{name}");
        }
        let linear = Architecture { nonlinear: false, ..usual };
        // Layer norm and gates are not linear.
        let bent = ["convnext", "regnet_y", "mobilenet_v3", "efficientnet", "vit", "swin", "maxvit"];
        if bent.iter().any(|start| name.starts_with(start)) {
            assert!(refused(&linear).starts_with("model.nonlinear"));
        } else {
            let plan = Plan::new(&linear).unwrap();
            assert_eq!(plan.tensors(), kept.tensors(), "{name}");
            let bent = |l: &Layer| match l {
                Layer::Activation(_) => true,
                Layer::Pool(pool) => pool.max,
                _ => false,
            };
            assert!(!any(plan.layers(), &bent) && any(kept.layers(), &bent), "{name}");
        }
    }
    let vgg = Architecture { norm: false, ..Architecture::usual(ModelKind::Vgg16Bn, [3, 32, 32], 10) };
    assert!(refused(&vgg).contains("vgg16 is the network without"));
    assert!(refused(&Architecture::usual(ModelKind::Fcnn, [3, 32, 32], 10)).contains("a deep network"));
}

#[test]
fn names_of_old_densenets_are_understood() {
    let now = |name: &str| current_name(name);
    assert_eq!(
        now("features.denseblock1.denselayer12.norm.1.running_var").unwrap(),
        "features.denseblock1.denselayer12.norm1.running_var"
    );
    assert_eq!(now("a.denselayer1.conv.2.weight").unwrap(), "a.denselayer1.conv2.weight");
    for name in [
        "features.denseblock1.denselayer1.norm1.weight",
        "a.denselayer1.norm.3.weight",
        "a.denselayerx.norm.1.weight",
        "",
        ".denselayer",
    ] {
        assert_eq!(now(name), None);
    }
}
