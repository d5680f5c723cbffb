//! What Python sees of counts and of what they change: see ../changes.py.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::columns;
use crate::{guarded, msgpack, route};

/// Counts by slice, site, outcome and article.
#[pyclass(module = "ranker.kernel._kernel")]
pub struct Columns(pub columns::Columns);

#[pymethods]
impl Columns {
    fn add(&mut self, py: Python<'_>, other: PyRef<'_, Self>) -> PyResult<()> {
        let (mine, other) = (&mut self.0, &other.0);
        py.detach(|| guarded(|| mine.add(other)))
    }

    fn cost_with(&mut self, py: Python<'_>, other: PyRef<'_, Self>, enough: i64) -> PyResult<u64> {
        let (mine, other) = (&mut self.0, &other.0);
        py.detach(|| guarded(|| mine.cost_with(other, enough.max(0).unsigned_abs())))
    }

    #[getter]
    fn cost(&self) -> u64 {
        self.0.counts.cost
    }

    /// Outcome to its events, negative ones counted as well.
    fn events(&self) -> HashMap<&str, u64> {
        let mut events = HashMap::new();
        for entry in &self.0.counts.entries {
            let outcome = self.0.counts.groups[entry.group as usize].outcome;
            *events.entry(self.0.outcomes.get(outcome)).or_default() += entry.count.unsigned_abs();
        }
        events
    }

    /// (slice, site, outcome) to articles to counts.
    fn as_dicts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = &self.0;
        let counts = PyDict::new(py);
        let mut groups = Vec::with_capacity(columns.counts.groups.len());
        for group in &columns.counts.groups {
            let articles = PyDict::new(py);
            counts.set_item((group.slice, columns.sites.get(group.site), columns.outcomes.get(group.outcome)), &articles)?;
            groups.push(articles);
        }
        for entry in &columns.counts.entries {
            groups[entry.group as usize].set_item(columns.articles.get(entry.article), entry.count)?;
        }
        Ok(counts)
    }

    /// The changes that these counts make above these floors.
    fn route(slf: &Bound<'_, Self>, routing: &Bound<'_, Routing>, floors: Vec<i64>) -> PyResult<Routed> {
        let (columns, by) = (&slf.try_borrow()?.0, &routing.get().0);
        let routed = slf.py().detach(|| guarded(|| route::route(columns, by, &floors)))?;
        Ok(Routed { columns: slf.clone().unbind(), routing: routing.clone().unbind(), routed })
    }
}

#[pyclass(frozen, module = "ranker.kernel._kernel")]
pub struct Routing(route::Routing);

#[pymethods]
impl Routing {
    #[new]
    fn new(lanes: i64, fine_per_slice: Vec<i64>, boards_of: HashMap<String, Vec<(String, i64)>>) -> Self {
        Self(route::Routing { lanes, fine_per_slice, boards_of })
    }
}

/// Site, board, windows, articles and increments as msgpack, and their number.
type Increase<'py> = (String, String, Vec<usize>, Bound<'py, PyBytes>, Bound<'py, PyBytes>, usize);

/// The changes of counts above some floors, as bytes.
#[pyclass(module = "ranker.kernel._kernel")]
pub struct Routed {
    columns: Py<Columns>,
    routing: Py<Routing>,
    routed: route::Routed,
}

#[pymethods]
impl Routed {
    /// (tier, slice) and its number of counts, in the order of the numbers by which they are asked for.
    fn slices(&self) -> Vec<((usize, i64), usize)> {
        let slices = self.routed.slices.iter().enumerate();
        slices.map(|(number, slice)| ((slice.tier, slice.slice), self.routed.size(number))).collect()
    }

    /// (site, window, outcome) to what it adds to.
    fn sums<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = &self.columns.try_borrow(py)?.0;
        let sums = PyDict::new(py);
        for (site, window, outcome, sum) in self.routed.sums() {
            sums.set_item((columns.sites.get(site), window, columns.outcomes.get(outcome)), sum)?;
        }
        Ok(sums)
    }

    fn increases<'py>(&self, py: Python<'py>) -> PyResult<Vec<Increase<'py>>> {
        let (columns, routing) = (&self.columns.try_borrow(py)?.0, &self.routing.get().0);
        let routed = &self.routed;
        let packed = py.detach(|| {
            guarded(|| {
                let increases = routed.increases(columns, routing).into_iter();
                increases.map(|one| {
                    let (mut articles, mut increments) = (Vec::new(), Vec::new());
                    msgpack::array(&mut articles, one.counted.len());
                    msgpack::array(&mut increments, one.counted.len());
                    for &(article, increment) in &one.counted {
                        msgpack::text(&mut articles, columns.articles.get(article));
                        msgpack::integer(&mut increments, increment);
                    }
                    (one, articles, increments)
                }).collect::<Vec<_>>()
            })
        })?;
        let bytes = |packed: Vec<u8>| PyBytes::new(py, &packed);
        let found = packed.into_iter().map(|(one, articles, increments)| {
            let site = columns.sites.get(one.site).to_owned();
            (site, one.board.to_owned(), one.windows, bytes(articles), bytes(increments), one.counted.len())
        });
        Ok(found.collect())
    }

    fn strays(&self, py: Python<'_>, partition: u32, partitions: u32) -> PyResult<Vec<String>> {
        let (columns, routed) = (&self.columns.try_borrow(py)?.0, &self.routed);
        py.detach(|| guarded(|| routed.strays(columns, partition, partitions)))
    }

    /// The delta of a slice without its first byte, before it is compressed if it is `sealed`, and whether it is columns.
    fn delta<'py>(&mut self, py: Python<'py>, number: usize, sealed: bool) -> PyResult<(bool, Bound<'py, PyBytes>)> {
        let (columns, routed) = (&self.columns.try_borrow(py)?.0, &mut self.routed);
        let (is_columns, delta) = py.detach(|| {
            guarded(|| if sealed { routed.sealed(number, columns) } else { (false, routed.open(number, columns)) })
        })?;
        Ok((is_columns, PyBytes::new(py, &delta)))
    }
}
