//! The primitive types, arrays, and what may be null.

use bytes::Bytes;
use bytestring::ByteString;

use super::{Blob, Form, Kind, ReadError, Reader, Uuid, Wire, WriteError, Writer};

macro_rules! fixed {
    ($($type:ty, $kind:ident;)*) => {$(
        impl Wire for $type {
            const KIND: Kind = Kind::$kind;

            #[inline]
            fn read(reader: &mut Reader, _: Form) -> Result<Self, ReadError> {
                Ok(<$type>::from_be_bytes(reader.fixed()?))
            }

            #[inline]
            fn write(&self, writer: &mut Writer<'_>, _: Form) -> Result<(), WriteError> {
                writer.raw(&self.to_be_bytes());
                Ok(())
            }
        }
    )*};
}

fixed! {
    i8, Int8;
    i16, Int16;
    i32, Int32;
    i64, Int64;
}

impl Wire for bool {
    const KIND: Kind = Kind::Bool;

    fn read(reader: &mut Reader, form: Form) -> Result<Self, ReadError> {
        Ok(i8::read(reader, form)? != 0)
    }

    fn write(&self, writer: &mut Writer<'_>, _: Form) -> Result<(), WriteError> {
        writer.raw(&[u8::from(*self)]);
        Ok(())
    }
}

impl Wire for Uuid {
    const KIND: Kind = Kind::Uuid;

    fn read(reader: &mut Reader, _: Form) -> Result<Self, ReadError> {
        reader.uuid()
    }

    fn write(&self, writer: &mut Writer<'_>, _: Form) -> Result<(), WriteError> {
        writer.raw(&self.0);
        Ok(())
    }
}

/// Both forms of a type that may be null in some versions: the bare one refuses null, the option takes it where the version
/// has it.
macro_rules! nullable {
    ($($type:ty, $kind:ident, $name:ident;)*) => {$(
        impl Wire for $type {
            const KIND: Kind = Kind::$kind;

            fn read(reader: &mut Reader, form: Form) -> Result<Self, ReadError> {
                reader.$name(form.element())?.ok_or(ReadError::Null)
            }

            fn write(&self, writer: &mut Writer<'_>, form: Form) -> Result<(), WriteError> {
                writer.$name(Some(self), form)
            }
        }

        impl Wire for Option<$type> {
            const KIND: Kind = Kind::$kind;

            fn read(reader: &mut Reader, form: Form) -> Result<Self, ReadError> {
                reader.$name(form)
            }

            fn write(&self, writer: &mut Writer<'_>, form: Form) -> Result<(), WriteError> {
                writer.$name(self.as_ref(), form)
            }
        }
    )*};
}

nullable! {
    ByteString, Text, text;
    Bytes, Bytes, bytes;
    Blob, Records, blob;
}

impl<T: Wire> Wire for Vec<T> {
    const KIND: Kind = Kind::Array(&T::KIND);

    fn read(reader: &mut Reader, form: Form) -> Result<Self, ReadError> {
        reader.array(form.element())?.ok_or(ReadError::Null)
    }

    fn write(&self, writer: &mut Writer<'_>, form: Form) -> Result<(), WriteError> {
        writer.array(Some(self), form)
    }
}

impl<T: Wire> Wire for Option<Vec<T>> {
    const KIND: Kind = Kind::Array(&T::KIND);

    fn read(reader: &mut Reader, form: Form) -> Result<Self, ReadError> {
        reader.array(form)
    }

    fn write(&self, writer: &mut Writer<'_>, form: Form) -> Result<(), WriteError> {
        writer.array(self.as_deref(), form)
    }
}
