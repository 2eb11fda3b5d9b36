"""Figures as Vega-Lite: one chart for HTML and PNG, drawn from the published warehouse as known at a moment."""
