"""Dagster and what a run does step by step: the only package, with definitions.py, that imports dagster."""
