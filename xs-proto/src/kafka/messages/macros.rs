//! The macro that turns a description into a structure, its reader and its writer.

/// Declares structures of messages. Each field says in which versions it is there, by [`At`](crate::kafka::wire::At), and
/// what it is where it is not.
///
/// ```text
/// structs! {
///     /// What it is.
///     struct Name {
///         /// What the field is.
///         field: Type = default, from(3).nullable();
///     }
/// }
/// ```
macro_rules! structs {
    (@text) => { None };
    (@text $default:expr) => { Some(stringify!($default)) };
    (@default $type:ty) => { <$type>::default() };
    (@default $type:ty, $default:expr) => {{ let value: $type = $default; value }};
    ($(
        $(#[$doc:meta])*
        struct $name:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty $(= $default:expr)?, $at:expr;)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])*
            #[doc = ""]
            #[doc = concat!("Versions: `", stringify!($at), "`.")]
            pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: structs!(@default $type $(, $default)?),)* }
            }
        }

        impl $name {
            /// The fields, as data.
            pub const FIELDS: &'static [Field] =
                &[$(Field {
                    name: stringify!($field),
                    kind: <$type as Wire>::KIND,
                    default: structs!(@text $($default)?),
                    at: $at,
                },)*];
        }

        impl Wire for $name {
            const KIND: Kind = Kind::Struct($name::FIELDS);

            #[allow(unused_mut, unused_variables, reason = "a structure may have no fields, or no tagged ones")]
            fn read(reader: &mut Reader, form: Form) -> Result<Self, ReadError> {
                let mut this = $name::default();
                $({
                    const AT: At = $at;
                    if AT.tagged().is_none() && AT.has(form.version) {
                        this.$field = Wire::read(reader, form.field(&AT))?;
                    }
                })*
                if form.flexible {
                    reader.tagged(|tag, reader| {
                        $({
                            const AT: At = $at;
                            if AT.tagged() == Some(tag) && AT.has(form.version) {
                                this.$field = Wire::read(reader, form.field(&AT))?;
                                return Ok(true);
                            }
                        })*
                        Ok(false)
                    })?;
                }
                Ok(this)
            }

            #[allow(unused_mut, unused_variables, reason = "a structure may have no fields")]
            fn write(&self, writer: &mut Writer<'_>, form: Form) -> Result<(), WriteError> {
                $({
                    const AT: At = $at;
                    if !AT.has(form.version) {
                        if !AT.is_ignorable() && self.$field != structs!(@default $type $(, $default)?) {
                            return Err(WriteError::NoField { name: stringify!($field), version: form.version });
                        }
                    } else if AT.tagged().is_none() {
                        self.$field.write(writer, form.field(&AT))?;
                    }
                })*
                if form.flexible {
                    // In the order of their numbers, which is that of the description.
                    let tagged: &[bool] = &[$({
                        const AT: At = $at;
                        AT.tagged().is_some()
                            && AT.has(form.version)
                            && self.$field != structs!(@default $type $(, $default)?)
                    },)*];
                    writer.uvarint(tagged.iter().filter(|tagged| **tagged).count() as u32);
                    let mut tagged = tagged.iter();
                    $({
                        const AT: At = $at;
                        if let (Some(true), Some(tag)) = (tagged.next(), AT.tagged()) {
                            writer.tagged(tag, &self.$field, form.field(&AT))?;
                        }
                    })*
                }
                Ok(())
            }
        }
    )*};
}
pub(super) use structs;

/// Lets a structure be null: a byte in front, which is negative then.
macro_rules! nullable_structs {
    ($($name:ident,)*) => {$(
        impl Wire for Option<$name> {
            const KIND: Kind = $name::KIND;

            fn read(reader: &mut Reader, form: Form) -> Result<Self, ReadError> {
                match i8::read(reader, form)? {
                    ..0 if form.nullable => Ok(None),
                    ..0 => Err(ReadError::Null),
                    0.. => Wire::read(reader, form.element()).map(Some),
                }
            }

            fn write(&self, writer: &mut Writer<'_>, form: Form) -> Result<(), WriteError> {
                match self {
                    None if form.nullable => (-1i8).write(writer, form),
                    None => Err(WriteError::Null),
                    Some(this) => {
                        1i8.write(writer, form)?;
                        this.write(writer, form.element())
                    }
                }
            }
        }
    )*};
}
pub(super) use nullable_structs;
