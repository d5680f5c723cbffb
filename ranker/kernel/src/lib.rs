//! `ranker.kernel._kernel`: see ../__init__.py. What Python sees; the work is done in the other modules, without the GIL.

mod batch;
mod changes;
mod columns;
mod event;
mod fold;
mod home;
mod keys;
mod memory;
mod msgpack;
mod names;
mod route;
mod scan;
mod sequences;
mod shape;
mod walk;

pub use batch::{Head, is_whole, record};
pub use event::{Agent, Event, parse};
use sequences::Sequences;
pub use shape::{FIELDS, Shape};
pub use walk::{Span, clean, walk};

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyTuple};

use crate::changes::{Columns, Routed, Routing};
use crate::columns::Costs;

/// A panic is a fault of this code: its message becomes an error, which stops the partition.
fn guarded<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        PyRuntimeError::new_err(format!("panic in the kernel: {text}"))
    })
}

/// Records of one batch that lie one behind the other.
#[pyclass(frozen, module = "ranker.kernel._kernel")]
struct Stretch {
    data: Py<PyBytes>,
    head: Head,
    #[pyo3(get)]
    begin: usize,
    #[pyo3(get)]
    end: usize,
    #[pyo3(get)]
    next_offset: i64,
    #[pyo3(get)]
    records: usize,
}

impl Stretch {
    fn new(data: &Bound<'_, PyBytes>, head: Head, (begin, end, next_offset, records): Span) -> Self {
        Self { data: data.clone().unbind(), head, begin, end, next_offset, records }
    }
}

#[pymethods]
impl Stretch {
    #[getter]
    fn size(&self) -> usize {
        self.end - self.begin
    }

    /// The record that begins at byte `at`, and where the next one begins.
    fn record<'py>(&self, py: Python<'py>, at: usize) -> PyResult<(Record, usize)> {
        let data = self.data.as_bytes(py).get(..self.end).unwrap_or_default();
        let (found, next) =
            batch::record(data, at, &self.head).ok_or_else(|| PyValueError::new_err("no record begins there"))?;
        let bytes = |field: Option<&[u8]>| field.map(|bytes| PyBytes::new(py, bytes).unbind());
        let (key, value) = (bytes(found.key), bytes(found.value));
        Ok((Record { offset: found.offset, timestamp: found.timestamp, key, value }, next))
    }
}

/// As the plain fold takes it.
#[pyclass(frozen, get_all, module = "ranker.kernel._kernel")]
struct Record {
    offset: i64,
    timestamp: i64,
    key: Option<Py<PyBytes>>,
    value: Option<Py<PyBytes>>,
}

#[pymethods]
impl Record {
    /// Of a topic of ours none is read.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> Bound<'py, PyTuple> {
        PyTuple::empty(py)
    }
}

/// The partition, of so many, that `key` belongs to.
#[pyfunction]
#[pyo3(name = "home")]
fn home_of(key: &[u8], partitions: u32) -> PyResult<u32> {
    let hash = home::murmur2(key) & 0x7fff_ffff;
    hash.checked_rem(partitions).ok_or_else(|| PyValueError::new_err("a topic has a partition at least"))
}

/// Whether the batch data[begin..end] has the CRC-32C that its header says.
#[pyfunction]
fn crc_fits(data: &Bound<'_, PyBytes>, begin: usize, end: usize) -> bool {
    data.as_bytes().get(begin..end).is_some_and(is_whole)
}

/// The records of a batch that is not compressed, from offset `from` on, cut into stretches: of at most `room` records,
/// then of `most` each, and of `most_bytes`, but always of one record at least. None if they cannot be walked to the end.
#[pyfunction]
#[pyo3(signature = (data, begin, end, from_offset, room, most, most_bytes))]
fn cut(
    py: Python<'_>,
    data: &Bound<'_, PyBytes>,
    begin: usize,
    end: usize,
    from_offset: i64,
    room: usize,
    most: usize,
    most_bytes: usize,
) -> PyResult<Option<Vec<Stretch>>> {
    let bytes = data.as_bytes();
    let walked = py.detach(|| guarded(|| walk(bytes, begin, end, from_offset, room, most, most_bytes)))?;
    Ok(walked.map(|(head, spans)| spans.into_iter().map(|span| Stretch::new(data, head, span)).collect()))
}

/// What is clean of a fetch from byte `at` on, for records from an offset on: see `walk::clean`. Returns the stretches,
/// where the next batch begins, the offset behind the last one, its leader epoch, and whether a record carries its
/// producer's time.
#[pyfunction]
#[pyo3(signature = (data, at, from_offset, room, most_bytes, *, check_crcs))]
fn clean_batches(
    py: Python<'_>,
    data: &Bound<'_, PyBytes>,
    at: usize,
    from_offset: i64,
    room: usize,
    most_bytes: usize,
    check_crcs: bool,
) -> PyResult<Option<(Vec<Stretch>, usize, i64, i32, bool)>> {
    let bytes = data.as_bytes();
    let found = py.detach(|| guarded(|| clean(bytes, at, from_offset, room, most_bytes, check_crcs)))?;
    Ok(found.map(|found| {
        let has_create_time = found.stretches.iter().any(|(head, _)| !head.is_append_time);
        let stretches = found.stretches.into_iter().map(|(head, span)| Stretch::new(data, head, span)).collect();
        (stretches, found.at, found.next_offset, found.epoch, has_create_time)
    }))
}

