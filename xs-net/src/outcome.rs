//! What a call says about whoever answered it.

/// What a call says about the health of who was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Success,
    /// It doesn't.
    Failure,
    /// Nothing: the call isn't counted.
    Ignored,
}

/// Tells outcomes apart. Any `Fn(&Result<T, E>) -> Outcome` does.
pub trait Classify<T, E> {
    /// What this result says.
    fn classify(&self, result: &Result<T, E>) -> Outcome;
}

/// Takes every error for a failure and every response for a success.
#[derive(Debug, Clone, Copy, Default)]
pub struct Errors;

impl<T, E> Classify<T, E> for Errors {
    fn classify(&self, result: &Result<T, E>) -> Outcome {
        if result.is_ok() { Outcome::Success } else { Outcome::Failure }
    }
}

impl<T, E, F: Fn(&Result<T, E>) -> Outcome> Classify<T, E> for F {
    fn classify(&self, result: &Result<T, E>) -> Outcome {
        self(result)
    }
}
