//! `xs-load-balancer`: the command line.

fn main() {}
