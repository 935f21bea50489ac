//! rdkafka and rskafka do what they can against a broker. `kafka-clients SERVERS` panics at what goes wrong; it leaves a topic
//! `rust` of which [`librdkafka::COMPRESSIONS`] says what is in it.

mod librdkafka;
mod rskafka;

/// Who they are, if the broker wants to know.
fn user() -> Option<(String, String)> {
    std::env::var("KAFKA_USER").ok().zip(std::env::var("KAFKA_PASSWORD").ok())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let servers = std::env::args().nth(1).expect("the address of a broker");
    librdkafka::admin(&servers).await;
    rskafka::all(&servers).await;
    librdkafka::compressions(&servers);
    rskafka::reads(&servers, "rust").await;
    librdkafka::groups(&servers);
    librdkafka::transactions(&servers);
    println!("well");
}