/// What `Memory` of core/memory.py keeps beside versions. A fold has it for itself, and others wait for its end: the event
/// loop notes what the store has while a thread folds.
#[pyclass(frozen, module = "ranker.kernel._kernel")]
struct Buckets {
    memory: Mutex<memory::Memory>,
}

impl Buckets {
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut memory::Memory) -> T + Send) -> PyResult<T> {
        py.detach(|| guarded(|| work(&mut held(&self.memory))))
    }
}

/// What a panic left is never used again: its partition has stopped.
fn held(memory: &Mutex<memory::Memory>) -> MutexGuard<'_, memory::Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The live keys of one bucket, for the plain fold.
#[pyclass(frozen, module = "ranker.kernel._kernel")]
struct Keys {
    buckets: Py<Buckets>,
    bucket: i64,
}

#[pymethods]
impl Keys {
    fn add(&self, py: Python<'_>, key: &[u8]) -> PyResult<bool> {
        let key = key.try_into().map_err(|_| PyValueError::new_err("a key is 8 bytes"))?;
        self.buckets.get().with(py, |memory| memory.add(self.bucket, u64::from_be_bytes(key)))
    }
}

#[pymethods]
impl Buckets {
    #[new]
    fn new(per_ms: i64, grace_ms: i64, most: usize, latest_ms: i64, first: i64) -> PyResult<Self> {
        if per_ms <= 0 {
            return Err(PyValueError::new_err("a bucket lasts a millisecond at least"));
        }
        Ok(Self { memory: Mutex::new(memory::Memory::new(per_ms, grace_ms, most, latest_ms, first)) })
    }

    fn expect(&self, py: Python<'_>, bucket: i64, keys: usize) -> PyResult<()> {
        self.with(py, |memory| memory.expect(bucket, keys))
    }

    fn hold(&self, py: Python<'_>, bucket: i64, keys: &[u8]) -> PyResult<()> {
        let keys = keys.chunks_exact(8).map(|key| u64::from_be_bytes(key.try_into().expect("8 bytes")));
        self.with(py, |memory| memory.hold(bucket, keys))
    }

    fn keys_at(slf: &Bound<'_, Self>, occurred_ms: i64) -> PyResult<Option<Keys>> {
        let bucket = slf.get().with(slf.py(), |memory| memory.live_at(occurred_ms))?;
        Ok(bucket.map(|bucket| Keys { buckets: slf.clone().unbind(), bucket }))
    }

    fn passed(&self, py: Python<'_>, occurred_ms: i64) -> PyResult<()> {
        self.with(py, |memory| memory.passed(occurred_ms))
    }

    /// (latest_ms, first, keys by bucket, gone, given_up, settled)
    fn take_change<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let change = self.with(py, memory::Memory::take_change)?;
        let keys = PyDict::new(py);
        for (bucket, fresh) in change.keys {
            let packed = PyByteArray::new_with(py, 8 * fresh.len(), |bytes| {
                for (place, key) in bytes.chunks_exact_mut(8).zip(&fresh) {
                    place.copy_from_slice(&key.to_be_bytes());
                }
                Ok(())
            })?;
            keys.set_item(bucket, packed)?;
        }
        (change.latest_ms, change.first, keys, change.gone, change.given_up, change.settled).into_pyobject(py)
    }

    fn stored(&self, py: Python<'_>, bucket: i64, keys: usize) -> PyResult<()> {
        self.with(py, |memory| memory.stored(bucket, keys))
    }

    fn gone(&self, py: Python<'_>, bucket: i64) -> PyResult<()> {
        self.with(py, |memory| memory.gone(bucket))
    }

    fn drop_pending(&self, py: Python<'_>, latest_ms: i64, first: i64) -> PyResult<()> {
        self.with(py, |memory| memory.drop_pending(latest_ms, first))
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |memory| memory.size())
    }

    #[getter]
    fn bytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |memory| memory.bytes())
    }
}

/// See ../fold.py.
#[pyclass(module = "ranker.kernel._kernel")]
struct Fold {
    fold: fold::Fold,
    costs: Arc<Costs>,
}

