//! **A container runtime** by the OCI's specification, with runc's command line: [`xs_os::container`] behind `clap`. The program
//! `xs-container` stands in for runc under podman.
//!
//! ```text
//! cargo build --release -p xs-container
//! podman --runtime $PWD/target/release/xs-container run --rm alpine echo hello
//! ```

#[cfg(target_os = "linux")]
mod features;
#[cfg(target_os = "linux")]
mod template;

#[cfg(target_os = "linux")]
pub use features::features;
#[cfg(target_os = "linux")]
pub use template::template;

/// What `--version` prints after the name: runc's lines, which podman and containerd read.
pub const VERSION: &str = concat!("version ", env!("CARGO_PKG_VERSION"), "\nspec: 1.0.2");
