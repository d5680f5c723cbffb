//! The sequences of one producer: the definition is `SequenceList` in core/sequences.py. Handed over as they are, so that
//! none becomes an object of Python unless somebody looks at it.

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList};

#[pyclass(module = "ranker.kernel._kernel")]
pub struct Sequences {
    pub numbers: Vec<i64>,
}

/// Those of either form. One that needs more than 64 bits is no count of events, and the largest number stands for it.
fn numbers(of: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    if let Ok(compiled) = of.cast::<Sequences>() {
        return Ok(compiled.borrow().numbers.clone());
    }
    let number = |one: PyResult<Bound<'_, PyAny>>| match one?.extract::<i64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(of.py()) => Ok(i64::MAX),
        extracted => extracted,
    };
    of.try_iter()?.map(number).collect()
}

#[pymethods]
impl Sequences {
    #[new]
    fn new(of: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { numbers: numbers(of)? })
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        numbers(other).is_ok_and(|other| other == self.numbers)
    }

    fn __len__(&self) -> usize {
        self.numbers.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, &self.numbers)?.try_iter()
    }

    fn __iadd__(slf: &Bound<'_, Self>, later: &Bound<'_, PyAny>) -> PyResult<()> {
        let later = numbers(later)?; // also if it is this one
        slf.borrow_mut().numbers.extend(later);
        Ok(())
    }

    fn bounds(&self) -> PyResult<(i64, i64)> {
        let (low, high) = (self.numbers.iter().min(), self.numbers.iter().max());
        low.copied().zip(high.copied()).ok_or_else(|| PyValueError::new_err("there is none"))
    }

    fn split(&self, bound: i64) -> (Self, Self) {
        let (below, others) = self.numbers.iter().partition(|&&number| number < bound);
        (Self { numbers: below }, Self { numbers: others })
    }

    fn halves(&self) -> (Self, Self) {
        let (first, second) = self.numbers.split_at(self.numbers.len() / 2);
        (Self { numbers: first.to_vec() }, Self { numbers: second.to_vec() })
    }

    fn bitmap<'py>(&self, py: Python<'py>, low: i64, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        PyBytes::new_with(py, size.div_ceil(8), |bits| {
            for &number in &self.numbers {
                let at = number.checked_sub(low).and_then(|at| usize::try_from(at).ok()).filter(|&at| at < size);
                let at = at.ok_or_else(|| PyValueError::new_err("a sequence lies outside"))?;
                bits[at / 8] |= 1 << (at % 8);
            }
            Ok(())
        })
    }
}
