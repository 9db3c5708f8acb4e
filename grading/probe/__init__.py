"""What runs beside the student's code: it calls the code and returns plain data. It knows no answer.

Each module here is loaded, as source text, into the student's kernel. So it may import only the
standard library, numpy and torch, `grading.wire` and its neighbours, and must hold nothing that a
student should not read.
"""
