"""An event-driven popularity ranking engine: a log of page views becomes exact, live ranked lists."""

from ranker.service.version import VERSION

__version__ = VERSION