#[pymethods]
impl Fold {
    #[new]
    #[pyo3(signature = (*, grain_ms, late_grain_ms, late_ms, future_ms, only_sites, duplicate, bots, internal, types, seed, unfit, sums_cost, article_costs, fields, required, is_ours, site, event_type, event_types, time))]
    fn new(
        grain_ms: i64,
        late_grain_ms: i64,
        late_ms: i64,
        future_ms: i64,
        only_sites: Option<Vec<String>>,
        duplicate: bool,
        bots: bool,
        internal: bool,
        types: Vec<String>,
        seed: u64,
        unfit: Vec<(u32, u32)>,
        sums_cost: u64,
        article_costs: HashMap<String, u64>,
        fields: [Option<String>; FIELDS],
        required: Vec<bool>,
        is_ours: bool,
        site: String,
        event_type: String,
        event_types: HashMap<String, String>,
        time: (i64, i64),
    ) -> PyResult<Self> {
        if grain_ms <= 0 || late_grain_ms <= 0 || time.0 <= 0 || time.1 <= 0 {
            return Err(PyValueError::new_err("a grain lasts a millisecond at least, and so do units of time"));
        }
        let rules = fold::Rules {
            grain_ms,
            late_grain_ms,
            late_ms,
            future_ms,
            only_sites,
            drops_duplicates: duplicate,
            drops_bots: bots,
            drops_internal: internal,
            repeat_types: types,
            seed,
            unfit,
        };
        let costs = Arc::new(Costs { sums: sums_cost, articles: article_costs });
        let bits = (0..).zip(required).map(|(field, is_required)| u32::from(is_required) << field).sum();
        let mut shape = Shape::new(&fields, bits, is_ours);
        (shape.site, shape.event_type, (shape.times, shape.over)) = (site.into(), event_type.into(), time);
        shape.types = event_types.into_iter().map(|(theirs, ours)| (theirs.into(), ours.into())).collect();
        Ok(Self { fold: fold::Fold::new(rules, Arc::clone(&costs), shape), costs })
    }

    /// Folds stretches, the first of them from byte `at` on, until a step pays `most_cost` for them. Returns (number of the
    /// stretch that it stopped in, byte that it stopped at, the cost, counts, records, late, first append time,
    /// mark, sequences and last append time by producer); the number is that of the stretches if it reached their end.
    fn fold<'py>(
        &mut self,
        py: Python<'py>,
        stretches: Vec<Py<Stretch>>,
        at: usize,
        memory: Option<&Bound<'py, Buckets>>,
        most_cost: u64,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let memory = memory.map(|buckets| &buckets.get().memory);
        // Without the GIL only the bytes are touched that the stretches hold, not the Python objects.
        let plain: Vec<(&[u8], usize, usize, Head)> = stretches
            .iter()
            .map(|one| (one.get().data.as_bytes(py), one.get()))
            .map(|(data, one)| (data, one.begin, one.end, one.head))
            .collect();
        let fold = &mut self.fold;
        let (number, stopped, counts) = py.detach(|| {
            guarded(|| {
                let mut memory = memory.map(held);
                fold.begin();
                for (number, (data, begin, end, head)) in plain.iter().enumerate() {
                    let begin = if number == 0 { at } else { *begin };
                    let stopped = fold.run(data, begin, *end, head, memory.as_deref_mut(), most_cost);
                    if stopped < *end {
                        return (number, stopped, fold.columns());
                    }
                }
                (plain.len(), 0, fold.columns())
            })
        })?;
        let producers = std::mem::take(&mut self.fold.counted.producers);
        let counted = &self.fold.counted;
        let (sequences, last_seen) = (PyDict::new(py), PyDict::new(py));
        for producer in producers {
            sequences.set_item(&producer.name, Sequences { numbers: producer.sequences })?;
            last_seen.set_item(&producer.name, producer.last_seen_ms)?;
        }
        let first_append_ms = (counted.records > 0).then_some(counted.first_append_ms);
        let (records, late, mark) = (counted.records, counted.late, counted.mark);
        (number, stopped, counted.cost(), Columns(counts), records, late, first_append_ms, mark, sequences, last_seen)
            .into_pyobject(py)
    }

    /// What the plain fold has counted, in the kernel's form.
    fn columns(&self, counts: &Bound<'_, PyDict>) -> PyResult<Columns> {
        let mut columns = columns::Columns::new(Arc::clone(&self.costs));
        for (group, articles) in counts.iter() {
            let (slice, site, outcome): (i64, String, String) = group.extract()?;
            for (article, count) in articles.cast::<PyDict>()?.iter() {
                columns.count(slice, &site, &outcome, &article.extract::<String>()?, count.extract()?);
            }
        }
        Ok(Columns(columns))
    }
}

#[pymodule]
mod _kernel {
    #[pymodule_export]
    use super::{Buckets, Columns, Fold, Keys, Record, Routed, Routing};
    #[pymodule_export]
    use super::{Sequences, Stretch, clean_batches, crc_fits, cut, home_of};

    #[pymodule_init]
    fn init(module: &super::Bound<'_, super::PyModule>) -> super::PyResult<()> {
        use super::PyModuleMethods;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}
