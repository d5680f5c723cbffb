"""Programs that emit page views and articles. They share only `schemas` with what counts them."""
