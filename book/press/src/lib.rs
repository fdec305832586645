//! Compiles and runs the Rust in the book: every page is a documentation test.

macro_rules! pages {
    ($($name:ident $path:literal)*) => {
        $(#[cfg(doctest)] #[doc = include_str!(concat!("../../src/", $path, ".md"))] pub mod $name {})*
    };
}

pages! {
    index "index"
    reading "reading"
    notation "notation"
    schedule "schedule"
    forward "forward"
    posterior "posterior"
    gaussian "gaussian"
    vae "vae"
    elbo "elbo"
    prediction "prediction"
    weight "weight"
    training "training"
    variance "variance"
    sampler "sampler"
    score "score"
    guidance "guidance"
    vdm "vdm"
    trajectory "trajectory"
    distill "distill"
    embedding "embedding"
    dials "dials"
    gpu "gpu"
    faults "appendix/faults"
    tolerances "appendix/tolerances"
    errata "appendix/errata"
    assumptions "appendix/assumptions"
    published "appendix/published"
    exercises "appendix/exercises"
}
