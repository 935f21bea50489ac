//! What the fuzz target `redis_commands` does, with scripts from a seed: long enough to notice when something breaks, short
//! enough for every day.

#[path = "../../../fuzz/fuzz_targets/redis_commands/model.rs"]
mod model;
#[path = "../../../fuzz/fuzz_targets/redis_commands/script.rs"]
mod script;

use xs_os::Rng;

fn script(rng: &mut Rng, len: u64) -> Vec<u8> {
    (0..len).map(|_| rng.below(256) as u8).collect()
}

/// `XS_SCRIPTS=10000` runs so many instead of a few.
fn scripts() -> u64 {
    std::env::var("XS_SCRIPTS").ok().and_then(|number| number.parse().ok()).unwrap_or(150)
}

#[test]
fn the_plain_types_answer_as_a_model_does() {
    let mut rng = Rng::from_seed(1);
    for _ in 0..scripts() {
        model::compare(&script(&mut rng, 1500));
    }
}

#[test]
fn no_sequence_of_commands_upsets_the_server() {
    let mut rng = Rng::from_seed(2);
    for _ in 0..scripts() {
        script::run(&script(&mut rng, 1500));
    }
}
