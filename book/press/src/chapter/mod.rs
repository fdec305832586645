//! What the code gives each chapter: numbers for its text and figures. One file and one line a chapter.

use std::collections::BTreeMap;

use crate::evidence::counts;
use crate::figure::Figure;

/// A chapter's numbers and figures.
pub struct Chapter {
    /// The module's name, and the page's.
    pub name: &'static str,
    /// Name and value, as `<!--n name-->` asks for them after the chapter's name and a dot.
    pub numbers: fn() -> Vec<(&'static str, String)>,
    /// Written to `figures/NAME.svg`.
    pub figures: fn() -> Vec<Figure>,
}

macro_rules! chapters {
    ($($name:ident)*) => {
        $(mod $name;)*

        /// Every chapter that has numbers or figures.
        pub fn all() -> Vec<Chapter> {
            vec![$(Chapter { name: stringify!($name), numbers: $name::numbers, figures: $name::figures }),*]
        }
    };
}

chapters! {
    schedule
    forward
    posterior
    gaussian
    vae
    elbo
    prediction
    weight
    training
    variance
    sampler
    score
    guidance
    vdm
    trajectory
    distill
    embedding
    exercises
    published
}

/// Every number, by `chapter.name`; how much there is of everything, by `all.name`.
pub fn numbers() -> BTreeMap<String, String> {
    let own = |chapter: Chapter| {
        let named = move |(name, value)| (format!("{}.{name}", chapter.name), value);
        (chapter.numbers)().into_iter().map(named)
    };
    let counts = counts().map(|(name, count)| (format!("all.{name}"), count.to_string()));
    all().into_iter().flat_map(own).chain(counts).collect()
}
