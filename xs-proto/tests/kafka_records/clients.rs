//! Batches that real producers made.

use bytes::Bytes;
use xs_proto::kafka::records::{Batch, Compression, DEFAULT_LIMIT};

const SENT: &str = include_str!("clients.txt");

#[test]
fn what_producers_made_is_read() {
    let mut read = 0;
    for line in SENT.lines().filter(|line| !line.starts_with('#')) {
        let [client, name, hex] = *line.split(' ').collect::<Vec<_>>() else { panic!("{line}") };
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let batch = Batch::new((0..hex.len()).step_by(2).map(byte).collect::<Vec<_>>().into()).unwrap();
        batch.check_crc().unwrap();
        batch.header().check_produced().unwrap();
        assert_eq!(batch.header().compression(), Ok(Compression::from_name(name).unwrap()), "{client}");
        let records: Vec<_> = batch.records(DEFAULT_LIMIT).unwrap().map(Result::unwrap).collect();
        assert_eq!(records.len(), 3);
        for (n, record) in records.iter().enumerate() {
            assert_eq!((record.offset, record.timestamp), (n as i64, 1_700_000_000_000 + n as i64), "{client} {name}");
            assert_eq!(record.key, Some(Bytes::from(format!("k{n}"))));
            assert_eq!(record.value, Some(Bytes::from("0123456789".repeat(12))));
            let null = (!client.starts_with("librdkafka")).then(Bytes::new);
            assert_eq!(record.headers.iter().collect::<Vec<_>>(), [("h".into(), Some("1".into())), ("n".into(), null)]);
        }
        read += 1;
    }
    assert_eq!(read, 20);
}
