//! The Python types of scalars, and what makes their objects.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyType};

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

/// The objects that `fieldcrypt.format.scalars` uses itself, whatever a test has put in the place of `datetime` since.
pub struct Types {
    pub date: Py<PyType>,
    pub datetime: Py<PyType>,
    pub utc: Py<PyAny>,
    pub decimal: Py<PyType>,
    pub uuid: Py<PyType>,
    read_date: Py<PyAny>,
    read_datetime: Py<PyAny>,
    spell_decimal: Py<PyAny>,
    make_uuid: MakeUuid,
}

impl Types {
    /// Return them. None: they are not as expected, and Python does the work.
    #[inline]
    pub fn get(py: Python<'_>) -> Option<&Self> {
        TYPES.get_or_try_init(py, || Self::found(py)).ok()
    }

    fn found(py: Python<'_>) -> PyResult<Self> {
        let scalars = py.import("fieldcrypt.format.scalars")?;
        let (date, datetime, utc, decimal, uuid, unknown, spell_decimal) = scalars.getattr("PARTS")?.extract()?;
        let (date, datetime, uuid): (Bound<'_, PyType>, Bound<'_, PyType>, Bound<'_, PyType>) = (date, datetime, uuid);
        Ok(Self {
            read_date: date.getattr("fromisoformat")?.unbind(),
            read_datetime: datetime.getattr("fromisoformat")?.unbind(),
            make_uuid: MakeUuid::of(&uuid, unknown)?,
            date: date.unbind(),
            datetime: datetime.unbind(),
            utc,
            decimal,
            uuid: uuid.unbind(),
            spell_decimal,
        })
    }

    #[inline]
    pub fn date<'py>(&self, py: Python<'py>, text: &str) -> Option<Bound<'py, PyAny>> {
        self.read_date.bind(py).call1((text,)).ok()
    }

    #[inline]
    pub fn datetime<'py>(&self, py: Python<'py>, text: &str) -> Option<Bound<'py, PyAny>> {
        self.read_datetime.bind(py).call1((text,)).ok()
    }

    #[inline]
    pub fn decimal<'py>(&self, py: Python<'py>, text: &str) -> Option<Bound<'py, PyAny>> {
        self.decimal.bind(py).call1((text,)).ok()
    }

    #[inline]
    pub fn uuid<'py>(&self, py: Python<'py>, number: u128) -> Option<Bound<'py, PyAny>> {
        self.make_uuid.of_number(py, number).ok()
    }

    /// Return the text of a Decimal, as no setting of the application changes it.
    #[inline]
    pub fn decimal_text<'py>(&self, value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyString>> {
        self.spell_decimal.bind(value.py()).call1((value,)).ok()?.cast_into().ok()
    }
}

/// Makes UUIDs as `UUID.__init__` does, which would take longer than all the rest.
struct MakeUuid {
    new: Py<PyAny>,
    uuid: Py<PyType>,
    set_number: Py<PyAny>,
    set_is_safe: Py<PyAny>,
    unknown: Py<PyAny>,
    from_bytes: Py<PyAny>,
}

impl MakeUuid {
    fn of(uuid: &Bound<'_, PyType>, unknown: Py<PyAny>) -> PyResult<Self> {
        let py = uuid.py();
        let object = py.get_type::<PyAny>();
        Ok(Self {
            new: object.getattr("__new__")?.unbind(),
            uuid: uuid.clone().unbind(),
            set_number: uuid.getattr("int")?.getattr("__set__")?.unbind(),
            set_is_safe: uuid.getattr("is_safe")?.getattr("__set__")?.unbind(),
            unknown,
            from_bytes: py.get_type::<pyo3::types::PyInt>().getattr("from_bytes")?.unbind(),
        })
    }

    #[inline]
    fn of_number<'py>(&self, py: Python<'py>, number: u128) -> PyResult<Bound<'py, PyAny>> {
        let made = self.new.bind(py).call1((&self.uuid,))?;
        let bytes = PyBytes::new(py, &number.to_be_bytes());
        let number = self.from_bytes.bind(py).call1((bytes, pyo3::intern!(py, "big")))?;
        self.set_number.bind(py).call1((&made, number))?;
        self.set_is_safe.bind(py).call1((&made, &self.unknown))?;
        Ok(made)
    }
}
