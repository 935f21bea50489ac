use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::{Decode, Encode, Out};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[test]
fn a_real_answer() {
    // dig example.com MX, with a CNAME and compression, as an authoritative server sends it.
    let bytes = b"\x12\x34\x85\x80\0\x01\0\x02\0\0\0\x01\x03www\x07example\x03com\0\0\x0f\0\x01\xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x02\xc0\x10\
                  \xc0\x10\0\x0f\0\x01\0\0\x0e\x10\0\x09\0\x0a\x04mail\xc0\x10\0\0\x29\x04\xd0\0\0\x80\0\0\0";
    let message = Message::parse(bytes).unwrap();
    assert_eq!((message.id, message.response, message.authoritative), (0x1234, true, true));
    assert!(message.recursion_desired && message.recursion_available && !message.truncated);
    let lines: Vec<String> = message.answers.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["www.example.com. 3600 IN CNAME example.com.", "example.com. 3600 IN MX 10 mail.example.com."]);
    assert_eq!(message.additional[0].class, Class(1232));
    assert_eq!(message.write().unwrap(), bytes, "names are compressed as there");
}

#[test]
fn pointers_only_point_backwards() {
    let question = |name: &[u8]| [&[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name, &[0, 1, 0, 1]].concat();
    let what = "a pointer does not point backwards";
    assert_eq!(Message::parse(&question(&[0xc0, 12])), Err(Error::Malformed { at: 12, what }));
    assert_eq!(Message::parse(&question(&[1, b'a', 0xc0, 12])), Err(Error::Malformed { at: 14, what }));
    assert_eq!(Message::parse(&question(&[0xc0, 200])), Err(Error::Malformed { at: 12, what }));
    // Into the header, whose zeros are a root: strange, but it ends.
    assert_eq!(Message::parse(&question(&[0xc0, 2])).unwrap().questions[0].name, Name::root());
    let what = "a label of an unknown kind";
    assert_eq!(Message::parse(&question(&[0x41, 0])), Err(Error::Malformed { at: 12, what }));
    let long = [&[63][..], &[b'a'; 63]].concat().repeat(4);
    let what = "the name is longer than 255 bytes";
    assert_eq!(Message::parse(&question(&[&long[..], &[0]].concat())), Err(Error::Malformed { at: 12, what }));
}

#[test]
fn a_record_that_lies_about_its_length_is_refused() {
    let record = |record_type: u8, data: &[u8]| {
        let header = [0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let fields = [0, 0, record_type, 0, 1, 0, 0, 0, 0, 0, data.len() as u8];
        Message::parse(&[&header[..], &fields, data].concat()).map(|message| message.answers[0].data.clone())
    };
    assert_eq!(record(1, &[1, 2, 3, 4]), Ok(Data::A([1, 2, 3, 4].into())));
    assert!(matches!(record(1, &[1, 2, 3]), Err(Error::Malformed { .. })));
    assert!(matches!(record(1, &[1, 2, 3, 4, 5]), Err(Error::Malformed { .. })));
    assert!(matches!(record(16, &[5, b'a']), Err(Error::Malformed { .. })));
    assert!(matches!(record(15, &[0, 1, 1]), Err(Error::Truncated { .. } | Error::Malformed { .. })));
    assert_eq!(record(250, &[9]), Ok(Data::Other(RecordType(250), vec![9])));
    assert_eq!(Message::parse(&[0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0]), Err(Error::Truncated { at: 12 }));
}

#[test]
fn names_are_read_as_master_files_have_them() {
    assert_eq!(name("a\\.b.example").labels().collect::<Vec<_>>(), [&b"a.b"[..], b"example"]);
    assert_eq!(name("\\007\\\\x.y.").to_string(), "\\007\\\\x.y.");
    assert_eq!(name("WWW.Example.com"), name("www.eXample.COM."));
    assert_eq!(name(".").to_string(), ".");
    let long = "a".repeat(64);
    for wrong in ["", "..", "a..b", ".a", "a\\", "a\\25", "a\\256", &long] {
        assert!(wrong.parse::<Name>().is_err(), "{wrong}");
    }
    let host = name("www.example.com");
    assert!(host.is_within(&name("EXAMPLE.com")) && host.is_within(&host) && host.is_within(&Name::root()));
    assert!(!host.is_within(&name("ample.com")) && !name("com").is_within(&host));
    assert_eq!(host.parent().unwrap().parent().unwrap().parent(), Some(Name::root()));
    assert_eq!(Name::root().parent(), None);
}

#[test]
fn a_stream_of_messages() {
    let mut out = Out::new();
    let messages: Vec<Message> =
        (0..3).map(|id| Message::query(id, Question::new(name("example.com"), RecordType::AAAA))).collect();
    messages.iter().for_each(|message| TcpCodec.encode(message, &mut out).unwrap());
    let bytes = out.to_vec();
    let (mut src, mut read) = (BytesMut::new(), Vec::new());
    for byte in &bytes {
        src.extend_from_slice(&[*byte]);
        read.extend(TcpCodec.decode(&mut src).unwrap());
    }
    assert_eq!(read, messages);
    src.extend_from_slice(&[0, 9, 1]);
    assert_eq!(TcpCodec.decode_eof(&mut src), Err(Error::Truncated { at: 1 }));
}

fn any_name() -> impl Strategy<Value = Name> {
    let label = prop_oneof![
        prop::sample::select(vec![b"com".to_vec(), b"Example".to_vec(), b"www".to_vec()]),
        prop::collection::vec(any::<u8>(), 1..20),
    ];
    prop::collection::vec(label, 0..5).prop_map(|labels| {
        let mut name = Name::root();
        labels.iter().for_each(|label| name.push(label).unwrap());
        name
    })
}

fn any_data() -> impl Strategy<Value = Data> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..30);
    prop_oneof![
        any::<u32>().prop_map(|address| Data::A(address.into())),
        any::<u128>().prop_map(|address| Data::Aaaa(address.into())),
        any_name().prop_map(Data::Ns),
        any_name().prop_map(Data::Cname),
        any_name().prop_map(Data::Ptr),
        (any::<u16>(), any_name()).prop_map(|(preference, name)| Data::Mx(preference, name)),
        prop::collection::vec(bytes(), 1..4).prop_map(Data::Txt),
        (any_name(), any_name(), any::<[u32; 5]>())
            .prop_map(|(server, keeper, numbers)| Data::Soa(server, keeper, numbers)),
        (any::<(u16, u16, u16)>(), any_name()).prop_map(|((a, b, c), name)| Data::Srv(a, b, c, name)),
        (any::<u8>(), bytes(), bytes()).prop_map(|(flags, tag, value)| Data::Caa(flags, tag, value)),
        prop::collection::vec((any::<u16>(), bytes()), 0..3).prop_map(Data::Opt),
        (300_u16.., bytes()).prop_map(|(number, bytes)| Data::Other(RecordType(number), bytes)),
    ]
}

