"""Kernels for students' code: how they are started, forked and talked to."""
