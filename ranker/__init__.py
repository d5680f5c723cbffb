"""An event-driven popularity ranking engine: a log of page views becomes exact, live ranked lists."""

__version__ = "0.1.0"
