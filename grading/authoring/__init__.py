"""Make and check the course: releases, new exercises, handouts, mutants, the sample class, the benchmark."""
