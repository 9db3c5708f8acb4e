"""Submissions that resemble each other more than independent work does: winnowing, as in MOSS.

S. Schleimer, D. S. Wilkerson, A. Aiken, Winnowing: Local Algorithms for Document Fingerprinting, SIGMOD 2003.

No package does it well enough. copydetect (0.5.0, the last, is of March 2024) compares whole files, each pair of them,
and knows neither comments nor prose; compare50 is under the GPL, compares files, and needs attrs before version 21.
"""
