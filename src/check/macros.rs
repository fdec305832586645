//! How the catalogue is written: a constant that names the fault, and where it has one, its function.

/// Faults as constants alone, or as constants with a function of the signature of what it imitates.
macro_rules! faults {
    ($($constant:ident, $name:literal, $origin:expr, $sentence:literal;)*) => {$(
        #[doc = concat!("`", $name, "`: ", $sentence, ".")]
        pub const $constant: $crate::check::Fault =
            $crate::check::Fault { name: $name, sentence: $sentence, origin: $origin };
    )*};
    ($($constant:ident $origin:expr, $name:ident: $sentence:literal
        fn($($arg:ident: $kind:ty),*) -> $out:ty $body:block)*) => {$(
        #[doc = $sentence]
        pub const $constant: $crate::check::Fault =
            $crate::check::Fault { name: stringify!($name), sentence: $sentence, origin: $origin };

        #[doc = concat!("[`", stringify!($constant), "`], with the signature of what it imitates.")]
        pub fn $name($($arg: $kind),*) -> $out $body
    )*};
}
