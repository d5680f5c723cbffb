"""Every metric of the ranker's processes. Their declarations are the documentation; docs/metrics.md is made of them.

A family belongs to the class of the process that sets it. Labels are bounded: partitions, board outcomes, replies,
routes, the first 100 names of producers; never an article, never a site. Counters count since the process started,
unless the text says otherwise.
"""

from ranker.metrics.consumer_metrics import ConsumerMetrics
from ranker.metrics.reader_metrics import ReaderMetrics
from ranker.metrics.run_metrics import FreezeMetrics, VerifyMetrics
from ranker.service.metrics import new_registry

__all__ = ["ConsumerMetrics", "FreezeMetrics", "ReaderMetrics", "VerifyMetrics", "new_registry"]
