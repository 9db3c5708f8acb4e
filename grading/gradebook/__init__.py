"""nbgrader's database with one writer, and what is kept beside it: scores, records, late penalties, copies."""
