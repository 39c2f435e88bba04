//! The first layer on the principal components of image patches: [`fit`] says how.

mod measure;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::csv::{Cell, Csv};
use crate::audit::pens::{MEASURED, OTHER, dotted, measured};
use crate::plot::{Axis, Block, Key, Layer, Marker, Panel, Pen, Sign, Stroke};

/// What is found.
pub type Found = Profile;

impl Part for Profile {
    const ABOUT: About = About {
        title: "First layer",
        what: "The first layer on the principal components of image patches",
        needs: Needs::NONE,
        table: "first.csv",
        figure: Some(("first.png", "Measured profile, and the fitted one of a linear network.")),
        terms: &[],
    };

    #[cfg(feature = "torch")]
    fn cost(_: &super::Ask, _: &super::Sizes) -> super::Cost {
        super::Cost::default()
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        use crate::error::{Error, Lack};
        use ndarray::Array4;
        let images = look.set.images.view();
        let tensor = first_convolution(look.weights, images.dim().1).map_err(Error::lack_of(Lack::Layer))?;
        let &[k, c, r, s] = tensor.shape() else { unreachable!("a convolution has four axes") };
        let filters = Array4::from_shape_vec((k, c, r, s), tensor.data().to_f64())
            .expect("a tensor has the numbers of its shape");
        // Patches are centred: what is subtracted from the pixels does not matter.
        let (mean, std) = (vec![0.0; c], look.subject.scale().to_vec());
        let components = Components::new(images, (&mean, &std), [r, s], PATCHES, look.ask.seed)
            .map_err(Error::lack_of(Lack::Variation))?;
        // What training has added, where that can be told.
        let initial = (look.initial)();
        let initial = initial.as_ref().and_then(|dict| dict.get(tensor.name()));
        let initial = initial.filter(|t| t.shape() == tensor.shape());
        let initial = initial.and_then(|t| Array4::from_shape_vec((k, c, r, s), t.data().to_f64()).ok());
        let found = fit(filters.view(), initial.as_ref().map(Array4::view), &components, look.ask.seed);
        found.map_err(Error::lack_of(Lack::Variation))
    }

    fn words(&self, _: &Shown) -> Words {
        let [c, r, s] = self.shape;
        let interval = self.interval.map_or_else(String::new, |[a, b]| {
            format!(" (95 % of bootstraps of the filters: {a:.2} to {b:.2})")
        });
        let mut words = Words::default();
        words.find(
            format!(
                "The first layer's energy profile on the principal components of image patches correlates \
                 {:.3}{interval} with that of gradient descent on a linear network, its time fitted; random filters \
                 reach {:.2} to {:.2}{}.",
                self.correlation,
                self.random[0],
                self.random[1],
                if self.correlation > self.random[1] { "" } else { ", so that this says nothing" }
            )
            .replace('-', "−"),
        );
        words.text.push(format!(
            "{} filters of {c}×{r}×{s}{}, {} patches of {} images. Fitted time: {:.3} time constants of the first \
             component{}. Chowers & Weiss (ICML 2023), theorem 4.2.",
            self.filters,
            if self.initial { " less the initial ones" } else { "" },
            self.patches,
            self.images,
            self.tau,
            match self.end {
                End::Inside => "",
                End::Early => " (the earliest that was tried)",
                End::Late => " (the latest that was tried)",
            }
        ));
        words
    }

    /// A line per principal component of image patches.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let rows = (0..self.lambda.len()).map(|i| {
            let mut row = vec![Cell::from(i + 1)];
            row.extend([self.lambda[i], self.measured[i], self.predicted[i]].map(Cell::Number));
            row
        });
        Csv::new(["component", "lambda", "measured", "predicted"], rows)
    }

    fn figure(&self, _: &Shown) -> Vec<Block> {
        let component =
            |v: &[f64]| v.iter().enumerate().map(|(i, v)| ((i + 1) as f64, *v)).collect::<Vec<_>>();
        let theory = Pen { stroke: Stroke::Dashed, ..OTHER };
        let mut panel = Panel::new(
            "First layer on the principal components of image patches",
            Axis::linear("principal component, largest variance first"),
            Axis::linear("energy profile / its largest entry"),
        );
        panel.subtitle = format!("correlation {:.3}", self.correlation).replace('-', "−");
        panel.layers.push(Layer::Line(component(&self.predicted), theory));
        panel.layers.extend(dotted(component(&self.measured), 0.6, MEASURED, Marker::Dot));
        let keys = vec![
            measured("measured"),
            Key::new(vec![Sign::Line(theory)], "gradient descent in closed form, its time fitted"),
        ];
        vec![Block::Panels(vec![panel], 380.0, 0.8), Block::Legend(keys)]
    }
}
