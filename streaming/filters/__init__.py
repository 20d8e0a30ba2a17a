"""Filters that drop or move events between a source and a `Stepper`.

`settings` says what a filter is to do and reads it from text; `chain` makes filters of settings, runs them.
"""
