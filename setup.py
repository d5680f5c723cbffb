"""What pyproject.toml cannot say: a wheel that holds the kernel is for one platform and every Python from 3.11 on."""

from pathlib import Path

from setuptools import setup

has_kernel = Path(__file__).with_name("ranker").joinpath("kernel", "_kernel.abi3.so").is_file()

setup(has_ext_modules=lambda: has_kernel, options={"bdist_wheel": {"py_limited_api": "cp311"}} if has_kernel else {})