fn any_records() -> impl Strategy<Value = Vec<Record>> {
    let record = (any_name(), any::<u16>(), any::<u32>(), any_data());
    prop::collection::vec(
        record.prop_map(|(name, class, ttl, data)| Record { name, class: Class(class), ttl, data }),
        0..4,
    )
}

proptest! {
    #[test]
    fn round_trips(
        id in any::<u16>(),
        flags in any::<[bool; 7]>(),
        codes in (0_u8..16, 0_u8..16),
        questions in prop::collection::vec((any_name(), any::<u16>()), 0..3),
        sections in (any_records(), any_records(), any_records()),
    ) {
        let [response, authoritative, truncated, recursion_desired, recursion_available, authentic_data, checking_disabled] = flags;
        let questions = questions.into_iter().map(|(name, number)| Question::new(name, RecordType(number))).collect();
        let message = Message {
            id, response, authoritative, truncated, recursion_desired, recursion_available, authentic_data, checking_disabled,
            opcode: Opcode(codes.0),
            response_code: ResponseCode(codes.1),
            questions,
            answers: sections.0,
            authorities: sections.1,
            additional: sections.2,
        };
        let bytes = message.write()?;
        prop_assert_eq!(Message::parse(&bytes)?, message);
        for end in (0..bytes.len()).step_by(5) {
            prop_assert!(Message::parse(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn names_are_what_they_say(name in any_name()) {
        prop_assert_eq!(name.to_string().parse::<Name>()?, name);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xc0), 1_u8..20, any::<u8>()], 0..200)) {
        let _ = Message::parse(&bytes).map(|message| message.answers.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
}
