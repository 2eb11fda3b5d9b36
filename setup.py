"""What pyproject.toml cannot say: packages that are found, and one that is in another folder."""

from setuptools import find_namespace_packages, setup

setup(packages=[*find_namespace_packages(include=["r2k_pipeline*"]), "r2k_pipeline.sql"])
