//! What each layer of xs-net adds to a call, beside the like of it elsewhere.

mod breaker;

use std::env::ArgsOs;
use std::error::Error;
use std::iter::Skip;

pub(crate) fn run(args: Skip<ArgsOs>) -> Result<(), Box<dyn Error>> {
    breaker::run(args)
}
