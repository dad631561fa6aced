"""Kinds of data, one a file: each has a `KIND`, whose name is a value of `data.source`."""
